"""NumPy's reductions, scans and sorting functions on tensors, with NumPy's arguments and defaults.

Where NumPy differs from PyTorch, NumPy's meaning holds: ddof=0, np.sort returns values only, and
np.cumsum without an axis runs over the flat data.
"""

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from ..arrays.arguments import number
from ..arrays.shapes import normalize_axes
from ..engine.graph import TensorBase
from ..methods._operands import as_tensor, cast, in_single, matched, tensor_or_array
from ..methods.reduce import floats


def _with_axis(name: str) -> Callable[..., Any]:
    """A reduction with NumPy's argument names."""

    def call(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        return getattr(x, name)(axis=axis, keepdim=keepdims)

    return call


def _with_dtype(name: str) -> Callable[..., Any]:
    """A reduction that also takes a dtype."""

    def call(x: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
        return getattr(x, name)(axis, keepdims, dtype)

    return call


def _spread(name: str) -> Callable[..., Any]:
    """var or std, which in NumPy divide by n by default."""

    def call(
        x: Any, axis: Any = None, dtype: Any = None, *, ddof: float = 0, keepdims: bool = False
    ) -> Any:
        x = x if dtype is None else floats(x, name, dtype)
        return getattr(x, name)(axis, keepdims, number(ddof, f"{name}: ddof"))

    return call


def _reduce(name: str) -> Callable[..., Any]:
    """`ufunc.reduce`, whose default axis is 0."""

    def call(x: Any, axis: Any = 0, *, keepdims: bool = False) -> Any:
        return getattr(x, name)(axis=axis, keepdim=keepdims)

    return call


def _scan(name: str) -> Callable[..., Any]:
    """cumsum or cumprod; without an axis, over the flat data."""

    def call(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
        return getattr(x.reshape(-1) if axis is None else x, name)(
            0 if axis is None else axis, dtype
        )

    return call


def _accumulate(name: str) -> Callable[..., Any]:
    """`ufunc.accumulate`, whose default axis is 0."""

    def call(x: Any, axis: int = 0) -> Any:
        result = getattr(x, name)(axis)
        return result[0] if isinstance(result, tuple) else result  # without the positions

    return call


def _sort(x: Any, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Any:
    return (x.reshape(-1) if axis is None else x).sort(-1 if axis is None else axis)[0]


def _argsort(x: Any, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Any:
    return (x.reshape(-1) if axis is None else x).argsort(-1 if axis is None else axis)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """np.linalg.norm: of vectors along one axis, of matrices along two.

    The matrix norms "fro", 1, -1, inf and -inf are supported; the others need singular values.
    """
    if ord is None:
        return x.norm(axis=axis, keepdim=keepdims)
    axes = normalize_axes(axis, x.ndim, "np.linalg.norm")
    if len(axes) == 1 and not isinstance(ord, str):
        return x.norm(ord, axes, keepdims)
    if len(axes) == 2 and ord == "fro":
        return x.norm(axis=axes, keepdim=keepdims)
    if len(axes) != 2 or ord not in (1, -1, inf, -inf):
        raise ValueError(
            f"np.linalg.norm: ord={ord!r} along {len(axes)} axes is not supported on a Tensor; "
            'along one axis any number is, along two "fro", 1, -1, inf and -inf'
        )
    summed, compared = axes if abs(ord) == 1 else axes[::-1]
    sums = x.abs().sum(summed, keepdim=True)
    found = (sums.max if ord > 0 else sums.min)(compared, keepdim=True)
    return found if keepdims else found.squeeze(axes)


def _average(x: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    if weights is None:
        return x.mean(axis, keepdims)
    tensor = x if isinstance(x, TensorBase) else weights
    x = tensor_or_array(x, "np.average: a")
    weights = tensor_or_array(weights, "np.average: weights")
    x, weights = matched("np.average", x, weights, floating=True)
    return _weighted(as_tensor(x, tensor), axis, weights, keepdims)


@in_single
def _weighted(x: Any, axis: Any, weights: Any, keepdims: bool) -> Any:
    weights = cast(as_tensor(weights, x, x.dtype), x.dtype)
    if np.shape(weights) != x.shape:
        axes = normalize_axes(axis, x.ndim, "np.average")
        if len(axes) != 1 or np.shape(weights) != (x.shape[axes[0]],):
            expected = f"{x.shape}, or one for each position along one axis"
            raise ValueError(
                f"np.average: expected weights of shape {expected}; "
                f"got {np.shape(weights)} for axis {axis}"
            )
        weights = np.reshape(weights, (-1, *(1,) * (x.ndim - axes[0] - 1)))
        return (x * weights).sum(axis, keepdims) / weights.sum()
    return (x * weights).sum(axis, keepdims) / weights.sum(axis, keepdims)


REDUCTIONS: dict[Any, Callable[..., Any]] = {
    np.add: _reduce("sum"),
    np.multiply: _reduce("prod"),
    np.maximum: _reduce("max"),
    np.minimum: _reduce("min"),
    np.logaddexp: _reduce("logsumexp"),
}

ACCUMULATIONS: dict[Any, Callable[..., Any]] = {
    np.add: _accumulate("cumsum"),
    np.multiply: _accumulate("cumprod"),
    np.maximum: _accumulate("cummax"),
    np.minimum: _accumulate("cummin"),
    np.logaddexp: _accumulate("logcumsumexp"),
}


def _quantile(x: Any, q: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """np.quantile; x may be an array if q is a Tensor."""
    x = x if isinstance(x, TensorBase) else as_tensor(x, q)
    return x.quantile(q, axis, keepdims)


REDUCING: dict[Any, Callable[..., Any]] = {
    np.sum: _with_dtype("sum"),
    np.mean: _with_dtype("mean"),
    np.prod: _with_dtype("prod"),
    np.max: _with_axis("max"),
    np.min: _with_axis("min"),
    np.amax: _with_axis("max"),
    np.amin: _with_axis("min"),
    np.argmax: _with_axis("argmax"),
    np.argmin: _with_axis("argmin"),
    np.any: _with_axis("any"),
    np.all: _with_axis("all"),
    np.count_nonzero: _with_axis("count_nonzero"),
    np.var: _spread("var"),
    np.std: _spread("std"),
    np.ptp: lambda x, axis=None, *, keepdims=False: x.max(axis, keepdims) - x.min(axis, keepdims),
    np.average: _average,
    np.median: _with_axis("median"),
    np.quantile: _quantile,
    np.percentile: lambda x, q, axis=None, *, keepdims=False: _quantile(
        x, tensor_or_array(q, "np.percentile: q") / 100, axis, keepdims=keepdims
    ),
    np.linalg.norm: _norm,
    np.cumsum: _scan("cumsum"),
    np.cumprod: _scan("cumprod"),
    np.sort: _sort,
    np.argsort: _argsort,
    np.nansum: lambda x, axis=None, *, keepdims=False: x.isnan().where(0, x).sum(axis, keepdims),
}
