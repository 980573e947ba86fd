"""Mean 0 and variance 1 along axes, and the gradients: with few arrays, and steps in place."""

from math import prod
from typing import Any

import numpy as np

from .selection import largest_of_all, smallest_of_all
from .shapes import Shape
from .sums import sum_along


def centred(x: Any, axes: Shape) -> Any:
    """x minus its mean over the axes.

    One of the elements is first subtracted from all: if they are equal, the result is exactly 0,
    though the computed mean of seven times 0.1 is not 0.1.
    """
    count = prod([x.shape[axis] for axis in axes])
    y = x - x[tuple([slice(1) if axis in axes else slice(None) for axis in range(x.ndim)])]
    y -= sum_along(y, axes, keepdims=True) / count
    return y


def normalised(x: Any, axes: Shape, count: int, eps: float) -> tuple[Any, Any]:
    """n = (x - mean) r and r = 1 / sqrt(var + eps), over the axes, along which are `count` x.

    Where the variance overflows, or is 0 only because it is too small for the dtype (which matters
    for eps = 0), both are computed again from x divided by its largest element.
    """
    n = centred(x, axes)
    r = 1.0 / np.sqrt(sum_along(n * n, axes, keepdims=True) / count + eps)
    n *= r
    if not smallest_of_all(r) > 0 or (eps == 0 and largest_of_all(r) == np.inf):
        return _rescaled(x, n, r, axes, count, eps)
    return n, r


def _rescaled(x: Any, n: Any, r: Any, axes: Shape, count: int, eps: float) -> tuple[Any, Any]:
    """n and r of `normalised`; where r is 0, inf or nan, from x divided by its largest element."""
    unit = np.maximum.reduce(np.abs(x), axis=axes, keepdims=True, initial=0.0)
    wrong = ~((r > 0) & (r < np.inf)) & (unit > 0) & (unit < np.inf)
    unit = np.where(wrong, unit, 1.0).astype(x.dtype)
    scaled = centred(x / unit, axes)
    variance = sum_along(scaled * scaled, axes, keepdims=True) / count
    spread = 1.0 / np.sqrt(variance + eps / unit / unit)
    return np.where(wrong, scaled * spread, n), np.where(wrong, spread / unit, r)


def mean_and_variance(x: Any, axes: Shape) -> tuple[Any, Any]:
    """Both over the axes, computed in float64: also where float32 overflows or vanishes."""
    wide = x.astype(np.float64)
    count = prod([x.shape[axis] for axis in axes])
    mean = sum_along(wide / count, axes, keepdims=True)
    variance = sum_along((wide - mean) ** 2 / count, axes)
    return mean.reshape(variance.shape).astype(x.dtype), variance.astype(x.dtype)


def normalised_gradient(g: Any, h: Any, n: Any, r: Any, axes: Shape, count: int) -> Any:
    """r (g - <g> - n <g n>) - h r^2 n / count, <> being the mean over the axes.  Array or Tensor.

    It is the gradient of x in `normalised`, with g for n and h for r; one of them may be None.
    """
    from_n = from_r = None
    if g is not None:
        slope = sum_along(g * n, axes, keepdims=True) / count
        mean = sum_along(g, axes, keepdims=True) / count
        from_n = without_trend(g, mean, slope, n, r)
    if h is not None:
        from_r = n * (h * r * r / -count)
    return from_r if from_n is None else from_n if from_r is None else from_n + from_r


def scaled_gradient(g: Any, gn: Any, w: Any, n: Any, r: Any) -> Any:
    """r (g w - <g w> - n <g n w>), <> being the mean over the axes of w.  Array or Tensor.

    It is the gradient of x for y = n w, with n of `normalised` over the last axes, which are those
    of w; gn is g n.  Both means are products of a matrix and w.
    """
    mean, slope = (sum_times(each, w, ()) / prod(w.shape) for each in (g, gn))
    return without_trend(g * w, mean, slope, n, r)


def by_mean_square(x: Any, axes: Shape, eps: float) -> tuple[Any, Any]:
    """x r and r = 1 / sqrt(mean of x^2 + eps), over the axes.

    Where a square overflows, or is 0 only because it is too small for the dtype (which matters for
    eps = 0), x is divided by its largest element first.
    """
    count = prod([x.shape[axis] for axis in axes])
    r = 1.0 / np.sqrt(sum_along(x * x, axes, keepdims=True) / count + eps)
    if not smallest_of_all(r) > 0 or (eps == 0 and largest_of_all(r) == np.inf):
        unit = np.maximum.reduce(np.abs(x), axis=axes, keepdims=True, initial=0.0)
        wrong = ~((r > 0) & (r < np.inf)) & (unit > 0) & (unit < np.inf)
        unit = np.where(wrong, unit, 1.0).astype(x.dtype)
        scaled = x / unit
        square = sum_along(scaled * scaled, axes, keepdims=True) / count
        spread = 1.0 / np.sqrt(square + eps / unit / unit)
        return np.where(wrong, scaled * spread, x * r), np.where(wrong, spread / unit, r)
    return x * r, r


def sum_times(x: Any, w: Any, axes: Shape) -> Any:
    """The sum of x w over the last axes, which are those of w or if that is None these; they stay.

    Array or Tensor.  With w it is a product of a matrix and a vector.
    """
    if w is None:
        return sum_along(x, axes, keepdims=True)
    rows = x.reshape((-1, prod(w.shape))) @ w.reshape(-1)
    return rows.reshape((*x.shape[: x.ndim - w.ndim], *(1,) * w.ndim))


def without_trend(g: Any, mean: Any, slope: Any, n: Any, r: Any) -> Any:
    """(g - (mean + slope n)) r, where mean may be None for 0.  Array or Tensor."""
    trend = n * slope
    if type(trend) is not np.ndarray:
        return (g - (trend if mean is None else trend + mean)) * r
    if mean is not None:
        trend += mean
    np.subtract(g, trend, out=trend)
    trend *= r
    return trend
