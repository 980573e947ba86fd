"""Operations that arrange elements anew without computing; the results may be views."""

import numpy as np

from ..graph import Function


class Reshape(Function):
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


class Permute(Function):
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


class Expand(Function):
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


class Concatenate(Function):
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
