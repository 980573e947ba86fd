"""Arithmetic where NumPy's own is slow or overflows, or accepts integers divided by 0."""

from math import prod
from typing import Any

import numpy as np

from .recorded import holds, whole
from .selection import largest_of_all, smallest_of_all
from .shapes import Shape
from .sums import sum_along

LARGEST = {np.dtype(kind): float(np.finfo(kind).max) for kind in "efd"}
SHORT = 16  # up to this number of factors, float32 loses next to nothing


def beyond(x: Any, limit: float) -> bool:
    """Whether an element of the array is above limit or below -limit, or nan."""
    return not (largest_of_all(x) <= limit and smallest_of_all(x) >= -limit)


def limited(x: Any, limit: float) -> Any:
    """x between -limit and limit; nan stays nan.  Array, Tensor or Python number.

    For a rule whose derivative is 0 beyond the limit, where its factors would be 0 and inf.
    """
    if isinstance(x, (int, float)):
        return min(max(x, -limit), limit)
    if isinstance(x, np.ndarray):
        return x.clip(-limit, limit) if holds(beyond, x, limit) else x
    return np.minimum(np.maximum(x, -limit), limit)


def huber_slope(d: Any, delta: float) -> Any:
    """d for |d| < delta, else +-delta.  Array or Tensor.

    For an array it is clip, which takes a fraction of the time; for a Tensor the derivative of
    clip at the limits is another one.
    """
    if isinstance(d, np.ndarray):
        return d.clip(-delta, delta)
    return np.where(np.abs(d) < delta, d, np.sign(d) * delta)


def finite(x: Any, dtype: Any) -> Any:
    """x with the largest number of the dtype for inf.  Array, Tensor or Python number."""
    return limited(x, LARGEST[dtype])


def twice(g: Any) -> Any:
    """2 g.  If g is a broadcast scalar (the gradient of a sum), double just the scalar.

    Array or Tensor.
    """
    if isinstance(g, np.ndarray) and g.size and not any(g.strides):
        g = g[(0,) * g.ndim]
    return g + g


def power(a: Any, b: Any) -> Any:
    """a^b; for an array, by products if b is the number 3, 4 or -2.  Array or Tensor.

    np.power is far slower than a product.  It computes float16 in float32, which
    products do not.  A Tensor takes the rule of Pow, which is right at 0 and inf too.
    """
    plain = isinstance(a, np.ndarray) and a.dtype in (np.float32, np.float64)
    if plain and isinstance(b, (int, float)) and b in (3, 4, -2):
        square = a * a
        return square * a if b == 3 else square * square if b == 4 else 1.0 / square
    return a**b


@whole
def remainder(a: Any, b: Any) -> Any:
    """a mod b, with the sign of b.

    For float32 it is computed in float64, which is much faster than np.remainder, if that is exact:
    the quotient of two numbers of 24 bits, if it is below 2^28 and no integer, differs from the
    next integer by more than float64's rounding; and the product of its floor and b has at most 52
    bits.

    Errors: ZeroDivisionError if integers are divided by 0, which have no nan.
    """
    if np.result_type(a, b) == np.float32 and isinstance(a, np.ndarray) and a.size > 100:
        divisor = np.asarray(b, np.float32)
        y = a.astype(np.float64)
        floor = np.floor(y / divisor)
        if np.maximum.reduce(np.abs(floor), axis=None) < 1 << 28:
            y = y - floor * divisor
            if np.isfinite(y).all():
                return np.copysign(y.astype(np.float32), divisor)
    return _without_zeros(np.remainder, a, b)


@whole
def fmod(a: Any, b: Any) -> Any:
    """a - b trunc(a / b), with the sign of a.  Errors as for `remainder`."""
    return _without_zeros(np.fmod, a, b)


@whole
def floor_divide(a: Any, b: Any) -> Any:
    """floor(a / b).  Errors as for `remainder`."""
    return _without_zeros(np.floor_divide, a, b)


@whole
def truncated_divide(a: Any, b: Any) -> Any:
    """trunc(a / b); integers stay integers.  Errors as for `remainder`."""
    if np.result_type(a, b).kind == "f":
        return np.trunc(a / b)
    return floor_divide(a - np.fmod(a, b), b)


def _without_zeros(ufunc: Any, a: Any, b: Any) -> Any:
    """ufunc(a, b), a division; integers must not be divided by 0."""
    y = ufunc(a, b)
    if y.dtype.kind != "f" and not np.all(b):
        raise ZeroDivisionError(f"{ufunc.__name__}: integers divided by 0")
    return y


def product_along(x: Any, axes: Shape, keepdims: bool = False) -> Any:
    """The product of x over the axes, in x's dtype; of many float32, computed in float64."""
    narrow = x.dtype.char in "ef" and prod([x.shape[axis] for axis in axes]) > SHORT
    wide = np.float64 if narrow else x.dtype
    reduce: Any = np.multiply.reduce
    y = reduce(x, axis=axes, keepdims=keepdims, dtype=wide)
    return y.astype(x.dtype, copy=False)


@whole
def norm(x: Any, axes: Shape, p: float) -> Any:
    """(sum of |x|^p over the axes)^(1/p); the axes keep size 1.  p is finite and not 0.

    Powers that overflow or vanish are computed again from x divided by its largest element (for
    p < 0 its smallest), so the result has the full range of the dtype.
    """
    total = _sum_of_powers(x, axes, p)
    limits = np.finfo(x.dtype)
    if np.all((total > limits.tiny / limits.eps) & (total < np.inf)):
        return _root(total, p)
    extreme: Any = np.maximum if p > 0 else np.minimum
    start = 0.0 if p > 0 else np.inf  # of no elements, too
    unit = extreme.reduce(np.abs(x), axis=axes, keepdims=True, initial=start)
    unit = np.where((unit > 0) & (unit < np.inf), unit, 1.0).astype(x.dtype)
    return _root(_sum_of_powers(x / unit, axes, p), p) * unit


def _sum_of_powers(x: Any, axes: Shape, p: float) -> Any:
    powers = x * x if p == 2 else np.abs(x) ** p
    return sum_along(powers, axes, keepdims=True)


def _root(total: Any, p: float) -> Any:
    return np.sqrt(total) if p == 2 else total ** (1.0 / p)
