"""Trigonometric and hyperbolic functions and their inverses."""

import math
from typing import Self

from ..ops.trigonometry import (
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atan2,
    Atanh,
    Cos,
    Cosh,
    Hypot,
    Sin,
    Sinc,
    Sinh,
    Tan,
)
from ._operands import Operand, as_float, in_single, pair
from ._theme import Theme


class TrigonometryMethods(Theme):
    """Trigonometric and hyperbolic functions.  Angles in radians; integers become float32."""

    __slots__ = ()

    def sin(self) -> Self:
        """Sine."""
        return Sin.apply(as_float(self))

    def cos(self) -> Self:
        """Cosine."""
        return Cos.apply(as_float(self))

    def tan(self) -> Self:
        """Tangent, sin(x) / cos(x)."""
        return Tan.apply(as_float(self))

    def asin(self) -> Self:
        """The angle in [-pi/2, pi/2] whose sine is x; nan outside [-1, 1]."""
        return Asin.apply(as_float(self))

    def acos(self) -> Self:
        """The angle in [0, pi] whose cosine is x; nan outside [-1, 1]."""
        return Acos.apply(as_float(self))

    def atan(self) -> Self:
        """The angle in [-pi/2, pi/2] whose tangent is x."""
        return Atan.apply(as_float(self))

    def atan2(self, other: Operand) -> Self:
        """The angle in [-pi, pi] of the point (x, y) = (other, self); 0 at the origin."""
        return Atan2.apply(*pair("atan2", self, other, floating=True))

    def hypot(self, other: Operand) -> Self:
        """sqrt(self^2 + other^2) without overflow; the derivatives at (0, 0) are 0."""
        return Hypot.apply(*pair("hypot", self, other, floating=True))

    def sinh(self) -> Self:
        """(exp(x) - exp(-x)) / 2."""
        return Sinh.apply(as_float(self))

    def cosh(self) -> Self:
        """(exp(x) + exp(-x)) / 2."""
        return Cosh.apply(as_float(self))

    def asinh(self) -> Self:
        """The inverse of sinh."""
        return Asinh.apply(as_float(self))

    def acosh(self) -> Self:
        """The inverse of cosh, >= 0; nan below 1."""
        return Acosh.apply(as_float(self))

    def atanh(self) -> Self:
        """The inverse of tanh; inf at 1, -inf at -1, nan outside."""
        return Atanh.apply(as_float(self))

    @in_single  # in float16, pi x is too far from the multiples of pi
    def sinc(self) -> Self:
        """sin(pi x) / (pi x), and 1 at 0; derivatives of every order are exact at 0 too."""
        return Sinc.apply(as_float(self) * math.pi)
