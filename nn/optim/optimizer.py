"""The base class of all optimisers: the parameters in groups, their state, and the step."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import Observer, Tensor, arguments, enable_grad, recorded

from .._notebook import Notebook, of_optimizer
from .._processes import Exchange, current
from .._steps import Steps
from . import lines
from .checks import Check, not_negative
from .chunks import Array, SpareArrays, State
from .finiteness import FiniteSteps
from .groups import Group, groups_of, refuse_in_a_captured_step, unnamed
from .saving import loaded, loaded_groups, saved, saved_groups
from .updates import apply, due, prepare


class Optimizer(Notebook):
    """Updates parameters in place, using the gradients that `backward` left in `.grad`.

    A subclass writes `apply_single`, the formula, and takes its options from the group.

        class SignSGD(Optimizer):
            def apply_single(self, gradient, parameter, state, group):
                parameter -= group["lr"] * np.sign(gradient)

        optimizer = SignSGD(model.parameters(), lr=0.01)

    params        the tensors to train (leaves that require grad), `model.parameters()`; or pairs
                  of a name and a tensor, `model.named_parameters()`; or groups with options of
                  their own: [{"params": ..., "lr": 0.1}, {"params": ...}]
    options       what holds in every group that says nothing else; PyTorch's way to pass them, as
                  one dict, works too

    param_groups  a list of dicts: "params", and all options.  `group["lr"] = 0.01` assigns one;
                  `optimizer.lr = 0.01` assigns it in all groups, and `optimizer.lr` reads it.
                  A number out of range is refused at once, so that no step fails because of it
    state         a dict for every parameter: the numbers and the arrays that the formula keeps

    check_finite  True to raise FloatingPointError in a step that has, or would make, an inf or nan:
                  before anything is changed, with the name of the parameter if it came with one,
                  and the op that made the gradient so, as trace_nan finds it.  For that, backward
                  passes free their graph only at their end, and a step copies what it changes: use
                  it to find a fault.  It is no part of the state

    With the option `maximize=True` the gradient comes to the formula negated.

    Errors: TypeError if `params` are not tensors or an option is not a number; ValueError if there
    are no params, if one does not require grad or occurs twice, and for an option out of range.
    """

    # The options whose values are checked, by name; others are taken as they are.
    checks: ClassVar[dict[str, Check]] = {
        "lr": not_negative,
        "weight_decay": not_negative,
        "maximize": arguments.flag,
    }

    # The numbers that may be missing in a state that is loaded, and what they are then.
    presumed: ClassVar[dict[str, float]] = {}

    # Who exchanges the gradients with other processes
    exchange: Exchange | None = None

    def __init__(
        self,
        params: Iterable[Any],
        defaults: Mapping[str, Any] | None = None,
        *,
        check_finite: bool = False,
        **options: Any,
    ) -> None:
        name = type(self).__name__
        refuse_in_a_captured_step("makes an optimizer")
        self.param_groups: list[Group] = []
        self.state: defaultdict[Tensor, State] = defaultdict(dict)
        self.defaults = Group(type(self), {**(defaults or {}), **options})
        self._spare = SpareArrays()
        self._steps = Steps()
        self.check_finite = check_finite
        for group in groups_of(params, name):
            self.add_param_group(group)
        if not self.params:
            raise ValueError(
                f"{name}: got no parameters; those of a model are its Tensors with "
                "requires_grad=True"
            )

    # What a subclass may override

    def keeps(self, group: Group) -> tuple[str, ...]:
        """The names of the arrays to keep for every parameter of a group.

        They have the parameter's shape and dtype; those of a float16 parameter are float32.
        """
        return ()

    def numbers(self, group: Group) -> tuple[str, ...]:
        """The names of the numbers to keep for every parameter of a group, as 0-d arrays."""
        return ("step",)

    def start(self, name: str, group: Group) -> float:
        """What a number or the elements of an array in the state are before the first update."""
        return 0.0

    def advance(self, state: State, group: Group) -> dict[str, float]:
        """The numbers of one parameter's state after this update; the formula gets them.

        What else is returned goes to the formula, and is not kept.
        """
        return {"step": state["step"].item() + 1}

    def apply_single(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """Update `parameter` and the arrays in `state` in place.

        All are 1-d arrays of the same length, the same chunk of each; `gradient` must not be
        written to.  state["step"] is 1 in the first update.  Several threads may call this at the
        same time, each with other chunks.  Of a float16 parameter, this is a float32 copy, which
        is rounded once when it is written back.
        """
        raise NotImplementedError(f"{type(self).__name__} has no apply_single")

    def apply_whole(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The same for a formula that needs a whole parameter, for its norm for example.

        All have the parameter's shape.  If a subclass has this, `apply_single` is not called.
        """
        raise NotImplementedError(f"{type(self).__name__} has no apply_whole")

    # The step

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; the others stay the same.

        closure: called first, with grad enabled; it computes the loss and calls `backward`.

        Returns what the closure returned.

        With `nn.distributed` and chunks, a batch comes in several parts: then the step does nothing
        until the gradients of the whole batch are there, after the last one.  In a loop over
        parts of batches, an optimiser that is not distributed raises.

        A number that overflows or underflows is no error, whatever np.seterr and Python's filter of
        warnings say: inf, nan and 0 are written, as IEEE 754 prescribes.

        Errors, before anything is written: RuntimeError if no parameter has a gradient, or only
        those of one of several processes, and ValueError if one or its gradient changed its shape
        or cannot be written.  After an error in a subclass's own formula, what it had updated stays
        so, and the step does not count.
        With check_finite, FloatingPointError for an inf or nan; then no parameter is changed.
        """
        processes = current()
        if processes.chunks and not self._is_due(closure):
            return None
        loss = None if closure is None else self._loss(closure)
        if processes.parts > 1:
            self._refuse_own_gradients()
        updates, recording = due(self), recorded.recorder.get()
        if not updates:
            raise RuntimeError(
                "step: no parameter has a gradient; call loss.backward() first, after zero_grad(), "
                "and make the optimizer after the model, from the parameters that the model uses"
            )
        run: Callable[..., None] = apply
        finiteness = self.finiteness
        if finiteness is not None:
            finiteness.begin(self, updates, recording)
            run = finiteness.apply
        tensors, *_, gradients = zip(*updates, strict=True)
        for tensor in tensors:  # before there are references to the arrays
            tensor.mark_changed()
        parameters = [tensor.data for tensor in tensors]
        whole = type(self).apply_whole is not Optimizer.apply_whole
        formula = self.apply_whole if whole else self.apply_single
        if recording is None:
            self._steps.note(self, gradients)
            observer = Observer.current("module")  # may measure the update
            if observer is None:
                run(self, formula, whole, updates, parameters, gradients)
            else:
                with observer.module(f"{type(self).__name__}.step()"):
                    run(self, formula, whole, updates, parameters, gradients)
        else:
            self._steps.capture(gradients[0])
            lines.record(recording, self, formula, whole, updates, parameters, gradients)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of all parameters to None, or to zeros."""
        if set_to_none is not True and not arguments.flag(set_to_none, "zero_grad: set_to_none"):
            for parameter in self.params:
                if parameter.grad is not None:
                    parameter.grad = Tensor.from_array(np.zeros_like(parameter.grad.data))
            return
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.zero_grad()

    # Groups and options

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Train more parameters: {"params": ..., "lr": ...}; other options are as in the others."""
        name = type(self).__name__
        refuse_in_a_captured_step("adds a group of parameters")
        if not isinstance(group, Mapping) or "params" not in group:
            raise arguments.wrong(f"{name}: add_param_group", 'a dict with "params"', group)
        self.defaults.refuse_misspelt(name for name in group if name != "params")
        added = Group(type(self), {**self.defaults, **unnamed(group, name)})
        self.check_group(added)
        known = {id(parameter) for parameter in self.params}
        for position, parameter in enumerate(added["params"]):
            if id(parameter) in known:
                raise ValueError(
                    f"{name}: parameter {position} of group {len(self.param_groups)}, of shape "
                    f"{parameter.shape}, is in another group; pass each one once"
                )
        self.param_groups.append(added)

    def check_group(self, group: Group) -> None:
        """Raise if the options of a group do not go together."""

    @property
    def params(self) -> list[Tensor]:
        """The parameters of all groups, in their order."""
        return [parameter for parameter, _ in self._each()]

    @property
    def check_finite(self) -> bool:
        """Whether a step that has, or would make, an inf or nan raises."""
        return self.finiteness is not None

    @check_finite.setter
    def check_finite(self, value: bool) -> None:
        wanted = arguments.flag(value, f"{type(self).__name__}: check_finite")
        self.finiteness: FiniteSteps | None = FiniteSteps(self) if wanted else None

    def __getattr__(self, name: str) -> Any:
        """The value of an option, if all groups have the same."""
        values = [group[name] for group in self.__dict__.get("param_groups", ()) if name in group]
        if not values or name == "params":
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
            )
        if any(value != values[0] for value in values):
            raise ValueError(
                f"{type(self).__name__}: {name}: the groups have different values, "
                f'{arguments.shown(values)}; read optimizer.param_groups[0]["{name}"]'
            )
        return values[0]

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign an attribute; an option is checked, and assigned in all groups."""
        if name in self.__dict__.get("defaults", ()):
            value = self.defaults.checked(name, value)
            for group in self.param_groups:
                group[name] = value
        else:
            super().__setattr__(name, value)

    # State

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that this optimiser knows, in PyTorch's layout.

            {"state": {0: {"step": ..., "exp_avg": ...}, ...}, "param_groups": [{"lr": ...}, ...]}

        The parameters are numbered from 0, through all groups; arrays and numbers are Tensors.
        `nn.state.get_state_dict(optimizer)` gives the state alone, under flat names, for a file.
        """
        state = {}
        for position, (parameter, group) in enumerate(self._each()):
            kept = self.state.get(parameter, {})
            names = kept if self._has_own_step() else (*self.numbers(group), *self.keeps(group))
            found = {name: saved(kept[name]) for name in names if name in kept}
            if found:
                state[position] = found
        return {"state": state, "param_groups": saved_groups(self.param_groups)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the options and the state that `state_dict()` gave, or PyTorch's did.

        Values are copied, and cast to the dtype of the parameters.  PyTorch's options that choose
        an implementation (foreach, fused, ...) are left out.

        Errors, before anything is changed: TypeError if it is no such dict; ValueError for other
        groups, another number of parameters, a state that is of another kind of optimiser or of
        other shapes, and for an option out of range.
        """
        where = f"{type(self).__name__}: load_state_dict"
        refuse_in_a_captured_step("loads the state of an optimizer")
        groups, entries = loaded_groups(where, self.param_groups, state_dict)
        states: dict[Tensor, State] = {}
        for group in groups:
            self.check_group(group)
            names, numbers = self.keeps(group), self.numbers(group)
            for parameter in group["params"]:
                entry, at = entries[parameter], f"{where}: parameter {len(states)}"
                if self._has_own_step():
                    states[parameter] = deepcopy(dict(entry))
                else:
                    states[parameter] = loaded(at, entry, parameter, names, numbers, self.presumed)
        for own, group in zip(self.param_groups, groups, strict=True):
            own.update(group)
        self.state.clear()
        self.state.update((parameter, state) for parameter, state in states.items() if state)

    def named_state(self) -> Iterator[tuple[str, Any]]:
        """The state as tensors that share its memory, for `nn.state.get_state_dict(optimizer)`.

        Every parameter has one, if need be that before the first update, so that the names are
        the same in an optimiser that was just made.
        """
        for position, (parameter, group) in enumerate(self._each()):
            state = self.state[parameter]
            if self._has_own_step():
                yield f"state.{position}", state
                continue
            prepare(self, parameter.data, state, group)
            for name in (*self.numbers(group), *self.keeps(group)):
                yield f"state.{position}.{name}", Tensor.from_array(state[name])

    def __getstate__(self) -> dict[str, Any]:
        """For copy and pickle: all but what is of use in this process only."""
        left_out = ("_spare", "_steps", "finiteness", "exchange")
        kept = {name: value for name, value in self.__dict__.items() if name not in left_out}
        return {**kept, "check_finite": self.check_finite}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        kept = {name: value for name, value in state.items() if name != "check_finite"}
        self.__dict__.update(kept, _spare=SpareArrays(), _steps=Steps())
        self.check_finite = bool(state.get("check_finite"))

    def _tree_node(self) -> tuple[str, Iterable[tuple[Any, Any]]]:
        return of_optimizer(self)

    def __repr__(self) -> str:
        lines = []
        for position, group in enumerate(self.param_groups):
            options = [f"{n}={v}" for n, v in group.items() if n not in ("params", "param_names")]
            count = sum(parameter.numel() for parameter in group["params"])
            noted = f"# {count:,} parameter{'s' * (count != 1)}"
            lines.append(f"  group {position}: {', '.join(options)}  {noted}")
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])

    # Inside

    def _each(self) -> Iterator[tuple[Tensor, Group]]:
        """Every parameter with its group."""
        for group in self.param_groups:
            for parameter in group["params"]:
                yield parameter, group

    def _has_own_step(self) -> bool:
        """Whether a subclass wrote `step` itself, and keeps in the state what it wants."""
        return type(self).step is not Optimizer.step

    def _is_due(self, closure: Any) -> bool:
        """Whether all parts of the batch have their gradients."""
        if closure is not None:
            raise ValueError(
                f"{type(self).__name__}.step: with chunks, expected no closure, which would see "
                "one part of a batch; call backward() before step()"
            )
        return not current().midway

    def _refuse_own_gradients(self) -> None:
        """Raise if the gradients are those of this process, and not of all."""
        if self.exchange is not None:
            self.exchange.step_begins()
        elif current().part is not None:
            name = type(self).__name__
            raise RuntimeError(
                f"{name}.step: in a loop over parts of batches, expected a distributed optimiser; "
                "got one that has the gradients of this part only: before the loop, "
                "nn.distributed.DistributedOptimizer(optimizer)"
            )

    def _loss(self, closure: Any) -> Any:
        """The result of the closure, which records a graph even within no_grad."""
        with enable_grad():
            return arguments.function(closure, f"{type(self).__name__}.step: closure")()

    def _decayed(self, gradient: Array, parameter: Array, group: Group) -> Array:
        """gradient + weight_decay * parameter, in spare memory.

        With decoupled weight decay the parameter itself decays, and the gradient stays the same.
        """
        if group.get("decoupled_weight_decay"):
            parameter *= 1 - group["lr"] * group["weight_decay"]
            return gradient
        decayed = self._spare(parameter, 1)
        np.multiply(parameter, group["weight_decay"], out=decayed)
        decayed += gradient
        return decayed
