"""Positions along an axis: checked, and turned into an index of the whole tensor."""

from functools import wraps
from math import prod
from typing import Any

import numpy as np

from ..arrays.integers import positions
from ..arrays.recorded import check
from ..arrays.shapes import line_axis
from ..engine.graph import Array
from ..ops.indexing import Getitem
from ._operands import Method, plain_array


def along(axis: int, part: Any) -> tuple[Any, ...]:
    """The index that takes `part`, a slice or positions, along one axis, and all of the others."""
    return (*(slice(None),) * axis, part, ...)


def integers(name: str, index: Any) -> Array:
    """A copy of the index, which must hold integers, as int64."""
    return positions(f"{name}: index", plain_array(index, f"{name}: index", "integers", "iu"))


@check
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
    shape, along_axis = x.shape or (1,), positions.reshape(positions.shape or (1,))
    steps = [prod(shape[number + 1 :]) for number in range(len(shape))]
    flat = along_axis * steps[axis]
    for number, (size, step) in enumerate(zip(shape, steps, strict=True)):
        if number != axis % len(shape):
            flat += step * np.arange(size).reshape(-1, *(1,) * (len(shape) - number - 1))
    values = Getitem.apply(x.reshape(-1), index=(flat.reshape(-1),), distinct=distinct)
    return values.reshape(positions.shape), x._wrap(positions, None)


def as_line(method: Method) -> Method:
    """A decorator for method(self, axis, index, ...): a 0-d tensor counts as a line of one element.

    The index has one position then, and 0 dimensions or 1.  So has the result of `gather`; the
    others' has 0.
    """
    name = getattr(method, "__name__", "")

    @wraps(method)
    def call(self: Any, axis: Any, index: Any, *args: Any, **options: Any) -> Any:
        if self._data.ndim:
            return method(self, axis, index, *args, **options)
        given = integers(name, index)
        if given.shape not in ((), (1,)):
            raise ValueError(
                f"{name}: index: expected one position for a tensor of shape (); "
                f"got shape {given.shape}"
            )
        line_axis(axis, 0, name)
        result = method(self.reshape(1), 0, given.reshape(1), *args, **options)
        return result.reshape(given.shape if name == "gather" else ())

    return call  # type: ignore[return-value]  # the same signature
