"""Elementwise arithmetic: + - * / ** %.  Two inputs broadcast as NumPy does."""

import math

import numpy as np

from ..arrays.arithmetic import floor_divide, fmod, power, remainder, truncated_divide, twice
from ..arrays.selection import nan_under, where_nan
from ..engine.function import Primitive
from .selection import level


class Add(Primitive):
    """y = a + b.  dy/da = dy/db = 1."""

    __slots__ = ()
    broadcasts = True
    scalars = True
    latex = {"y": "a + b", "a": r"\bar{y}", "b": r"\bar{y}"}

    def forward(self, a, b):
        return a + b

    def backward(self, g, y, a, b):
        return g, g


class Sub(Primitive):
    """y = a - b.  dy/da = 1, dy/db = -1."""

    __slots__ = ()
    broadcasts = True
    scalars = True
    latex = {"y": "a - b", "a": r"\bar{y}", "b": r"-\bar{y}"}

    def forward(self, a, b):
        return a - b

    def backward(self, g, y, a, b):
        return g, -g if self.needs[1] else None


class Mul(Primitive):
    """y = a b.  dy/da = b, dy/db = a."""

    __slots__ = ()
    reads = {"a": ("b",), "b": ("a",)}
    broadcasts = True
    scalars = True
    fresh = True
    latex = {"y": r"a \odot b", "a": r"\bar{y} \odot b", "b": r"\bar{y} \odot a"}

    def forward(self, a, b):
        return a * b

    def backward(self, g, y, a, b):
        if a is b and self.parents[0] is self.parents[1]:
            return twice(g) * a, None  # x * x: one product instead of two and their sum
        return g * b if self.needs[0] else None, g * a if self.needs[1] else None


class Div(Primitive):
    """y = a / b.  dy/da = 1 / b, dy/db = -(a / b) / b.  At b = 0 they are IEEE's: inf, nan."""

    __slots__ = ()
    reads = {"a": ("b",), "b": ("a", "b")}
    broadcasts = True
    scalars = True
    fresh = True
    latex = {"y": r"\frac{a}{b}", "a": r"\frac{\bar{y}}{b}", "b": r"-\bar{y} \odot \frac{a}{b^{2}}"}

    def forward(self, a, b):
        return a / b

    def backward(self, g, y, a, b):
        return g / b if self.needs[0] else None, -(g * (a / b)) / b if self.needs[1] else None


class Neg(Primitive):
    """y = -x.  dy/dx = -1."""

    __slots__ = ()
    fresh = True
    scalars = True
    latex = {"y": "-x", "x": r"-\bar{y}"}

    def forward(self, x):
        try:
            return -x
        except TypeError:
            raise TypeError("-: not defined for bools; use ~ for the opposite") from None

    def backward(self, g, y, x):
        return (-g,)


class Pow(Primitive):
    """y = a^b.  dy/da = b a^(b - 1), and 0 where b = 0.  dy/db = y log a, and 0 where a = 0 <= b.

    The exponent's derivative is nan for a < 0, where the power is defined for integers only; no
    logarithm is taken unless the exponent needs a gradient.
    """

    __slots__ = ()
    reads = {"a": ("a", "b"), "b": ("a", "b", "y")}
    broadcasts = True
    fresh = True
    latex = {
        "y": "a^{b}",
        "a": (
            r"\begin{cases} 0 & \text{if } b = 0 \\ "
            r"\bar{y} \odot b \odot a^{b - 1} & \text{otherwise} \end{cases}"
        ),
        "b": (
            r"\begin{cases} 0 & \text{if } a = 0 \le b \\ "
            r"\bar{y} \odot y \odot \log(a) & \text{otherwise} \end{cases}"
        ),
    }

    def forward(self, a, b):
        try:
            return power(a, b)
        except ValueError as error:
            if "negative integer" in str(error):
                raise ValueError("**: an integer to a negative power; cast it to float") from None
            raise

    def backward(self, g, y, a, b):
        ga = gb = None
        if self.needs[0]:
            if isinstance(b, (int, float)):  # a constant exponent
                ga = g * (power(a, b - 1) * b) if b else np.zeros_like(g)
            else:
                slope = b * a ** np.where(b == 0, 0.0, b - 1.0)
                ga = np.where(b == 0, 0.0, g * slope)
        if self.needs[1]:
            # Where a = 0 <= b, the logarithm is that of 1: 0 in every order, and not 0 times inf.
            if not isinstance(a, (int, float)):
                slope = y * np.log(np.where((b >= 0) & (a == 0), 1.0, a))
            elif a == 0:
                slope = y * np.where(b < 0, -np.inf, 0.0).astype(y.dtype)
            else:
                slope = y * (math.log(a) if a > 0 else math.nan)
            gb = g * slope
        return ga, gb


class Mod(Primitive):
    """y = a mod b, with the sign of b, as in Python.  dy/da = 1, dy/db = -floor(a / b).

    y jumps where a is a multiple of b; the derivatives are the same there.  Where y is nan, as at
    b = 0, so is dy/da.
    """

    __slots__ = ("nans",)
    reads = {"b": ("a", "b")}
    broadcasts = True
    latex = {
        "y": r"a - b \odot \lfloor a / b \rfloor",
        "a": r"\bar{y}",
        "b": r"-\bar{y} \odot \lfloor a / b \rfloor",
    }

    def forward(self, a, b):
        y = remainder(a, b)
        self.nans = where_nan(y)
        return y

    def backward(self, g, y, a, b):
        quotient = FloorDivide.apply(a, b) if self.needs[1] else None
        return nan_under(g, self.nans), None if quotient is None else -(g * quotient)


class Fmod(Primitive):
    """y = a - b trunc(a / b), exactly, with the sign of a.  dy/da = 1, dy/db = -trunc(a / b).

    Where y is nan, as at b = 0, so is dy/da.
    """

    __slots__ = ("nans",)
    reads = {"b": ("a", "b")}
    broadcasts = True
    latex = {
        "y": r"a - b \odot \operatorname{trunc}(a / b)",
        "a": r"\bar{y}",
        "b": r"-\bar{y} \odot \operatorname{trunc}(a / b)",
    }

    def forward(self, a, b):
        y = fmod(a, b)
        self.nans = where_nan(y)
        return y

    def backward(self, g, y, a, b):
        quotient = FloorDivide.apply(a, b, to_zero=True) if self.needs[1] else None
        return nan_under(g, self.nans), None if quotient is None else -(g * quotient)


class FloorDivide(Primitive):
    """y = floor(a / b), or trunc(a / b) if `to_zero`.  dy/da = dy/db = 0, also at the jumps.

    Where y is nan, so are the derivatives.  Integers stay integers.
    """

    __slots__ = ("nans", "to_zero")
    broadcasts = True
    fresh = True
    latex = {
        "y": (
            r"\begin{cases} \operatorname{trunc}(a / b) & \text{if } \mathrm{to\_zero} \\ "
            r"\lfloor a / b \rfloor & \text{otherwise} \end{cases}"
        ),
        "a": "0",
        "b": "0",
    }

    def __init__(self, to_zero=False):
        self.to_zero = to_zero

    def forward(self, a, b):
        y = truncated_divide(a, b) if self.to_zero else floor_divide(a, b)
        self.nans = where_nan(y)
        return y

    def backward(self, g, y, a, b):
        return tuple(level(g, self.nans) if need else None for need in self.needs)
