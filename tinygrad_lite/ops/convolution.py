"""Convolution in any number of dimensions, and its two transposes.

y[n, o, p] = sum over channels c and taps t of x[n, c, p stride + t dilation - before] w[o, c, t]
is linear in x and in w.  So it has a transpose with respect to each, and the derivatives of the
three, of any order, are the same three again.

Each works through the batch a few images at a time, or through a large image a few rows at a time:
it unfolds them into a matrix with one row a window, which is multiplied while it is in the cache,
and never kept.  Results are (N, C, *size) on memory in which the channels of a pixel lie side by
side, so that the rows of a matrix are pixels.
"""

from math import prod

import numpy as np

from ..graph import Function
from .windows import channels_last, in_channels_last, last, second


class _Convolution(Function):
    """The shared rule: where the windows lie, and how images and weights become matrices.

    groups: the channels fall in so many groups, each convolved by itself; the matrices are then
    stacks, one for each group.  Where each group has one channel (a depthwise convolution) nothing
    is unfolded: the result is the sum over taps of the shifted images times one weight a channel.
    """

    __slots__ = ("groups", "windows")
    saves = "inputs"
    reads = ("b", "a")
    fresh = True

    def __init__(self, windows, groups=1):
        self.windows = windows
        self.groups = groups

    def same(self):
        """The options of the derivatives."""
        return {"windows": self.windows, "groups": self.groups}

    def depthwise(self, x):
        return x.shape[1] == self.groups > 1

    def pieces(self, x):
        """The work in pieces, so that what is unfolded of one stays in the cache.

        For each: the images, what they give (an index of y), and the windows that are meant.
        """
        copies = 2 if self.depthwise(x) else prod(self.windows.kernel)
        return self.windows.pieces(len(x), x.shape[1] * copies * x.itemsize)

    def columns(self, x, windows):
        """One row a window, of what it reads: (groups, windows, taps * channels of a group)."""
        n, channels = x.shape[:2]
        rank, inner = len(windows.size), channels // self.groups
        view = windows.view(windows.padded(x, in_channels_last=True))
        view = view.reshape((n, self.groups, inner, *windows.kernel, *windows.count))
        view = view.transpose((1, 0, *range(3 + rank, 3 + 2 * rank), *range(3, 3 + rank), 2))
        taps = prod(windows.kernel)
        return view.reshape((self.groups, n * prod(windows.count), taps * inner))

    def add_columns(self, columns, x, windows):
        """The transpose of `columns`: add each element to where it was read from."""
        n, channels = x.shape[:2]
        rank, inner = len(windows.size), channels // self.groups
        columns = columns.reshape((self.groups, n, *windows.count, *windows.kernel, inner))
        columns = columns.transpose((1, 0, -1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank)))
        padded = channels_last((n, channels, *windows.extent), x.dtype)
        split = padded.reshape((n, self.groups, inner, *windows.extent))
        for tap, read in windows.taps():
            split[read] += columns[(slice(None), slice(None), slice(None), *tap)]
        windows.add_inside(padded, x)

    def rows(self, x):
        """One row a pixel: (groups, pixels, channels of a group); a view if they lie so."""
        pixels = np.ascontiguousarray(last(x))
        shape = (prod(pixels.shape[:-1]), self.groups, x.shape[1] // self.groups)
        return pixels.reshape(shape).swapaxes(0, 1)

    def matrix(self, w):
        """(O, C, *kernel) as (groups, O of a group, taps * C)."""
        shape = (self.groups, len(w) // self.groups, prod(w.shape[1:]))
        return last(w).reshape(shape)

    def along_rows(self, w, width):
        """A depthwise w as (groups, m, *kernel, 1, ..., width), each weight repeated for a row.

        Then a product with rows of channels-last images runs through width * channels elements at
        a time instead of the channels of one pixel: 1.5 times as fast.
        """
        taps = w.reshape((self.groups, len(w) // self.groups, *w.shape[2:]))
        rank = taps.ndim - 2
        repeated = np.empty((*taps.shape[2:], *(1,) * (rank - 1), width, *taps.shape[:2]), w.dtype)
        moved = np.moveaxis(taps, (0, 1), (-2, -1))
        repeated[...] = moved.reshape((*taps.shape[2:], *(1,) * rank, *taps.shape[:2]))
        return np.moveaxis(repeated, (-2, -1), (0, 1))

    def by_channel(self, x):
        """(N, channels * m, ...) as (N, channels, m, ...), for a depthwise convolution."""
        return x.reshape((len(x), self.groups, x.shape[1] // self.groups, *x.shape[2:]))


class Conv(_Convolution):
    """y = x convolved with w, as above.  dy/dx is ConvInput of w, dy/dw is ConvWeight of x.

    x: (N, C, *size), w: (O, C / groups, *kernel), y: (N, O, *count).
    """

    __slots__ = ()

    def forward(self, x, w):
        shape = (len(x), len(w), *self.windows.count)
        if self.depthwise(x):
            return self._depthwise(x, w, channels_last(shape, x.dtype))
        y = channels_last(shape, x.dtype, np.empty)
        matrix = self.matrix(w).mT
        for images, given, windows in self.pieces(x):
            np.matmul(self.columns(x[images], windows), matrix, out=self.rows(y[given]))
        return y

    def _depthwise(self, x, w, y):
        w = self.along_rows(w, y.shape[-1])
        for images, given, windows in self.pieces(x):
            padded = windows.padded(x[images], in_channels_last=True)[:, :, None]
            total = self.by_channel(y[given])
            for tap, read in windows.taps():
                total += padded[read] * w[(slice(None), slice(None), *tap)]
        return y

    def backward(self, g, y, x, w):
        return (
            ConvInput.apply(g, w, **self.same()) if self.needs[0] else None,
            ConvWeight.apply(x, g, **self.same()) if self.needs[1] else None,
        )


class ConvInput(_Convolution):
    """x = the sum over windows of g w: the transpose of Conv by x.  dx/dg: Conv, dx/dw: ConvWeight.

    g: (N, O, *count), w: (O, C / groups, *kernel), x: (N, C, *size).  At stride 1 it is also the
    convolution of g with w turned around, which takes two thirds of the time where g has no more
    channels than x.
    """

    __slots__ = ()

    def forward(self, g, w):
        channels = w.shape[1] * self.groups
        if max(self.windows.stride) == 1 and g.shape[1] <= channels:
            turned = self.windows.turned()
            return Conv.apply(g, self.turned(w), windows=turned, groups=self.groups)
        x = channels_last((len(g), channels, *self.windows.size), g.dtype)
        if self.depthwise(x):
            return self._depthwise(g, w, x)
        matrix = self.matrix(w)
        for images, given, windows in self.pieces(x):
            self.add_columns(np.matmul(self.rows(g[given]), matrix), x[images], windows)
        return x

    def turned(self, w):
        """(O, C / groups, *kernel) as (C, O / groups, *kernel), each kernel back to front."""
        kernel = self.windows.kernel
        w = w.reshape((self.groups, len(w) // self.groups, *w.shape[1:])).swapaxes(1, 2)
        w = w.reshape((w.shape[0] * w.shape[1], w.shape[2], *kernel))
        return w[(..., *[slice(None, None, -1)] * len(kernel))]

    def _depthwise(self, g, w, x):
        w, g = self.along_rows(w, g.shape[-1]), in_channels_last(g)
        for images, given, windows in self.pieces(x):
            split = self.by_channel(g[given])
            padded = channels_last((len(split), self.groups, *windows.extent), x.dtype)
            for tap, read in windows.taps():
                for part in range(w.shape[1]):
                    padded[read] += split[:, :, part] * w[(slice(None), part, *tap)]
            windows.add_inside(padded, x[images])
        return x

    def backward(self, g, y, x, w):
        return (
            Conv.apply(g, w, **self.same()) if self.needs[0] else None,
            ConvWeight.apply(g, x, **self.same()) if self.needs[1] else None,
        )


class ConvWeight(_Convolution):
    """w = the sum over windows of x g: the transpose of Conv by w.  dw/dx: ConvInput, dw/dg: Conv.

    x: (N, C, *size), g: (N, O, *count), w: (O, C / groups, *kernel).
    """

    __slots__ = ()

    def forward(self, x, g):
        kernel = self.windows.kernel
        inner, outer = x.shape[1] // self.groups, g.shape[1] // self.groups
        if self.depthwise(x):
            return self._depthwise(x, g, np.zeros((g.shape[1], 1, *kernel), x.dtype))
        total = np.zeros((self.groups, outer, prod(kernel) * inner), x.dtype)
        for images, given, windows in self.pieces(x):
            total += np.matmul(self.rows(g[given]).mT, self.columns(x[images], windows))
        w = second(total.reshape((g.shape[1], *kernel, inner)))
        return np.ascontiguousarray(w)

    def _depthwise(self, x, g, w):
        total, g = (
            w.reshape((self.groups, len(w) // self.groups, *w.shape[2:])),
            in_channels_last(g),
        )
        summed = (0, *range(3, x.ndim + 1))
        for images, given, windows in self.pieces(x):
            padded = windows.padded(x[images], in_channels_last=True)[:, :, None]
            split = self.by_channel(g[given])
            for tap, read in windows.taps():
                total[(slice(None), slice(None), *tap)] += (padded[read] * split).sum(summed)
        return w

    def backward(self, g, y, x, h):
        return (
            ConvInput.apply(h, g, **self.same()) if self.needs[0] else None,
            Conv.apply(x, g, **self.same()) if self.needs[1] else None,
        )
