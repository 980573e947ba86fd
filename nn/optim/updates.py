"""One update: the parameters that are due, what is checked before it, and the formula on them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, NoReturn

import numpy as np

from tinygrad_lite import Tensor

from .chunks import HALF, Array, Chunks, State, computed_dtype, converted, empty_state
from .groups import Group


class Due(NamedTuple):
    """A parameter that is to be updated, with all that its update needs.

    names     of the arrays in its state
    as_is     whether the formula can run on the arrays as they are
    gradient  the array that is its gradient
    """

    parameter: Tensor
    state: State
    names: Sequence[str]
    group: Group
    as_is: bool
    gradient: Array


_new = tuple.__new__


def due(optimiser: Any, given: Mapping[int, tuple[Array, Array]] | None = None) -> list[Due]:
    """Every parameter that has a gradient; an error if one of them cannot be updated.

    given: the arrays of the parameters and of their gradients, by the parameter's identity, where
           they are not those that the tensors hold
    """
    found = []
    for group in optimiser.param_groups:
        names, numbers = optimiser.keeps(group), optimiser.numbers(group)
        for parameter in group["params"]:
            data: Any
            gradient: Any
            if given is not None:
                data, gradient = given.get(id(parameter), (None, None))
            else:
                data, gradient = parameter.data, parameter.grad
                if isinstance(gradient, Tensor):
                    gradient = gradient.data
                elif gradient is not None:
                    gradient = type(gradient)  # which is refused
            if gradient is not None:
                state = optimiser.state[parameter]
                as_is = _fits(optimiser, parameter, data, gradient, state, names, numbers)
                # A call of Due is slow.
                found.append(_new(Due, (parameter, state, names, group, as_is, gradient)))
    return found


def apply(
    optimiser: Any,
    formula: Callable[..., None],
    whole: bool,
    updates: Iterable[Due],
    parameters: Iterable[Array],
    gradients: Iterable[Array],
) -> None:
    """Apply the formula to every parameter that is due, then keep its new numbers."""
    chunks, counts = Chunks(whole), []
    for (_, state, names, group, as_is, _), data, gradient in zip(
        updates, parameters, gradients, strict=True
    ):
        task = formula
        if not as_is or group.get("maximize"):
            prepare(optimiser, data, state, group)
            task = partial(converted, formula)
        counted = optimiser.advance(state, group)
        chunks.add(task, group, data, gradient, state, names, counted)
        counts.append((state, counted))
    with np.errstate(all="ignore"):
        chunks.apply()
    for state, counted in counts:  # last, so that a step that failed does not count
        for name in counted:
            if name in state:
                state[name][()] = counted[name]


def prepare(optimiser: Any, data: Array, state: State, group: Group) -> None:
    """Make what is missing in the state of a parameter, and cast what has another dtype."""
    for name in optimiser.keeps(group):
        kept = state.get(name)
        if kept is None:
            state[name] = empty_state(data)
            state[name][...] = optimiser.start(name, group)
        elif kept.dtype != computed_dtype(data):
            state[name] = kept.astype(computed_dtype(data))
    for name in optimiser.numbers(group):
        if name not in state:
            state[name] = np.array(optimiser.start(name, group))


def _fits(
    optimiser: Any,
    parameter: Tensor,
    data: Array,
    gradient: Any,
    state: State,
    names: Iterable[str],
    numbers: Iterable[str],
) -> bool:
    """Whether the formula can run on the arrays as they are.

    An error if the parameter cannot be updated.
    """
    shape, dtype = data.shape, data.dtype
    is_array = isinstance(gradient, np.ndarray)
    if not is_array or gradient.shape != shape:
        got = gradient.shape if is_array else gradient.__name__
        expected = "expected a Tensor of that shape as its gradient"
        _refuse(optimiser, parameter, f"has shape {shape}; {expected}; got {got}")
    if not data.flags.writeable:
        _refuse(optimiser, parameter, "is read-only; assign a copy to its data")
    as_is: bool = gradient.dtype == dtype != HALF
    for name in numbers:
        if name not in state:
            as_is = False
    for name in names:
        kept = state.get(name)
        if kept is None:
            as_is = False
            continue
        if kept.shape != shape:
            before = f"it had {kept.shape} in the last step; make a new optimizer"
            _refuse(optimiser, parameter, f"has shape {shape}; {before}")
        if kept.dtype != dtype:
            as_is = False
        if not kept.flags.writeable or not (as_is or kept.dtype.kind == "f"):
            array = f"{name} in its state, which is {kept.dtype} or read-only"
            _refuse(optimiser, parameter, f"needs a writable array of floats as {array}")
    return as_is


def _refuse(optimiser: Any, parameter: Tensor, reason: str) -> NoReturn:
    """The error for a parameter that cannot be updated."""
    (position,) = (i for i, other in enumerate(optimiser.params) if other is parameter)
    raise ValueError(f"step: parameter {position} {reason}")
