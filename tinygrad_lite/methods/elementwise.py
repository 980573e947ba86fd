"""Elementwise functions: powers, exponentials, logarithms, signs, rounding, and selection."""

from functools import partial
from typing import Any, Self

import numpy as np

from ..arrays import integers
from ..arrays.arguments import integer, number
from ..arrays.dtypes import INT
from ..arrays.float_errors import quiet
from ..arrays.shapes import broadcast_shape
from ..engine.graph import TensorBase
from ..ops.arithmetic import Div, Pow
from ..ops.elementwise import Erf, Exp, Expm1, Log, Log1p, Logaddexp, LogBase, Sqrt, Xlogy
from ..ops.selection import Abs, Clip, Maximum, Minimum, Step, Where
from ._elementwise import choose
from ._keywords import also
from ._operands import (
    Operand,
    as_float,
    as_tensor,
    cast,
    check_fits,
    converted,
    matched,
    operand,
    pair,
    scaled,
)
from ._theme import Theme


class ElementwiseMethods(Theme):
    """Elementwise functions.  Integers and bools become float32 if the result is not an integer."""

    __slots__ = ()

    # Powers, exponentials and logarithms

    def square(self) -> Self:
        """x * x."""
        return self * self

    def sqrt(self) -> Self:
        """Square root; its derivative at 0 is inf."""
        return Sqrt.apply(as_float(self))

    def rsqrt(self) -> Self:
        """1 / sqrt(x); inf at 0, nan below."""
        return Div.apply(1.0, Sqrt.apply(as_float(self)))

    def reciprocal(self) -> Self:
        """1 / x; inf at 0.

        dy/dx = -y^2.
        """
        return Div.apply(1.0, as_float(self))

    def exp(self) -> Self:
        """e^x."""
        return Exp.apply(as_float(self))

    def exp2(self) -> Self:
        """2^x.

        dy/dx = y log(2).
        """
        return Pow.apply(2.0, as_float(self))

    def expm1(self) -> Self:
        """exp(x) - 1, accurate near 0."""
        return Expm1.apply(as_float(self))

    def log(self) -> Self:
        """Natural logarithm; -inf at 0, nan below."""
        return Log.apply(as_float(self))

    def log2(self) -> Self:
        """Logarithm to base 2, exact for powers of 2; -inf at 0, nan below."""
        return LogBase.apply(as_float(self), base=2)

    def log10(self) -> Self:
        """Logarithm to base 10, exact for powers of 10; -inf at 0, nan below."""
        return LogBase.apply(as_float(self), base=10)

    def log1p(self) -> Self:
        """log(1 + x), accurate near 0; -inf at -1, nan below."""
        return Log1p.apply(as_float(self))

    def logaddexp(self, other: Operand) -> Self:
        """log(exp(self) + exp(other)) without overflow.

        If both are -inf, the result is -inf and the gradients are 0.
        """
        return Logaddexp.apply(*pair("logaddexp", self, other, floating=True))

    def xlogy(self, other: Operand) -> Self:
        """self * log(other); 0 where self is 0, unless other is nan.

        The gradients are 0 where self is 0 and other is not a positive number.
        """
        x, y = pair("xlogy", self, other, floating=True)
        return Xlogy.apply(x, as_tensor(y, self, x._data.dtype))

    def erf(self) -> Self:
        """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.

        The relative error is at most 5e-16 in float64, by W. J. Cody, Rational Chebyshev
        approximations for the error function, Mathematics of Computation 23 (1969), and 5e-7 in
        float32.
        """
        return Erf.apply(as_float(self))

    def lerp(self, end: Operand, weight: Operand) -> Self:
        """self + weight * (end - self): exactly self for a weight of 0, exactly `end` for 1."""
        a, b, part = matched("lerp", self, end=end, weight=weight, floating=True)
        broadcast_shape(*map(np.shape, (a, b, part)), name="lerp")
        if isinstance(part, (int, float)):
            return a + (b - a) * part if part < 0.5 else b - (b - a) * (1.0 - part)
        return choose(part < 0.5, a + (b - a) * part, b - (b - a) * (1.0 - part), type(self))

    def addcmul(self, tensor1: Operand, tensor2: Operand, *, value: float = 1) -> Self:
        """self + value tensor1 tensor2."""
        x, a, b = matched("addcmul", self, tensor1=tensor1, tensor2=tensor2)
        broadcast_shape(*map(np.shape, (x, a, b)), name="addcmul")
        return x + scaled("addcmul", a, value, "value") * b

    def addcdiv(self, tensor1: Operand, tensor2: Operand, *, value: float = 1) -> Self:
        """self + value tensor1 / tensor2."""
        x, a, b = matched("addcdiv", self, tensor1=tensor1, tensor2=tensor2, floating=True)
        broadcast_shape(*map(np.shape, (x, a, b)), name="addcdiv")
        return x + scaled("addcdiv", a, value, "value") / b

    # Sign and rounding.  The latter are constant between their jumps, so the derivative is 0.

    def abs(self) -> Self:
        """Absolute value; its derivative at 0 is 0."""
        return Abs.apply(self)

    def sign(self) -> Self:
        """-1, 0 or 1; nan for nan.  The derivative is 0."""
        return Step.apply(self, function=np.sign)

    def copysign(self, other: Operand) -> Self:
        """The absolute value of self with the sign of `other`, which gets no gradient."""
        x, y = pair("copysign", self, other, floating=True)
        broadcast_shape(np.shape(x), np.shape(y), name="copysign")
        return abs(x) * np.copysign(1.0, y._data if isinstance(y, TensorBase) else y)

    def ceil(self) -> Self:
        """The smallest integer >= x, with the dtype of x.  The derivative is 0."""
        return Step.apply(self, function=np.ceil, unchanged="bui")

    def floor(self) -> Self:
        """The largest integer <= x, with the dtype of x.  The derivative is 0."""
        return Step.apply(self, function=np.floor, unchanged="bui")

    def trunc(self) -> Self:
        """x without its fraction, with the dtype of x.  The derivative is 0."""
        return Step.apply(self, function=np.trunc, unchanged="bui")

    def round(self, decimals: int = 0) -> Self:
        """x rounded to this number of decimals, halves to even.  The derivative is 0."""
        rounded = partial(
            _to_decimals, decimals=max(min(integer(decimals, "round: decimals"), 400), -400)
        )
        return Step.apply(self, function=rounded)

    # Selection: the gradient goes to the selected input

    def maximum(self, other: Operand) -> Self:
        """The larger of the two, elementwise; at a tie both get half of the gradient."""
        return Maximum.apply(*pair("maximum", self, other))

    def minimum(self, other: Operand) -> Self:
        """The smaller of the two, elementwise; at a tie both get half of the gradient."""
        return Minimum.apply(*pair("minimum", self, other))

    @also("min_", "max_", "a_min", "a_max")
    def clamp(self, min: Operand | None = None, max: Operand | None = None) -> Self:
        """x between `min` and `max`; a bound may be a tensor, or None for no bound.

        The derivative is 1 between the bounds and at them, 0 outside.  Where min > max, the
        result is max, with derivative 0.

        Errors: ValueError if both are None.
        """
        named = {"min": min, "max": max}
        given: Any = {name: bound for name, bound in named.items() if bound is not None}
        if not given:
            raise ValueError("clamp: expected min, max or both; got None for both")
        x, *bounds = matched("clamp", self, **given)
        check_fits("clamp", x, *bounds)
        low = None if min is None else bounds[0]
        return Clip.apply(x, low, None if max is None else bounds[-1])

    @also("min_", "max_", "a_min", "a_max")
    def clip(self, min: Operand | None = None, max: Operand | None = None) -> Self:
        """The same as `clamp`."""
        return self.clamp(min, max)

    @also("x", "y")
    def where(self, a: Operand, b: Operand) -> Self:
        """a where this tensor, a bool mask, is True, else b.  The three broadcast."""
        return choose(self, a, b, type(self))

    @quiet
    def masked_fill(self, mask: Any, value: Operand) -> Self:
        """`value`, cast to the dtype of self, where the bool `mask` is True, else self."""
        given = operand(value, "masked_fill: value")
        check_fits("masked_fill", self._data, given)
        if isinstance(given, (bool, int, float)):
            fill = as_tensor(given, self, self._data.dtype)
        else:
            fill = cast(given, self._data.dtype, "masked_fill")
        return choose(mask, fill, self, type(self), "masked_fill")

    def nan_to_num(
        self, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
    ) -> Self:
        """x with nan replaced by `nan`, and inf and -inf by `posinf` and `neginf`.

        The default for these is the largest and the smallest number of the dtype.  The derivative
        is 1 where x is finite, else 0.
        """
        nan = number(nan, "nan_to_num: nan")
        posinf = None if posinf is None else number(posinf, "nan_to_num: posinf")
        neginf = None if neginf is None else number(neginf, "nan_to_num: neginf")
        if self._data.dtype.kind != "f":
            return converted(self, self._data.dtype)
        fixed = np.nan_to_num(self._data, nan=nan, posinf=posinf, neginf=neginf)
        return Where.apply(self, fixed, condition=np.isfinite(self._data))


def _to_decimals(x: Any, decimals: int) -> Any:
    if x.dtype.kind in "iu":  # 255 to tens is 260, which uint8 lacks
        return integers.converted("round", np.round(x.astype(INT), decimals), x.dtype)
    y = np.round(x, decimals)
    if decimals <= 0 or x.dtype.kind != "f":
        return y
    return np.where(np.isfinite(y), y, x)  # if x 10^decimals overflows, x has no decimals
