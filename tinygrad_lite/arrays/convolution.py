"""Convolution of images in any number of dimensions, and its transposes, by products of matrices.

Each works through the batch a few images at a time, or through a large image a few rows at a time:
it unfolds them into a matrix with one row per window, which is multiplied while it is in the cache
and never kept; or it adds up the products of one tap after the other.  Results are (N, C, *size) in
memory where the channels of a pixel lie side by side, so that the rows of a matrix are pixels.
"""

from collections.abc import Callable, Iterable
from math import prod
from typing import Any

import numpy as np

from .sums import WIDE_CHAIN, add_in_parts, sum_along
from .threads import parallel, slices
from .windows import (
    Chunk,
    Windows,
    by_images,
    channels_last,
    in_channels_last,
    last,
    second,
    shares,
)

COPIED = 16  # multiplications that take as long as copying an element or adding it in place
NARROW = 8  # most channels of a group for which `narrow` holds
FOLDED = 25  # most taps to make room for where the products of one are in memory at a time


class Convolution:
    """y[n, o, p] = sum over channels c and taps t of x[n, c, p stride + t dilation] w[o, c, t].

    x: (N, C, *size), w: (O, C / groups, *kernel), y: (N, O, *count).
    groups: the channels are split into this number of groups, each convolved separately; the
    matrices are then stacks, one matrix per group.  Where each group has one channel (a depthwise
    convolution) nothing is unfolded: see `sum_products`.
    """

    __slots__ = ("groups", "windows")

    def __init__(self, windows: Windows, groups: int) -> None:
        self.windows = windows
        self.groups = groups

    def convolve(self, x: Any, w: Any, b: Any) -> Any:
        """y, plus b for each output channel, if it is not None."""
        y = channels_last((len(x), len(w), *self.windows.count), x.dtype, np.empty)
        chunks = self.chunks(x)
        b = None if b is None else np.tile(b, longest_row(chunks))  # see along_rows
        if self.depthwise(x):
            return self._convolve_depthwise(x, w, b, y, chunks)
        matrix = np.ascontiguousarray(self.matrix(w).mT)

        def multiply(chunk: Chunk) -> None:
            columns, result = self.columns(x[chunk.images], chunk.windows), y[chunk.result]
            np.matmul(columns, matrix, out=self.rows(result))
            if b is not None:
                add_to_rows(last(result), b)

        parallel(multiply, chunks, multiplies=True)
        return y

    def _convolve_depthwise(self, x: Any, w: Any, b: Any, y: Any, chunks: list[Chunk]) -> Any:
        w = self.along_rows(w, longest_row(chunks))

        def multiply(chunk: Chunk) -> None:
            result = last(y[chunk.result])
            split = result.reshape((*result.shape[:-1], self.groups, len(w)))
            seen = self.seen(x[chunk.images], chunk.windows)
            for part, taps in enumerate(w):
                sum_products(seen, split[..., part], taps[..., : result.shape[-2], :])
            if b is not None:
                add_to_rows(result, b)

        parallel(multiply, chunks)
        return y

    def to_input(self, g: Any, w: Any) -> Any:
        """The sum over windows of g w, where they read x: the transpose with respect to x.

        g: (N, O, *count) -> (N, C, *size).  At stride 1 it is also the convolution of g with the
        kernels of w turned around, which may be faster (see `turns`).
        """
        channels = w.shape[1] * self.groups
        if self.turns(g, channels):
            return self.of_turned().convolve(g, self.turned(w), None)
        x = channels_last((len(g), channels, *self.windows.size), g.dtype)
        if self.depthwise(x):
            return self._to_input_depthwise(g, w, x)
        matrices = self.matrices(w)

        def multiply(chunks: list[Chunk]) -> None:
            for images, result, windows in chunks:
                self.add_products(self.rows(g[result]), matrices, x[images], windows)

        parallel(multiply, by_images(self.chunks(x, folds=True)), multiplies=True)
        return x

    def _to_input_depthwise(self, g: Any, w: Any, x: Any) -> Any:
        chunks = self.chunks(x)
        w, g = self.along_rows(w, longest_row(chunks)), in_channels_last(g)
        row = (slice(None), *[None] * (g.ndim - 3))

        def add(chunks: list[Chunk]) -> None:
            for images, result, windows in chunks:
                split = self.by_channel(g[result])
                padded = channels_last((len(split), self.groups, *windows.extent), x.dtype)
                for tap, read in windows.taps():
                    for part, taps in enumerate(w):
                        row_of_taps = taps[tap][: split.shape[-1]].T[row]
                        padded[read] += split[:, :, part] * row_of_taps
                windows.add_inside(padded, x[images])

        parallel(add, by_images(chunks))
        return x

    def to_weight(self, x: Any, g: Any) -> Any:
        """The sum over images and windows of x g: the transpose with respect to w.

        g: (N, O, *count) -> (O, C / groups, *kernel).
        """
        if not x.size:
            shape = (g.shape[1], x.shape[1] // self.groups, *self.windows.kernel)
            return np.zeros(shape, x.dtype)
        if self.depthwise(x):
            return np.ascontiguousarray(self._to_weight_depthwise(x, g))
        if self.turns_both(g, x):
            return np.ascontiguousarray(self.turned(self.of_turned()._to_weight(g, x)))
        return np.ascontiguousarray(self._to_weight(x, g))

    def _to_weight(self, x: Any, g: Any) -> Any:
        """The sum as products of the unfolded x."""

        def multiply(chunk: Chunk) -> Any:
            columns = self.columns(x[chunk.images], chunk.windows)
            return np.matmul(columns.mT, self.rows(g[chunk.result]))

        each = prod(self.windows.kernel) * x.shape[1] * g.shape[1] // self.groups * x.itemsize
        return self.added_up(multiply, self.chunks(x), each)

    def _to_weight_depthwise(self, x: Any, g: Any) -> Any:
        g = in_channels_last(g)
        outer = g.shape[1] // self.groups
        each = prod(self.windows.kernel) * g.shape[1] * g.shape[-1] * g.itemsize

        def multiply(chunk: Chunk) -> Any:
            split = last(g[chunk.result])
            split = split.reshape((*split.shape[:-1], self.groups, outer))
            seen = self.seen(x[chunk.images], chunk.windows)
            parts = [sum_into_weight(seen, split[..., part]) for part in range(outer)]
            return np.stack(parts, -1)  # (*kernel, groups, m)

        def add(chunks: list[Chunk]) -> Any:
            return sum_of(multiply(chunk) for chunk in chunks)

        total = sum_of(parallel(add, shares(self.chunks(x), each)))
        return np.moveaxis(total, (-2, -1), (0, 1)).reshape((g.shape[1], 1, *self.windows.kernel))

    def to_both(self, g: Any, x: Any, w: Any) -> tuple[Any, Any] | None:
        """`to_input` and `to_weight` by unfolding g once; None if unfolding x too is faster.

        The sum of x g over the windows is also one over the windows that each pixel of x is in.
        None as well if g is no array.
        """
        if g.__class__ is not np.ndarray or not g.size or not self.turns_both(g, x):
            return None
        back = self.of_turned()
        gx = channels_last(x.shape, g.dtype, np.empty)
        matrix = np.ascontiguousarray(self.matrix(self.turned(w)).mT)

        def multiply(chunk: Chunk) -> Any:
            columns = back.columns(g[chunk.images], chunk.windows)
            np.matmul(columns, matrix, out=self.rows(gx[chunk.result]))
            return np.matmul(columns.mT, self.rows(x[chunk.result]))

        gw = back.added_up(multiply, back.chunks(g), w.nbytes)
        return gx, np.ascontiguousarray(self.turned(gw))

    def depthwise(self, x: Any) -> bool:
        """Whether each group has one channel of x."""
        return x.shape[1] == self.groups > 1

    def chunks(self, x: Any, folds: bool = False) -> list[Chunk]:
        """The work in chunks, so that what is unfolded of one stays in the cache.

        folds   the products of one tap are in memory at a time, instead of all taps
        """
        taps = prod(self.windows.kernel)
        folds = folds and not self.narrow(x)
        copies = 2 if self.depthwise(x) else min(taps, FOLDED) if folds else taps
        return self.windows.chunks(len(x), x.shape[1] * copies * x.itemsize)

    def columns(self, x: Any, windows: Windows) -> Any:
        """The elements of each window as a row: (groups, windows, taps * channels of a group)."""
        n, channels = x.shape[:2]
        rank, inner = len(windows.size), channels // self.groups
        if self.groups == 1:
            padded = windows.padded(x, in_channels_last=True)
        else:  # each group as separate images, so that its channels are side by side
            padded = channels_last((self.groups * n, inner, *windows.extent), x.dtype)
            position, part = windows.inside
            split = x.reshape((n, self.groups, inner, *windows.size)).swapaxes(0, 1)
            padded.reshape((self.groups, n, inner, *windows.extent))[position] = split[part]
        view = windows.view(padded)  # (images, channels, *kernel, *count)
        view = view.transpose((0, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank), 1))
        shape = (self.groups, n * prod(windows.count), prod(windows.kernel) * inner)
        return view.reshape(shape)

    def add_products(self, rows: Any, matrices: Any, x: Any, windows: Windows) -> None:
        """Add rows @ matrix, for the matrix of each tap, to the pixels that the tap reads."""
        rank, inner = len(windows.size), x.shape[1] // self.groups
        products = (self.groups, len(x), *windows.count, inner)
        inner_third = (0, 1, 2 + rank, *range(2, 2 + rank))
        factors, narrow = matrices, self.narrow(x)
        if narrow:
            factors = np.matmul(rows, np.concatenate(matrices, -1))
            factors = np.moveaxis(factors.reshape((*products[:-1], -1, inner)), -2, 0)

        def add(total: Any, term: Any) -> None:
            (_, read), factor = term
            product = factor if narrow else np.matmul(rows, factor).reshape(products)
            total[read] += product.transpose(inner_third)

        padded = channels_last((len(x), x.shape[1], *windows.extent), x.dtype)
        split = padded.reshape((len(x), self.groups, inner, *windows.extent)).swapaxes(0, 1)
        terms = list(zip(windows.taps(), factors, strict=True))
        add_in_parts(split, terms, add, windows.overlap)
        windows.add_inside(padded, x)

    def narrow(self, x: Any) -> bool:
        """Whether one product for all taps is faster than one for each.

        At a stride the pixels that it is added to are apart anyway, so a few channels at a time.
        """
        return max(self.windows.stride) > 1 and x.shape[1] // self.groups <= NARROW

    def matrices(self, w: Any) -> Any:
        """(O, C, *kernel) as (taps, groups, O of a group, C)."""
        shape = (self.groups, len(w) // self.groups, prod(self.windows.kernel), w.shape[1])
        return np.ascontiguousarray(np.moveaxis(last(w).reshape(shape), 2, 0))

    def rows(self, x: Any) -> Any:
        """One row per pixel: (groups, pixels, channels of a group); a view if possible."""
        pixels = np.ascontiguousarray(last(x))
        shape = (prod(pixels.shape[:-1]), self.groups, x.shape[1] // self.groups)
        return pixels.reshape(shape).swapaxes(0, 1)

    def turns(self, g: Any, channels: int) -> bool:
        """Whether the transposes are faster as sums over the windows that a pixel of x is in.

        For each pixel of x they multiply by all taps and copy those of g; otherwise, for each
        window, they multiply by all taps, copy those of x for one transpose and add them for the
        other.  A kernel as large as the image has one window, but each pixel is read by it.
        """
        if max(self.windows.stride) > 1:
            return False
        outputs = g.shape[1]
        if channels == self.groups > 1:
            return outputs <= channels
        multiplied = 2 * outputs * channels // self.groups
        each_pixel = multiplied + COPIED * outputs
        each_window = multiplied + COPIED * 2 * channels
        return prod(self.windows.size) * each_pixel <= prod(self.windows.count) * each_window

    def turns_both(self, g: Any, x: Any) -> bool:
        """Whether `to_weight` unfolds g too, as `to_input` does, so that both can share it."""
        return self.turns(g, x.shape[1]) and not (self.depthwise(x) or self.depthwise(g))

    def of_turned(self) -> "Convolution":
        """The convolution that `to_input` is at stride 1."""
        return Convolution(self.windows.turned(), self.groups)

    def turned(self, w: Any) -> Any:
        """(O, C / groups, *kernel) as (C, O / groups, *kernel), each kernel back to front."""
        kernel = self.windows.kernel
        w = w.reshape((self.groups, len(w) // self.groups, *w.shape[1:])).swapaxes(1, 2)
        w = w.reshape((w.shape[0] * w.shape[1], w.shape[2], *kernel))
        return w[(..., *[slice(None, None, -1)] * len(kernel))]

    def matrix(self, w: Any) -> Any:
        """(O, C, *kernel) as (groups, O of a group, taps * C)."""
        shape = (self.groups, len(w) // self.groups, prod(w.shape[1:]))
        return last(w).reshape(shape)

    def added_up(self, multiply: Callable[[Chunk], Any], chunks: list[Chunk], each: int) -> Any:
        """The sum of multiply(chunk), (groups, taps * C, O of a group), as (O, C, *kernel)."""

        def add(chunks: list[Chunk]) -> Any:
            return sum_of(multiply(chunk) for chunk in chunks)

        total = sum_of(parallel(add, shares(chunks, each), multiplies=True)).mT
        return second(total.reshape((total.shape[0] * total.shape[1], *self.windows.kernel, -1)))

    def along_rows(self, w: Any, width: int) -> Any:
        """A depthwise w as (m, *kernel, width, groups), each weight repeated for a row of pixels.

        Then a product with channels-last images runs through width * channels elements at a time
        instead of the channels of one pixel.
        """
        taps = w.reshape((self.groups, len(w) // self.groups, *w.shape[2:]))
        return np.repeat(np.moveaxis(taps, 0, -1)[..., None, :], width, axis=-2)

    def seen(self, x: Any, windows: Windows) -> Any:
        """The elements that depthwise windows read, (N, *kernel, *count, channels)."""
        view = windows.view(windows.padded(x, in_channels_last=True))
        return view.transpose((0, *range(2, view.ndim), 1))

    def by_channel(self, x: Any) -> Any:
        """(N, channels * m, ...) as (N, channels, m, ...), for a depthwise convolution."""
        return x.reshape((len(x), self.groups, x.shape[1] // self.groups, *x.shape[2:]))


def longest_row(chunks: list[Chunk]) -> int:
    """How many windows lie side by side; of an image with one axis a chunk may have fewer."""
    return max((chunk.windows.count[-1] for chunk in chunks), default=0)


def add_to_rows(pixels: Any, b: Any) -> None:
    """Add b, repeated for a row of pixels at least as long, to each pixel: (N, *count, O)."""
    length = prod(pixels.shape[-2:])
    rows = pixels.reshape((prod(pixels.shape[:-2]), length))  # a view
    rows += b[:length]


def sum_of(arrays: Iterable[Any]) -> Any:
    """The sum of new arrays, in their order and in the memory of the first."""
    arrays = iter(arrays)
    total = next(arrays)
    for array in arrays:
        total += array
    return total


def sum_over_pixels(g: Any) -> Any:
    """The sum of images (N, C, *size) over all their pixels, for each channel.  Array or Tensor."""
    axes = (0, *range(2, g.ndim))
    if g.__class__ is not np.ndarray or not g.size:
        return sum_along(g, axes)
    parts = parallel(lambda images: sum_along(g[images], axes), slices(g), multiplies=True)
    return sum_along(np.stack(parts), (0,))


def sum_into_weight(seen: Any, image: Any) -> Any:
    """(*kernel, C): what depthwise windows read times the image, summed over all its pixels.

    `sum_products` adds rows of pixels one after the other, so it gets at most WIDE_CHAIN of them.
    """
    rank = image.ndim - 2
    lines = prod(image.shape[1:-2])  # rows of pixels of one image
    images = max(1, WIDE_CHAIN // lines)
    length = image.shape[1]
    step = length if rank == 1 else max(1, length * WIDE_CHAIN // lines)
    parts = []
    for first in range(0, len(image), images):
        of_images = slice(first, first + images)
        for start in range(0, length, step):
            part = slice(start, start + step)
            w = np.empty((*seen.shape[1 : 1 + rank], *image.shape[-2:]), image.dtype)
            read = seen[(of_images, *(slice(None),) * rank, part)]
            sum_products(read, image[of_images, part], w, into_w=True)
            parts.append(w)
    return sum_along(np.stack(parts), (0, rank + 1))


def sum_products(seen: Any, image: Any, w: Any, into_w: bool = False) -> None:
    """The image as the sum of what depthwise windows read times w; or w, times the image.

    seen: (N, *kernel, *count, C), w: (*kernel, width, C), image: (N, *count, C).  The loop over the
    taps is NumPy's: it makes no intermediate array, and the row of the image that it adds to stays
    in the first-level cache.
    """
    rank = (seen.ndim - 2) // 2
    axes = [*range(2 * rank + 2)]
    for_image, for_w = [0, *axes[1 + rank :]], [*axes[1 : 1 + rank], *axes[-2:]]
    if seen.strides[-2] == seen.shape[-1] * seen.itemsize:  # a row is contiguous: one long axis
        seen, image, w = (array.reshape((*array.shape[:-2], -1)) for array in (seen, image, w))
        for letters in (axes, for_image, for_w):
            del letters[-2]
    if into_w:
        np.einsum(seen, axes, image, for_image, for_w, out=w)
    else:
        np.einsum(seen, axes, w, for_w, for_image, out=image)
