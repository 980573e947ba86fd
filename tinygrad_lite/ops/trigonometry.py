"""Trigonometric and hyperbolic functions and their inverses; angles are in radians."""

import numpy as np

from ..arrays.arithmetic import finite
from ..arrays.recorded import holds
from ..arrays.selection import some_infinite
from ..arrays.sinc import sinc
from ..engine.function import Primitive


class Sin(Primitive):
    """y = sin(x).  dy/dx = cos(x)."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\sin(x)", "x": r"\bar{y} \odot \cos(x)"}

    def forward(self, x):
        return np.sin(x)

    def backward(self, g, y, x):
        return (g * np.cos(x),)


class Cos(Primitive):
    """y = cos(x).  dy/dx = -sin(x)."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\cos(x)", "x": r"-\bar{y} \odot \sin(x)"}

    def forward(self, x):
        return np.cos(x)

    def backward(self, g, y, x):
        return (g * -np.sin(x),)


class Tan(Primitive):
    """y = tan(x).  dy/dx = 1 + y^2."""

    __slots__ = ()
    reads = {"x": ("y",)}
    fresh = True
    latex = {"y": r"\tan(x)", "x": r"\bar{y} \odot (1 + y^{2})"}

    def forward(self, x):
        return np.tan(x)

    def backward(self, g, y, x):
        return (g * (y * y + 1.0),)


class Asin(Primitive):
    """y = arcsin(x).  dy/dx = 1 / sqrt(1 - x^2).  At -1 and 1 it is inf; outside, both are nan."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\arcsin(x)", "x": r"\frac{\bar{y}}{\sqrt{1 - x^{2}}}"}

    def forward(self, x):
        return np.arcsin(x)

    def backward(self, g, y, x):
        return (g / np.sqrt(1.0 - x * x),)


class Acos(Primitive):
    """y = arccos(x).  dy/dx = -1 / sqrt(1 - x^2).  At -1 and 1 it is -inf; outside, both are nan.

    Not composed as pi / 2 - arcsin(x), which would lose its digits near x = 1.
    """

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\arccos(x)", "x": r"-\frac{\bar{y}}{\sqrt{1 - x^{2}}}"}

    def forward(self, x):
        return np.arccos(x)

    def backward(self, g, y, x):
        return (-g / np.sqrt(1.0 - x * x),)


class Atan(Primitive):
    """y = arctan(x).  dy/dx = 1 / (1 + x^2)."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\arctan(x)", "x": r"\frac{\bar{y}}{1 + x^{2}}"}

    def forward(self, x):
        return np.arctan(x)

    def backward(self, g, y, x):
        x = finite(x, g.dtype)
        return (g / (x * x + 1.0),)


class Atan2(Primitive):
    """y = the angle of the point (b, a), by quadrant.  dy/da = b / r^2, dy/db = -a / r^2.

    r = hypot(a, b) is never squared, since the square could overflow or vanish.  At the origin the
    angle has no derivative; it is defined as 0 in every order, by setting r = inf there.
    """

    __slots__ = ()
    reads = {"a": ("a", "b"), "b": ("a", "b")}
    broadcasts = True
    fresh = True
    latex = {
        "y": r"\operatorname{atan2}(a, b)",
        "a": (
            r"\begin{cases} 0 & \text{if } a = b = 0 \\ "
            r"\bar{y} \odot \frac{b}{a^{2} + b^{2}} & \text{otherwise} \end{cases}"
        ),
        "b": (
            r"\begin{cases} 0 & \text{if } a = b = 0 \\ "
            r"-\bar{y} \odot \frac{a}{a^{2} + b^{2}} & \text{otherwise} \end{cases}"
        ),
    }

    def forward(self, a, b):
        return np.arctan2(a, b)

    def backward(self, g, y, a, b):
        r = np.hypot(a, b)
        if holds(some_infinite, r):
            a, b = finite(a, g.dtype), finite(b, g.dtype)
        r = np.where(r == 0, np.inf, r)
        return (
            g * (b / r) / r if self.needs[0] else None,
            -(g * (a / r)) / r if self.needs[1] else None,
        )


class Hypot(Primitive):
    """y = sqrt(a^2 + b^2).  dy/da = a / y, dy/db = b / y, and 0 in every order where y = 0.

    Where one of a and b is infinite, its derivative is its sign; where both are, it is 0 as at
    the origin.

    A primitive, since the squares could overflow, and a composed root has the derivative nan at 0.
    """

    __slots__ = ()
    reads = {"a": ("a", "b", "y"), "b": ("a", "b", "y")}
    broadcasts = True
    fresh = True
    latex = {
        "y": r"\sqrt{a^{2} + b^{2}}",
        "a": (
            r"\begin{cases} 0 & \text{if } y = 0 \\ "
            r"\bar{y} \odot \frac{a}{y} & \text{otherwise} \end{cases}"
        ),
        "b": (
            r"\begin{cases} 0 & \text{if } y = 0 \\ "
            r"\bar{y} \odot \frac{b}{y} & \text{otherwise} \end{cases}"
        ),
    }

    def forward(self, a, b):
        return np.hypot(a, b)

    def backward(self, g, y, a, b):
        y = np.where(y == 0, np.inf, y)
        infinite = holds(some_infinite, y)

        def share(of, beside):
            if not infinite:
                return g * (of / y)
            alone = (abs(of) == np.inf) & (abs(beside) != np.inf)
            return g * np.where(alone, np.sign(of), finite(of, g.dtype) / y)

        return share(a, b) if self.needs[0] else None, share(b, a) if self.needs[1] else None


class Sinh(Primitive):
    """y = sinh(x).  dy/dx = cosh(x)."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\sinh(x)", "x": r"\bar{y} \odot \cosh(x)"}

    def forward(self, x):
        return np.sinh(x)

    def backward(self, g, y, x):
        return (g * np.cosh(x),)


class Cosh(Primitive):
    """y = cosh(x).  dy/dx = sinh(x)."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\cosh(x)", "x": r"\bar{y} \odot \sinh(x)"}

    def forward(self, x):
        return np.cosh(x)

    def backward(self, g, y, x):
        return (g * np.sinh(x),)


class Asinh(Primitive):
    """y = arsinh(x).  dy/dx = 1 / sqrt(x^2 + 1), by hypot, since x^2 may overflow."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\operatorname{arsinh}(x)", "x": r"\frac{\bar{y}}{\sqrt{x^{2} + 1}}"}

    def forward(self, x):
        return np.arcsinh(x)

    def backward(self, g, y, x):
        return (g / np.hypot(x, 1.0),)


class Acosh(Primitive):
    """y = arcosh(x).  dy/dx = 1 / sqrt(x^2 - 1), as two roots, since x^2 may overflow.

    At 1 that is inf; below 1, both are nan.
    """

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\operatorname{arcosh}(x)", "x": r"\frac{\bar{y}}{\sqrt{x^{2} - 1}}"}

    def forward(self, x):
        return np.arccosh(x)

    def backward(self, g, y, x):
        return (g / np.sqrt(x - 1.0) / np.sqrt(x + 1.0),)


class Atanh(Primitive):
    """y = artanh(x).  dy/dx = 1 / (1 - x^2).  At -1 and 1 that is inf; outside, y is nan."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\operatorname{artanh}(x)", "x": r"\frac{\bar{y}}{1 - x^{2}}"}

    def forward(self, x):
        return np.arctanh(x)

    def backward(self, g, y, x):
        return (g / (1.0 - x * x),)


class Sinc(Primitive):
    """y = the n-th derivative of sin(z) / z at z = x, n being `order`.  dy/dx has order n + 1.

    Near 0 it is a power series: every order of derivative is exact at 0 too, where the composed
    form has nan.
    """

    __slots__ = ("order",)
    reads = {"x": ("x",)}
    fresh = True
    latex = {
        "y": (
            r"\operatorname{sinc}^{(\mathrm{order})}(x), "
            r"\text{ where } \operatorname{sinc}(x) = \frac{\sin(x)}{x}"
        ),
        "x": r"\bar{y} \odot \operatorname{sinc}^{(\mathrm{order} + 1)}(x)",
    }

    def __init__(self, order=0):
        self.order = order

    def forward(self, x):
        return sinc(x, self.order)

    def backward(self, g, y, x):
        return (g * Sinc.apply(x, order=self.order + 1),)
