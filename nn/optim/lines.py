"""The step of an optimiser while `capture` records it: how it is written into the program.

The formula runs once, on objects that note what is done with them.  Options and counts are read
again in each replay, so its lines hold for any learning rate.  What they do not hold for, other
groups, other flags, another state, is checked before each replay.

A formula is replayed as one call, by `replayed`, if it looks at values, if it is a user's, or if
the parameters are so large that it runs on threads.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tinygrad_lite import Tensor

from .chunks import CHUNK, MIN_PARALLEL, Array, Formula, converted
from .groups import Group
from .updates import Due, apply, due, prepare

Update: TypeAlias = tuple[Due, Array, Array]  # with the arrays of the parameter and its gradient


class Carried(dict[str, Any]):
    """The options of a group, each read when the formula first asks for it.

    Read-only: what the formula assigned would not be assigned in a replay.
    """

    def __init__(self, recording: Any, group: Group, position: int) -> None:
        super().__init__()
        self.recording, self.group, self.position = recording, group, position

    def __missing__(self, name: str) -> Any:
        value = self.recording.numbers.option(self.group, name, self.position)
        super().__setitem__(name, value)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """The option; the default if the group has none of this name."""
        return self[name] if name in self.group else default

    def __contains__(self, name: object) -> bool:
        return name in self.group

    def __setitem__(self, name: str, value: Any) -> None:
        self.recording.leak(f"{name} is assigned by the formula", None)


class Count:
    """A number of the state, for `advance`."""

    def __init__(self, recording: Any, array: Array) -> None:
        self.recording, self.array = recording, array

    def item(self) -> Any:
        """The number, as it is in each replay."""
        return self.recording.numbers.element(self.array)


def record(
    recording: Any,
    optimiser: Any,
    formula: Formula,
    whole: bool,
    updates: Sequence[Due],
    parameters: Sequence[Array],
    gradients: Sequence[Array],
) -> None:
    """Apply the formula, and write into the program how."""
    recording.label = (type(optimiser).__name__, "update")
    small, large = divided(optimiser, whole, list(zip(updates, parameters, gradients, strict=True)))
    numbers = recording.numbers
    require_groups(numbers, optimiser)
    numbers.same.append((vars(optimiser), "finiteness", optimiser.finiteness))
    if optimiser.finiteness is not None:
        small, large = [], [*small, *large]
    if attempt(recording, optimiser, formula, small):
        require_states(numbers, optimiser, [update for update, _, _ in small])
        numbers.writable += written_by(optimiser, small)
    else:
        large = [*small, *large]
    if large:
        due, parameters, gradients = zip(*large, strict=True)
        tensors = [update.parameter for update in due]
        given = (optimiser, formula, whole, tensors, parameters, gradients)
        mark = recording.mark()
        lines = is_ours(optimiser) and optimiser.finiteness is None
        if lines and attempt(recording, optimiser, formula, large):
            recording.instead(mark, replayed, given)
        else:
            recording.call_whole(replayed, given, {}, always=True)
    recording.label = ("", "forward")  # what comes next is nobody's gradient


def require_groups(numbers: Any, optimiser: Any) -> None:
    """In a replay, the optimiser has the same groups of the same parameters."""
    groups = optimiser.param_groups
    numbers.same.append((vars(optimiser), "param_groups", groups))
    numbers.lengths.append(groups)
    for position, group in enumerate(groups):
        params = group["params"]
        numbers.same += [(groups, position, group), (group, "params", params)]
        numbers.same += [(params, number, tensor) for number, tensor in enumerate(params)]
        numbers.lengths.append(params)


def require_states(numbers: Any, optimiser: Any, updates: Sequence[Due]) -> None:
    """In a replay, the states of these parameters hold the same arrays."""
    numbers.same.append((vars(optimiser), "state", optimiser.state))
    for update in updates:
        state = update.state
        numbers.same.append((optimiser.state, update.parameter, state))
        names = (*update.names, *optimiser.numbers(update.group))
        numbers.same += [(state, name, state[name]) for name in names]


def attempt(recording: Any, optimiser: Any, formula: Formula, updates: Sequence[Update]) -> bool:
    """Apply the formula in lines; if that cannot be recorded, nothing has changed."""
    for update, array, _ in updates:
        prepare(optimiser, value_of(array), update.state, update.group)
    saved = [(array, array.copy()) for array in written_by(optimiser, updates)]
    done: bool = recording.attempt(in_lines, recording, optimiser, formula, updates)
    if not done:
        for array, copy in saved:  # the formula may have begun to write
            array[...] = copy
    return done


def written_by(optimiser: Any, updates: Sequence[Update]) -> list[Array]:
    """The arrays that these updates write into."""
    written = []
    for update, array, _ in updates:
        names = (*update.names, *optimiser.numbers(update.group))
        written += [value_of(array), *[update.state[name] for name in names]]
    return written


def is_ours(optimiser: Any) -> bool:
    """Whether the formula is one of this package, which reads options and state, nothing else."""
    names = ("apply_single", "apply_whole", "advance", "keeps", "numbers")
    functions = [getattr(type(optimiser), name) for name in names]
    modules = [getattr(one, "__globals__", {}).get("__name__", "") for one in functions]
    ours = all(module.startswith("nn.optim.") for module in modules)
    return ours and vars(optimiser).keys().isdisjoint(names)


def divided(
    optimiser: Any, whole: bool, updates: Sequence[Update]
) -> tuple[Sequence[Update], Sequence[Update]]:
    """The updates that become lines, and those that stay one call."""
    size = sum(array.size for _, array, _ in updates)
    if not is_ours(optimiser) or size >= MIN_PARALLEL * CHUNK:
        return [], updates
    small = [update for update in updates if whole or update[1].size <= CHUNK]
    return small, [update for update in updates if not whole and update[1].size > CHUNK]


def in_lines(recording: Any, optimiser: Any, formula: Formula, updates: Sequence[Update]) -> None:
    """Apply the formula to each parameter as a whole, in its own shape."""
    positions = {id(group): position for position, group in enumerate(optimiser.param_groups)}
    options = {
        id(update.group): Carried(recording, update.group, positions[id(update.group)])
        for update, _, _ in updates
    }
    counts = []
    with np.errstate(all="ignore"):
        for (_, state, _, group, as_is, _), data, gradient in updates:
            carried = options[id(group)]
            names, numbers = optimiser.keeps(carried), optimiser.numbers(carried)
            after = optimiser.advance({n: Count(recording, state[n]) for n in numbers}, carried)
            part = {name: recording.outside(state[name]) for name in names} | after
            if as_is and not carried.get("maximize"):
                formula(gradient, data, part, carried)
            else:
                converted(formula, gradient, data, part, carried)
            counts += [(state[name], after[name]) for name in after if name in numbers]
    for array, number in counts:
        recording.outside(array)[()] = number


def replayed(
    optimiser: Any,
    formula: Formula,
    whole: bool,
    tensors: Sequence[Tensor],
    parameters: Sequence[Array],
    gradients: Sequence[Array],
) -> None:
    """The update of these parameters as one call, with checks as in an eager step."""
    gradients = [np.asarray(gradient) for gradient in gradients]  # a sum may be a scalar of NumPy
    given = dict(zip(map(id, tensors), zip(parameters, gradients, strict=True), strict=True))
    updates = due(optimiser, given)
    found = [given[id(update.parameter)] for update in updates]
    run = apply if optimiser.finiteness is None else optimiser.finiteness.apply
    run(optimiser, formula, whole, updates, *zip(*found, strict=True))


def value_of(array: Any) -> Array:
    """The array that is carried through the recording."""
    found: Array = array if type(array) is np.ndarray else array.value
    return found
