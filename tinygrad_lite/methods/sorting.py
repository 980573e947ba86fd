"""Order: sorting, the largest elements, the median.

All of them find positions first and read the elements there, so the gradient of each result goes to
the element that it is.  Sorting is stable: elements that are equal keep their order, also when the
largest come first.  nan counts as the largest.
"""

from math import prod
from typing import Any, Self

import numpy as np

from ..graph import Array, TensorBase
from ..ops.indexing import Getitem
from ..shapes import Axis, keepdim_shape, normalize_axes
from .operands import as_float


class SortingMethods(TensorBase):
    """Sorting along an axis; a 0-d tensor is one element long."""

    __slots__ = ()

    def sort(self, axis: int = -1, descending: bool = False) -> tuple[Self, Self]:
        """The elements in order along the axis, and the positions (int64) that they came from."""
        return read_along(self, *_order(self, "sort", axis, descending))

    def argsort(self, axis: int = -1, descending: bool = False) -> Self:
        """The positions (int64) that put the elements in order along the axis: sort()[1]."""
        return self._wrap(_order(self, "argsort", axis, descending)[0], None)

    def topk(
        self, k: int, axis: int = -1, largest: bool = True, sorted_: bool = True
    ) -> tuple[Self, Self]:
        """The k largest elements along the axis, or the smallest, and their positions (int64).

        They come in order, the most extreme first, whatever `sorted_` says.
        """
        order, axis = _order(self, "topk", axis, descending=largest)
        size = order.shape[axis] if order.ndim else 1
        if not isinstance(k, (int, np.integer)):
            raise TypeError(f"topk: k is an integer; got {k!r}")
        if not 0 <= k <= size:
            raise ValueError(f"topk: expected k from 0 to {size}, the size of axis {axis}; got {k}")
        if order.ndim:
            order = order[(slice(None),) * axis + (slice(k),)]
        return read_along(self, order, axis)

    def median(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """The middle element in order; of an even number, the mean of the two middle ones.

        nan if there is a nan, or no element.  As np.median; PyTorch takes the lower of the two.
        Integers give float32.
        """
        x: Any = as_float(self)
        axes = normalize_axes(axis, x.ndim, "median")
        count = prod(x.shape[number] for number in axes)
        if count == 0:
            return x.mean(axes, keepdim)  # nan
        rest = tuple(number for number in range(x.ndim) if number not in axes)
        rows = x.permute(rest + axes).reshape(*(x.shape[number] for number in rest), count)
        order = np.argsort(rows.data, axis=-1, kind="stable")
        last = order[..., -1:]  # a nan, if there is one
        spoilt = np.isnan(np.take_along_axis(rows.data, last, -1))
        middle = np.where(spoilt, last, order[..., (count - 1) // 2 : count // 2 + 1])
        found = read_along(rows, middle, -1, distinct=False)[0].mean(-1)
        return found.reshape(keepdim_shape(x.shape, axes)) if keepdim else found


def _order(tensor: TensorBase, name: str, axis: int, descending: bool) -> tuple[Array, int]:
    """The positions that put the elements in order along the axis, and the axis from the front."""
    x = tensor._data
    if isinstance(axis, (tuple, list)) or axis is None:
        raise TypeError(f"{name}: an axis is an integer; got {axis!r}")
    (axis,) = normalize_axes(axis, x.ndim, name) or (0,)
    line = np.atleast_1d(x)
    if descending:  # from the end, so that equal elements keep their order when all is turned round
        backwards = np.argsort(np.flip(line, axis), axis=axis, kind="stable")
        order = line.shape[axis] - 1 - np.flip(backwards, axis)
    else:
        order = np.argsort(line, axis=axis, kind="stable")
    return order.reshape(x.shape), axis


def read_along(x: Any, positions: Array, axis: int, distinct: bool = True) -> tuple[Any, Any]:
    """The elements at `positions` along the axis (see np.take_along_axis), and the positions.

    distinct: whether they name no element twice.
    """
    # One index into the flat data: NumPy adds at such ones 25 times as fast as at pairs.
    shape, places = x.shape or (1,), np.atleast_1d(positions)
    steps = [prod(shape[number + 1 :]) for number in range(len(shape))]
    flat = places * steps[axis]
    for number, (size, step) in enumerate(zip(shape, steps, strict=True)):
        if number != axis % len(shape):
            flat += step * np.arange(size).reshape(-1, *(1,) * (len(shape) - number - 1))
    values = Getitem.apply(x.reshape(-1), index=(flat.reshape(-1),), distinct=distinct)
    return values.reshape(positions.shape), x._wrap(positions, None)
