"""Operations that take one of several values by element, and whose gradient follows it."""

import numpy as np

from ..arrays.threads import slices, spread
from ..engine.function import Primitive

# From so many bytes on the pool gains: the maximum of 13 MB and 0 took 0.7 instead of 1.2 ms.
LARGE = 1 << 22

INTEGERS = {2: np.int16, 4: np.int32, 8: np.int64}  # for each size of float, in bytes


class Mask(Primitive):
    """y = x where the mask is True or not 0, else 0, also where x is inf or nan.  dy/dx = the mask.

    np.where does the same, but took ten times as long on a mask in random order (480 us instead of
    47 for 131,072 float32), and a product with the mask makes nan of inf times 0.
    """

    __slots__ = ("mask",)
    fresh = True

    def __init__(self, mask):
        self.mask = np.asarray(mask)  # of an array or, when the rule runs on tensors, a tensor

    def forward(self, x):
        whole = INTEGERS[x.dtype.itemsize]
        # -1 has all bits set, and keeps those of x; 0 keeps none.
        if x.nbytes < LARGE or self.mask.shape != x.shape:
            bits = np.negative(_truth(self.mask)).astype(whole)
            return (x.view(whole) & bits).view(x.dtype)
        y = np.empty_like(x)

        def keep(part):
            bits = np.negative(_truth(self.mask[part])).astype(whole)
            np.bitwise_and(bits, x[part].view(whole), out=y[part].view(whole))

        spread(keep, slices(x))
        return y

    def backward(self, g, y, x):
        return (Mask.apply(g, mask=self.mask),)


def _truth(mask):
    """A mask as 0 and 1."""
    return (mask if mask.dtype == bool else mask != 0).view(np.int8)


class Relu(Primitive):
    """y = max(x, 0).  dy/dx = 1 for x > 0, else 0: at 0, a corner, the derivative is 0."""

    __slots__ = ()
    reads = {"x": ("y",)}
    fresh = True

    def forward(self, x):
        if x.size <= 4096 or x.dtype.kind != "f":
            return np.maximum(x, 0)
        if x.nbytes < LARGE:
            return x.clip(0, np.inf)  # a third of the time for 131,072 elements
        y = np.empty_like(x)
        spread(lambda part: x[part].clip(0, np.inf, out=y[part]), slices(x))
        return y

    def backward(self, g, y, x):
        return (Mask.apply(g, mask=y),)  # y is never negative; nan passes its gradient on


class _Choice(Primitive):
    """The shared rule of Maximum and Minimum: the gradient goes to the input that was taken.

    Half goes to each where they are equal.  nan is taken before any number, and then both get the
    gradient, as in PyTorch.
    """

    __slots__ = ()
    reads = {"a": ("a", "b"), "b": ("a", "b")}
    broadcasts = True
    fresh = True

    def loses(self, a, b):
        """Where b is taken and a is not."""
        raise NotImplementedError

    def backward(self, g, y, a, b):
        half = np.where(a == b, g * 0.5, g)
        return (
            Mask.apply(half, mask=~self.loses(a, b)) if self.needs[0] else None,
            Mask.apply(half, mask=~self.loses(b, a)) if self.needs[1] else None,
        )


class Maximum(_Choice):
    """y = max(a, b).  The gradient goes to the larger one, half to each where they are equal."""

    __slots__ = ()

    def forward(self, a, b):
        return np.maximum(a, b)

    def loses(self, a, b):
        return a < b


class Minimum(_Choice):
    """y = min(a, b).  The gradient goes to the smaller one, half to each where they are equal."""

    __slots__ = ()

    def forward(self, a, b):
        return np.minimum(a, b)

    def loses(self, a, b):
        return a > b


class Clip(Primitive):
    """y = min(max(x, low), high).  dy/dx = 1 for low <= x <= high, edges included, else 0.

    The gradient goes to the bound where that was taken, and to `high` wherever low > high, as in
    PyTorch.  A bound may be a number or broadcast; None leaves that side open.
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
    """y = a where the condition holds, else b.  The gradient goes to the one that was taken.

    The other gets 0, which a later nan or inf derivative turns into nan (0 times inf): make the
    untaken branch finite before, not after.
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

    The derivative is 0 at the jumps too.  It is recorded, so that a gradient arrives and is 0.
    `unchanged` are the kinds of dtype whose values are all steps already, and are copied.
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
