"""Windows over an image: their elements, their sums, their largest elements; and the transposes."""

import numpy as np

from ..arrays.pooling import max_pool, max_unpool, overlap_add, sum_pool, taken
from ..engine.function import Primitive
from .convolution import WHERE_TAPS_READ


class SlidingWindows(Primitive):
    """y[n, c, t, p] = x[n, c, p stride + t dilation - before], or 0 outside.  dy/dx is OverlapAdd.

    y is what tap t of window p reads.  x: (N, C, *size), y: (N, C, *kernel, *count), a
    read-only view of x if there is no padding.
    """

    __slots__ = ("windows",)
    views = True
    latex = {
        "y": r"x_{n, c, q(p, t)} \text{ at each } n, c, t, p" + WHERE_TAPS_READ,
        "x": r"\sum_{p, t: q(p, t) = i} \bar{y}_{n, c, t, p} \text{ at each } n, c, i"
        + WHERE_TAPS_READ,
    }

    def __init__(self, windows):
        self.windows = windows

    def forward(self, x):
        return self.windows.view(self.windows.padded(x))

    def backward(self, g, y, x):
        return (OverlapAdd.apply(g, windows=self.windows),)


class OverlapAdd(Primitive):
    """y = x summed over windows and taps, where they read.  dy/dx is SlidingWindows.

    x: (N, C, *kernel, *count), y: (N, C, *size).  The transpose of SlidingWindows.
    """

    __slots__ = ("windows",)
    latex = {
        "y": r"\sum_{p, t: q(p, t) = i} x_{n, c, t, p} \text{ at each } n, c, i" + WHERE_TAPS_READ,
        "x": r"\bar{y}_{n, c, q(p, t)} \text{ at each } n, c, t, p" + WHERE_TAPS_READ,
    }

    def __init__(self, windows):
        self.windows = windows

    def forward(self, x):
        return overlap_add(x, self.windows)

    def backward(self, g, y, x):
        return (SlidingWindows.apply(g, windows=self.windows),)


class SumPool(Primitive):
    """y = the sum of x over each window.  dy/dx = 1 for the elements of a window: see OverlapAdd.

    x: (N, C, *size), y: (N, C, *count).  One primitive, since it adds up one shifted image for each
    tap, which is much faster than a sum over the axes of SlidingWindows.
    """

    __slots__ = ("windows",)
    fresh = True
    latex = {
        "y": r"\sum_{t} x_{n, c, q(p, t)} \text{ at each } n, c, p" + WHERE_TAPS_READ,
        "x": r"\sum_{p, t: q(p, t) = i} \bar{y}_{n, c, p} \text{ at each } n, c, i"
        + WHERE_TAPS_READ,
    }

    def __init__(self, windows):
        self.windows = windows

    def forward(self, x):
        return sum_pool(x, self.windows)

    def backward(self, g, y, x):
        kernel, count = self.windows.kernel, self.windows.count
        one_tap = g.reshape((*g.shape[:2], *(1,) * len(kernel), *count))
        taps = np.broadcast_to(one_tap, (*g.shape[:2], *kernel, *count))
        return (OverlapAdd.apply(taps, windows=self.windows),)


class MaxPool(Primitive):
    """y = the largest x of each window.  dy/dx = 1 for the first that is largest, 0 for the others.

    x: (N, C, *size), y: (N, C, *count).  nan wins; of several nan the last one, as in PyTorch.
    winners: for each window the number of the tap to select; computed if it is not given.
    """

    __slots__ = ("windows", "winners")
    fresh = True
    latex = {
        "y": r"\max_{t}(x_{n, c, q(p, t)}) \text{ at each } n, c, p" + WHERE_TAPS_READ,
        "x": r"\sum_{p: q(p, \mathrm{winners}_{n, c, p}) = i} \bar{y}_{n, c, p} "
        r"\text{ at each } n, c, i" + WHERE_TAPS_READ,
    }

    def __init__(self, windows, winners=None):
        self.windows = windows
        self.winners = winners

    def forward(self, x):
        if self.winners is not None:
            return taken(x, self.windows, self.winners)
        y, self.winners = max_pool(x, self.windows, self.needs[0])
        return y

    def backward(self, g, y, x):
        return (MaxUnpool.apply(g, windows=self.windows, winners=self.winners),)


class MaxUnpool(Primitive):
    """y = x summed over windows, each at its winner's position, 0 elsewhere.  dy/dx = 1 there.

    x: (N, C, *count), y: (N, C, *size).  The transpose of MaxPool.
    """

    __slots__ = ("windows", "winners")
    fresh = True
    latex = {
        "y": r"\sum_{p: q(p, \mathrm{winners}_{n, c, p}) = i} x_{n, c, p} \text{ at each } n, c, i"
        + WHERE_TAPS_READ,
        "x": r"\bar{y}_{n, c, q(p, \mathrm{winners}_{n, c, p})} \text{ at each } n, c, p"
        + WHERE_TAPS_READ,
    }

    def __init__(self, windows, winners):
        self.windows = windows
        self.winners = winners

    def forward(self, x):
        return max_unpool(x, self.windows, self.winners)

    def backward(self, g, y, x):
        return (MaxPool.apply(g, windows=self.windows, winners=self.winners),)
