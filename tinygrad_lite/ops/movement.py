"""Operations that rearrange elements without arithmetic; results may be views."""

from functools import lru_cache
from itertools import pairwise

import numpy as np

from ..arrays.scatter import fold
from ..engine.function import Primitive


class Reshape(Primitive):
    """y = x in another shape, in C order.  The gradient is reshaped back."""

    __slots__ = ("given", "shape")
    views = True
    latex = {
        "y": r"\operatorname{reshape}(x, \mathrm{shape})",
        "x": r"\operatorname{reshape}(\bar{y}, \operatorname{shape}(x))",
    }

    def __init__(self, shape):
        self.shape = shape

    def forward(self, x):
        self.given = x.shape
        return x.reshape(self.shape)

    def backward(self, g, y, x):
        return (g.reshape(self.given),)


class Permute(Primitive):
    """y = x with its axes in the order `axes`.  The gradient is permuted back."""

    __slots__ = ("axes",)
    views = True
    latex = {
        "y": r"\operatorname{permute}(x, \mathrm{axes})",
        "x": r"\operatorname{permute}(\bar{y}, \mathrm{axes}^{-1})",
    }

    def __init__(self, axes):
        self.axes = axes

    def forward(self, x):
        return x.transpose(self.axes)

    def backward(self, g, y, x):
        inverse = sorted(range(len(self.axes)), key=self.axes.__getitem__)
        return (g.transpose(inverse),)


class Expand(Primitive):
    """y = x broadcast to a larger shape, as in NumPy.  The gradient is summed over the copies."""

    __slots__ = ("shape",)
    broadcasts = True
    views = True
    latex = {
        "y": r"\operatorname{broadcast}(x, \mathrm{shape})",
        "x": r"\sum_{\mathrm{copies}} \bar{y}",
    }

    def __init__(self, shape):
        self.shape = shape

    def forward(self, x):
        return np.broadcast_to(x, self.shape)

    def backward(self, g, y, x):
        return (g,)


class Concatenate(Primitive):
    """y = the inputs one after the other along `axis`.  The gradient of each is its part of g."""

    __slots__ = ("axis", "ends")
    latex = {
        "y": r"\operatorname{concatenate}(\mathrm{xs}) \text{ along } \mathrm{axis}",
        "xs": r"\text{its part of } \bar{y} \text{ along } \mathrm{axis}",
    }

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
    """y_0, y_1, ... = parts of x along `axis`, up to each of `ends`.

    Their gradients are concatenated.  One primitive: if each part were read by index, backward
    would write each gradient into an array of zeros and add these arrays up.
    """

    __slots__ = ("axis", "ends", "shape")
    fresh = True
    views = True
    latex = {
        "y": r"\text{the parts of } x \text{ along } \mathrm{axis}",
        "x": r"\text{the gradients of all parts, concatenated along } \mathrm{axis}",
    }

    def __init__(self, axis, ends):
        self.axis = axis
        self.ends = ends

    def forward(self, x):
        self.shape = x.shape
        return tuple([x[index] for index in parts_up_to(self.axis, self.ends)])

    def backward(self, g, y, x):
        before, after = self.shape[: self.axis], self.shape[self.axis + 1 :]
        shapes = [(*before, end - start, *after) for start, end in pairwise((0, *self.ends))]
        return (np.concatenate(_filled(g, shapes), axis=self.axis),)


@lru_cache(256)
def parts_up_to(axis, ends):
    """The indices of parts along the axis, up to each of `ends`."""
    before = (slice(None),) * axis
    return [(*before, slice(start, end)) for start, end in pairwise((0, *ends))]


class Unstack(Primitive):
    """y_0, y_1, ... = x at each position along `axis`, without that axis.

    Their gradients are stacked.  One primitive for the same reason as Split.
    """

    __slots__ = ("axis", "shape")
    views = True
    fresh = True
    latex = {
        "y": r"\text{the slices of } x \text{ along } \mathrm{axis}",
        "x": r"\text{the gradients of all slices, stacked along } \mathrm{axis}",
    }

    def __init__(self, axis):
        self.axis = axis

    def forward(self, x):
        self.shape = (*x.shape[: self.axis], 1, *x.shape[self.axis + 1 :])
        before = (slice(None),) * self.axis
        return tuple([x[(*before, position, ...)] for position in range(x.shape[self.axis])])

    def backward(self, g, y, x):
        thin = [None if each is None else each.reshape(self.shape) for each in g]
        return (np.concatenate(_filled(thin, [self.shape] * len(g)), axis=self.axis),)


def _filled(gradients, shapes):
    """The gradients of several results, zeros for those that have none."""
    dtype = next(g.dtype for g in gradients if g is not None)
    return [
        np.zeros(shape, dtype) if g is None else g
        for g, shape in zip(gradients, shapes, strict=True)
    ]


class Pad(Primitive):
    """y = x with `value` around it.  The gradient is g without that border.

    `widths` has for each axis the number of elements before and after.
    """

    __slots__ = ("inside", "value", "widths")
    latex = {
        "y": r"x \text{ inside a border of } \mathrm{value}",
        "x": r"\bar{y} \text{ without the border}",
    }

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

    The gradient of an element is the sum over the windows that it is in: see Fold.  y is a view of
    x's memory.
    """

    __slots__ = ("axis", "given", "size", "step")
    views = True
    latex = {
        "y": r"x_{\mathrm{step} \, i + k} \text{ at each } i, k \text{ along } \mathrm{axis}",
        "x": (
            r"\sum_{\mathrm{step} \, i + k = j} \bar{y}_{i, k} "
            r"\text{ at each } j \text{ along } \mathrm{axis}"
        ),
    }

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
    """y = zeros of `shape` with each window of x added in its place.  The gradient is Unfold of g.

    Fold is the transpose of Unfold.  float16 is summed in float32.
    """

    __slots__ = ("axis", "shape", "size", "step")
    latex = {
        "y": (
            r"\sum_{\mathrm{step} \, i + k = j} x_{i, k} "
            r"\text{ at each } j \text{ along } \mathrm{axis}"
        ),
        "x": (
            r"\bar{y}_{\mathrm{step} \, i + k} "
            r"\text{ at each } i, k \text{ along } \mathrm{axis}"
        ),
    }

    def __init__(self, axis, step, shape):
        self.axis = axis
        self.step = step
        self.shape = shape

    def forward(self, x):
        self.size = x.shape[-1]
        return fold(x, self.axis, self.step, self.shape)

    def backward(self, g, y, x):
        return (Unfold.apply(g, axis=self.axis, size=self.size, step=self.step),)
