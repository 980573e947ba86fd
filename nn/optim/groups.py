"""Parameter groups: parameters, and the options with which they are updated."""

import operator
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Self

import numpy as np

from tinygrad_lite import Tensor, arguments, recorded

from ..module import Module


class Group(dict[str, Any]):
    """A dict of "params" and of options, each checked when it is assigned.

        optimizer.param_groups[0]["lr"] = 0.01

    A name that the optimiser does not know is yours, and kept as it is.  An option that it knows
    cannot be deleted.
    """

    while_recorded: type["Group"]  # the class of a group while a step is captured

    def __init__(self, owner: Any, entries: Mapping[str, Any]) -> None:
        """owner: a class of optimisers, whose `checks` hold here."""
        self.owner = owner
        super().__init__()
        self.update(entries)

    def refuse_misspelt(self, options: Iterable[Any]) -> None:
        """Raise if a name is nearly that of an option: it would be taken for one of the user's."""
        unknown = [name for name in options if isinstance(name, str) and name not in self]
        if unknown:
            from difflib import get_close_matches  # here, since few groups need it

            for name in unknown:
                for near in get_close_matches(name, self, 1, 0.85):
                    raise ValueError(
                        f"{self.owner.__name__}: {name}: no such option; did you mean {near}?"
                    )

    def checked(self, name: str, value: Any) -> Any:
        """The value in its plain form; an error if the option cannot have it."""
        recording = recorded.recorder.get()
        if recording is not None and recording.numbers.carries(value):
            return value  # each replay checks it
        check = parameters if name == "params" else self.owner.checks.get(name)
        prefix = self.owner.__name__
        return value if check is None else check(value, f"{prefix}: {name}")

    def __setitem__(self, name: str, value: Any) -> None:
        recording = recorded.recorder.get()
        if recording is not None and recording.numbers.carries(value):
            recording.numbers.assigned[id(self), name] = value
            recording.call_whole(operator.setitem, (self, name, value), {}, always=True)
            return
        refuse_in_a_captured_step(f"assigns {name} of an optimizer")
        super().__setitem__(name, self.checked(name, value))

    def update(self, *entries: Any, **more: Any) -> None:
        """Assign several, all of them or, if one is wrong, none."""
        given = dict(*entries, **more)
        refuse_in_a_captured_step(f"assigns {', '.join(map(str, given))} of an optimizer")
        super().update({name: self.checked(name, value) for name, value in given.items()})

    def __ior__(self, entries: Any) -> Self:  # type: ignore[override, misc]  # any mapping
        self.update(entries)
        return self

    def __delitem__(self, name: str) -> None:
        if name == "params" or name in self.owner.checks:
            raise TypeError(f"{self.owner.__name__}: {name}: cannot be deleted; assign a value")
        super().__delitem__(name)

    setdefault = MutableMapping.setdefault  # these use the methods above
    pop = MutableMapping.pop
    popitem = MutableMapping.popitem
    clear = MutableMapping.clear

    def __reduce__(self) -> Any:
        """For copy and pickle."""
        return Group, (self.owner, dict(self))


class RecordedGroup(Group):
    """A group while a step is captured: options that the user's code reads are read in replays."""

    def __getitem__(self, name: str) -> Any:
        recording = recorded.recorder.get()
        if recording is None or name in ("params", "param_names"):
            return super().__getitem__(name)
        return recording.numbers.option(self, name, 0)

    def get(self, name: str, default: Any = None) -> Any:
        """The option; the default if there is none of this name."""
        return MutableMapping.get(self, name, default)

    def items(self) -> Any:
        """Pairs of names and options."""
        return MutableMapping.items(self)

    def values(self) -> Any:
        """The options."""
        return MutableMapping.values(self)


Group.while_recorded = RecordedGroup


def refuse_in_a_captured_step(act: str) -> None:
    """A replay would not do this."""
    recording = recorded.recorder.get()
    if recording is not None:
        recording.fail(f"the step {act}; do that before the step")


def groups_of(params: Any, name: str) -> list[Mapping[str, Any]]:
    """What an optimiser is given, as groups: parameters alone are one."""
    found = listed(params, name)
    if not any(isinstance(each, Mapping) for each in found):
        return [{"params": found}]
    for position, group in enumerate(found):
        if not isinstance(group, Mapping) or "params" not in group:
            raise arguments.wrong(f"{name}: group {position}", 'a dict with "params"', group)
    return found


def unnamed(group: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A group whose parameters may come with names: these go to "param_names", as in PyTorch."""
    params = group["params"]
    found = [params] if isinstance(params, Tensor) else listed(params, name)
    if found and all(isinstance(each, tuple) and len(each) == 2 for each in found):
        names = [each[0] for each in found]
        return {**group, "params": [each[1] for each in found], "param_names": names}
    return {**group, "params": found}


def parameters(params: Any, where: str) -> list[Tensor]:
    """The parameters of one group as a list, if an optimiser can train them."""
    name = where.removesuffix(": params")
    found = listed(params, name)
    first: dict[int, int] = {}
    for position, parameter in enumerate(found):
        if not isinstance(parameter, Tensor):
            raise TypeError(
                f"{name}: expected Tensors; got a {type(parameter).__name__} at position {position}"
            )
        described = f"parameter {position}, of shape {parameter.shape},"
        if not parameter.is_leaf:
            raise ValueError(
                f"{name}: {described} was computed by {parameter.op}; only leaves can be trained: "
                "pass the tensors it was computed from, or detach() it and set requires_grad"
            )
        if not parameter.is_parameter:
            raise ValueError(
                f"{name}: {described} does not require grad; make it with requires_grad=True, or "
                "leave it out"
            )
        if id(parameter) in first:
            raise ValueError(
                f"{name}: {described} is parameter {first[id(parameter)]} again; pass each one once"
            )
        first[id(parameter)] = position
    return found


def listed(params: Any, name: str) -> list[Any]:
    """The elements of what is given as parameters, which must have an order."""
    if isinstance(params, Tensor):
        raise TypeError(f"{name}: expected a list of Tensors; got one Tensor; write [tensor]")
    unordered = isinstance(params, Mapping | set | np.ndarray) or not isinstance(params, Iterable)
    found = [] if unordered else list(params)
    layers = isinstance(params, Module) and not any(isinstance(each, Tensor) for each in found)
    if unordered or layers:
        raise TypeError(
            f"{name}: expected a list of Tensors; got a {type(params).__name__}; "
            "write nn.state.get_parameters(model)"
        )
    return found
