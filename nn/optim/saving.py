"""The state dict of an optimiser: written, and checked wholly before anything is loaded from it."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from tinygrad_lite import Tensor, arguments

from .chunks import State, empty_state
from .groups import Group

# Options that choose between implementations of PyTorch, and mean nothing here.
PYTORCHS = ("foreach", "fused", "capturable", "differentiable")


def saved(value: Any) -> Any:
    """A copy of a value in the state; of an array, a Tensor."""
    return Tensor(value) if isinstance(value, np.ndarray) else deepcopy(value)


def saved_groups(groups: Iterable[Group]) -> list[dict[str, Any]]:
    """The options of the groups, and the positions of their parameters."""
    found, position = [], 0
    for group in groups:
        options = {name: deepcopy(value) for name, value in group.items() if name != "params"}
        following = position + len(group["params"])
        found.append({**options, "params": list(range(position, following))})
        position = following
    return found


def loaded_groups(
    where: str, groups: Sequence[Group], state_dict: Any
) -> tuple[list[Group], dict[Tensor, Mapping[str, Any]]]:
    """The groups with the options of a state dict, and the state that it has for each parameter."""
    whole = isinstance(state_dict, Mapping) and {"state", "param_groups"} <= set(state_dict)
    if not whole or not isinstance(state_dict["state"], Mapping):
        raise arguments.wrong(where, 'a dict with "state" and "param_groups"', state_dict)
    given, states = state_dict["param_groups"], dict(state_dict["state"])
    if not isinstance(given, list | tuple):
        raise arguments.wrong(f"{where}: param_groups", "a list", given)
    if len(given) != len(groups):
        raise ValueError(f"{where}: expected {len(groups)} groups; got {len(given)}")
    found, entries = [], {}
    for number, (group, other) in enumerate(zip(groups, given, strict=True)):
        own, indices = group["params"], other.get("params") if isinstance(other, Mapping) else None
        if not isinstance(indices, list | tuple):
            raise arguments.wrong(f"{where}: group {number}", 'a dict with a list "params"', other)
        if not all(isinstance(index, int | str) for index in indices):
            expected = 'a dict whose "params" are numbers of parameters'
            raise arguments.wrong(f"{where}: group {number}", expected, indices)
        if len(own) != len(indices):
            raise ValueError(
                f"{where}: group {number}: expected {len(own)} parameters; got {len(indices)}"
            )
        skipped = (*PYTORCHS, "params", "param_names")
        options = {name: deepcopy(v) for name, v in other.items() if name not in skipped}
        found.append(Group(group.owner, {**group, **options}))
        for parameter, index in zip(own, indices, strict=True):
            entry = states.pop(index, {})
            if not isinstance(entry, Mapping):
                raise arguments.wrong(f"{where}: parameter {index}", "a dict", entry)
            entries[parameter] = entry
    if states:
        raise ValueError(f"{where}: no group has parameter {arguments.shown(next(iter(states)))}")
    return found, entries


def loaded(
    where: str,
    entry: Mapping[str, Any],
    parameter: Tensor,
    names: Sequence[str],
    numbers: Sequence[str],
    presumed: Mapping[str, float],
) -> State:
    """The state of one parameter: copies, in the dtype and memory layout of its own.

    names, numbers  the arrays and numbers that it has to hold
    presumed        what the numbers are that may be missing
    """
    given = {name: value for name, value in entry.items() if value is not None}
    if not given:
        return {}
    given = {**presumed, **given} if names else given
    missing = [name for name in (*numbers, *names) if name not in given]
    unexpected = [name for name in given if name not in names and name not in numbers]
    if missing or unexpected:
        lists = {"missing": missing, "unexpected": unexpected}
        parts = [f"{what} {', '.join(map(str, found))}" for what, found in lists.items() if found]
        raise ValueError(f"{where}: {'; '.join(parts)}")
    state: State = {}
    for name in (*numbers, *names):
        value = given[name]
        array = value.data if isinstance(value, Tensor) else np.asarray(value)
        shape = () if name in numbers else parameter.shape
        if array.dtype.kind not in "fiu" or array.shape != shape:
            raise ValueError(
                f"{where}: {name}: expected numbers of shape {shape}; got {arguments.shown(array)}"
            )
        if name in numbers and not 0 <= array < np.inf:
            raise ValueError(f"{where}: {name}: expected a number of 0 or more; got {array}")
        state[name] = np.empty((), np.float64) if name in numbers else empty_state(parameter.data)
        with np.errstate(all="ignore"):
            np.copyto(state[name], array, casting="same_kind")
    return state
