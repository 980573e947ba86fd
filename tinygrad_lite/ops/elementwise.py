"""Operations that act on each element by itself; those of two inputs broadcast as NumPy does."""

import math

import numpy as np

from ..graph import Function

INTEGERS = {2: np.int16, 4: np.int32, 8: np.int64}  # for each size of float, in bytes


class Add(Function):
    """y = a + b.  dy/da = dy/db = 1."""

    __slots__ = ()
    broadcasts = True

    def forward(self, a, b):
        return a + b

    def backward(self, g, y, a, b):
        return g, g


class Sub(Function):
    """y = a - b.  dy/da = 1, dy/db = -1."""

    __slots__ = ()
    broadcasts = True

    def forward(self, a, b):
        return a - b

    def backward(self, g, y, a, b):
        return g, -g if self.needs[1] else None


class Mul(Function):
    """y = a b.  dy/da = b, dy/db = a."""

    __slots__ = ()
    saves = "inputs"
    reads = ("b", "a")
    broadcasts = True
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


class Div(Function):
    """y = a / b.  dy/da = 1 / b, dy/db = -a / b^2.  At b = 0 the values are IEEE's: inf, nan."""

    __slots__ = ()
    saves = "inputs"
    reads = ("b", "ab")
    broadcasts = True
    fresh = True

    def forward(self, a, b):
        return a / b

    def backward(self, g, y, a, b):
        ga = g / b
        return ga, -(ga * (a / b)) if self.needs[1] else None


class Neg(Function):
    """y = -x.  dy/dx = -1."""

    __slots__ = ()
    fresh = True

    def forward(self, x):
        return -x

    def backward(self, g, y, x):
        return (-g,)


class Pow(Function):
    """y = a^b.  dy/da = b a^(b - 1), and 0 where b = 0.  dy/db = y log a, and 0 where a = 0 <= b.

    The exponent's derivative is nan for a < 0, where the power is defined for integers only; no
    logarithm is taken unless the exponent needs a gradient.
    """

    __slots__ = ()
    saves = "both"
    reads = ("ab", "aby")
    broadcasts = True
    fresh = True

    def forward(self, a, b):
        return a**b

    def backward(self, g, y, a, b):
        ga = gb = None
        if self.needs[0]:
            if isinstance(b, (int, float)):
                ga = g * (a ** (b - 1) * b) if b else np.zeros_like(g)
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


class Mod(Function):
    """y = a mod b, with the sign of b, as Python's.  dy/da = 1, dy/db = -floor(a / b).

    Between the jumps, that is; at a jump the derivatives are the same, and at b = 0 all is nan.
    """

    __slots__ = ()
    saves = "inputs"
    reads = ("", "ab")
    broadcasts = True

    def forward(self, a, b):
        return np.remainder(a, b)

    def backward(self, g, y, a, b):
        return g, -(g * (a // b)) if self.needs[1] else None


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


class Mask(Function):
    """y = x where the mask is True, else 0, also where x is inf or nan.  dy/dx = the mask.

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
        return (x.view(whole) & -self.mask.astype(whole)).view(x.dtype)

    def backward(self, g, y, x):
        return (Mask.apply(g, mask=self.mask),)


class Relu(Function):
    """y = max(x, 0).  dy/dx = 1 for x > 0, else 0: at 0, a corner, the derivative is 0."""

    __slots__ = ()
    saves = "output"
    fresh = True

    def forward(self, x):
        return np.maximum(x, 0)

    def backward(self, g, y, x):
        return (Mask.apply(g, mask=y != 0),)  # y is never negative; nan passes its gradient on


class _Choice(Function):
    """The shared rule of Maximum and Minimum: the gradient goes to the input that was taken.

    Half goes to each where they are equal.  nan is taken before any number, and then both get the
    gradient, as in PyTorch.
    """

    __slots__ = ()
    saves = "inputs"
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


class Where(Function):
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


class Abs(Function):
    """y = |x|.  dy/dx = sign(x), which is 0 at 0."""

    __slots__ = ()
    saves = "inputs"
    fresh = True

    def forward(self, x):
        return np.abs(x)

    def backward(self, g, y, x):
        return (g * np.sign(x),)


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
