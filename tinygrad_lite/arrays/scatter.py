"""Writing and adding at an index: an element that is named several times is added to each time.

`distinct` says that an index names no element twice.
"""

from math import prod
from typing import Any

import numpy as np

from .shapes import Shape


def scatter_add(x: Any, index: Any, distinct: bool, shape: Shape) -> Any:
    """Zeros of `shape` with x added at the index; float16 is summed in float32."""
    if distinct:
        y = np.zeros(shape, x.dtype)
        y[index] = x
        return y
    y = np.zeros(shape, np.float32 if x.dtype == np.float16 else x.dtype)
    write_at(np.add, y, index, x)
    return y.astype(x.dtype, copy=False)


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


def write_at(ufunc: Any, y: Any, index: Any, x: Any) -> None:
    """ufunc.at(y, index, x) for a contiguous y: y[index] = ufunc(y[index], x) for each in turn.

    NumPy is much faster for positions in flat data.  So integer arrays side by side, with whole
    axes before and after, are converted to these: y[outer, middle, inner] is written.
    """
    if x.size < 1000:
        ufunc.at(y, index, x)
        return
    first, last = 0, len(index)
    while _is_whole(index[first]):
        first += 1
    while _is_whole(index[last - 1]):
        last -= 1
    arrays = index[first:last]
    if not all(map(_holds_positions, arrays)):
        ufunc.at(y, index, x)
        return
    start = y.ndim - len(index) + first if ... in index[:first] else first
    stop = start + len(arrays)
    middle = np.ravel_multi_index(arrays, y.shape[start:stop], mode="wrap").reshape(-1, 1)
    inner = np.arange(prod(y.shape[stop:]))
    positions = middle * inner.size + inner
    if start:
        outer = np.arange(prod(y.shape[:start])).reshape(-1, 1, 1)
        positions = outer * prod(y.shape[start:]) + positions
    ufunc.at(y.reshape(-1), positions.reshape(-1), x.reshape(-1).astype(y.dtype, copy=False))


def _is_whole(part: Any) -> bool:
    return part is ... or (isinstance(part, slice) and part == slice(None))


def _holds_positions(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype.kind in "iu"


def fold(x: Any, axis: int, step: int, shape: Shape) -> Any:
    """Zeros of `shape` with each window of x added where it was read: (..., windows, ..., size).

    The windows start every `step` elements along the axis.  float16 is summed in float32.
    """
    size, count = x.shape[-1], x.shape[axis]
    y = np.zeros(shape, np.float32 if x.dtype == np.float16 else x.dtype)
    line, windows = np.moveaxis(y, axis, -1), np.moveaxis(x, axis, -2)
    if size < count:  # the k-th elements of all windows at once, or all of the i-th window
        for k in range(size):
            line[..., k : k + (count - 1) * step + 1 : step] += windows[..., k]
    else:
        for i in range(count):
            line[..., i * step : i * step + size] += windows[..., i, :]
    return y.astype(x.dtype, copy=False)
