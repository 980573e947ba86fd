"""Scans along one axis: cumulative sums, products and extremes."""

from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from ..arrays.float_errors import quiet
from ..arrays.shapes import line_axis
from ..engine.function import Primitive
from ..ops.scan import CumProd, CumSum, LogCumSumExp
from ._keywords import also
from ._operands import as_float, in_single
from ._positions import read_along
from ._theme import Theme
from .reduce import accumulable, in_dtype


class ScanMethods(Theme):
    """Cumulative sums, products and extremes along an axis; a 0-d tensor counts as one element."""

    __slots__ = ()

    @also("dim")
    def cumsum(self, axis: int = 0, dtype: DTypeLike | None = None) -> Self:
        """x_0 + ... + x_i along the axis; bools and integers are added as int64."""
        sums = _along(accumulable(self, dtype, "cumsum"), "cumsum", CumSum, axis)
        return in_dtype(sums, dtype, "cumsum")

    @also("dim")
    def cumprod(self, axis: int = 0, dtype: DTypeLike | None = None) -> Self:
        """x_0 x_1 ... x_i along the axis; exact gradients also where elements are 0.

        Bools and integers are multiplied as int64.
        """
        products = _along(accumulable(self, dtype, "cumprod"), "cumprod", CumProd, axis)
        return in_dtype(products, dtype, "cumprod")

    @also("dim")
    def logcumsumexp(self, axis: int = 0) -> Self:
        """log(exp(x_0) + ... + exp(x_i)) along the axis, without overflow.

        If all x up to x_i are -inf, the result is -inf and the gradient is 0.
        """
        return _along(as_float(self), "logcumsumexp", LogCumSumExp, axis)

    @also("dim")
    def cummax(self, axis: int = 0) -> tuple[Self, Self]:
        """The largest of x_0 ... x_i along the axis, and its position (int64).

        The position is the last if there are several, and the gradient goes there.  nan counts as
        the largest.
        """
        return self._running("cummax", np.maximum, axis)

    @also("dim")
    def cummin(self, axis: int = 0) -> tuple[Self, Self]:
        """The smallest of x_0 ... x_i along the axis, and its position (int64).

        The position is the last if there are several, and the gradient goes there.  nan counts as
        the smallest.
        """
        return self._running("cummin", np.minimum, axis)

    @quiet
    def _running(self, name: str, extreme: np.ufunc, axis: int) -> tuple[Self, Self]:
        x = self._data
        axis = line_axis(axis, x.ndim, name)
        if not x.ndim:
            return read_along(self, np.zeros((), np.int64), 0)
        taken = (x == extreme.accumulate(x, axis=axis)) | (x != x)  # the latter holds for nan only
        numbers = np.arange(x.shape[axis]).reshape(-1, *(1,) * (x.ndim - axis - 1))
        positions = np.maximum.accumulate(np.where(taken, numbers, 0), axis=axis)
        return read_along(self, positions, axis, distinct=False)


@in_single
def _along(x: Any, name: str, op: type[Primitive], axis: int) -> Any:
    """Apply along any axis an `op` that works along the last one."""
    axis = line_axis(axis, x.ndim, name)
    if not x.ndim:
        return op.apply(x.reshape(1)).reshape(())
    if axis == x.ndim - 1:
        return op.apply(x)
    return op.apply(x.transpose(axis, -1)).transpose(axis, -1)
