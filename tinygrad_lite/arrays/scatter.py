"""Reading and adding at an index: an element that is named several times is added to each time.

Values that meet are put together one for each element at a time: the first of all elements, the
second of all, and so on, for whole rows at once.  `distinct` says that an index names no element
twice.
"""

from math import prod
from typing import Any, NamedTuple

import numpy as np

from .dtypes import accumulator
from .recorded import whole
from .shapes import Shape
from .sums import CHAIN

AT_ONCE = 1 << 16  # values that are added at a time, so that they stay in the cache
TURNS = 16  # how many rows are added to a row one after the other, at most
DIGIT = 16  # bits by which positions are sorted at a time: NumPy sorts uint16 by counting
SPARSE = 16  # elements for each single value that is added to them, up to which all are summed
FEW = 1000  # positions for which one sort of all their bits is faster


def read_at(x: Any, index: Any) -> Any:
    """x[index] of an array; whole rows by `take`, which is faster than NumPy's own indexing."""
    first, *others = index
    rows = isinstance(first, np.ndarray) and first.dtype.kind == "i" and all(map(_is_whole, others))
    return x.take(first, 0) if rows and x.flags.c_contiguous and x.size else x[index]


@whole
def scatter_add(x: Any, index: Any, distinct: bool, shape: Shape) -> Any:
    """Zeros of `shape` with x added at the index.

    Single floats are added up in float64, and rows of them in partial sums of at most TURNS rows,
    which are added up in the same way: float32 loses no digits however many meet.
    """
    y = np.zeros(shape, x.dtype)
    if distinct:
        y[index] = x
    elif x.size:
        lines = lines_of(index, shape)
        given = x.reshape(lines.outer, -1, lines.inner)
        into = y.reshape(lines.outer, lines.size, lines.inner)
        many = lines.size <= SPARSE * lines.positions.size
        add = _add_singly if lines.inner == 1 and x.dtype.kind == "f" and many else _add_rows
        add(into, lines.positions, given)
    return y


@whole
def scatter_extreme(x: Any, value: Any, index: Any, extreme: Any, include_self: bool) -> Any:
    """The extreme (np.maximum or np.minimum) of x and of all values assigned to each element.

    The index has an integer array for each axis.  Without `include_self`, x counts only for
    elements that the index does not name.
    """
    y = x.copy()
    if not include_self:
        y[index] = value  # one of those that are compared, whichever it is
    if value.size:
        extreme.at(y.reshape(-1), _flat(index, x.shape), value.reshape(-1))
    return y


@whole
def last_written(shape: Shape, index: Any) -> Any:
    """Where, in an array of this shape, y[index] = value leaves that value: False if overwritten.

    The result has the shape of the value.
    """
    order = np.zeros(shape, np.int64)
    numbers = np.arange(order[index].size).reshape(order[index].shape)
    order[index] = numbers
    return order[index] == numbers


class Lines(NamedTuple):
    """An index of y, seen as (outer, size, inner): whole lines y[:, position, :]."""

    outer: int
    positions: Any  # flat, from 0 to size - 1
    size: int
    inner: int


def lines_of(index: Any, shape: Shape) -> Lines:
    """The lines that integers and integer arrays side by side name, with whole axes around them.

    For any other index, they are single elements of the flat array.
    """
    first, last = 0, len(index)
    while _is_whole(index[first]):
        first += 1
    while _is_whole(index[last - 1]):
        last -= 1
    arrays = index[first:last]
    if not all(map(_holds_positions, arrays)):
        numbers = np.arange(prod(shape)).reshape(shape)
        return Lines(1, numbers[index].reshape(-1), numbers.size, 1)
    start = len(shape) - len(index) + first if ... in index[:first] else first
    stop = start + len(arrays)
    named = shape[start:stop]
    return Lines(prod(shape[:start]), _flat(arrays, named), prod(named), prod(shape[stop:]))


def _flat(arrays: Any, shape: Shape) -> Any:
    """The positions in the flat array; those below 0 count from the end of their axis."""
    parts = []
    stride = 1
    for array, size in zip(reversed(arrays), reversed(shape), strict=True):
        positions = np.asarray(array, np.intp)
        if positions.min() < 0:
            positions = np.where(positions < 0, positions + size, positions)
        parts.append(positions * stride if stride > 1 else positions)
        stride *= size
    parts.sort(key=np.size)  # so that few sums are large
    return sum(parts[1:], parts[0]).reshape(-1)


def _add_singly(y: Any, positions: Any, x: Any) -> None:
    """Add x[i, n] to y[i, positions[n]], in float64, for zeros y.  Both have a last axis of 1."""
    outer, size, _ = y.shape
    layers = min(max(1, AT_ONCE // positions.size), outer)
    each = (positions + np.arange(layers)[:, None] * size).reshape(-1)
    for first in range(0, outer, layers):
        part, added = y[first : first + layers], x[first : first + layers].reshape(-1)
        part[...] = np.bincount(each[: added.size], added, part.size).reshape(part.shape)


def _add_rows(y: Any, positions: Any, x: Any) -> None:
    """Add x[i, n] to y[i, positions[n]], whole rows, for zeros y."""
    order = _order(positions, y.shape[1])
    ordered = positions[order]
    first_ones = np.empty(ordered.size, np.bool_)
    first_ones[0] = True
    np.not_equal(ordered[1:], ordered[:-1], first_ones[1:])
    starts = first_ones.nonzero()[0]
    dtype, layers = accumulator(x.dtype), max(1, AT_ONCE // x[0].size)
    for first in range(0, len(x), layers):
        into, part = y[first : first + layers], x[first : first + layers]
        rows = part.swapaxes(0, 1).reshape(positions.size, -1).astype(dtype, copy=False)
        numbers, sums = _summed(rows, order, starts)
        named = ordered[starts[numbers]]
        if len(part) == 1:
            into[0, named] = sums
        else:
            into[:, named] = sums.reshape(named.size, len(part), -1).swapaxes(0, 1)


def _summed(x: Any, order: Any, starts: Any) -> tuple[Any, Any]:
    """The sums of the rows x[order] from each start to the next, and the numbers of these starts.

    They come in any order.
    """
    if x.shape[1] == 1:  # NumPy adds neighbours in pairs
        return slice(None), np.add.reduceat(x[order], starts, 0, x.dtype)
    counts = np.append(starts[1:], len(x)) - starts
    while counts.max() > TURNS:
        parts = -(-counts // TURNS)
        ends = np.cumsum(parts)
        of = np.repeat(np.arange(len(parts)), parts)
        passed = (np.arange(len(of)) - (ends - parts)[of]) * TURNS
        lengths = np.minimum(counts[of] - passed, TURNS)
        numbers, x = _sum_in_turns(x, order, starts[of] + passed, lengths)
        order, starts, counts = numbers.argsort(), ends - parts, parts
    return _sum_in_turns(x, order, starts, counts)


def _sum_in_turns(x: Any, order: Any, starts: Any, counts: Any) -> tuple[Any, Any]:
    """`_summed` for at most TURNS rows each, one of them added to each sum in a turn.

    The longest sums come first, so that those that take part in a turn stand side by side.
    """
    longest_first = (TURNS - counts).astype(np.uint8).argsort(kind="stable")
    starts = starts[longest_first]
    y = x.take(order[starts], 0)
    more = len(counts) - np.bincount(counts).cumsum()  # how many have more rows than 0, 1, ...
    taken = np.empty((more[1], x.shape[1]), x.dtype)
    for turn, number in enumerate(more[1:-1].tolist(), 1):
        added, part = taken[:number], y[:number]
        x.take(order.take(starts[:number] + turn), 0, added, "clip")  # "raise" would copy
        np.add(part, added, part)
    return longest_first, y


def _order(positions: Any, size: int) -> Any:
    """The order that sorts the positions, which are below `size`: equal ones stay in order."""
    if positions.size <= FEW and size > 1 << DIGIT:
        return positions.argsort(kind="stable")
    order = positions.astype(np.uint16).argsort(kind="stable")
    for bits in range(DIGIT, (size - 1).bit_length(), DIGIT):
        digits = (positions[order] >> bits).astype(np.uint16)
        order = order[digits.argsort(kind="stable")]
    return order


def _is_whole(part: Any) -> bool:
    return part is ... or (isinstance(part, slice) and part == slice(None))


def _holds_positions(part: Any) -> bool:
    if isinstance(part, np.ndarray):
        return part.dtype.kind in "iu"
    return isinstance(part, (int, np.integer)) and not isinstance(part, bool)


def fold(x: Any, axis: int, step: int, shape: Shape) -> Any:
    """Zeros of `shape` with each window of x added where it was read: (..., windows, ..., size).

    The windows start every `step` elements along the axis.  Elements that are in more than CHAIN
    windows are added up in float64.
    """
    size, count = x.shape[-1], x.shape[axis]
    long = min(size // step, count) > CHAIN and x.dtype.kind == "f"
    y = np.zeros(shape, np.float64 if long else accumulator(x.dtype), like=x)
    line, windows = np.moveaxis(y, axis, -1), np.moveaxis(x, axis, -2)
    if size < count:  # the k-th elements of all windows at once, or all of the i-th window
        for k in range(size):
            line[..., k : k + (count - 1) * step + 1 : step] += windows[..., k]
    else:
        for i in range(count):
            line[..., i * step : i * step + size] += windows[..., i, :]
    return y.astype(x.dtype, copy=False)
