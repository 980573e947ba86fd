"""Sorting, the largest elements, the median and other quantiles.

Each method finds positions first and reads the elements there, so the gradient goes to the selected
elements.  Sorting is stable: equal elements keep their order, in descending order too.  nan
counts as the largest.
"""

from collections.abc import Sequence
from math import prod
from typing import Any, Self

import numpy as np

from ..arrays.arguments import flag, integer, shown
from ..arrays.recorded import check, whole
from ..arrays.shapes import Axis, keepdim_shape, line_axis, normalize_axes
from ..engine.graph import Array, TensorBase
from ..ops.selection import Mask
from ._keywords import also
from ._operands import as_float, cast, plain_array
from ._positions import read_along
from ._theme import Theme


class SortingMethods(Theme):
    """Sorting along an axis; a 0-d tensor counts as one element."""

    __slots__ = ()

    @also("dim", "stable")
    def sort(self, axis: int = -1, descending: bool = False) -> tuple[Self, Self]:
        """The elements in order along the axis, and the positions (int64) they had before."""
        return read_along(self, *_order(self, "sort", axis, descending))

    @also("dim", "stable")
    def argsort(self, axis: int = -1, descending: bool = False) -> Self:
        """The positions (int64) that sort the elements along the axis: sort()[1]."""
        return self._wrap(_order(self, "argsort", axis, descending)[0], None)

    @also("dim", "sorted")
    def topk(
        self, k: int, axis: int = -1, largest: bool = True, sorted_: bool = True
    ) -> tuple[Self, Self]:
        """The k largest (or smallest) elements along the axis, and their positions (int64).

        The most extreme comes first, even if `sorted_` is False.
        """
        k = integer(k, "topk: k")
        axis = line_axis(axis, self._data.ndim, "topk")
        line = self._data.reshape(self._data.shape or (1,))
        if not 0 <= k <= line.shape[axis]:
            raise ValueError(
                f"topk: expected k from 0 to {line.shape[axis]}, the size of axis {axis}; "
                f"got {shown(k)}"
            )
        largest = flag(largest, "topk: largest")
        flag(sorted_, "topk: sorted_")
        positions = np.moveaxis(_first(np.moveaxis(line, axis, -1), k, largest), -1, axis)
        if not self._data.ndim and k:
            positions = positions.reshape(())
        return read_along(self, positions, axis)

    @also("dim", "keepdims")
    def median(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """The middle element in sorted order, or the mean of the two middle ones, as np.median.

        (PyTorch takes the lower of the two.)  nan if there is a nan or no element.  Integers give
        float32.
        """
        return self._quantile("median", 0.5, axis, keepdim)

    @also("dim", "keepdims")
    def quantile(
        self,
        q: float | Sequence[float] | Array | TensorBase,
        axis: Axis = None,
        keepdim: bool = False,
    ) -> Self:
        """The element at position q (n - 1) in sorted order; linear between two positions.

        q: from 0 to 1; for a sequence, the results are along a new first axis.  nan if there is a
        nan or no element.  Integers give float32.

        If q is a Tensor, the derivative with respect to it is the slope between the two elements,
        times n - 1; at an element, it is the mean of the slopes on both sides.
        """
        return self._quantile("quantile", q, axis, keepdim)

    def _quantile(self, name: str, q: Any, axis: Axis, keepdim: bool) -> Self:
        x = as_float(self)
        axes = normalize_axes(axis, x.ndim, name)
        keepdim = flag(keepdim, f"{name}: keepdim")
        shares = plain_array(q, f"{name}: q").astype(np.float64)
        _check_shares(name, shares, shown(q))
        count = prod(x.shape[number] for number in axes)
        rest = tuple(number for number in range(x.ndim) if number not in axes)
        rows = x.permute(rest + axes).reshape(*(x.shape[number] for number in rest), count)
        if count == 0:
            found = rows.mean(-1)[..., None].expand(*rows.shape[:-1], shares.size)  # nan
        else:
            found = _between(rows, shares.reshape(-1) * (count - 1))
            if isinstance(q, TensorBase) and q._node is not None:
                shares_given: Any = cast(q, rows.dtype)
                moved = shares_given.reshape(-1) * (count - 1)
                slopes = _steepness(rows, shares.reshape(-1) * (count - 1))
                found = found + (moved - moved.detach()) * slopes  # 0, with their derivative
        found = found.permute(-1, *range(found.ndim - 1))
        kept = keepdim_shape(x.shape, axes) if keepdim else found.shape[1:]
        return found.reshape(*shares.shape, *kept)


@check
def _check_shares(name: str, shares: Array, got: str) -> None:
    """ValueError unless these are numbers from 0 to 1."""
    if shares.ndim > 1 or not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"{name}: q: expected numbers from 0 to 1, one or several; got {got}")


def _between(rows: Any, positions: Array) -> Any:
    """The sorted rows read at these positions, linearly between two elements."""
    before, after = np.floor(positions), np.ceil(positions)
    weights = np.stack((after - positions, positions - before), axis=-1)
    weights[before == after] = 0.5  # twice the same element; not 1 and 0, since 0 inf is nan
    pairs = _sorted_at(rows, np.stack((before, after), axis=-1))
    return (pairs * weights.astype(rows.dtype)).sum(-1)


def _steepness(rows: Any, positions: Array) -> Any:
    """The slopes of `_between` at these positions; 0 where they are not finite."""
    before, after = np.floor(positions), np.ceil(positions)
    at_element = before == after
    before = np.maximum(before - at_element, 0)
    after = np.minimum(after + at_element, rows.shape[-1] - 1)
    pairs = _sorted_at(rows, np.stack((before, after), axis=-1))
    slopes = (pairs[..., 1] - pairs[..., 0]) / np.maximum(after - before, 1).astype(rows.dtype)
    return Mask.apply(slopes, mask=np.isfinite(slopes.data))


def _sorted_at(rows: Any, positions: Array) -> Any:
    """The elements at these positions of each sorted row, of shape (..., *positions.shape)."""
    order = np.argsort(rows.data, axis=-1, kind="stable")
    last = order[..., -1:]  # a nan, if there is one
    spoilt = np.isnan(np.take_along_axis(rows.data, last, -1))
    read = np.where(spoilt, last, order[..., positions.astype(np.int64).reshape(-1)])
    values = read_along(rows, read, -1, distinct=False)[0]
    return values.reshape(*rows.shape[:-1], *positions.shape)


@whole
def _first(rows: Array, k: int, largest: bool) -> Array:
    """The positions of the k largest or smallest elements of each row, in order.

    Of equal elements the first are selected.  Only those k are sorted, which is much faster than
    sorting whole rows.
    """
    size = rows.shape[-1]
    if k == 0 or k == size or np.isnan(rows).any():
        return _sorted(rows, -1, largest)[..., :k]
    last = size - k if largest else k - 1
    limit = np.partition(rows, last, axis=-1)[..., last : last + 1]
    inside = rows > limit if largest else rows < limit
    level = rows == limit
    room = k - np.count_nonzero(inside, axis=-1, keepdims=True)
    inside |= level & (np.cumsum(level, axis=-1) <= room)
    positions = np.nonzero(inside)[-1].reshape(*rows.shape[:-1], k)
    order = _sorted(np.take_along_axis(rows, positions, -1), -1, largest)
    return np.take_along_axis(positions, order, -1)


def _order(tensor: TensorBase, name: str, axis: int, descending: bool) -> tuple[Array, int]:
    """The positions that sort the elements along the axis, and the axis counted from the front."""
    x, descending = tensor._data, flag(descending, f"{name}: descending")
    axis = line_axis(axis, x.ndim, name)
    return _sorted(x.reshape(x.shape or (1,)), axis, descending).reshape(x.shape), axis


def _sorted(x: Array, axis: int, descending: bool) -> Array:
    """The positions that sort the elements along the axis."""
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    # Sort from the end, so that equal elements keep their order after the flip.
    backwards = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(backwards, axis)
