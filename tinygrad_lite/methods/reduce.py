"""Reductions: sums, products, extremes, variances and norms.

Each takes `axis` as an integer, a tuple, or None for all axes, and `keepdim` to keep the reduced
axes with size 1.  An empty tuple names no axis, so nothing is reduced, as in NumPy (in PyTorch it
means all axes in most functions, and none in `any` and `all`).
"""

from math import inf, prod, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from ..arrays.arguments import flag, number, shown, wrong
from ..arrays.dtypes import check_dtype
from ..arrays.locks import imported
from ..arrays.recorded import holds
from ..arrays.shapes import Axis, line_axis, normalize_axes
from ..engine.graph import TensorBase
from ..ops.reduce import Centre, Max, Mean, Min, Norm, Prod, Sum
from ..ops.selection import Where
from ..source_lines import warn
from ._keywords import also
from ._operands import Given, as_float, cast, in_single
from ._theme import Theme


class ReduceMethods(Theme):
    """Reductions over one axis, several, or all."""

    __slots__ = ()

    # Sums and products

    @also("dim", "keepdims")
    def sum(self, axis: Axis = None, keepdim: bool = False, dtype: DTypeLike | None = None) -> Self:
        """Sum; bools and integers are added as int64.  0 for no elements."""
        x = accumulable(self, dtype, "sum")
        axes = normalize_axes(axis, x.ndim, "sum")
        if len(axes) == 2 and x.ndim == 2:
            _look_at_matrix("sum", x)
        total = Sum.apply(x, axes=axes, keepdim=flag(keepdim, "sum: keepdim"))
        return in_dtype(total, dtype, "sum")

    @also("dim", "keepdims")
    def mean(
        self, axis: Axis = None, keepdim: bool = False, dtype: DTypeLike | None = None
    ) -> Self:
        """Arithmetic mean, sum(x) / n; bools and integers give float32.  nan for no elements."""
        return _mean(floats(self, "mean", dtype), axis, keepdim)

    @also("dim", "keepdims")
    def prod(
        self, axis: Axis = None, keepdim: bool = False, dtype: DTypeLike | None = None
    ) -> Self:
        """Product; exact gradients also where elements are 0.  1 for no elements.

        Bools and integers are multiplied as int64.
        """
        return in_dtype(_prod(accumulable(self, dtype, "prod"), axis, keepdim), dtype, "prod")

    # Extremes

    @also("dim", "keepdims")
    def max(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """Largest element, or nan if there is one; equal ones share the gradient evenly."""
        return Max.apply(self, **self._of_extreme("max", axis, keepdim))

    @also("dim", "keepdims")
    def min(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """Smallest element, or nan if there is one; equal ones share the gradient evenly."""
        return Min.apply(self, **self._of_extreme("min", axis, keepdim))

    @also("dim", "keepdims")
    def amax(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """PyTorch's name for `max`, whose own `max(dim)` gives the positions too."""
        return Max.apply(self, **self._of_extreme("amax", axis, keepdim))

    @also("dim", "keepdims")
    def amin(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """PyTorch's name for `min`, whose own `min(dim)` gives the positions too."""
        return Min.apply(self, **self._of_extreme("amin", axis, keepdim))

    @also("dim", "keepdims")
    def argmax(self, axis: int | None = None, keepdim: bool = False) -> Self:
        """Position (int64) of the largest element, the first if there are several.  No gradient.

        With axis None it is the position in the flat data.
        """
        return self._position("argmax", np.argmax, axis, keepdim)

    @also("dim", "keepdims")
    def argmin(self, axis: int | None = None, keepdim: bool = False) -> Self:
        """Position (int64) of the smallest element, the first if there are several.  No gradient.

        With axis None it is the position in the flat data.
        """
        return self._position("argmin", np.argmin, axis, keepdim)

    # Any, all, count

    @also("dim", "keepdims")
    def any(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """Whether at least one element is not 0 (bool; nan is not 0).  False for no elements."""
        axes = normalize_axes(axis, self._data.ndim, "any")
        keepdim = flag(keepdim, "any: keepdim")
        return self._wrap(np.any(self._data, axis=axes, keepdims=keepdim), None)

    @also("dim", "keepdims")
    def all(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """Whether no element is 0 (bool; nan is not 0).  True for no elements."""
        axes = normalize_axes(axis, self._data.ndim, "all")
        keepdim = flag(keepdim, "all: keepdim")
        return self._wrap(np.all(self._data, axis=axes, keepdims=keepdim), None)

    @also("dim", "keepdims")
    def count_nonzero(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """The number of elements that are not 0 (int64; nan is not 0)."""
        axes = normalize_axes(axis, self._data.ndim, "count_nonzero")
        keepdim = flag(keepdim, "count_nonzero: keepdim")
        return self._wrap(np.count_nonzero(self._data, axis=axes, keepdims=keepdim), None)

    # Variances

    @also("dim", "keepdims", "unbiased", "ddof")
    @in_single
    def var(self, axis: Axis = None, keepdim: bool = False, correction: float = 1) -> Self:
        """Variance, sum((x - mean)^2) / (n - correction); bools and integers give float32.

        nan, with a RuntimeWarning, if n is not larger than the correction.
        """
        keepdim = flag(keepdim, "var: keepdim")
        deviation, axes, freedom = _deviation(self, "var", axis, correction)
        return (deviation * deviation).sum(axes, keepdim) / freedom

    @also("dim", "keepdims", "unbiased", "ddof")
    @in_single
    def std(self, axis: Axis = None, keepdim: bool = False, correction: float = 1) -> Self:
        """Standard deviation, sqrt(var); the gradient is 0 where all x are equal.  See `var`."""
        keepdim = flag(keepdim, "std: keepdim")
        deviation, axes, freedom = _deviation(self, "std", axis, correction)
        return Norm.apply(deviation, axes=axes, p=2, keepdim=keepdim) / sqrt(freedom)

    @also("dim", "keepdims", "unbiased", "ddof")
    def var_mean(
        self, axis: Axis = None, keepdim: bool = False, correction: float = 1
    ) -> tuple[Self, Self]:
        """The pair of `var` and `mean`."""
        axes = normalize_axes(axis, self._data.ndim, "var_mean")
        keepdim = flag(keepdim, "var_mean: keepdim")
        correction = number(correction, "var_mean: correction")
        return self.var(axes, keepdim, correction), self.mean(axes, keepdim)

    @also("dim", "keepdims", "unbiased", "ddof")
    def std_mean(
        self, axis: Axis = None, keepdim: bool = False, correction: float = 1
    ) -> tuple[Self, Self]:
        """The pair of `std` and `mean`."""
        axes = normalize_axes(axis, self._data.ndim, "std_mean")
        keepdim = flag(keepdim, "std_mean: keepdim")
        correction = number(correction, "std_mean: correction")
        return self.std(axes, keepdim, correction), self.mean(axes, keepdim)

    # Norms

    @also("dim", "keepdims")
    @in_single
    def norm(self, p: float = 2, axis: Axis = None, keepdim: bool = False) -> Self:
        """The p-norm of vectors, (sum of |x|^p)^(1/p); bools and integers give float32.

        p = inf is the largest |x|, -inf the smallest, and 0 the number of elements that are not 0.
        The gradient at 0 is 0; several largest |x| share it.
        """
        return p_norm("norm", self, p, axis, keepdim)

    @also("dim", "keepdims")
    @in_single
    def logsumexp(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """log(sum(exp(x))) without overflow: the largest x is subtracted first.

        If all x are -inf, the result is -inf and the gradient is 0.
        """
        x = as_float(self)
        axes = normalize_axes(axis, x.ndim, "logsumexp")
        keepdim = flag(keepdim, "logsumexp: keepdim")
        if prod(x.shape[number] for number in axes) == 0:
            return x.exp().sum(axes, keepdim).log()
        largest = x.detach().max(axes, keepdim=True)
        largest = Where.apply(largest, 0.0, condition=np.isfinite(largest._data))
        total = (x - largest).exp().sum(axes, keepdim)
        some = total._data != 0
        if not holds(lambda: not some.all()):
            return total.log() + largest.reshape(total.shape)
        y = Where.apply(total, 1.0, condition=some).log() + largest.reshape(total.shape)
        return Where.apply(y, -np.inf, condition=some)

    def _filled_axes(self, axis: Axis, name: str) -> tuple[int, ...]:
        """The axes, which must have elements, since no elements have no largest or smallest."""
        axes = normalize_axes(axis, self._data.ndim, name)
        if any(self._data.shape[number] == 0 for number in axes):
            raise ValueError(
                f"{name}: shape {self._data.shape} has no elements along axis {shown(axis)}; "
                "the largest or smallest of nothing is not defined"
            )
        return axes

    def _of_extreme(self, name: str, axis: Axis, keepdim: bool) -> dict[str, Any]:
        """The options of Max or Min, checked."""
        if isinstance(axis, (TensorBase, np.ndarray)) and axis.ndim:
            raise TypeError(
                f"{name}: axis: expected an integer; got {shown(axis)}; of two tensors, write "
                f"x.{name.removeprefix('a')}imum(y)"
            )
        axes = self._filled_axes(axis, name)
        return {"axes": axes, "keepdim": flag(keepdim, f"{name}: keepdim")}

    def _position(self, name: str, function: Any, axis: int | None, keepdim: bool) -> Self:
        """np.argmax or np.argmin."""
        if axis is not None:
            axis = line_axis(axis, self._data.ndim, name)
        self._filled_axes(axis, name)
        keepdim = flag(keepdim, f"{name}: keepdim")
        return self._wrap(function(self._data, axis=axis, keepdims=keepdim), None)


def accumulable(x: Given, dtype: DTypeLike | None, name: str) -> Given:
    """The tensor as `dtype`; default: int64 for bools and integers, floats keep theirs.

    Instead of a narrow integer dtype it is int64, and the result is cast by `in_dtype`.
    """
    if dtype is not None:
        x = cast(x, check_dtype(dtype, name), name)
        return cast(x, np.int64) if x._data.dtype.kind in "iu" and x._data.itemsize < 8 else x
    return cast(x, np.int64) if x._data.dtype.kind in "bui" else x


def in_dtype(result: Given, dtype: DTypeLike | None, name: str) -> Given:
    """What was made of an `accumulable`, as `dtype` if one is given."""
    return result if dtype is None else cast(result, check_dtype(dtype, name), name)


def floats(x: Given, name: str, dtype: DTypeLike | None) -> Given:
    """The tensor as `dtype`, which must be a float dtype; default: float32 unless it is a float."""
    if dtype is None:
        return as_float(x)
    wanted = check_dtype(dtype, name)
    if wanted.kind != "f":
        raise TypeError(f"{name}: dtype: expected a float dtype; got {wanted}")
    return cast(x, wanted)


def _order(name: str, p: Any) -> float:
    """The p of a p-norm as a Python float, since a NumPy scalar would decide the dtype."""
    found = float(number(p, f"{name}: p"))
    if isinstance(p, (bool, np.bool_)) or found != found:
        raise wrong(f"{name}: p", "a number", p)
    return found


def _look_at_matrix(name: str, x: TensorBase) -> None:
    """All of a matrix is reduced: if it is (N, N), perhaps (N, 1) met (N,) by mistake."""
    rows, columns = x._data.shape
    if rows == columns and x._node is not None:
        imported("tinygrad_lite.mistakes.broadcasts").look(name, x)


@in_single
def _mean(x: Any, axis: Axis, keepdim: bool) -> Any:
    axes = normalize_axes(axis, x.ndim, "mean")
    if len(axes) == 2 and x.ndim == 2:
        _look_at_matrix("mean", x)
    return Mean.apply(x, axes=axes, keepdim=flag(keepdim, "mean: keepdim"))


@in_single
def _prod(x: Any, axis: Axis, keepdim: bool) -> Any:
    axes = normalize_axes(axis, x.ndim, "prod")
    return Prod.apply(x, axes=axes, keepdim=flag(keepdim, "prod: keepdim"))


def p_norm(name: str, tensor: Any, p: float, axis: Axis, keepdim: bool) -> Any:
    """`Tensor.norm` for a method called `name`."""
    x, p, keepdim = as_float(tensor), _order(name, p), flag(keepdim, f"{name}: keepdim")
    axes = normalize_axes(axis, x.ndim, name)
    if p == 0:
        counted = cast(x != 0, x.dtype)
        return Where.apply(x, counted, condition=np.False_).sum(axes, keepdim)  # gradient 0
    if abs(p) == inf or p < 0:
        x._filled_axes(axes, name)
    if p == inf:
        return x.abs().max(axes, keepdim)
    if p == -inf:
        return x.abs().min(axes, keepdim)
    if p == 1:
        return x.abs().sum(axes, keepdim)
    return Norm.apply(x, axes=axes, p=p, keepdim=keepdim)


def _deviation(
    x: Theme, name: str, axis: Axis, correction: float
) -> tuple[Any, tuple[int, ...], float]:
    """x - mean, the axes, and the degrees of freedom: n - correction, at least 0."""
    deviation, correction = as_float(x), number(correction, f"{name}: correction")
    axes = normalize_axes(axis, deviation.ndim, name)
    count = prod(deviation.shape[number] for number in axes)
    if count <= correction:
        fix = "; use correction=0" if count else ""
        warn(
            f"{name}: n - correction = {count} - {correction} leaves no degree of freedom, so the "
            f"result is not finite{fix}",
            RuntimeWarning,
        )
        # The gradient is infinite too, so Centre's would be inf - inf.
        return deviation - deviation.detach().mean(axes, keepdim=True), axes, 0.0
    return Centre.apply(deviation, axes=axes), axes, float(count - correction)
