"""Trigonometric and hyperbolic functions and their inverses; angles are in radians."""

import math

import numpy as np

from ..engine.function import Primitive


class Sin(Primitive):
    """y = sin(x).  dy/dx = cos(x)."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True

    def forward(self, x):
        return np.sin(x)

    def backward(self, g, y, x):
        return (g * np.cos(x),)


class Cos(Primitive):
    """y = cos(x).  dy/dx = -sin(x)."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True

    def forward(self, x):
        return np.cos(x)

    def backward(self, g, y, x):
        return (g * -np.sin(x),)


class Tan(Primitive):
    """y = tan(x).  dy/dx = 1 + y^2."""

    __slots__ = ()
    reads = {"x": ("y",)}
    fresh = True

    def forward(self, x):
        return np.tan(x)

    def backward(self, g, y, x):
        return (g * (y * y + 1.0),)


class Asin(Primitive):
    """y = arcsin(x).  dy/dx = 1 / sqrt(1 - x^2).  At -1 and 1 that is inf; beyond, all is nan."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True

    def forward(self, x):
        return np.arcsin(x)

    def backward(self, g, y, x):
        return (g / np.sqrt(1.0 - x * x),)


class Acos(Primitive):
    """y = arccos(x).  dy/dx = -1 / sqrt(1 - x^2).  At -1 and 1 that is -inf; beyond, all is nan.

    Not composed as pi / 2 - arcsin(x), which would lose its digits near x = 1.
    """

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True

    def forward(self, x):
        return np.arccos(x)

    def backward(self, g, y, x):
        return (-g / np.sqrt(1.0 - x * x),)


class Atan(Primitive):
    """y = arctan(x).  dy/dx = 1 / (1 + x^2)."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True

    def forward(self, x):
        return np.arctan(x)

    def backward(self, g, y, x):
        return (g / (x * x + 1.0),)


class Atan2(Primitive):
    """y = the angle of the point (b, a), by quadrant.  dy/da = b / r^2, dy/db = -a / r^2.

    r^2 = a^2 + b^2 is taken as (r)(r) with r = hypot(a, b), which neither overflows nor vanishes
    too early.  At the origin the angle has no derivative; it is taken as 0 in every order, by
    r = inf there.
    """

    __slots__ = ()
    reads = {"a": ("a", "b"), "b": ("a", "b")}
    broadcasts = True
    fresh = True

    def forward(self, a, b):
        return np.arctan2(a, b)

    def backward(self, g, y, a, b):
        r = np.hypot(a, b)
        r = np.where(r == 0, np.inf, r)
        per_radius = g / r
        return (
            per_radius * (b / r) if self.needs[0] else None,
            -per_radius * (a / r) if self.needs[1] else None,
        )


class Hypot(Primitive):
    """y = sqrt(a^2 + b^2).  dy/da = a / y, dy/db = b / y, and 0 in every order where y = 0.

    A primitive since the squares would overflow, and the composed root has nan as derivative at 0.
    """

    __slots__ = ()
    reads = {"a": ("a", "y"), "b": ("b", "y")}
    broadcasts = True
    fresh = True

    def forward(self, a, b):
        return np.hypot(a, b)

    def backward(self, g, y, a, b):
        y = np.where(y == 0, np.inf, y)
        return (
            g * (a / y) if self.needs[0] else None,
            g * (b / y) if self.needs[1] else None,
        )


class Sinh(Primitive):
    """y = sinh(x).  dy/dx = cosh(x)."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True

    def forward(self, x):
        return np.sinh(x)

    def backward(self, g, y, x):
        return (g * np.cosh(x),)


class Cosh(Primitive):
    """y = cosh(x).  dy/dx = sinh(x)."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True

    def forward(self, x):
        return np.cosh(x)

    def backward(self, g, y, x):
        return (g * np.sinh(x),)


class Asinh(Primitive):
    """y = arsinh(x).  dy/dx = 1 / sqrt(x^2 + 1), by hypot: x^2 may overflow."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True

    def forward(self, x):
        return np.arcsinh(x)

    def backward(self, g, y, x):
        return (g / np.hypot(x, 1.0),)


class Acosh(Primitive):
    """y = arcosh(x).  dy/dx = 1 / sqrt(x^2 - 1).  At 1 that is inf; below 1, y is nan."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True

    def forward(self, x):
        return np.arccosh(x)

    def backward(self, g, y, x):
        return (g / np.sqrt(x * x - 1.0),)


class Atanh(Primitive):
    """y = artanh(x).  dy/dx = 1 / (1 - x^2).  At -1 and 1 that is inf; beyond, y is nan."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True

    def forward(self, x):
        return np.arctanh(x)

    def backward(self, g, y, x):
        return (g / (1.0 - x * x),)


class Sinc(Primitive):
    """y = the n-th derivative of sin(z) / z at z = x, n being `order`.  dy/dx = that of n + 1.

    Call it f_n.  Differentiating z f_0 = sin(z) n times gives z f_n + n f_(n-1) = sin(z + n pi/2),
    from which f_n follows for |z| > n.  Nearer to 0 this loses digits, so there the power series is
    summed: every order of derivative is exact at 0 too, where the composed form has nan.
    """

    __slots__ = ("order",)
    reads = {"x": ("x",)}
    fresh = True

    def __init__(self, order=0):
        self.order = order

    def forward(self, x):
        z = x.astype(np.float32) if x.dtype == np.float16 else x
        near = np.abs(z) <= self.order
        away = np.where(near, 1.0, z)
        waves = np.sin(away), np.cos(away)
        y = waves[0] / away
        for n in range(1, self.order + 1):
            wave = waves[n % 2] if n % 4 < 2 else -waves[n % 2]
            y = (wave - n * y) / away
        return np.where(near, sinc_series(np.where(near, z, 0.0), self.order), y).astype(x.dtype)

    def backward(self, g, y, x):
        return (g * Sinc.apply(x, order=self.order + 1),)


def sinc_series(z, order):
    """The n-th derivative of sin(z) / z: sum of (-1)^k z^m / ((2k + 1) m!), m = 2k - n >= 0.

    The terms reach below the rounding of float64 for |z| up to n.
    """
    square, lowest = z * z, order % 2
    total = np.zeros_like(z)
    for m in range(lowest + 4 * (5 + order) - 2, -1, -2):
        k = (m + order) // 2
        total = total * square + (-1.0) ** k / ((2 * k + 1) * math.factorial(m))
    return total * z if lowest else total
