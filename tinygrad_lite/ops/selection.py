"""Elementwise selection: relu, maximum, clip, where.  The gradient goes to the selected input."""

import numpy as np

from ..arrays.selection import masked, relu
from ..engine.function import Primitive


class Mask(Primitive):
    """y = x where the mask is True or not 0, else 0, also where x is inf or nan.  dy/dx = the mask.

    A product with the mask would give nan for inf times 0.
    """

    __slots__ = ("mask",)
    fresh = True

    def __init__(self, mask):
        self.mask = np.asarray(mask)  # a Tensor if a rule runs on Tensors

    def forward(self, x):
        return masked(x, self.mask)

    def backward(self, g, y, x):
        return (Mask.apply(g, mask=self.mask),)


class Relu(Primitive):
    """y = max(x, 0).  dy/dx = 1 for x > 0, else 0: at 0, a corner, the derivative is 0."""

    __slots__ = ()
    reads = {"x": ("y",)}
    fresh = True

    def forward(self, x):
        return relu(x)

    def backward(self, g, y, x):
        return (Mask.apply(g, mask=y),)  # y is never negative; nan passes its gradient on


class _Choice(Primitive):
    """The shared rule of Maximum and Minimum: the gradient goes to the selected input.

    Where they are equal, half goes to each.  nan is selected before any number, and then both get
    the gradient, as in PyTorch.
    """

    __slots__ = ()
    reads = {"a": ("a", "b"), "b": ("a", "b")}
    broadcasts = True
    fresh = True

    def loses(self, a, b):
        """Where b is selected and a is not."""
        raise NotImplementedError

    def backward(self, g, y, a, b):
        half = np.where(a == b, g * 0.5, g)
        return (
            Mask.apply(half, mask=~self.loses(a, b)) if self.needs[0] else None,
            Mask.apply(half, mask=~self.loses(b, a)) if self.needs[1] else None,
        )


class Maximum(_Choice):
    """y = max(a, b).  The gradient goes to the larger one; where they are equal, half to each."""

    __slots__ = ()

    def forward(self, a, b):
        return np.maximum(a, b)

    def loses(self, a, b):
        return a < b


class Minimum(_Choice):
    """y = min(a, b).  The gradient goes to the smaller one; where they are equal, half to each."""

    __slots__ = ()

    def forward(self, a, b):
        return np.minimum(a, b)

    def loses(self, a, b):
        return a > b


class Clip(Primitive):
    """y = min(max(x, low), high).  dy/dx = 1 for low <= x <= high, edges included, else 0.

    Where x is outside, the gradient goes to the bound, and to `high` wherever low > high, as in
    PyTorch.  A bound may be a number, or broadcast; None leaves that side open.
    """

    __slots__ = ()
    reads = {"x": ("x", "low", "high"), "low": ("x", "low", "high"), "high": ("x", "low", "high")}
    broadcasts = True
    fresh = True

    def forward(self, x, low, high):
        return np.clip(x, low, high)

    def backward(self, g, y, x, low, high):
        low = -np.inf if low is None else low
        high = np.inf if high is None else high
        return (
            Mask.apply(g, mask=(low <= x) & (x <= high)) if self.needs[0] else None,
            Mask.apply(g, mask=(x < low) & (low < high)) if self.needs[1] else None,
            Mask.apply(g, mask=(x > high) | (high < low)) if self.needs[2] else None,
        )


class Where(Primitive):
    """y = a where the condition holds, else b.  The gradient goes to the selected one.

    The other one gets 0, which becomes nan if it comes from an operation with an infinite
    derivative (0 times inf): so keep the inputs of that operation finite, not its result.
    """

    __slots__ = ("condition",)
    broadcasts = True
    fresh = True

    def __init__(self, condition):
        self.condition = condition

    def forward(self, a, b):
        return np.where(self.condition, a, b)

    def backward(self, g, y, a, b):
        return (
            Mask.apply(g, mask=self.condition) if self.needs[0] else None,
            Mask.apply(g, mask=~self.condition) if self.needs[1] else None,
        )


class Step(Primitive):
    """y = a function that is constant between its jumps: sign, floor, ceil.  dy/dx = 0.

    It is 0 at the jumps too.  The operation is recorded, so that its input gets a gradient.  Inputs
    whose kind of dtype is in `unchanged` are copied: the function does not change their values.
    """

    __slots__ = ("function", "unchanged")
    fresh = True

    def __init__(self, function, unchanged="b"):
        self.function = function
        self.unchanged = unchanged

    def forward(self, x):
        return x.copy() if x.dtype.kind in self.unchanged else self.function(x)

    def backward(self, g, y, x):
        return (np.zeros_like(g),)


class Abs(Primitive):
    """y = |x|.  dy/dx = sign(x), which is 0 at 0."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True

    def forward(self, x):
        return np.abs(x)

    def backward(self, g, y, x):
        return (g * np.sign(x),)
