r"""Elementwise functions: exponentials, logarithms, roots, and dtypes.

In every file here: `reads` names, for each input, what its gradient reads, so that nothing else is
saved (y is the result); `fresh` says that backward returns new arrays, `broadcasts` that forward
broadcasts its inputs; `self.needs[i]` is whether the gradient of input i is wanted.  `__slots__`
are the attributes of an operation: its options.  `latex` has the formula of y and that of each
gradient, `\bar{y}` being the one that arrives: see show/formulas/formulas.py.
"""

import math

import numpy as np

from ..arrays.activations import sigmoid
from ..arrays.arithmetic import finite
from ..arrays.error_function import erf
from ..engine.function import Primitive


class Exp(Primitive):
    """y = exp(x).  dy/dx = y."""

    __slots__ = ()
    reads = {"x": ("y",)}
    fresh = True
    latex = {"y": "e^{x}", "x": r"\bar{y} \odot y"}

    def forward(self, x):
        return np.exp(x)

    def backward(self, g, y, x):
        return (g * y,)


class Log(Primitive):
    """y = log(x), natural.  dy/dx = 1 / x.  At 0: y = -inf, derivative inf; below 0: nan."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\log(x)", "x": r"\frac{\bar{y}}{x}"}

    def forward(self, x):
        return np.log(x)

    def backward(self, g, y, x):
        return (g / x,)


class LogBase(Primitive):
    """y = log(x) / log(base), base 2 or 10.  dy/dx = 1 / (x log(base)).

    A primitive, not Log divided by a number: log10(1000) is 3, but log(1000) / log(10) is
    2.9999999999999996.
    """

    __slots__ = ("base",)
    reads = {"x": ("x",)}
    fresh = True
    latex = {
        "y": r"\frac{\log(x)}{\log(\mathrm{base})}",
        "x": r"\frac{\bar{y}}{\log(\mathrm{base}) \, x}",
    }

    def __init__(self, base):
        self.base = base

    def forward(self, x):
        return np.log2(x) if self.base == 2 else np.log10(x)

    def backward(self, g, y, x):
        return (g / (x * math.log(self.base)),)


class Expm1(Primitive):
    """y = exp(x) - 1, accurate near x = 0.  dy/dx = exp(x)."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": "e^{x} - 1", "x": r"\bar{y} \odot e^{x}"}

    def forward(self, x):
        return np.expm1(x)

    def backward(self, g, y, x):
        return (g * np.exp(x),)


class Log1p(Primitive):
    """y = log(1 + x), accurate near x = 0.  dy/dx = 1 / (1 + x).  At -1 it is inf."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\log(1 + x)", "x": r"\frac{\bar{y}}{1 + x}"}

    def forward(self, x):
        return np.log1p(x)

    def backward(self, g, y, x):
        return (g / (x + 1.0),)


class Logaddexp(Primitive):
    """y = log(exp(a) + exp(b)), without overflow.  dy/da = sigmoid(a - b), dy/db = sigmoid(b - a).

    Where both are -inf, y = log(0 + 0) is -inf; its derivatives of every order are defined as 0.
    Where both are inf, the derivatives are nan.
    """

    __slots__ = ()
    reads = {"a": ("a", "b", "y"), "b": ("a", "b", "y")}
    broadcasts = True
    fresh = True
    latex = {
        "y": r"\log(e^{a} + e^{b})",
        "a": r"\bar{y} \odot \operatorname{sigmoid}(a - b)",
        "b": r"\bar{y} \odot \operatorname{sigmoid}(b - a)",
    }

    def forward(self, a, b):
        return np.logaddexp(a, b)

    def backward(self, g, y, a, b):
        def share(difference):
            return g * Sigmoid.apply(np.where(y == -np.inf, -np.inf, difference))

        return share(a - b) if self.needs[0] else None, share(b - a) if self.needs[1] else None


class Xlogy(Primitive):
    """y = a log(b), and 0 where a = 0, unless b is nan.  dy/da = log(b), dy/db = a / b.

    Where a = 0 and b is not a positive number, both derivatives are 0, in every order.
    """

    __slots__ = ()
    reads = {"a": ("a", "b"), "b": ("a", "b")}
    broadcasts = True
    fresh = True
    latex = {
        "y": (
            r"\begin{cases} 0 & \text{if } a = 0 \text{ and } (b \le 0 \text{ or } b = \infty) \\ "
            r"a \odot \log(b) & \text{otherwise} \end{cases}"
        ),
        "a": (
            r"\begin{cases} 0 & \text{if } a = 0 \text{ and } (b \le 0 \text{ or } b = \infty) \\ "
            r"\bar{y} \odot \log(b) & \text{otherwise} \end{cases}"
        ),
        "b": (
            r"\begin{cases} 0 & \text{if } a = 0 \text{ and } (b \le 0 \text{ or } b = \infty) \\ "
            r"\bar{y} \odot \frac{a}{b} & \text{otherwise} \end{cases}"
        ),
    }

    def forward(self, a, b):
        return a * np.log(np.where(vanishes(a, b), 1.0, b))

    def backward(self, g, y, a, b):
        zero = vanishes(a, b)
        b = np.where(zero, 1.0, b)
        return (
            g * np.log(b) if self.needs[0] else None,
            g * np.where(zero, 0.0, a / b) if self.needs[1] else None,
        )


def vanishes(a, b):
    """Where a = 0 and the logarithm of b is not finite.  Array or Tensor."""
    return (a == 0) & ((b <= 0) | (b == np.inf))


class Erf(Primitive):
    """y = erf(x) = 2 / sqrt(pi) integral of exp(-t^2) from 0 to x.  dy/dx = 2 / sqrt(pi) exp(-x^2).

    By rational approximations, see arrays/error_function.py: in float64 the relative error is at
    most 5e-16.
    """

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\operatorname{erf}(x)", "x": r"\bar{y} \odot \frac{2 e^{-x^{2}}}{\sqrt{\pi}}"}

    def forward(self, x):
        return erf(x)

    def backward(self, g, y, x):
        x = finite(x, g.dtype)
        return (g * (np.exp(-(x * x)) * (2.0 / math.sqrt(math.pi))),)


class Sqrt(Primitive):
    """y = sqrt(x).  dy/dx = 1 / (2 y).  At 0 the derivative is inf; below 0 both are nan."""

    __slots__ = ()
    reads = {"x": ("y",)}
    fresh = True
    latex = {"y": r"\sqrt{x}", "x": r"\frac{\bar{y}}{2 y}"}

    def forward(self, x):
        return np.sqrt(x)

    def backward(self, g, y, x):
        return (g / (y * 2.0),)


class Tanh(Primitive):
    """y = tanh(x).  dy/dx = 1 - y^2."""

    __slots__ = ()
    reads = {"x": ("y",)}
    fresh = True
    latex = {"y": r"\tanh(x)", "x": r"\bar{y} \odot (1 - y^{2})"}

    def forward(self, x):
        return np.tanh(x)

    def backward(self, g, y, x):
        return (g * (1.0 - y * y),)


class Sigmoid(Primitive):
    """y = 1 / (1 + exp(-x)).  dy/dx = y (1 - y).

    Computed by this formula, y keeps the small values of the left tail; where exp(-x) overflows, y
    is 0.
    """

    __slots__ = ()
    reads = {"x": ("y",)}
    fresh = True
    latex = {"y": r"\frac{1}{1 + e^{-x}}", "x": r"\bar{y} \odot y \odot (1 - y)"}

    def forward(self, x):
        return sigmoid(x)

    def backward(self, g, y, x):
        return (g * (y * (1.0 - y)),)


class Cast(Primitive):
    """y = x with another dtype, always in new memory.  The gradient is cast back to x's dtype."""

    __slots__ = ("dtype", "given", "order")
    fresh = True
    latex = {
        "y": r"\operatorname{cast}(x, \mathrm{dtype})",
        "x": r"\operatorname{cast}(\bar{y}, \operatorname{dtype}(x))",
    }

    def __init__(self, dtype, order="K"):
        self.dtype = dtype
        self.order = order

    def forward(self, x):
        self.given = x.dtype
        return x.astype(self.dtype, order=self.order)

    def backward(self, g, y, x):
        return (g.astype(self.given),)
