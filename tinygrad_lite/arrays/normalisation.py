"""Mean 0 and variance 1 along axes, and the gradients: with few arrays, and steps in place."""

from math import prod
from typing import Any

import numpy as np

from .chunks import chunks_of_rows, each_chunk
from .products import multiply
from .recorded import whole
from .selection import largest_of_all, smallest_of_all
from .shapes import Shape
from .sums import FIRST, sum_along

LAST = (1,)  # of a matrix


def centred(x: Any, axes: Shape) -> Any:
    """x minus its mean over the axes.

    One of the elements is first subtracted from all: if they are equal, the result is exactly 0,
    though the computed mean of seven times 0.1 is not 0.1.
    """
    count = prod([x.shape[axis] for axis in axes])
    y = x - x[tuple([slice(1) if axis in axes else slice(None) for axis in range(x.ndim)])]
    y -= sum_along(y, axes, keepdims=True) / count
    return y


@whole
def normalised(x: Any, axes: Shape, count: int, eps: float) -> tuple[Any, Any]:
    """n = (x - mean) r and r = 1 / sqrt(var + eps), over the axes, along which are `count` x.

    Where the variance overflows, or is 0 only because it is too small for the dtype (which matters
    for eps = 0), both are computed again from x divided by its largest element.
    """
    n = centred(x, axes)
    r = 1.0 / np.sqrt(sum_along(n * n, axes, keepdims=True) / count + eps)
    n *= r
    return _rescaled(x, n, r, axes, count, eps) if _irregular(r, eps) else (n, r)


def _irregular(r: Any, eps: float) -> bool:
    """Whether one of r is 0, inf or nan because of what the dtype cannot hold."""
    return not smallest_of_all(r) > 0 or (eps == 0 and largest_of_all(r) == np.inf)


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


@whole
def scaled_rows(x: Any, w: Any, b: Any, eps: float) -> tuple[Any, Any, Any]:
    """n w + b, n and r: `normalised` over the last axes, which are those of w; b may be None."""
    shape, count = (*x.shape[: x.ndim - w.ndim], *(1,) * w.ndim), w.size
    rows = np.ascontiguousarray(x).reshape((-1, count))
    w, b = w.reshape(-1), None if b is None else b.reshape(-1)
    y, n, r = np.empty_like(rows), np.empty_like(rows), np.empty((len(rows), 1), x.dtype)

    def fill(part: slice) -> None:
        given, of_n, of_y = rows[part], n[part], y[part]
        np.subtract(given, given[:, :1], out=of_n)  # see `centred`
        of_n -= sum_along(of_n, LAST, keepdims=True) / count
        np.multiply(of_n, of_n, out=of_y)
        r[part] = 1.0 / np.sqrt(sum_along(of_y, LAST, keepdims=True) / count + eps)
        of_n *= r[part]
        np.multiply(of_n, w, out=of_y)
        if b is not None:
            of_y += b

    each_chunk(fill, chunks_of_rows(rows), rows.nbytes)
    if _irregular(r, eps):
        n, r = _rescaled(rows, n, r, LAST, count, eps)
        y = n * w if b is None else n * w + b
    return y.reshape(x.shape), n.reshape(x.shape), r.reshape(shape)


def scaled_gradients(
    g: Any, w: Any, n: Any, r: Any, sizes: Shape, needs: tuple[bool, ...]
) -> tuple[Any, Any, Any]:
    """The gradients of x, w and b, as far as needed, in `scaled_rows`; w has these sizes.

    That of x is r (g w - <g w> - n <g n w>), <> being the mean over the axes of w: products of a
    matrix and w.  What no needed gradient reads may be None.  Array or Tensor.
    """
    if g.__class__ is not np.ndarray:
        return _scaled_gradients(g, w, n, r, sizes, needs)
    shape, count = g.shape, prod(sizes)
    g = (g if g.flags.c_contiguous else g.copy("C")).reshape((-1, count))
    if needs[0] or needs[1]:
        n = n.reshape(g.shape)
    if needs[0]:
        flat, r, gx = w.reshape(-1), r.reshape((-1, 1)), np.empty_like(g)

    def fill(part: slice) -> tuple[Any, Any]:
        given, of_w = g[part], None
        if needs[0] or needs[1]:
            of_n = n[part]
            gn = given * of_n
        if needs[1]:
            of_w = sum_along(gn, FIRST)
        if needs[0]:
            mean, slope = ((multiply(each, flat) / count)[:, None] for each in (given, gn))
            trend, out = np.multiply(of_n, slope, out=gn), gx[part]
            trend += mean
            np.multiply(given, flat, out=out)
            out -= trend
            out *= r[part]
        return of_w, sum_along(given, FIRST) if needs[2] else None

    found = each_chunk(fill, chunks_of_rows(g), g.nbytes)
    gw, gb = (
        sum_along(np.stack(sums), FIRST).reshape(sizes) if need else None
        for sums, need in zip(zip(*found, strict=True), needs[1:], strict=True)
    )
    return gx.reshape(shape) if needs[0] else None, gw, gb


def _scaled_gradients(
    g: Any, w: Any, n: Any, r: Any, sizes: Shape, needs: tuple[bool, ...]
) -> tuple[Any, Any, Any]:
    """`scaled_gradients` as its formula, for Tensors."""
    front = tuple(range(g.ndim - len(sizes)))
    gn = g * n if needs[0] or needs[1] else None
    gx = None
    if needs[0]:
        mean, slope = (sum_times(each, w, ()) / prod(sizes) for each in (g, gn))
        gx = without_trend(g * w, mean, slope, n, r)
    return (
        gx,
        sum_along(gn, front) if needs[1] else None,
        sum_along(g, front) if needs[2] else None,
    )


@whole
def by_mean_square(x: Any, axes: Shape, eps: float) -> tuple[Any, Any]:
    """x r and r = 1 / sqrt(mean of x^2 + eps), over the axes.

    Where a square overflows, or is 0 only because it is too small for the dtype (which matters for
    eps = 0), x is divided by its largest element first.
    """
    count = prod([x.shape[axis] for axis in axes])
    r = 1.0 / np.sqrt(sum_along(x * x, axes, keepdims=True) / count + eps)
    if _irregular(r, eps):
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
    rows = multiply(x.reshape((-1, prod(w.shape))), w.reshape(-1))
    return rows.reshape((*x.shape[: x.ndim - w.ndim], *(1,) * w.ndim))


def without_trend(g: Any, mean: Any, slope: Any, n: Any, r: Any) -> Any:
    """(g - (mean + slope n)) r, where mean may be None for 0.  Array or Tensor."""
    trend = n * slope
    if trend.__class__ is not np.ndarray:
        return (g - (trend if mean is None else trend + mean)) * r
    if mean is not None:
        trend += mean
    np.subtract(g, trend, out=trend)
    trend *= r
    return trend
