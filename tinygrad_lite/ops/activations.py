"""Activation functions that are one primitive, for the sake of accuracy or speed.

`axes` is a tuple of non-negative integers, as of the reductions.
"""

from math import exp, pi, sqrt

import numpy as np

from ..arrays.sums import sum_along
from ..engine.function import Primitive
from ..engine.recording import warn
from .elementwise import Sigmoid
from .reduce import largest_along


class Softplus(Primitive):
    """y = log(1 + exp(x)).  dy/dx = sigmoid(x).

    Computed as max(x, 0) + log(1 + exp(-|x|)), which never overflows and keeps the small values of
    the left tail.  (np.logaddexp(x, 0) says the same and takes ten times as long.)
    """

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True

    def forward(self, x):
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def backward(self, g, y, x):
        return (g * Sigmoid.apply(x),)


MODERATE = 40.0  # exp of it, added up, is far from the upper end of float32
SMALL_TOTAL = exp(-10.0)  # above the lower end by so much that 1e-33 of it has all its digits

# The argument of tanh in gelu is u = SCALE x + CUBIC x^3.
SCALE = sqrt(2 / pi)
CUBIC = 0.044715 * SCALE


class Gelu(Primitive):
    """y = x s, s = (1 + tanh(u)) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3).  dy/dx: see GeluSlope.

    s, by which x is weighted, is a second result, so that the rule finds it both in first and in
    higher order; ds/dx = 2 s (1 - s) u'.

    Composed of eight operations it kept five arrays of x's size, and for (16, 64, 256) took
    870 us, forward and backward; as one it keeps x and s and takes 470.
    """

    __slots__ = ()
    reads = {"x": ("x", "s")}
    results = ("product", "s")
    fresh = True

    def forward(self, x):
        s = x * x
        s *= CUBIC
        s += SCALE
        s *= x
        s = np.tanh(s, out=s if s.ndim else None)
        s += 1.0
        s *= 0.5
        return x * s, s

    def backward(self, g, y, x):
        (g, h), s = g, y[1]
        gx = None
        if g is not None:
            gx = g * GeluSlope.apply(x, s)
        if h is not None:
            from_s = h * (s * (1.0 - s) * (x * x * (6.0 * CUBIC) + 2.0 * SCALE))
            gx = from_s if gx is None else gx + from_s
        return (gx,)


class GeluSlope(Primitive):
    """y = s + s (1 - s) v, v = 2 x u': the slope of Gelu, to which x and s are two inputs.

    dy/dx = s (1 - s) dv/dx, dy/ds = 1 + (1 - 2 s) v.  One primitive, since the steps in place take
    half the time of operations one by one.
    """

    __slots__ = ()
    reads = {"x": ("x", "s"), "s": ("x", "s")}
    fresh = True

    def forward(self, x, s):
        y = x * x
        y *= 6.0 * CUBIC
        y += 2.0 * SCALE
        bend = 1.0 - s
        bend *= s
        bend *= x  # 0 far out, where x u' overflows
        y *= bend
        y += s
        return y

    def backward(self, g, y, x, s):
        gx = gs = None
        square = x * x
        if self.needs[0]:
            gx = g * (s * (1.0 - s) * (square * (18.0 * CUBIC) + 2.0 * SCALE))
        if self.needs[1]:
            gs = g * ((square * (6.0 * CUBIC) + 2.0 * SCALE) * x * (1.0 - s * 2.0) + 1.0)
        return gx, gs


class Softmax(Primitive):
    """y = exp(x) / sum of exp(x) over the axes.  dy_i/dx_k = y_i ([i = k] - y_k).

    mask  1 for the x that count and 0 for the others, of x's dtype; it broadcasts to x.  The others
          get y = 0, as all do where none counts; x = -inf counts as little

    Where exp could overflow or vanish, the largest x is subtracted first; it cancels out.  Where
    all x are -inf, and there is no mask, y is nan, and a warning says so.

    Composed of exp, sum and a division it took twice as long at (128, 10), and 1.3 to 1.6 times as
    long at (4096, 64), forward and backward.
    """

    __slots__ = ("axes", "mask")
    reads = {"x": ("y",)}
    fresh = True

    def __init__(self, axes, mask=None):
        self.axes = axes
        self.mask = mask

    def forward(self, x):
        y, total = powers_and_total(x, self.axes, self.mask)
        y /= total
        return y

    def backward(self, g, y, x):
        return ((g - sum_along(g * y, self.axes, keepdims=True)) * y,)


class LogSoftmax(Primitive):
    """y = x - log(sum of exp(x) over the axes).  dy_i/dx_k = [i = k] - exp(y_k).

    The largest x is subtracted first; of -inf it warns as Softmax, and is one primitive for the
    same reason.
    """

    __slots__ = ("axes",)
    reads = {"x": ("y",)}
    fresh = True

    def __init__(self, axes):
        self.axes = axes

    def forward(self, x):
        y = below_zero(x, self.axes)
        y -= np.log(sum_along(np.exp(y), self.axes, keepdims=True))
        return y

    def backward(self, g, y, x):
        return (g - np.exp(y) * sum_along(g, self.axes, keepdims=True),)


def powers_and_total(x, axes, mask, out=None):
    """p = exp(x - c), 0 where the mask is 0, and its sums along the axes, 1 where nothing counts.

    c is 0, or if exp or the sums would come near an end of the dtype, the largest x along the axes:
    to find it takes 100 us for the rows of (16, 4, 64, 64), and the largest x of all 14.
    """
    if x.dtype != np.float16 and x.size and np.maximum.reduce(x, axis=None) < MODERATE:
        p = np.exp(x, out=out)
        if mask is not None:
            p *= mask
        total = sum_along(p, axes, keepdims=True)
        if np.minimum.reduce(total, axis=None) > SMALL_TOTAL:
            return p, total
    if mask is None:
        p = np.exp(below_zero(x, axes), out=out)
        return p, sum_along(p, axes, keepdims=True)
    shown = np.where(mask, x, -np.inf)
    largest = largest_along(shown, axes, keepdims=True, initial=-np.inf)
    p = np.exp(shown - np.where(largest == -np.inf, 0.0, largest), out=out)
    total = sum_along(p, axes, keepdims=True)
    return p, np.where(total == 0, 1.0, total)


def below_zero(x, axes):
    """x minus its largest element along the axes, in new memory: what exp() takes."""
    largest = largest_along(x, axes, keepdims=True, initial=-np.inf)
    if x.size and largest.min() == -np.inf:
        along = axes[0] if len(axes) == 1 else axes
        warn(
            f"softmax: all scores along axis {along} are -inf somewhere, so the result there is "
            "nan; leave at least one score finite",
            RuntimeWarning,
        )
    return np.asarray(x - largest)
