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
    """Angles are in radians; integers and bools become float32."""

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
        """The angle in [-pi/2, pi/2] whose sine is x; nan beyond -1 and 1."""
        return Asin.apply(as_float(self))

    def acos(self) -> Self:
        """The angle in [0, pi] whose cosine is x; nan beyond -1 and 1."""
        return Acos.apply(as_float(self))

    def atan(self) -> Self:
        """The angle in [-pi/2, pi/2] whose tangent is x."""
        return Atan.apply(as_float(self))

    def atan2(self, other: Operand) -> Self:
        """The angle in [-pi, pi] of the point (other, self), by quadrant; 0 at the origin."""
        return Atan2.apply(*pair("atan2", self, other, floating=True))

    def hypot(self, other: Operand) -> Self:
        """sqrt(self^2 + other^2) without overflow; its derivatives at (0, 0) are 0."""
        return Hypot.apply(*pair("hypot", self, other, floating=True))

    def sinh(self) -> Self:
        """(exp(x) - exp(-x)) / 2."""
        return Sinh.apply(as_float(self))

    def cosh(self) -> Self:
        """(exp(x) + exp(-x)) / 2."""
        return Cosh.apply(as_float(self))

    def asinh(self) -> Self:
        """The number whose sinh is x."""
        return Asinh.apply(as_float(self))

    def acosh(self) -> Self:
        """The number >= 0 whose cosh is x; nan below 1."""
        return Acosh.apply(as_float(self))

    def atanh(self) -> Self:
        """The number whose tanh is x; inf at 1, nan beyond."""
        return Atanh.apply(as_float(self))

    @in_single  # pi x in float16 is too far from its whole multiples
    def sinc(self) -> Self:
        """sin(pi x) / (pi x), and 1 at 0; every derivative is exact at 0 too."""
        return Sinc.apply(as_float(self) * math.pi)
