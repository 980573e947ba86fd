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
from ..threads import slices, spread
from .windows import by_images, channels_last, in_channels_last, last, second, shares


class _Convolution(Function):
    """The shared rule: where the windows lie, and how images and weights become matrices.

    groups: the channels fall in so many groups, each convolved by itself; the matrices are then
    stacks, one for each group.  Where each group has one channel (a depthwise convolution) nothing
    is unfolded: the result is the sum over taps of the shifted images times one weight a channel.
    """

    __slots__ = ("groups", "windows")
    saves = "inputs"
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
        """The work in pieces, so that what is unfolded of one stays in the cache."""
        copies = 2 if self.depthwise(x) else prod(self.windows.kernel)
        return self.windows.pieces(len(x), x.shape[1] * copies * x.itemsize)

    def columns(self, x, windows):
        """One row a window, of what it reads: (groups, windows, taps * channels of a group)."""
        n, channels = x.shape[:2]
        rank, inner = len(windows.size), channels // self.groups
        if self.groups == 1:
            padded = windows.padded(x, in_channels_last=True)
        else:  # each group as images of its own: their channels then lie side by side
            padded = channels_last((self.groups * n, inner, *windows.extent), x.dtype)
            place, part = windows.inside
            split = x.reshape((n, self.groups, inner, *windows.size)).swapaxes(0, 1)
            padded.reshape((self.groups, n, inner, *windows.extent))[place] = split[part]
        view = windows.view(padded)  # (images, channels, *kernel, *count)
        view = view.transpose((0, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank), 1))
        shape = (self.groups, n * prod(windows.count), prod(windows.kernel) * inner)
        return view.reshape(shape)

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

    def turns(self, g, channels):
        """Whether the transpose by x had better be a convolution of g, with the kernels turned.

        Not where g has far more channels: to unfold it would be more than to fold what x gets.
        """
        most = channels if channels == self.groups > 1 else 2 * channels
        return max(self.windows.stride) == 1 and g.shape[1] <= most

    def turns_both(self, g, x):
        """Whether the transpose by w is taken from the unfolded g too, so that both share it."""
        return self.turns(g, x.shape[1]) and not (self.depthwise(x) or self.depthwise(g))

    def matrix(self, w):
        """(O, C, *kernel) as (groups, O of a group, taps * C)."""
        shape = (self.groups, len(w) // self.groups, prod(w.shape[1:]))
        return last(w).reshape(shape)

    def turned(self, w):
        """(O, C / groups, *kernel) as (C, O / groups, *kernel), each kernel back to front."""
        kernel = self.windows.kernel
        w = w.reshape((self.groups, len(w) // self.groups, *w.shape[1:])).swapaxes(1, 2)
        w = w.reshape((w.shape[0] * w.shape[1], w.shape[2], *kernel))
        return w[(..., *[slice(None, None, -1)] * len(kernel))]

    def added_up(self, multiply, pieces, each):
        """The sum of multiply(piece), (groups, taps * C, O of a group), as (O, C, *kernel)."""

        def add(pieces):
            return sum_of(multiply(piece) for piece in pieces)

        total = sum_of(spread(add, shares(pieces, each), multiplies=True)).mT
        return second(total.reshape((total.shape[0] * total.shape[1], *self.windows.kernel, -1)))

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
    """y = x convolved with w, as above, plus b.  dy/dx is ConvInput of w, dy/dw ConvWeight of x.

    x: (N, C, *size), w: (O, C / groups, *kernel), b: (O,) or None, y: (N, O, *count).
    """

    __slots__ = ()
    reads = ("b", "a", "")

    def forward(self, x, w, b):
        y = channels_last((len(x), len(w), *self.windows.count), x.dtype, np.empty)
        b = None if b is None else np.tile(b, y.shape[-1])  # for a row of pixels: see along_rows
        if self.depthwise(x):
            return self._depthwise(x, w, b, y)
        matrix = np.ascontiguousarray(self.matrix(w).mT)

        def multiply(piece):
            columns, given = self.columns(x[piece.images], piece.windows), y[piece.given]
            np.matmul(columns, matrix, out=self.rows(given))
            if b is not None:
                rows = last(given).reshape((-1, len(b)))  # a view
                rows += b

        spread(multiply, self.pieces(x), multiplies=True)
        return y

    def _depthwise(self, x, w, b, y):
        w, row = self.along_rows(w, y.shape[-1]), y.shape[1] * y.shape[-1]

        def add(piece):
            rows = last(y[piece.given]).reshape((-1, row))
            rows[...] = 0 if b is None else b
            padded = piece.windows.padded(x[piece.images], in_channels_last=True)[:, :, None]
            total = self.by_channel(y[piece.given])
            for tap, read in piece.windows.taps():
                total += padded[read] * w[(slice(None), slice(None), *tap)]

        spread(add, self.pieces(x))
        return y

    def backward(self, g, y, x, w, b):
        gb = over_pixels(g) if self.needs[2] else None
        both = self.needs[0] and self.needs[1] and type(g) is np.ndarray and g.size
        if both and self.turns_both(g, x):
            return *self._from_columns(g, x, w), gb
        return (
            ConvInput.apply(g, w, **self.same()) if self.needs[0] else None,
            ConvWeight.apply(x, g, **self.same()) if self.needs[1] else None,
            gb,
        )

    def _from_columns(self, g, x, w):
        """The gradients of x and of w by unfolding g only, where ConvWeight would unfold x.

        The sum of x g over the windows is also one over the windows that each pixel of x is in.
        """
        back = Conv(self.windows.turned(), self.groups)
        gx = channels_last(x.shape, g.dtype, np.empty)
        matrix = np.ascontiguousarray(self.matrix(self.turned(w)).mT)

        def multiply(piece):
            columns = back.columns(g[piece.images], piece.windows)
            np.matmul(columns, matrix, out=self.rows(gx[piece.given]))
            return np.matmul(columns.mT, self.rows(x[piece.given]))

        gw = back.added_up(multiply, back.pieces(g), w.nbytes)
        return gx, np.ascontiguousarray(self.turned(gw))


class ConvInput(_Convolution):
    """x = the sum over windows of g w: the transpose of Conv by x.  dx/dg: Conv, dx/dw: ConvWeight.

    g: (N, O, *count), w: (O, C / groups, *kernel), x: (N, C, *size).  At stride 1 it is also the
    convolution of g with w turned around, which takes two thirds of the time (see `turns`).
    """

    __slots__ = ()
    reads = ("b", "a")

    def forward(self, g, w):
        channels = w.shape[1] * self.groups
        if self.turns(g, channels):
            turned = self.windows.turned()
            return Conv.apply(g, self.turned(w), None, windows=turned, groups=self.groups)
        x = channels_last((len(g), channels, *self.windows.size), g.dtype)
        if self.depthwise(x):
            return self._depthwise(g, w, x)
        matrix = self.matrix(w)

        def multiply(pieces):
            for images, given, windows in pieces:
                self.add_columns(np.matmul(self.rows(g[given]), matrix), x[images], windows)

        spread(multiply, by_images(self.pieces(x)), multiplies=True)
        return x

    def _depthwise(self, g, w, x):
        w, g = self.along_rows(w, g.shape[-1]), in_channels_last(g)

        def add(pieces):
            for images, given, windows in pieces:
                split = self.by_channel(g[given])
                padded = channels_last((len(split), self.groups, *windows.extent), x.dtype)
                for tap, read in windows.taps():
                    for part in range(w.shape[1]):
                        padded[read] += split[:, :, part] * w[(slice(None), part, *tap)]
                windows.add_inside(padded, x[images])

        spread(add, by_images(self.pieces(x)))
        return x

    def backward(self, g, y, x, w):
        return (
            Conv.apply(g, w, None, **self.same()) if self.needs[0] else None,
            ConvWeight.apply(g, x, **self.same()) if self.needs[1] else None,
        )


class ConvWeight(_Convolution):
    """w = the sum over windows of x g: the transpose of Conv by w.  dw/dx: ConvInput, dw/dg: Conv.

    x: (N, C, *size), g: (N, O, *count), w: (O, C / groups, *kernel).
    """

    __slots__ = ()
    reads = ("b", "a")

    def forward(self, x, g):
        kernel = self.windows.kernel
        inner = x.shape[1] // self.groups
        if not x.size:
            return np.zeros((g.shape[1], inner, *kernel), x.dtype)
        if self.depthwise(x):
            return self._depthwise(x, g)
        if self.turns_both(g, x):
            back = ConvWeight(self.windows.turned(), self.groups)
            return np.ascontiguousarray(self.turned(back.unfolding(g, x)))
        return np.ascontiguousarray(self.unfolding(x, g))

    def unfolding(self, x, g):
        """The sum as products of the unfolded x."""

        def multiply(piece):
            columns = self.columns(x[piece.images], piece.windows)
            return np.matmul(columns.mT, self.rows(g[piece.given]))

        each = prod(self.windows.kernel) * x.shape[1] * g.shape[1] // self.groups * x.itemsize
        return self.added_up(multiply, self.pieces(x), each)

    def _depthwise(self, x, g):
        g = in_channels_last(g)
        shape = (self.groups, g.shape[1] // self.groups, *self.windows.kernel)
        summed = (0, *range(3, x.ndim + 1))

        def add(pieces):
            total = np.zeros(shape, x.dtype)
            for images, given, windows in pieces:
                padded = windows.padded(x[images], in_channels_last=True)[:, :, None]
                split = self.by_channel(g[given])
                for tap, read in windows.taps():
                    total[(slice(None), slice(None), *tap)] += (padded[read] * split).sum(summed)
            return total

        total = sum_of(spread(add, shares(self.pieces(x), prod(shape) * x.itemsize)))
        return total.reshape((g.shape[1], 1, *self.windows.kernel))

    def backward(self, g, y, x, h):
        return (
            ConvInput.apply(h, g, **self.same()) if self.needs[0] else None,
            Conv.apply(x, g, None, **self.same()) if self.needs[1] else None,
        )


def sum_of(arrays):
    """The sum of new arrays, in their order and in the memory of the first."""
    arrays = iter(arrays)
    total = next(arrays)
    for array in arrays:
        total += array
    return total


def over_pixels(g):
    """The sum of images (N, C, *size) over all their pixels, for each channel.  Array or Tensor."""
    if type(g) is not np.ndarray or not g.size:
        return np.add.reduce(g, axis=(0, *range(2, g.ndim)))

    def add(images):
        rows = last(g[images]).reshape((-1, g.shape[1]))
        return np.ones(len(rows), g.dtype) @ rows

    return sum_of(spread(add, slices(g), multiplies=True))
