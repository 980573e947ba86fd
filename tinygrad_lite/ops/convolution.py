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

from ..arrays.threads import slices, spread
from ..arrays.windows import by_images, channels_last, in_channels_last, last, second, shares
from ..engine.function import Primitive

RUN = 1024  # pixels that BLAS sums at a time


class _Convolution(Primitive):
    """The shared rule: where the windows lie, and how images and weights become matrices.

    groups: the channels fall in so many groups, each convolved by itself; the matrices are then
    stacks, one for each group.  Where each group has one channel (a depthwise convolution) nothing
    is unfolded: see `sum_products`.
    """

    __slots__ = ("groups", "windows")
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
        """A depthwise w as (m, *kernel, width, groups), each weight repeated for a row of pixels.

        Then a product with channels-last images runs through width * channels elements at a time
        instead of the channels of one pixel.
        """
        taps = w.reshape((self.groups, len(w) // self.groups, *w.shape[2:]))
        return np.repeat(np.moveaxis(taps, 0, -1)[..., None, :], width, axis=-2)

    def seen(self, x, windows):
        """What depthwise windows read, (N, *kernel, *count, channels)."""
        view = windows.view(windows.padded(x, in_channels_last=True))
        return view.transpose((0, *range(2, view.ndim), 1))

    def by_channel(self, x):
        """(N, channels * m, ...) as (N, channels, m, ...), for a depthwise convolution."""
        return x.reshape((len(x), self.groups, x.shape[1] // self.groups, *x.shape[2:]))


class Conv(_Convolution):
    """y = x convolved with w, as above, plus b.  dy/dx is ConvInput of w, dy/dw ConvWeight of x.

    x: (N, C, *size), w: (O, C / groups, *kernel), b: (O,) or None, y: (N, O, *count).
    """

    __slots__ = ()
    reads = {"x": ("w",), "w": ("x",)}

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
        w = self.along_rows(w, y.shape[-1])

        def multiply(piece):
            given = last(y[piece.given])
            split = given.reshape((*given.shape[:-1], self.groups, len(w)))
            seen = self.seen(x[piece.images], piece.windows)
            for part, taps in enumerate(w):
                sum_products(seen, split[..., part], taps)
            if b is not None:
                rows = given.reshape((-1, len(b)))
                rows += b

        spread(multiply, self.pieces(x))
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
    reads = {"x": ("w",), "w": ("x",)}

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
        row = (slice(None), *[None] * (g.ndim - 3))

        def add(pieces):
            for images, given, windows in pieces:
                split = self.by_channel(g[given])
                padded = channels_last((len(split), self.groups, *windows.extent), x.dtype)
                for tap, read in windows.taps():
                    for part, taps in enumerate(w):
                        padded[read] += split[:, :, part] * taps[tap].T[row]
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
    reads = {"x": ("h",), "h": ("x",)}

    def forward(self, x, g):
        kernel = self.windows.kernel
        inner = x.shape[1] // self.groups
        if not x.size:
            return np.zeros((g.shape[1], inner, *kernel), x.dtype)
        if self.depthwise(x):
            return np.ascontiguousarray(self._depthwise(x, g))
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
        outer = g.shape[1] // self.groups
        each = prod(self.windows.kernel) * g.shape[1] * g.shape[-1] * g.itemsize

        def multiply(piece):
            split = last(g[piece.given])
            split = split.reshape((*split.shape[:-1], self.groups, outer))
            seen, parts = self.seen(x[piece.images], piece.windows), []
            for part in range(outer):
                rows = np.empty((*self.windows.kernel, *split.shape[-3:-1]), x.dtype)
                sum_products(seen, split[..., part], rows, into_w=True)
                parts.append(rows.sum(-2))
            return np.stack(parts, -1)  # (*kernel, groups, m)

        def add(pieces):
            return sum_of(multiply(piece) for piece in pieces)

        total = sum_of(spread(add, shares(self.pieces(x), each)))
        return np.moveaxis(total, (-2, -1), (0, 1)).reshape((g.shape[1], 1, *self.windows.kernel))

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
    """The sum of images (N, C, *size) over all their pixels, for each channel.  Array or Tensor.

    In runs, since BLAS adds one number after the other: of nine million times 0.1 in float32, in
    one run, only three digits were right.
    """
    if type(g) is not np.ndarray or not g.size:
        return np.add.reduce(g, axis=(0, *range(2, g.ndim)))

    def add(images):
        rows = last(g[images]).reshape((-1, g.shape[1]))
        runs, rest = divmod(len(rows), RUN)
        ones = np.ones(RUN, g.dtype)
        total = ones[:rest] @ rows[len(rows) - rest :]
        if runs:
            parts = ones @ rows[: runs * RUN].reshape((runs, RUN, -1))
            total += np.add.reduce(parts, axis=0)
        return total

    return sum_of(spread(add, slices(g), multiplies=True))


def sum_products(seen, image, w, into_w=False):
    """The image as the sum of what depthwise windows read times w; or w, times the image.

    seen: (N, *kernel, *count, C), w: (*kernel, width, C), image: (N, *count, C).  The loop over the
    taps is NumPy's: it makes no array between, and the row of the image that it adds to stays in
    the first-level cache.  So it takes 2.6 ms where a product and a sum for each tap took 6.7.
    """
    rank = (seen.ndim - 2) // 2
    axes = [*range(2 * rank + 2)]
    for_image, for_w = [0, *axes[1 + rank :]], [*axes[1 : 1 + rank], *axes[-2:]]
    if seen.strides[-2] == seen.shape[-1] * seen.itemsize:  # a row lies together: one long axis
        seen, image, w = (array.reshape((*array.shape[:-2], -1)) for array in (seen, image, w))
        for letters in (axes, for_image, for_w):
            del letters[-2]
    if into_w:
        np.einsum(seen, axes, image, for_image, for_w, out=w)
    else:
        np.einsum(seen, axes, w, for_w, for_image, out=image)
