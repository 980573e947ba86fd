"""Order: sorting, the largest elements, the median.

All of them find positions first and read the elements there, so the gradient of each result goes to
the element that it is.  Sorting is stable: elements that are equal keep their order, also when the
largest come first.  nan counts as the largest.
"""

from collections.abc import Sequence
from math import prod
from typing import Any, Self

import numpy as np

from ..arrays.shapes import Axis, integer, keepdim_shape, normalize_axes, normalize_axis
from ..engine.graph import Array, TensorBase
from ._operands import as_float
from ._positions import read_along
from ._theme import Theme


class SortingMethods(Theme):
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
        k = integer(k, "topk: k")
        axis = _single_axis("topk", axis, self._data.ndim)
        line = np.atleast_1d(self._data)
        if not 0 <= k <= line.shape[axis]:
            raise ValueError(
                f"topk: expected k from 0 to {line.shape[axis]}, the size of axis {axis}; got {k}"
            )
        positions = np.moveaxis(_first(np.moveaxis(line, axis, -1), k, largest), -1, axis)
        if not self._data.ndim and k:
            positions = positions.reshape(())
        return read_along(self, positions, axis)

    def median(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """The middle element in order; of an even number, the mean of the two middle ones.

        nan if there is a nan, or no element.  As np.median; PyTorch takes the lower of the two.
        Integers give float32.
        """
        return self._quantile("median", 0.5, axis, keepdim)

    def quantile(
        self, q: float | Sequence[float], axis: Axis = None, keepdim: bool = False
    ) -> Self:
        """The element at q (n - 1) in order, counted from 0; in between, a straight line.

        q from 0 to 1.  For a sequence of them, the results stand along a new first axis.  nan if
        there is a nan, or no element.  Integers give float32.
        """
        return self._quantile("quantile", q, axis, keepdim)

    def _quantile(self, name: str, q: Any, axis: Axis, keepdim: bool) -> Self:
        x = as_float(self)
        axes = normalize_axes(axis, x.ndim, name)
        places = np.array(q._data if isinstance(q, TensorBase) else q, np.float64)
        if places.ndim > 1 or not ((places >= 0) & (places <= 1)).all():
            raise ValueError(f"{name}: expected q from 0 to 1, a number or several; got {q!r}")
        count = prod(x.shape[number] for number in axes)
        rest = tuple(number for number in range(x.ndim) if number not in axes)
        rows = x.permute(rest + axes).reshape(*(x.shape[number] for number in rest), count)
        if count == 0:
            found = rows.mean(-1)[..., None].expand(*rows.shape[:-1], places.size)  # nan
        else:
            found = _between(rows, places.reshape(-1) * (count - 1))
        found = found.permute(-1, *range(found.ndim - 1))
        kept = keepdim_shape(x.shape, axes) if keepdim else found.shape[1:]
        return found.reshape(*places.shape, *kept)


def _between(rows: Any, places: Array) -> Any:
    """What stands at each of the places, which may lie between two elements, of the sorted rows."""
    before, after = np.floor(places), np.ceil(places)
    pairs = np.stack((before, after), axis=-1)
    shares = np.stack((after - places, places - before), axis=-1)
    shares[before == after] = 0.5  # both are the same element; not 1 and 0, as 0 inf is nan
    order = np.argsort(rows.data, axis=-1, kind="stable")
    last = order[..., -1:]  # a nan, if there is one
    spoilt = np.isnan(np.take_along_axis(rows.data, last, -1))
    read = np.where(spoilt, last, order[..., pairs.astype(np.int64).reshape(-1)])
    values = read_along(rows, read, -1, distinct=False)[0].reshape(*rows.shape[:-1], *pairs.shape)
    return (values * shares.astype(rows.dtype)).sum(-1)


def _single_axis(name: str, axis: int, ndim: int) -> int:
    """The axis counted from the front; 0 for a 0-d tensor."""
    if ndim == 0 and axis in (0, -1):
        return 0
    return normalize_axis(axis, ndim, name)


def _first(rows: Array, k: int, largest: bool) -> Array:
    """The positions of the k largest or smallest of each row, in order; of equal ones the first.

    Sorting only those k takes a tenth of the time.
    """
    size = rows.shape[-1]
    if k == 0 or k == size or np.isnan(rows).any():
        return _sorted(rows, -1, largest)[..., :k]
    place = size - k if largest else k - 1
    limit = np.partition(rows, place, axis=-1)[..., place : place + 1]
    inside = rows > limit if largest else rows < limit
    level = rows == limit
    room = k - np.count_nonzero(inside, axis=-1, keepdims=True)
    inside |= level & (np.cumsum(level, axis=-1) <= room)
    positions = np.nonzero(inside)[-1].reshape(*rows.shape[:-1], k)
    order = _sorted(np.take_along_axis(rows, positions, -1), -1, largest)
    return np.take_along_axis(positions, order, -1)


def _order(tensor: TensorBase, name: str, axis: int, descending: bool) -> tuple[Array, int]:
    """The positions that put the elements in order along the axis, and the axis from the front."""
    x = tensor._data
    axis = _single_axis(name, axis, x.ndim)
    return _sorted(np.atleast_1d(x), axis, descending).reshape(x.shape), axis


def _sorted(x: Array, axis: int, descending: bool) -> Array:
    """The positions that put the elements in order along the axis."""
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    # From the end, so that equal elements keep their order when all is turned round.
    backwards = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(backwards, axis)
