"""Functions of each element by itself: exponentials, logarithms, roots, and dtypes."""

import numpy as np

from ..graph import Function


class Exp(Function):
    """y = exp(x).  dy/dx = y."""

    __slots__ = ()
    saves = "output"
    fresh = True

    def forward(self, x):
        return np.exp(x)

    def backward(self, g, y, x):
        return (g * y,)


class Log(Function):
    """y = log(x), natural.  dy/dx = 1 / x.  At 0: y = -inf, derivative inf; below 0: nan."""

    __slots__ = ()
    saves = "inputs"
    fresh = True

    def forward(self, x):
        return np.log(x)

    def backward(self, g, y, x):
        return (g / x,)


class Sqrt(Function):
    """y = sqrt(x).  dy/dx = 1 / (2 y).  At 0 the derivative is inf; below 0 all is nan."""

    __slots__ = ()
    saves = "output"
    fresh = True

    def forward(self, x):
        return np.sqrt(x)

    def backward(self, g, y, x):
        return (g / (y * 2.0),)


class Tanh(Function):
    """y = tanh(x).  dy/dx = 1 - y^2."""

    __slots__ = ()
    saves = "output"
    fresh = True

    def forward(self, x):
        return np.tanh(x)

    def backward(self, g, y, x):
        return (g * (1.0 - y * y),)


class Sigmoid(Function):
    """y = 1 / (1 + exp(-x)).  dy/dx = y (1 - y).

    Computed from exp(-|x|), which never overflows and keeps the small values of the left tail.
    """

    __slots__ = ()
    saves = "output"
    fresh = True

    def forward(self, x):
        small = np.exp(-np.abs(x))
        return np.where(x >= 0, 1.0, small) / (small + 1.0)

    def backward(self, g, y, x):
        return (g * (y * (1.0 - y)),)


class Cast(Function):
    """y = x with another dtype, always in new memory.  The gradient is cast back to x's dtype."""

    __slots__ = ("dtype", "given")
    fresh = True

    def __init__(self, dtype):
        self.dtype = dtype

    def forward(self, x):
        self.given = x.dtype
        return x.astype(self.dtype)

    def backward(self, g, y, x):
        return (g.astype(self.given),)
