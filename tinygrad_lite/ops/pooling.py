"""What the windows over an image read: all of it, the largest element, and the transposes."""

from typing import Any

import numpy as np

from ..arrays.threads import slices, spread
from ..arrays.windows import Windows, laid_out_as
from ..engine.function import Primitive
from .selection import Mask


class SlidingWindows(Primitive):
    """y = x as each window reads it: y[n, c, t, p] = x[n, c, p stride + t dilation - before], or 0.

    x: (N, C, *size), y: (N, C, *kernel, *count), which is a read-only view of x if nothing is
    padded.  The gradient is given back by OverlapAdd.
    """

    __slots__ = ("windows",)
    views = True

    def __init__(self, windows):
        self.windows = windows

    def forward(self, x):
        return self.windows.view(self.windows.padded(x))

    def backward(self, g, y, x):
        return (OverlapAdd.apply(g, windows=self.windows),)


class OverlapAdd(Primitive):
    """y = the sum over windows and taps of x, where they read: the transpose of SlidingWindows.

    x: (N, C, *kernel, *count), y: (N, C, *size).
    """

    __slots__ = ("windows",)

    def __init__(self, windows):
        self.windows = windows

    def forward(self, x):
        windows = self.windows
        one_tap = x[(slice(None), slice(None), *(0,) * len(windows.kernel))]
        y = np.zeros_like(one_tap, shape=(*x.shape[:2], *windows.size))

        def add(images):
            padded = np.zeros_like(y[images], shape=(*y[images].shape[:2], *windows.extent))
            for tap, read in windows.taps():
                padded[read] += x[(images, slice(None), *tap)]
            windows.add_inside(padded, y[images])

        spread(add, slices(y))
        return y

    def backward(self, g, y, x):
        return (SlidingWindows.apply(g, windows=self.windows),)


class SumPool(Primitive):
    """y = the sum of x over each window.  dy/dx = 1 for what a window reads: see OverlapAdd.

    x: (N, C, *size), y: (N, C, *count).  It adds up one shifted image a tap; a sum over the axes of
    SlidingWindows took three times as long for 3x3 windows, and nine times for 2x2.
    """

    __slots__ = ("windows",)
    fresh = True

    def __init__(self, windows):
        self.windows = windows

    def forward(self, x):
        y = np.zeros_like(x, shape=(*x.shape[:2], *self.windows.count))

        def add(images):
            padded, total = self.windows.padded(x[images]), y[images]
            for _, read in self.windows.taps():
                total += padded[read]

        spread(add, slices(x))
        return y

    def backward(self, g, y, x):
        kernel, count = self.windows.kernel, self.windows.count
        one_tap = g.reshape((*g.shape[:2], *(1,) * len(kernel), *count))
        taps = np.broadcast_to(one_tap, (*g.shape[:2], *kernel, *count))
        return (OverlapAdd.apply(taps, windows=self.windows),)


class MaxPool(Primitive):
    """y = the largest x of each window.  dy/dx = 1 for the first that is largest, 0 for the others.

    x: (N, C, *size), y: (N, C, *count).  nan wins, and of several nan the last, as in PyTorch.
    winners: for each window the number of the tap to take; found if it is not given.
    """

    __slots__ = ("windows", "winners")
    fresh = True

    def __init__(self, windows, winners=None):
        self.windows = windows
        self.winners = winners

    def forward(self, x):
        if self.winners is None:
            y, self.winners = largest(x, self.windows, self.needs[0])
            return y
        y = np.zeros_like(x, shape=self.winners.shape)

        def take(images):
            padded = self.windows.padded(x[images])
            for number, (_, read) in enumerate(self.windows.taps()):
                y[images] += Mask.apply(padded[read], mask=self.winners[images] == number)

        spread(take, slices(x))
        return y

    def backward(self, g, y, x):
        return (MaxUnpool.apply(g, windows=self.windows, winners=self.winners),)


class MaxUnpool(Primitive):
    """y = the sum over windows of x, each at its window's winner, 0 elsewhere.  dy/dx = 1 there.

    x: (N, C, *count), y: (N, C, *size).  The transpose of MaxPool.
    """

    __slots__ = ("windows", "winners")
    fresh = True

    def __init__(self, windows, winners):
        self.windows = windows
        self.winners = winners

    def forward(self, x):
        windows = self.windows
        make = np.empty_like if windows.tile else np.zeros_like
        y = make(self.winners, x.dtype, shape=(*x.shape[:2], *windows.size))

        def put(images):
            padded, winners = y[images], self.winners[images]
            given = laid_out_as(winners, x[images])
            if not windows.tile:
                padded = np.zeros_like(padded, shape=(*padded.shape[:2], *windows.extent))
            for number, (_, read) in enumerate(windows.taps()):
                taken = Mask.apply(given, mask=winners == number)
                if windows.tile:  # nothing is there to add to: half the time
                    padded[read] = taken
                else:
                    padded[read] += taken
            if not windows.tile:
                windows.add_inside(padded, y[images])

        spread(put, slices(y))
        return y

    def backward(self, g, y, x):
        return (MaxPool.apply(g, windows=self.windows, winners=self.winners),)


def largest(x: Any, windows: Windows, with_winners: bool) -> tuple[Any, Any]:
    """The largest element of each window, and the number of its tap, or None if not asked for.

    One pass over the shifted images a tap, as long as they are in the cache.  A winner starts as
    the window's first tap inside the image: padding, which is -inf, does not win against -inf.
    """
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    taps, strided = list(windows.taps()), max(windows.stride) > 1
    y = np.empty_like(x, shape=(*x.shape[:2], *windows.count))
    winners: Any = np.empty_like(y, np.min_scalar_type(len(taps) - 1))

    def find(images):
        padded = windows.padded(x[images], lowest)
        best = y[images]
        best[...] = padded[taps[0][1]]
        if with_winners:
            found = winners[images]
            found[...] = windows.first_inside()
        for number, (_, read) in enumerate(taps[1:], 1):
            shifted = padded[read]
            if with_winners and strided:  # read twice: quicker where its elements lie together
                shifted = shifted.copy("K")
            if with_winners:  # numbers grow, so the larger one is the later one
                np.maximum(found, (shifted > best) * found.dtype.type(number), out=found)
            np.maximum(best, shifted, out=best)
        if with_winners and np.isnan(best).any():
            for number, (_, read) in enumerate(taps):
                found[np.isnan(padded[read])] = number

    spread(find, slices(x))
    return y, winners if with_winners else None
