"""Reductions: sum, mean, max, min, prod, var and what is composed of them.

Every one takes `axis` as an integer, a tuple, or None for all axes, and `keepdim` to leave the
reduced axes in place with size 1.
"""

from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from ..graph import TensorBase
from ..ops.choice import Where
from ..ops.reduce import Max, Min, Prod, Sum
from ..shapes import Axis, normalize_axes
from .operands import as_float, cast, in_single


class ReduceMethods(TensorBase):
    """Reductions over one axis, several, or all."""

    __slots__ = ()

    def sum(self, axis: Axis = None, keepdim: bool = False, dtype: DTypeLike | None = None) -> Self:
        """Sum; bools and integers are summed as int64.  0 for no elements."""
        x = self if dtype is None else cast(self, dtype)
        if x._data.dtype.kind in "bui" and dtype is None:
            x = cast(x, np.dtype(np.int64))
        return Sum.apply(x, axes=normalize_axes(axis, x._data.ndim, "sum"), keepdim=keepdim)

    @in_single
    def mean(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """Arithmetic mean; integers give float32.  nan for no elements."""
        x = as_float(self)
        axes = normalize_axes(axis, x._data.ndim, "mean")
        count = prod(x._data.shape[number] for number in axes)
        total = Sum.apply(x, axes=axes, keepdim=keepdim)
        return total / count

    def max(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """Largest element; ties share the gradient evenly, and nan wins."""
        return Max.apply(self, axes=self._filled_axes(axis, "max"), keepdim=keepdim)

    def min(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """Smallest element; ties share the gradient evenly, and nan wins."""
        return Min.apply(self, axes=self._filled_axes(axis, "min"), keepdim=keepdim)

    def prod(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """Product; exact gradients also where elements are 0.  1 for no elements."""
        x = cast(self, np.int64) if self._data.dtype.kind in "bui" else self
        return Prod.apply(x, axes=normalize_axes(axis, x._data.ndim, "prod"), keepdim=keepdim)

    @in_single
    def var(self, axis: Axis = None, keepdim: bool = False, correction: int = 1) -> Self:
        """Variance: sum((x - mean)^2) / (n - correction), nan where that is 0 / 0."""
        x: Any = as_float(self)
        axes = normalize_axes(axis, x.ndim, "var")
        deviation = x - x.mean(axes, keepdim=True)
        count = prod(x.shape[number] for number in axes)
        return (deviation * deviation).sum(axes, keepdim) / float(max(count - correction, 0))

    @in_single
    def logsumexp(self, axis: Axis = None, keepdim: bool = False) -> Self:
        """log(sum(exp(x))) without overflow: the largest x is taken out first.

        Where all x are -inf, the result is -inf and the gradient 0.
        """
        x: Any = as_float(self)
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

    def argmax(self, axis: int | None = None, keepdim: bool = False) -> Self:
        """Position (int64) of the largest element, the first of several; carries no gradient.

        With axis None it counts through the flat data.
        """
        if axis is not None:
            self._filled_axes(axis, "argmax")
        return self._wrap(np.argmax(self._data, axis=axis, keepdims=keepdim), None)

    def _filled_axes(self, axis: Axis, name: str) -> tuple[int, ...]:
        """The axes, which must have elements: an extreme of nothing has no value."""
        axes = normalize_axes(axis, self._data.ndim, name)
        if any(self._data.shape[number] == 0 for number in axes):
            raise ValueError(
                f"{name}: shape {self._data.shape} has no elements along axis {axis}; "
                "the largest or smallest of nothing is not defined"
            )
        return axes
