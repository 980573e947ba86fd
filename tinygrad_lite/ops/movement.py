"""Operations that arrange elements anew without computing; the results may be views."""

from functools import lru_cache
from itertools import pairwise

import numpy as np

from ..engine.function import Primitive


class Reshape(Primitive):
    """y = x in another shape, in C order.  The gradient takes the shape of x again."""

    __slots__ = ("given", "shape")
    views = True

    def __init__(self, shape):
        self.shape = shape

    def forward(self, x):
        self.given = x.shape
        return x.reshape(self.shape)

    def backward(self, g, y, x):
        return (g.reshape(self.given),)


class Permute(Primitive):
    """y = x with its axes in the order `axes`.  The gradient's axes go back by the inverse."""

    __slots__ = ("axes",)
    views = True

    def __init__(self, axes):
        self.axes = axes

    def forward(self, x):
        return x.transpose(self.axes)

    def backward(self, g, y, x):
        inverse = sorted(range(len(self.axes)), key=self.axes.__getitem__)
        return (g.transpose(inverse),)


class Expand(Primitive):
    """y = x repeated to a larger shape by NumPy's broadcasting.  The gradient is summed back."""

    __slots__ = ("shape",)
    broadcasts = True
    views = True

    def __init__(self, shape):
        self.shape = shape

    def forward(self, x):
        return np.broadcast_to(x, self.shape)

    def backward(self, g, y, x):
        return (g,)


class Concatenate(Primitive):
    """y = the inputs one after the other along `axis`.  Each gets its own stretch of g."""

    __slots__ = ("axis", "ends")

    def __init__(self, axis):
        self.axis = axis

    def forward(self, *xs):
        self.ends = np.cumsum([x.shape[self.axis] for x in xs]).tolist()
        return np.concatenate(xs, axis=self.axis)

    def backward(self, g, y, *xs):
        before = (slice(None),) * self.axis
        starts = (0, *self.ends[:-1])
        return tuple(
            g[(*before, slice(start, end))] if need else None
            for start, end, need in zip(starts, self.ends, self.needs, strict=True)
        )


class Split(Primitive):
    """y_0, y_1, ... = stretches of x along `axis`, up to each of `ends`.

    Their gradients stand side by side again.  As so many indexed reads, each gradient would be set
    among zeros, and those added up: for a (32, 512) in 52 us instead of 27.
    """

    __slots__ = ("axis", "ends", "shape")
    fresh = True
    views = True

    def __init__(self, axis, ends):
        self.axis = axis
        self.ends = ends

    def forward(self, x):
        self.shape = x.shape
        return tuple([x[index] for index in stretches(self.axis, self.ends)])

    def backward(self, g, y, x):
        before, after = self.shape[: self.axis], self.shape[self.axis + 1 :]
        shapes = [(*before, end - start, *after) for start, end in pairwise((0, *self.ends))]
        return (np.concatenate(_filled(g, shapes), axis=self.axis),)


@lru_cache(256)
def stretches(axis, ends):
    """The indices of stretches along the axis, up to each of `ends`."""
    before = (slice(None),) * axis
    return [(*before, slice(start, end)) for start, end in pairwise((0, *ends))]


class Unstack(Primitive):
    """y_0, y_1, ... = x at each place along `axis`, without that axis.

    The gradients are stacked, for the same reason as in Split.
    """

    __slots__ = ("axis", "shape")
    views = True
    fresh = True

    def __init__(self, axis):
        self.axis = axis

    def forward(self, x):
        self.shape = (*x.shape[: self.axis], 1, *x.shape[self.axis + 1 :])
        before = (slice(None),) * self.axis
        return tuple([x[(*before, place, ...)] for place in range(x.shape[self.axis])])

    def backward(self, g, y, x):
        thin = [None if each is None else each.reshape(self.shape) for each in g]
        return (np.concatenate(_filled(thin, [self.shape] * len(g)), axis=self.axis),)


def _filled(gradients, shapes):
    """The gradients of several results, zeros where none came."""
    dtype = next(g.dtype for g in gradients if g is not None)
    return [
        np.zeros(shape, dtype) if g is None else g
        for g, shape in zip(gradients, shapes, strict=True)
    ]


class Pad(Primitive):
    """y = x with `value` around it.  dy/dx = 1, so the gradient is the part of g inside.

    `widths` gives for each axis how many elements come before and after.
    """

    __slots__ = ("inside", "value", "widths")

    def __init__(self, widths, value):
        self.widths = widths
        self.value = value

    def forward(self, x):
        sizes = list(zip(x.shape, self.widths, strict=True))
        self.inside = tuple(slice(before, before + size) for size, (before, _) in sizes)
        shape = [before + size + after for size, (before, after) in sizes]
        y = np.full_like(x, self.value, shape=shape)  # in the memory order of x
        y[self.inside] = x
        return y

    def backward(self, g, y, x):
        return (g[self.inside],)


class Unfold(Primitive):
    """y[..., i, ..., k] = x[..., i step + k, ...]: windows along `axis`, k being the last axis.

    The windows look at x's memory, and where they overlap an element stands in several: its
    gradient is the sum over them, see Fold.
    """

    __slots__ = ("axis", "given", "size", "step")
    views = True

    def __init__(self, axis, size, step):
        self.axis = axis
        self.size = size
        self.step = step

    def forward(self, x):
        self.given = x.shape
        windows = np.lib.stride_tricks.sliding_window_view(x, self.size, self.axis)
        return windows[(slice(None),) * self.axis + (slice(None, None, self.step),)]

    def backward(self, g, y, x):
        return (Fold.apply(g, axis=self.axis, step=self.step, shape=self.given),)


class Fold(Primitive):
    """y = zeros of `shape` with each window x added at its place: the transpose of Unfold.

    dy/dx: the windows of the gradient.  float16 is summed in float32.
    """

    __slots__ = ("axis", "shape", "size", "step")

    def __init__(self, axis, step, shape):
        self.axis = axis
        self.step = step
        self.shape = shape

    def forward(self, x):
        self.size = size = x.shape[-1]
        count, step = x.shape[self.axis], self.step
        y = np.zeros(self.shape, np.float32 if x.dtype == np.float16 else x.dtype)
        line, windows = np.moveaxis(y, self.axis, -1), np.moveaxis(x, self.axis, -2)
        if size < count:  # the k-th elements of all windows at once, or all of the i-th window
            for k in range(size):
                line[..., k : k + (count - 1) * step + 1 : step] += windows[..., k]
        else:
            for i in range(count):
                line[..., i * step : i * step + size] += windows[..., i, :]
        return y.astype(x.dtype, copy=False)

    def backward(self, g, y, x):
        return (Unfold.apply(g, axis=self.axis, size=self.size, step=self.step),)
