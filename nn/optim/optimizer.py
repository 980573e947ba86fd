"""The base class of all optimisers: the parameters, their state, and the step."""

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import Tensor, arguments

from ..module import Module
from .chunks import Array, Chunks, SpareArrays, State


class Optimizer:
    """Updates parameters in place, using the gradients that `backward` left in `.grad`.

    A subclass writes `apply_single`, the formula.

        class SignSGD(Optimizer):
            def apply_single(self, gradient, parameter, state):
                parameter -= self.lr * np.sign(gradient)

    params  the tensors to train (leaves that require grad): `nn.state.get_parameters(model)`
    lr      the learning rate; may be assigned at any time
    state   one dict per parameter: "step", the number of updates, and the arrays that `keeps`
            names, which have the parameter's shape and start as zeros
    limits  of the class: the options that are numbers, each from 0 to below its limit.  They are
            checked when they are assigned, so that no step fails halfway because of them

    Errors: TypeError if `params` are not tensors or an option is not a number; ValueError if there
    are no params, if one does not require grad or occurs twice, and for an option out of range.
    """

    limits: ClassVar[dict[str, float]] = {"lr": math.inf}

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.params = _checked(type(self).__name__, params)
        self.lr = lr
        self.state: list[State] = [{"step": 0} for _ in self.params]
        self._spare = SpareArrays()

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign an attribute; an option of `limits` is checked, and becomes a Python float."""
        if name in self.limits:
            value = _number(f"{type(self).__name__}: {name}", value, self.limits[name])
        super().__setattr__(name, value)

    def keeps(self) -> tuple[str, ...]:
        """The names of the arrays to keep for every parameter."""
        return ()

    def apply_single(self, gradient: Array, parameter: Array, state: State) -> None:
        """Update `parameter` and the arrays in `state` in place.

        All are 1-d arrays of the same length, the same chunk of each; `gradient` must not be
        written to.  state["step"] is 1 in the first update.  Several threads may call this at the
        same time, each with other chunks.
        """
        raise NotImplementedError(f"{type(self).__name__} has no apply_single")

    def step(self) -> None:
        """Update every parameter that has a gradient; the others stay the same.

        A number that overflows or underflows is no error, whatever np.seterr and Python's filter of
        warnings say: inf, nan and 0 are written, as IEEE 754 prescribes.

        Errors, before anything is written: RuntimeError if no parameter has a gradient, and
        ValueError if one or its gradient changed its shape or cannot be written.  After an error
        in a subclass's own `apply_single`, what it had updated stays so, and the step does not
        count.
        """
        due = [
            (position, parameter, parameter.grad, state)
            for position, (parameter, state) in enumerate(zip(self.params, self.state, strict=True))
            if parameter.grad is not None
        ]
        if not due:
            raise RuntimeError(
                "step: no parameter has a gradient; call loss.backward() first, and make the "
                "optimizer after the model, from the parameters that the model uses"
            )
        names = self.keeps()
        for position, parameter, gradient, state in due:
            self._check_update(position, parameter, gradient, state, names)
        for _, parameter, _, _ in due:  # before there are chunks, which hold the arrays
            parameter.mark_changed()
        chunks = Chunks()
        for _, parameter, gradient, state in due:
            for name in names:
                if name not in state:
                    state[name] = np.zeros_like(parameter.data)
            chunks.add(parameter.data, gradient.data, state, names)
        with np.errstate(all="ignore"):
            chunks.apply(self.apply_single)
        for _, _, _, state in due:  # last, so that a step that failed does not count
            state["step"] += 1

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to None."""
        for parameter in self.params:
            parameter.grad = None

    def _check_update(
        self,
        position: int,
        parameter: Tensor,
        gradient: object,
        state: State,
        names: Iterable[str],
    ) -> None:
        """Raise unless the parameter can be updated with this gradient."""
        data = parameter.data
        shape = data.shape
        if not isinstance(gradient, Tensor) or gradient.shape != shape:
            got = gradient.shape if isinstance(gradient, Tensor) else type(gradient).__name__
            raise ValueError(
                f"step: parameter {position} has shape {shape}; expected a Tensor of "
                f"that shape as its gradient; got {got}"
            )
        if not data.flags.writeable:
            raise ValueError(f"step: parameter {position} is read-only; assign a copy to its data")
        for name in names:
            kept = state.get(name)
            if kept is None:
                continue
            if kept.shape != shape:
                raise ValueError(
                    f"step: parameter {position} has shape {shape}; it had {kept.shape} "
                    "in the last step; make a new optimizer"
                )
            if not kept.flags.writeable or kept.dtype.kind != "f":
                raise ValueError(
                    f"step: {name} of parameter {position} is {kept.dtype} or read-only; expected "
                    "a writable array of floats"
                )


def _number(name: str, value: Any, limit: float) -> float:
    """The value of an option as a Python float: a NumPy scalar would decide dtypes."""
    number = float(arguments.number(value, name))
    if not 0 <= number < limit:
        bounds = "0 or more" if limit == math.inf else f"a number from 0 to below {limit}"
        raise ValueError(f"{name}: expected {bounds}; got {number}")
    return number


def _checked(name: str, params: Iterable[Tensor]) -> list[Tensor]:
    """The parameters as a list, if an optimiser can train them."""
    if isinstance(params, Tensor):
        raise TypeError(f"{name}: expected a list of Tensors; got one Tensor; write [tensor]")
    if isinstance(params, Module | np.ndarray) or not isinstance(params, Iterable):
        raise TypeError(
            f"{name}: expected a list of Tensors; got a {type(params).__name__}; "
            "write nn.state.get_parameters(model)"
        )
    found = list(params)
    if not found:
        raise ValueError(
            f"{name}: got no parameters; those of a model are its Tensors with requires_grad=True"
        )
    first: dict[int, int] = {}
    for position, parameter in enumerate(found):
        if not isinstance(parameter, Tensor):
            raise TypeError(
                f"{name}: expected Tensors; got a {type(parameter).__name__} at position {position}"
            )
        where = f"parameter {position}, of shape {parameter.shape},"
        if not parameter.is_leaf:
            raise ValueError(
                f"{name}: {where} was computed by {parameter.op}; only leaves can be trained: "
                "pass the tensors it was computed from, or detach() it and set requires_grad"
            )
        if not parameter.is_parameter:
            raise ValueError(
                f"{name}: {where} does not require grad; make it with requires_grad=True, or "
                "leave it out"
            )
        if id(parameter) in first:
            raise ValueError(
                f"{name}: {where} is parameter {first[id(parameter)]} again; pass each one once"
            )
        first[id(parameter)] = position
    return found
