"""Writing and adding at an index: an element that is named several times is added to each time.

`distinct` says that an index names no element twice.
"""

from math import prod
from typing import Any, NamedTuple

import numpy as np

from .dtypes import accumulator
from .shapes import Shape
from .sums import CHAIN

AT_ONCE = 1 << 15  # positions that are computed at a time, so that they stay in the cache


def scatter_add(x: Any, index: Any, distinct: bool, shape: Shape) -> Any:
    """Zeros of `shape` with x added at the index.

    Elements that are named more than CHAIN times are added up in float64, in which no digits of
    float32 are lost.
    """
    if distinct:
        y = np.zeros(shape, x.dtype)
        y[index] = x
        return y
    narrow = x.dtype.char in "ef"
    lines = lines_of(index, shape) if narrow and x.size > CHAIN else None
    if lines is not None and lines.positions.size > CHAIN:
        count = lines.positions.size
        if lines.outer == lines.inner == 1 and lines.size <= 4 * count:
            sums = np.bincount(lines.positions, x.reshape(-1), lines.size)
            return sums.astype(x.dtype).reshape(shape)
        if np.bincount(lines.positions).max() > CHAIN:
            return _scatter_add_wide(x, lines).reshape(shape)
    exact = narrow and lines is None and x.size > CHAIN
    y = np.zeros(shape, np.float64 if exact else accumulator(x.dtype))
    write_at(np.add, y, index, x.astype(y.dtype, copy=False), lines)
    return y.astype(x.dtype, copy=False)


def _scatter_add_wide(x: Any, lines: "Lines") -> Any:
    """(outer, size, inner) in float64, rounded; of many lines, only those that are named."""
    outer, positions, size, inner = lines
    if size <= 4 * positions.size:
        y = np.zeros((outer, size, inner))
        at_lines(np.add, y, lines, x)
        return y.astype(x.dtype)
    named, numbers = np.unique(positions, return_inverse=True)
    sums = np.zeros((outer, named.size, inner))
    at_lines(np.add, sums, Lines(outer, numbers, named.size, inner), x)
    y = np.zeros((outer, size, inner), x.dtype)
    y[:, named] = sums
    return y


def scatter_extreme(x: Any, value: Any, index: Any, extreme: Any, include_self: bool) -> Any:
    """The extreme (np.maximum or np.minimum) of x and of all values assigned to each element.

    Without `include_self`, x counts only for elements that the index does not name.
    """
    y = x.copy()
    if not include_self:
        y[index] = value  # one of those that are compared, whichever it is
    write_at(extreme, y, index, value)
    return y


def last_written(shape: Shape, index: Any) -> Any:
    """Where, in an array of this shape, y[index] = value leaves that value: False if overwritten.

    The result has the shape of the value.
    """
    order = np.zeros(shape, np.int64)
    numbers = np.arange(order[index].size).reshape(order[index].shape)
    order[index] = numbers
    return order[index] == numbers


def write_at(ufunc: Any, y: Any, index: Any, x: Any, lines: "Lines | None" = None) -> None:
    """ufunc.at(y, index, x) for a contiguous y: y[index] = ufunc(y[index], x) for each in turn.

    lines  what `lines_of` the index is, if it is known
    """
    if lines is None and x.size >= 1000:
        lines = lines_of(index, y.shape)
    if lines is None or x.size < 1000:
        ufunc.at(y, index, x)
    else:
        at_lines(ufunc, y, lines, x)


class Lines(NamedTuple):
    """An index of y, seen as (outer, size, inner): whole lines y[:, position, :]."""

    outer: int
    positions: Any  # flat, from 0 to size - 1
    size: int
    inner: int


def lines_of(index: Any, shape: Shape) -> Lines | None:
    """The lines that integer arrays side by side name, with whole axes before and after.

    None for any other index.
    """
    first, last = 0, len(index)
    while _is_whole(index[first]):
        first += 1
    while _is_whole(index[last - 1]):
        last -= 1
    arrays = index[first:last]
    if not all(map(_holds_positions, arrays)):
        return None
    start = len(shape) - len(index) + first if ... in index[:first] else first
    stop = start + len(arrays)
    named = shape[start:stop]
    positions = np.ravel_multi_index(arrays, named, mode="wrap").reshape(-1)
    return Lines(prod(shape[:start]), positions, prod(named), prod(shape[stop:]))


def at_lines(ufunc: Any, y: Any, lines: Lines, x: Any) -> None:
    """`write_at` for these lines of y.

    NumPy is much faster for positions in flat data, so these are computed, a part at a time.
    """
    outer, positions, size, inner = lines
    flat, x = y.reshape(-1), x.reshape(outer, positions.size, inner)
    along = np.arange(inner)
    rows = max(1, AT_ONCE // max(inner, 1))
    for start in range(0, positions.size, rows):
        part = slice(start, start + rows)
        lines_at = positions[part, None] * inner + along
        layers = max(1, AT_ONCE // max(lines_at.size, 1))
        for first in range(0, outer, layers):
            beginnings = np.arange(first, min(first + layers, outer)) * (size * inner)
            named = beginnings[:, None, None] + lines_at if outer > 1 else lines_at
            added = x[first : first + layers, part].astype(y.dtype, copy=False)
            ufunc.at(flat, named.reshape(-1), added.reshape(-1))


def _is_whole(part: Any) -> bool:
    return part is ... or (isinstance(part, slice) and part == slice(None))


def _holds_positions(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype.kind in "iu"


def fold(x: Any, axis: int, step: int, shape: Shape) -> Any:
    """Zeros of `shape` with each window of x added where it was read: (..., windows, ..., size).

    The windows start every `step` elements along the axis.  Elements that are in more than CHAIN
    windows are added up in float64.
    """
    size, count = x.shape[-1], x.shape[axis]
    long = min(size // step, count) > CHAIN and x.dtype.kind == "f"
    y = np.zeros(shape, np.float64 if long else accumulator(x.dtype))
    line, windows = np.moveaxis(y, axis, -1), np.moveaxis(x, axis, -2)
    if size < count:  # the k-th elements of all windows at once, or all of the i-th window
        for k in range(size):
            line[..., k : k + (count - 1) * step + 1 : step] += windows[..., k]
    else:
        for i in range(count):
            line[..., i * step : i * step + size] += windows[..., i, :]
    return y.astype(x.dtype, copy=False)
