"""Positions along an axis: checked, and turned into an index of the whole tensor."""

from math import prod
from typing import Any

import numpy as np

from ..arrays.integers import positions
from ..engine.graph import Array
from ..ops.indexing import Getitem
from ._operands import plain_array


def along(axis: int, part: Any) -> tuple[Any, ...]:
    """The index that takes `part`, a slice or positions, along one axis, and all of the others."""
    return (*(slice(None),) * axis, part, ...)


def integers(name: str, index: Any) -> Array:
    """A copy of the index, which must hold integers, as int64."""
    return positions(f"{name}: index", plain_array(index, f"{name}: index", "integers", "iu"))


def check_range(name: str, positions: Array, start: int, stop: int, what: str) -> None:
    """IndexError unless start <= position < stop for all of them."""
    outside = positions[(positions < start) | (positions >= stop)]
    if outside.size:
        where = f"{stop} classes" if what == "classes" else f"{what}, which has size {stop}"
        raise IndexError(f"{name}: {outside[0]} is out of range for {where}")


def read_along(x: Any, positions: Array, axis: int, distinct: bool = True) -> tuple[Any, Any]:
    """The elements at `positions` along the axis (see np.take_along_axis), and the positions.

    distinct: whether no element is named twice.
    """
    # One index into the flat data, since NumPy adds at single indices much faster than at pairs.
    shape, along_axis = x.shape or (1,), np.atleast_1d(positions)
    steps = [prod(shape[number + 1 :]) for number in range(len(shape))]
    flat = along_axis * steps[axis]
    for number, (size, step) in enumerate(zip(shape, steps, strict=True)):
        if number != axis % len(shape):
            flat += step * np.arange(size).reshape(-1, *(1,) * (len(shape) - number - 1))
    values = Getitem.apply(x.reshape(-1), index=(flat.reshape(-1),), distinct=distinct)
    return values.reshape(positions.shape), x._wrap(positions, None)
