"""Scans along the last axis, and linear recurrences without a loop over its elements."""

from typing import Any

import numpy as np

SHORT = 16  # up to this number of steps, float32 loses next to nothing
AT_ONCE = 1 << 17  # elements that are accumulated at a time


def running(ufunc: Any, x: Any) -> Any:
    """ufunc.accumulate(x, axis=-1), in x's dtype.

    float32 is accumulated in float64, since each step would round all that came before; a part at a
    time, so that it stays in the cache.
    """
    shape, n = x.shape, x.shape[-1]
    if x.dtype.kind != "f" or x.dtype.itemsize > 4 or n <= SHORT:
        return ufunc.accumulate(x, axis=-1, dtype=x.dtype)
    if x.size <= AT_ONCE:
        wide = x.astype(np.float64, order="C")  # far strides of a power of 2 miss the cache
        y = np.empty_like(x)
        y[...] = ufunc.accumulate(wide, axis=-1, out=wide)
        return y
    x = x.reshape(-1, n) if x.ndim != 2 else x
    y = np.empty_like(x)
    lines, reached = max(1, AT_ONCE // n), None
    for first in range(0, len(x), lines):
        rows = slice(first, first + lines)
        for start in range(0, n, AT_ONCE):
            wide = x[rows, start : start + AT_ONCE].astype(np.float64)
            if start:
                wide[:, 0] = ufunc(reached, wide[:, 0])
            reached = ufunc.accumulate(wide, axis=-1, out=wide)[:, -1]
            y[rows, start : start + AT_ONCE] = wide
    return y.reshape(shape)


def recurrence(a: Any, b: Any) -> Any:
    """y_i = a_i y_(i-1) + b_i, from y_(-1) = 0.

    Two neighbouring steps are combined into one, so a recurrence of half as many steps gives every
    second y, and from these the ones between follow: O(n) products, no division, log2(n) calls
    deep.  (Blelloch, "Prefix Sums and Their Applications", 1990, section 1.4.)
    """
    size = b.shape[-1]
    if size < 2:
        return b.copy()
    even, odd = slice(0, size // 2 * 2, 2), slice(1, None, 2)
    y = np.empty_like(b)
    y[..., odd] = recurrence(a[..., odd] * a[..., even], a[..., odd] * b[..., even] + b[..., odd])
    y[..., 0] = b[..., 0]
    y[..., 2::2] = a[..., 2::2] * y[..., 1:-1:2] + b[..., 2::2]
    return y
