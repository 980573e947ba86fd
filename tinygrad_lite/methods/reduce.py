"""Reductions: sum, mean, extremes, products, spread and norms.

Every one takes `axis` as an integer, a tuple, or None for all axes, and `keepdim` to leave the
reduced axes in place with size 1.  An empty tuple names no axis, so nothing is reduced, as in NumPy
(in PyTorch it means all axes in most functions, and none in `any` and `all`).
"""

from math import inf, prod, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from ..arrays.dtypes import check_dtype
from ..arrays.shapes import Axis, normalize_axes, normalize_axis
from ..engine.recording import warn
from ..ops.reduce import Centre, Max, Mean, Min, Norm, Prod, Sum
from ..ops.selection import Where
from ._operands import Given, as_float, cast, in_single
from ._theme import Theme


class ReduceMethods(Theme):
    """Reductions over one axis, several, or all."""

    __slots__ = ()

    # Sums and products

    def sum(self, axis: Axis = None, keepdim: bool = False, dtype: DTypeLike | None = None) -> Self:
        """Sum; bools and integers are summed as int64.  0 for no elements."""
        x = accumulable(self, dtype)
        return Sum.apply(x, axes=normalize_axes(axis, x.ndim, "sum"), keepdim=keepdim)

    def mean(
        self, axis: Axis = None, keepdim: bool = False, dtype: DTypeLike | None = None
    ) -> Self:
        """Arithmetic mean, sum(x) / n; bools and integers give float32.  nan for no elements."""
        return _mean(floats(self, "mean", dtype), axis, keepdim)

    def prod(
        self, axis: Axis = None, keepdim: bool = False, dtype: DTypeLike | None = None
    ) -> Self:
        """Product; exact gradients also where elements are 0.  1 for no elements.

        Bools and integers are multiplied as int64.
        """
        return _prod(accumulable(self, dtype), axis, keepdim)

    # Extremes

    def max(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """Largest element; ties share the gradient evenly, and nan wins."""
        return Max.apply(self, axes=self._filled_axes(axis, "max"), keepdim=keepdim)

    def min(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """Smallest element; ties share the gradient evenly, and nan wins."""
        return Min.apply(self, axes=self._filled_axes(axis, "min"), keepdim=keepdim)

    def argmax(self, axis: int | None = None, keepdim: bool = False) -> Self:
        """Position (int64) of the largest element, the first of several; carries no gradient.

        With axis None it counts through the flat data.
        """
        return self._position("argmax", np.argmax, axis, keepdim)

    def argmin(self, axis: int | None = None, keepdim: bool = False) -> Self:
        """Position (int64) of the smallest element, the first of several; carries no gradient.

        With axis None it counts through the flat data.
        """
        return self._position("argmin", np.argmin, axis, keepdim)

    # Truth

    def any(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """Whether one element at least is not 0 (bool; nan is not 0).  False for no elements."""
        axes = normalize_axes(axis, self._data.ndim, "any")
        return self._wrap(np.any(self._data, axis=axes, keepdims=keepdim), None)

    def all(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """Whether no element is 0 (bool; nan is not 0).  True for no elements."""
        axes = normalize_axes(axis, self._data.ndim, "all")
        return self._wrap(np.all(self._data, axis=axes, keepdims=keepdim), None)

    def count_nonzero(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """How many elements are not 0 (int64; nan is not 0)."""
        axes = normalize_axes(axis, self._data.ndim, "count_nonzero")
        return self._wrap(np.count_nonzero(self._data, axis=axes, keepdims=keepdim), None)

    # Spread

    @in_single
    def var(self, axis: Axis = None, keepdim: bool = False, correction: float = 1) -> Self:
        """Variance, sum((x - mean)^2) / (n - correction); bools and integers give float32.

        nan, with a RuntimeWarning, where n is not larger than the correction.
        """
        deviation, axes, freedom = _deviation(self, "var", axis, correction)
        return (deviation * deviation).sum(axes, keepdim) / freedom

    @in_single
    def std(self, axis: Axis = None, keepdim: bool = False, correction: float = 1) -> Self:
        """Standard deviation, sqrt(var); its gradient is 0 where all x are alike.  See `var`."""
        deviation, axes, freedom = _deviation(self, "std", axis, correction)
        return Norm.apply(deviation, axes=axes, p=2, keepdim=keepdim) / sqrt(freedom)

    def var_mean(
        self, axis: Axis = None, keepdim: bool = False, correction: float = 1
    ) -> tuple[Self, Self]:
        """`var` and `mean`."""
        return self.var(axis, keepdim, correction), self.mean(axis, keepdim)

    def std_mean(
        self, axis: Axis = None, keepdim: bool = False, correction: float = 1
    ) -> tuple[Self, Self]:
        """`std` and `mean`."""
        return self.std(axis, keepdim, correction), self.mean(axis, keepdim)

    # Norms

    @in_single
    def norm(self, p: float = 2, axis: Axis = None, keepdim: bool = False) -> Self:
        """(sum of |x|^p)^(1/p), of vectors; bools and integers give float32.

        p = inf gives the largest |x|, -inf the smallest, and 0 the number of elements that are not
        0.  At 0 the gradient is 0; where several |x| are the largest, they share it.
        """
        x = as_float(self)
        if isinstance(p, bool) or not isinstance(p, (int, float, np.number)) or p != p:
            raise TypeError(f"norm: expected p as a number; got {p!r}")
        p = float(p)  # a NumPy scalar would decide the dtype
        axes = normalize_axes(axis, x.ndim, "norm")
        if p == 0:
            return cast(self.count_nonzero(axes, keepdim), x.dtype)
        if abs(p) == inf or p < 0:
            self._filled_axes(axes, "norm")
        if p == inf:
            return x.abs().max(axes, keepdim)
        if p == -inf:
            return x.abs().min(axes, keepdim)
        if p == 1:
            return x.abs().sum(axes, keepdim)
        return Norm.apply(x, axes=axes, p=p, keepdim=keepdim)

    @in_single
    def logsumexp(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """log(sum(exp(x))) without overflow: the largest x is taken out first.

        Where all x are -inf, the result is -inf and the gradient 0.
        """
        x = as_float(self)
        axes = normalize_axes(axis, x.ndim, "logsumexp")
        if prod(x.shape[number] for number in axes) == 0:
            return x.exp().sum(axes, keepdim).log()
        largest = x.detach().max(axes, keepdim=True)
        largest = Where.apply(largest, 0.0, condition=np.isfinite(largest._data))
        total = (x - largest).exp().sum(axes, keepdim)
        empty = total._data == 0
        if empty.any():
            total = Where.apply(total, 1.0, condition=~empty)
            return Where.apply(total.log(), -np.inf, condition=~empty)
        return total.log() + largest.reshape(total.shape)

    def _filled_axes(self, axis: Axis, name: str) -> tuple[int, ...]:
        """The axes, which must have elements: an extreme of nothing has no value."""
        axes = normalize_axes(axis, self._data.ndim, name)
        if any(self._data.shape[number] == 0 for number in axes):
            raise ValueError(
                f"{name}: shape {self._data.shape} has no elements along axis {axis}; "
                "the largest or smallest of nothing is not defined"
            )
        return axes

    def _position(self, name: str, function: Any, axis: int | None, keepdim: bool) -> Self:
        """np.argmax or np.argmin."""
        if axis is not None and self._data.ndim:
            axis = normalize_axis(axis, self._data.ndim, name)
        self._filled_axes(axis, name)
        return self._wrap(function(self._data, axis=axis, keepdims=keepdim), None)


def accumulable(x: Given, dtype: DTypeLike | None) -> Given:
    """The tensor as `dtype`; where none is given, bools and integers as int64."""
    if dtype is not None:
        return cast(x, check_dtype(dtype))
    return cast(x, np.int64) if x._data.dtype.kind in "bui" else x


def floats(x: Given, name: str, dtype: DTypeLike | None) -> Given:
    """The tensor as `dtype`, which must be a float one; where none is given, in a float dtype."""
    if dtype is None:
        return as_float(x)
    if check_dtype(dtype).kind != "f":
        raise TypeError(f"{name}: expected a float dtype; got {np.dtype(dtype)}")
    return cast(x, dtype)


@in_single
def _mean(x: Any, axis: Axis, keepdim: bool) -> Any:
    return Mean.apply(x, axes=normalize_axes(axis, x.ndim, "mean"), keepdim=keepdim)


@in_single
def _prod(x: Any, axis: Axis, keepdim: bool) -> Any:
    return Prod.apply(x, axes=normalize_axes(axis, x.ndim, "prod"), keepdim=keepdim)


def _deviation(
    x: Theme, name: str, axis: Axis, correction: float
) -> tuple[Any, tuple[int, ...], float]:
    """x - mean, the axes, and the degrees of freedom, n - correction, which are not below 0."""
    deviation = as_float(x)
    axes = normalize_axes(axis, deviation.ndim, name)
    count = prod(deviation.shape[number] for number in axes)
    if count <= correction:
        fix = "; use correction=0" if count else ""
        warn(
            f"{name}: n - correction = {count} - {correction} leaves no degree of freedom, so the "
            f"result is not finite{fix}",
            RuntimeWarning,
        )
    return Centre.apply(deviation, axes=axes), axes, float(max(count - correction, 0))
