"""Sums along axes that lose no digits by their length; and their transpose, a broadcast.

Added one after the other, numbers are rounded once for each: a sum of millions of float32 has only
a few correct digits.  NumPy adds in pairs (a sum of sums of sums), but only along the axis that is
fastest in memory.  So here every long sum is one of partial sums of a few dozen numbers, level by
level, along any axis and in any memory layout.  Products with ones compute most of them, since
NumPy restarts its inner loop for each short row.

float16 is added up in float32, and rounded once.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from .dtypes import accumulator
from .products import multiply
from .recorded import recorder
from .reused import accumulated as accumulated
from .shapes import Shape, keepdim_shape

SHORT = 32  # how many numbers NumPy adds one after the other, at most
CHAIN = 64  # how many rows one product with ones adds, at most: BLAS adds several at a time
WIDE_CHAIN = 128  # the same for rows of full vectors, none of which is left for a plain loop
ROW = 256  # the longest row that is one product: BLAS adds several parts of it side by side
FEW = 128  # up to this number of elements, NumPy's order of addition is short enough anyway
SMALL = 2048  # the same if at most SHORT of them are added up
FIRST = (0,)
LONG = 128  # from this length on, NumPy's inner loop along an axis is fast
COPY = 1 << 18  # elements that are copied at a time, so that they stay in the cache
CACHE = 1 << 22  # bytes of an array up to which long rows go quickly through BLAS

_reduce: Any = np.add.reduce
_ONES = {char: np.ones(max(ROW, WIDE_CHAIN), char) for char in "fd"}


def unbroadcast(gradient: Any, shape: Shape) -> Any:
    """`gradient` summed over the axes along which `shape` was broadcast.  Array or Tensor.

    An element that was repeated reached the result several times, so its derivative is the sum
    over the copies (the chain rule).  Nothing else undoes a broadcast.
    """
    extra = gradient.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        axis + extra
        for axis, size in enumerate(shape)
        if size == 1 and gradient.shape[axis + extra] != 1
    )
    return sum_along(gradient, axes).reshape(shape)


def repeated_along(g: Any, shape: Shape, axes: Shape) -> Any:
    """`g`, a sum over the axes of an array of this shape, repeated along them.  Array or Tensor.

    It is the transpose of `sum_along`, whether that kept the axes or not.  An array comes back as a
    read-only view.
    """
    if isinstance(g, (np.ndarray, np.generic)) and g.size == 1:
        if recorder.get() is not None:
            return np.broadcast_to(g.reshape(()), shape)
        same = np.ndarray(shape, g.dtype, np.asarray(g), 0, (0,) * len(shape))  # the same, faster
        same.flags.writeable = False
        return same
    return np.broadcast_to(g.reshape(keepdim_shape(shape, axes)), shape)


def sum_along(x: Any, axes: Shape, keepdims: bool = False) -> Any:
    """The sum of x over the axes, in x's dtype; axes count from the front.  Array or Tensor.

    All sums over elements are computed here: those of rules and statistics, and the undoing of
    broadcasts.
    """
    if x.__class__ is np.ndarray and not (
        x.dtype.char in "fd"
        and (x.size <= FEW or (axes == FIRST and len(x) <= SHORT and x.size <= SMALL))
    ):
        sums = _sum_of_array(x, axes)
        return sums.reshape(keepdim_shape(x.shape, axes)) if keepdims else sums
    return _reduce(x, axis=axes, keepdims=keepdims)


def add_in_parts(
    total: Any, terms: Sequence[Any], add: Callable[[Any, Any], None], meeting: int
) -> None:
    """add(total, term), which writes in place, for each term; in partial sums if many meet.

    meeting  how many terms are added to the same element, at most
    """
    if min(meeting, len(terms)) <= SHORT:
        for term in terms:
            add(total, term)
        return
    length = max(SHORT, -(-len(terms) // SHORT))
    for start in range(0, len(terms), length):
        part = np.zeros_like(total)
        add_in_parts(part, terms[start : start + length], add, meeting)
        total += part


def _sum_of_array(x: Any, axes: Shape) -> Any:
    """`sum_along` of an array, without the axes, which may come in any order."""
    if not axes:
        return x.copy("K")
    if not x.size:
        return np.add.reduce(x, axis=axes, dtype=x.dtype)
    if len(axes) > 1:
        axes = tuple(sorted(axes))
    if x.dtype.char not in "fd":
        return _widened(x, axes)
    if len(axes) == x.ndim and x.flags.forc:
        return np.add.reduce(x, axis=axes)
    flat = x.flags.c_contiguous
    if flat and x.ndim == 2 and axes:
        return _columns(x) if axes == FIRST else _rows(x)
    if x.size <= SMALL:
        terms = prod([x.shape[axis] for axis in axes])
        pairs = x.shape[-1] if flat and axes[-1] == x.ndim - 1 else 1  # which NumPy adds in pairs
        if terms <= SHORT * pairs:
            return np.add.reduce(x, axis=axes)
        left = [axis for axis in range(x.ndim) if axis not in axes]
        rows = x.transpose((*left, *axes)).astype(x.dtype, "C", copy=False)
        return _rows(rows.reshape(-1, terms)).reshape([x.shape[axis] for axis in left])
    if flat:
        return _contiguous(x, axes)
    order = sorted(range(x.ndim), key=x.strides.__getitem__, reverse=True)
    turned = x.transpose(order)
    if not turned.flags.c_contiguous:
        return _any_layout(x, axes)
    sums = _contiguous(turned, tuple(sorted(map(order.index, axes))))
    left = [axis for axis in order if axis not in axes]
    return sums.transpose([left.index(axis) for axis in sorted(left)])


def _widened(x: Any, axes: Shape) -> Any:
    """The sum of integers, or of float16, in the dtype that its sums are accumulated in."""
    wide = accumulator(x.dtype)
    if wide is x.dtype or prod([x.shape[axis] for axis in axes]) <= SHORT:
        return np.add.reduce(x, axis=axes, dtype=wide).astype(x.dtype, copy=False)
    if 0 in x.strides:
        return _any_layout(x, axes)
    return _sum_of_array(x.astype(wide), axes).astype(x.dtype)


def _contiguous(x: Any, axes: Shape) -> Any:
    """The sum of a C-contiguous array of float32 or float64.

    From the fastest axis to the slowest, each run of neighbouring axes is summed at once.
    """
    if not axes:
        return x.copy()
    while axes and len(axes) < x.ndim:
        stop = axes[-1] + 1
        start = stop - 1
        while start and start - 1 in axes:
            start -= 1
        before, after = x.shape[:start], x.shape[stop:]
        terms = prod(x.shape[start:stop])
        if stop == x.ndim:
            x = _rows(x.reshape(-1, terms)).reshape(before)
        elif start:
            x = _columns(x.reshape(-1, terms, prod(after))).reshape(before + after)
        else:
            x = _columns(x.reshape(terms, -1)).reshape(after)
        axes = axes[: start - stop]
    return np.add.reduce(x, axis=axes) if axes else x


def _parts(n: int, most: int) -> tuple[int, int, int]:
    """n numbers as `terms` rows of m, terms being at most `most`; how many of the n these use."""
    m = -(-n // most)
    terms = n // m
    return terms, m, terms * m


def _columns(x: Any) -> Any:
    """(..., n, k) -> (..., k): the sums of contiguous columns.

    A matrix of n rows of length k is also one of n / m rows of length m k; so a product with ones
    adds up all rows whose numbers differ by m, and leaves m rows.
    """
    *stack, n, k = x.shape
    if k == 1:
        return _rows(x.reshape(-1, n)).reshape((*stack, 1))
    if stack and k >= 2 * LONG and n <= CHAIN:
        return np.add.reduce(x if n <= SHORT else _folded(x, x.ndim - 2), axis=-2)
    most = CHAIN if k % 8 else WIDE_CHAIN
    ones = _ONES[x.dtype.char]
    while n > most:
        terms, m, used = _parts(n, most)
        folded = (x if used == n else x[..., :used, :]).reshape((*stack, terms, m * k))
        sums = multiply(ones[:terms], folded).reshape((*stack, m, k))
        if used < n:
            sums[..., : n - used, :] += x[..., used:, :]
        x, n = sums, m
    return multiply(ones[:n], x)


def _rows(x: Any) -> Any:
    """(m, n) -> (m,): the sums of contiguous rows.

    Long rows are added up in parts of equal length, if there are such, or as matrices of SHORT
    rows, whose columns are added first.
    """
    m, n = x.shape
    ones = _ONES[x.dtype.char]
    if n <= ROW:
        return multiply(x, ones[:n])
    if m < 8 or n > 32 * ROW:
        return np.add.reduce(x, axis=1)
    if n <= 8 * ROW:
        lengths = range(ROW, CHAIN - 1, -4) if x.nbytes <= CACHE else range(CHAIN, ROW + 1, 4)
        length = next((length for length in lengths if n % length == 0), 0)
        if length:
            parts = multiply(x.reshape(-1, length), ones[:length])
            return multiply(parts.reshape(m, n // length), ones[: n // length])
    terms, length, used = _parts(n, SHORT)
    sums = _columns(x[:, :used].reshape(m, terms, length))
    if used < n:
        sums[:, : n - used] += x[:, used:]
    return multiply(sums, ones[:length])


def _any_layout(x: Any, axes: Shape) -> Any:
    """The sum of floats in any memory layout: seen with its axes in the order of memory.

    Along an axis of repeated elements (stride 0), the sum is a product.
    """
    parts: list[Any] = [slice(None)] * x.ndim
    for axis, (size, stride) in enumerate(zip(x.shape, x.strides, strict=True)):
        if size == 1 or not stride:
            parts[axis] = 0
        elif stride < 0:
            parts[axis] = slice(None, None, -1)
    seen = x[tuple(parts)].astype(accumulator(x.dtype), copy=False)
    left = [axis for axis, part in enumerate(parts) if part != 0]
    order = sorted(range(len(left)), key=seen.strides.__getitem__, reverse=True)
    seen = seen.transpose(order)
    summed = tuple([axis for axis, number in enumerate(order) if left[number] in axes])
    sums = (_contiguous if seen.flags.c_contiguous else _with_gaps)(seen, summed)

    kept = [number for axis, number in enumerate(order) if axis not in summed]
    sums = np.asarray(sums).transpose([kept.index(number) for number in sorted(kept)])
    sums = sums[tuple([parts[left[number]] for number in sorted(kept)])]  # turned back
    repeated = prod([x.shape[axis] for axis in axes if parts[axis] == 0])
    sums = (sums * repeated if repeated > 1 else sums).astype(x.dtype, copy=False)
    rest = [axis for axis in range(x.ndim) if axis not in axes]
    shape = [x.shape[axis] for axis in rest]
    if sums.size == prod(shape):
        return sums.reshape(shape)
    ones = [1 if parts[axis] == 0 else x.shape[axis] for axis in rest]
    return np.broadcast_to(sums.reshape(ones), shape).copy()


def _with_gaps(x: Any, axes: Shape) -> Any:
    """The sum of floats that are not contiguous, with axes of falling strides above 0.

    NumPy reduces one axis if that goes well with the memory; otherwise elements are copied side by
    side, a part at a time (windows that overlap have far more elements than memory).
    """
    shape = [size for axis, size in enumerate(x.shape) if axis not in axes]
    x, axes = _merged(x, axes)
    if not axes or x.ndim == 1:
        return np.add.reduce(x, axis=axes).reshape(shape)
    last = x.ndim - 1
    if x.shape[last] >= LONG:
        if last in axes:
            return _any_layout(np.add.reduce(x, axis=last), axes[:-1]).reshape(shape)
        return _any_layout(_folded(x, axes[-1]), axes).reshape(shape)
    if x.size <= COPY:
        return _contiguous(x.copy(), axes).reshape(shape)
    each = x.size // len(x)
    if each > COPY:
        inner = tuple([axis - 1 for axis in axes if axis])
        parts = [_any_layout(part, inner) for part in x]
    else:
        step = COPY // each
        parts = [_contiguous(x[i : i + step].copy(), axes) for i in range(0, len(x), step)]
        if 0 not in axes:
            return np.concatenate(parts).reshape(shape)
    together = np.stack(parts)
    return (_any_layout(together, FIRST) if 0 in axes else together).reshape(shape)


def _folded(x: Any, axis: int) -> Any:
    """x with the elements along this axis added up in parts of at most SHORT neighbours."""
    n = x.shape[axis]
    terms, m, used = _parts(n, SHORT)
    before = (slice(None),) * axis
    parts = x[(*before, slice(used))].reshape((*x.shape[:axis], m, terms, *x.shape[axis + 1 :]))
    sums = np.add.reduce(parts, axis=axis + 1)
    if used < n:
        sums[(*before, slice(n - used))] += x[(*before, slice(used, n))]
    return sums


def _merged(x: Any, axes: Shape) -> tuple[Any, Shape]:
    """x with neighbouring axes as one where their elements are equally far apart."""
    shape: list[int] = []
    summed: list[bool] = []
    for axis, size in enumerate(x.shape):
        together = axis and (axis in axes) == summed[-1]
        if together and x.strides[axis - 1] == size * x.strides[axis]:
            shape[-1] *= size
        else:
            shape.append(size)
            summed.append(axis in axes)
    return x.reshape(shape), tuple([axis for axis, flag in enumerate(summed) if flag])
