"""Arithmetic by element: + - * / ** %.  Two inputs broadcast as NumPy does."""

import math

import numpy as np

from ..engine.function import Primitive


class Add(Primitive):
    """y = a + b.  dy/da = dy/db = 1."""

    __slots__ = ()
    broadcasts = True
    scalars = True

    def forward(self, a, b):
        return a + b

    def backward(self, g, y, a, b):
        return g, g


class Sub(Primitive):
    """y = a - b.  dy/da = 1, dy/db = -1."""

    __slots__ = ()
    broadcasts = True
    scalars = True

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

    def forward(self, a, b):
        return a * b

    def backward(self, g, y, a, b):
        if a is b and self.parents[0] is self.parents[1]:
            return twice(g) * a, None  # x * x: one product instead of two and their sum
        return g * b if self.needs[0] else None, g * a if self.needs[1] else None


def twice(g):
    """g + g; where g is one number at every place, as after a sum, only that number."""
    if isinstance(g, np.ndarray) and g.size and not any(g.strides):
        g = g[(0,) * g.ndim]
    return g + g


class Div(Primitive):
    """y = a / b.  dy/da = 1 / b, dy/db = -a / b^2.  At b = 0 the values are IEEE's: inf, nan."""

    __slots__ = ()
    reads = {"a": ("b",), "b": ("a", "b")}
    broadcasts = True
    scalars = True
    fresh = True

    def forward(self, a, b):
        return a / b

    def backward(self, g, y, a, b):
        ga = g / b
        return ga, -(ga * (a / b)) if self.needs[1] else None


class Neg(Primitive):
    """y = -x.  dy/dx = -1."""

    __slots__ = ()
    fresh = True
    scalars = True

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
            if isinstance(b, (int, float)):
                ga = g * (power(a, b - 1) * b) if b else np.zeros_like(g)
            else:
                slope = b * a ** np.where(b == 0, 0.0, b - 1.0)
                ga = np.where(b == 0, 0.0, g * slope)
        if self.needs[1]:
            vanishes = (b >= 0) & (a == 0)
            if isinstance(a, (int, float)):
                by_exponent = y * (math.log(a) if a > 0 else -math.inf if a == 0 else math.nan)
            else:
                by_exponent = y * np.log(np.where(vanishes, 1.0, a))
            gb = np.where(vanishes, 0.0, g * by_exponent)
        return ga, gb


def power(a, b):
    """a^b; of an array by products where b is the number 3, 4 or -2.

    np.power takes 60 ns for each element of float32, and a product 0.2 ns.  It computes float16 in
    float32, which products do not.  A tensor takes the rule of Pow, right at 0 and inf too.
    """
    plain = isinstance(a, np.ndarray) and a.dtype in (np.float32, np.float64)
    if plain and isinstance(b, (int, float)) and b in (3, 4, -2):
        square = a * a
        return square * a if b == 3 else square * square if b == 4 else 1.0 / square
    return a**b


class Mod(Primitive):
    """y = a mod b, with the sign of b, as Python's.  dy/da = 1, dy/db = -floor(a / b).

    Between the jumps, that is; at a jump the derivatives are the same, and at b = 0 all is nan.
    """

    __slots__ = ()
    reads = {"b": ("a", "b")}
    broadcasts = True

    def forward(self, a, b):
        return whole(remainder, a, b)

    def backward(self, g, y, a, b):
        return g, -(g * (a // b)) if self.needs[1] else None


class Fmod(Primitive):
    """y = a - b trunc(a / b), exactly, with the sign of a.  dy/da = 1, dy/db = -trunc(a / b)."""

    __slots__ = ()
    reads = {"b": ("a", "b")}
    broadcasts = True

    def forward(self, a, b):
        return whole(np.fmod, a, b)

    def backward(self, g, y, a, b):
        return g, -(g * np.trunc(a / b)) if self.needs[1] else None


def remainder(a, b):
    """np.remainder; where float64 has digits enough to be exact, float32 in a tenth of the time.

    The quotient of two numbers of 24 digits, if it is below 2^28 and no integer, is further from
    the next one than float64 rounds; and the product of its floor and b has 52 digits at most.
    """
    if np.result_type(a, b) == np.float32 and isinstance(a, np.ndarray) and a.size > 100:
        b = np.asarray(b, np.float32)
        y = a.astype(np.float64)
        floor = np.floor(y / b)
        if np.maximum.reduce(np.abs(floor), axis=None) < 1 << 28:
            y = y - floor * b
            if np.isfinite(y).all():
                return np.copysign(y.astype(np.float32), b)
    return np.remainder(a, b)


def whole(ufunc, a, b):
    """A division without fraction.  Integers have no inf and no nan, so by 0 they raise."""
    y = ufunc(a, b)
    if y.dtype.kind != "f" and not np.all(b):
        raise ZeroDivisionError(f"{ufunc.__name__}: integers divided by 0")
    return y


class FloorDivide(Primitive):
    """y = floor(a / b), or a / b without its fraction if `to_zero`.  dy/da = dy/db = 0.

    Constant between its jumps, and the derivative is 0 at the jumps too.  Integers stay integers.
    """

    __slots__ = ("to_zero",)
    broadcasts = True
    fresh = True

    def __init__(self, to_zero=False):
        self.to_zero = to_zero

    def forward(self, a, b):
        if not self.to_zero:
            return whole(np.floor_divide, a, b)
        if np.result_type(a, b).kind == "f":
            return np.trunc(a / b)
        return whole(np.floor_divide, a - np.fmod(a, b), b)

    def backward(self, g, y, a, b):
        return tuple(np.zeros_like(g) if need else None for need in self.needs)
