"""Operations that combine the elements along some axes into one.

`axes` is always a tuple of non-negative integers; the reduced axes stay with size 1 when `keepdim`.
"""

from math import prod

import numpy as np

from ..arrays.shapes import keepdim_shape
from ..arrays.sums import sum_along
from ..engine.function import Primitive
from .selection import Mask


class _Total(Primitive):
    """The shared rule of Sum and Mean: every element that was added gets the same gradient."""

    __slots__ = ("axes", "given", "keepdim")
    given: tuple[int, ...]

    def __init__(self, axes, keepdim=False):
        self.axes = axes
        self.keepdim = keepdim

    def repeated(self, g):
        """A gradient of the sum, at every element that was added."""
        if g.size == 1 and isinstance(g, (np.ndarray, np.generic)):
            # np.broadcast_to takes ten times as long.
            same = np.ndarray(self.given, g.dtype, np.asarray(g), 0, (0,) * len(self.given))
            same.flags.writeable = False
            return same
        return np.broadcast_to(g.reshape(keepdim_shape(self.given, self.axes)), self.given)


class Sum(_Total):
    """y = sum of x over the axes.  dy/dx = 1.  float16 is summed in float32."""

    __slots__ = ()

    def forward(self, x):
        self.given = x.shape
        if x.dtype == np.float16:
            wide = np.add.reduce(x, axis=self.axes, keepdims=self.keepdim, dtype=np.float32)
            return wide.astype(np.float16)  # inf where float16 ends
        if x.dtype.kind == "f":
            return sum_along(x, self.axes, self.keepdim)
        return np.add.reduce(x, axis=self.axes, keepdims=self.keepdim, dtype=x.dtype)

    def backward(self, g, y, x):
        return (self.repeated(g),)


class Mean(_Total):
    """y = sum of x / n over the axes.  dy/dx = 1 / n.  nan where n = 0.

    Most losses end in one.  Composed of Sum and Div it took twice as long for a small model.
    """

    __slots__ = ("count",)

    def forward(self, x):
        self.given = x.shape
        self.count = prod([x.shape[axis] for axis in self.axes])
        return sum_along(x, self.axes, self.keepdim) / self.count

    def backward(self, g, y, x):
        return (self.repeated(g / self.count),)


class _Extreme(Primitive):
    """The shared rule of Max and Min: the gradient is split evenly between the elements that tie.

    Where y is nan, the nan elements share the gradient.
    """

    __slots__ = ("axes", "keepdim")
    reads = {"x": ("x", "y")}
    fresh = True

    def __init__(self, axes, keepdim=False):
        self.axes = axes
        self.keepdim = keepdim

    def backward(self, g, y, x):
        kept = keepdim_shape(x.shape, self.axes)
        y = y.reshape(kept)
        reached = x == y
        if (y != y).any():
            reached = reached | (x != x)  # the latter holds for nan only
        exact = np.float32 if x.size < 1 << 24 else np.float64
        count = sum_along(reached.astype(exact), self.axes, keepdims=True)
        share = (g.reshape(kept) / count).astype(g.dtype)
        return (Mask.apply(np.broadcast_to(share, x.shape), mask=reached),)


class Max(_Extreme):
    """y = largest x along the axes.  Elements that tie share the gradient evenly; nan wins."""

    __slots__ = ()

    def forward(self, x):
        return largest_along(x, self.axes, self.keepdim)


def largest_along(x, axes, keepdims=False, **initial):
    """np.maximum.reduce(x, axis=axes, keepdims=keepdims, **initial), of an array.

    Of rows in float32 or float64 np.argmax, which uses vector instructions, finds the places: for
    (4096, 64) in 100 us instead of 240.
    """
    if x.dtype.char in "fd" and axes == (x.ndim - 1,) and x.ndim > 1 and x.flags.c_contiguous:
        length = x.shape[-1]
        if x.size and length <= 2048:
            rows = x.reshape(-1, length)
            found = rows[np.arange(len(rows)), rows.argmax(1)]
            return found.reshape((*x.shape[:-1], 1) if keepdims else x.shape[:-1])
    return np.maximum.reduce(x, axis=axes, keepdims=keepdims, **initial)


class Min(_Extreme):
    """y = smallest x along the axes.  Elements that tie share the gradient evenly; nan wins."""

    __slots__ = ()

    def forward(self, x):
        return np.minimum.reduce(x, axis=self.axes, keepdims=self.keepdim)


class Prod(Primitive):
    """y = product of x over the axes.  dy/dx_i = product of all the others.

    The others are multiplied, never y / x_i, so zeros are exact in every order of derivative.
    """

    __slots__ = ("axes", "keepdim")
    reads = {"x": ("x",)}
    fresh = True

    def __init__(self, axes, keepdim=False):
        self.axes = axes
        self.keepdim = keepdim

    def forward(self, x):
        return np.multiply.reduce(x, axis=self.axes, keepdims=self.keepdim, dtype=x.dtype)

    def backward(self, g, y, x):
        last = tuple(range(x.ndim - len(self.axes), x.ndim))
        moved = np.moveaxis(x, self.axes, last)
        rows = moved.reshape((*moved.shape[: x.ndim - len(last)], -1)) if moved.size else moved
        others = product_of_others(rows).reshape(moved.shape) if moved.size else moved
        kept = g.reshape(keepdim_shape(x.shape, self.axes))
        return (kept * np.moveaxis(others, last, self.axes),)


def product_of_others(x):
    """For each element, the product of all the others along the last axis, without a division.

    Halves are multiplied with each other and the problem solved for the products, so n elements
    take about 3 n multiplications and log2(n) steps.
    """
    size = x.shape[-1]
    if size == 1:
        return np.ones_like(x)
    if size % 2:
        rest, last = x[..., :-1], x[..., -1:]
        pairs = product_of_others(rest)
        return np.concatenate((pairs * last, pairs[..., :1] * rest[..., :1]), axis=-1)
    left, right = x[..., : size // 2], x[..., size // 2 :]
    others = product_of_others(left * right)
    return np.concatenate((others * right, others * left), axis=-1)


class Centre(Primitive):
    """y = x - mean of x over the axes.  dy/dx: the same map, which is its own transpose.

    All elements are first measured from one of them.  So where they are alike, y is exactly 0,
    though the mean of seven times 0.1 is not 0.1; a standard deviation of rounding errors would
    get a gradient as large as that of real ones.
    """

    __slots__ = ("axes",)
    fresh = True

    def __init__(self, axes):
        self.axes = axes

    def forward(self, x):
        return centred(x, self.axes)

    def backward(self, g, y, x):
        return (Centre.apply(g, axes=self.axes),)


def centred(x, axes):
    """What Centre says, of an array."""
    count = prod([x.shape[axis] for axis in axes])
    y = x - x[tuple([slice(1) if axis in axes else slice(None) for axis in range(x.ndim)])]
    y -= sum_along(y, axes, keepdims=True) / count
    return y


class Norm(Primitive):
    """y = (sum of |x|^p over the axes)^(1/p).  dy/dx = sign(x) (|x| / y)^(p - 1), and 0 at x = 0.

    Powers that overflow or vanish are computed again from x divided by its largest element, so y
    has the full range of the dtype.  p is finite and not 0.
    """

    __slots__ = ("axes", "keepdim", "p")
    reads = {"x": ("x", "y")}
    fresh = True

    def __init__(self, axes, p, keepdim=False):
        self.axes = axes
        self.p = p
        self.keepdim = keepdim

    def forward(self, x):
        total = self.total(x)
        limits = np.finfo(x.dtype)
        if np.all((total > limits.tiny / limits.eps) & (total < np.inf)):
            y = self.root(total)
        else:
            extreme = np.maximum if self.p > 0 else np.minimum
            start = 0.0 if self.p > 0 else np.inf  # of no elements, too
            unit = extreme.reduce(np.abs(x), axis=self.axes, keepdims=True, initial=start)
            unit = np.where((unit > 0) & (unit < np.inf), unit, 1.0).astype(x.dtype)
            y = self.root(self.total(x / unit)) * unit
        return y if self.keepdim else np.squeeze(y, self.axes)

    def total(self, x):
        """The sum of the powers."""
        powers = x * x if self.p == 2 else np.abs(x) ** self.p
        return np.add.reduce(powers, axis=self.axes, keepdims=True, dtype=x.dtype)

    def root(self, total):
        """The p-th root."""
        return np.sqrt(total) if self.p == 2 else total ** (1.0 / self.p)

    def backward(self, g, y, x):
        kept = keepdim_shape(x.shape, self.axes)
        y = y.reshape(kept)
        ratio = x / np.where(y == 0, np.inf, y)  # 0 where y is 0
        if self.p == 2:
            slope = ratio
        else:
            flat = (x == 0) | (y == 0)
            size = np.abs(np.where(flat, 1.0, ratio))
            slope = np.where(flat, 0.0, np.sign(x) * size ** (self.p - 1.0))
        return (g.reshape(kept) * slope,)
