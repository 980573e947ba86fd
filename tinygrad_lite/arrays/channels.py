"""Channels of images, shifted and scaled: their statistics and gradients, in a few passes.

A batch (N, C, *size) is worked through in chunks that fit in the second-level cache, in the order
of its memory, channels last or contiguous.  The sums of a chunk are added up in float64, in which
all that belongs to a channel is computed.
"""

from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .chunks import CHUNK, each_chunk
from .dtypes import accumulator
from .products import multiply
from .sums import CHAIN, ROW, SHORT, sum_along
from .windows import last, second

LANES = 1 << 11  # elements of a row of several pixels, at most: it stays in the first-level cache
LEAST = 16  # such rows of a cell, if it has as many pixels: their sum is what float64 adds
OFFSET = 4.0  # mean square over variance, up to which x is used as it is: two bits are lost


class Chunk(NamedTuple):
    """Some pixels: an index of what `Pixels.seen` returns, of their cells, and of their factors."""

    pixels: tuple[slice, slice]
    cells: tuple[slice, slice]
    factors: tuple[slice, slice]


class Pixels:
    """A batch (N, C, *size) as cells: a cell is one channel, of one image or of all.

    groups  which cells form a set, with its own mean and variance: None for those of a channel in
            all images, else this number of groups of the channels of each image
    count   the number of pixels of a cell

    Sums over cells are (M, C): M is 1 if memory is channels last and a set reaches over the batch,
    else N.  What is the same for a set is (1, C) if it reaches over the batch, else (N, C).  With
    channels last, several pixels form one row, since the channels of one pixel would be a short
    inner loop.
    """

    __slots__ = ("channels", "chunks", "count", "dtype", "groups", "last", "length", "seen_as")

    def __init__(self, x: Any, groups: int | None) -> None:
        n, channels, *size = x.shape
        self.groups, self.channels, self.dtype = groups, channels, accumulator(x.dtype)
        self.last = channels > 1 and last(x).flags.c_contiguous
        if self.last:
            images = 1 if groups is None else n
            self.count = prod(size) * (n if groups is None else 1)
            most = max(min(LANES // channels, self.count // LEAST), 1)
            self.length = _divisor(self.count, most) * channels
            self.seen_as = (images, self.count * channels // self.length, self.length)
        else:
            self.count, self.seen_as = prod(size), (n, channels, prod(size))
            self.length = _divisor(self.count, ROW)
        self.chunks = self._chunks()

    def _chunks(self) -> list[Chunk]:
        images, rows, length = self.seen_as
        each, whole = max(rows * length * self.dtype.itemsize, 1), slice(None)
        if each <= CHUNK:
            step = CHUNK // each
            parts = [slice(start, start + step) for start in range(0, images, step)]
            rows_of = [whole if self.groups is None else part for part in parts]
            return [
                Chunk((part, whole), (part, whole), (rows, whole))
                for part, rows in zip(parts, rows_of, strict=True)
            ]
        step, found = max(CHUNK * rows // each, 1), []
        for image in range(images):
            one = slice(image, image + 1)
            for start in range(0, rows, step):
                part = slice(start, start + step)
                channels = whole if self.last else part
                factors = whole if self.groups is None else one
                found.append(Chunk((one, part), (one, channels), (factors, channels)))
        return found

    def seen(self, x: Any) -> Any:
        """x as (images, rows, elements) in the order of memory: a view, if x has that order."""
        x = x.astype(self.dtype, copy=False)
        return np.ascontiguousarray(last(x) if self.last else x).reshape(self.seen_as)

    def new(self, shape: tuple[int, ...]) -> Any:
        """A batch of uninitialised memory in the same order."""
        if self.last:
            return second(np.empty((shape[0], *shape[2:], shape[1]), self.dtype))
        return np.empty(shape, self.dtype)

    def each(self, task: Callable[[Chunk], Any]) -> list[Any]:
        """[task(chunk) for each chunk], by the pool if that pays off."""
        return each_chunk(task, self.chunks, prod(self.seen_as) * self.dtype.itemsize)

    def sums(self, terms: Callable[[Chunk], tuple[Any, Any]]) -> Any:
        """For each cell, the sums of a and of a b, which are given for a chunk: (2, M, C)."""
        totals = np.zeros((2, self.seen_as[0], self.channels))
        add = self._columns if self.last else self._rows
        found = self.each(lambda chunk: add(*terms(chunk)))
        for chunk, parts in zip(self.chunks, found, strict=True):
            for total, part in zip(totals, parts, strict=True):
                cells = total[chunk.cells]
                several = part.size // max(cells.size, 1)
                axis, (m, c) = 1 if self.last else 2, cells.shape
                part = part.reshape((m, several, c) if self.last else (m, c, several))
                cells += np.add.reduce(part, axis, np.float64)
        return totals

    def _columns(self, a: Any, b: Any) -> tuple[Any, Any]:
        """The sums over the rows of a chunk, channels last."""
        if a.shape[1] > CHAIN:
            return sum_along(a, (1,)), sum_along(a * b, (1,))
        return multiply(np.ones(a.shape[1], a.dtype), a), np.einsum("mrl,mrl->ml", a, b)

    def _rows(self, a: Any, b: Any) -> tuple[Any, Any]:
        """The sums over the elements of each row, or over parts of it."""
        if self.length * SHORT < self.count:
            return sum_along(a, (2,)), sum_along(a * b, (2,))
        a, b = a.reshape((-1, self.length)), b.reshape((-1, self.length))
        return multiply(a, np.ones(self.length, a.dtype)), np.vecdot(a, b)

    def mean(self, cells: Any) -> Any:
        """The mean of each set."""
        if self.groups is None:
            return np.add.reduce(cells, 0, keepdims=True) / np.float64(len(cells))
        inner = self.channels // self.groups
        if inner == 1:
            return cells
        split = cells.reshape((len(cells), self.groups, inner))
        return np.repeat(np.add.reduce(split, 2) / inner, inner, axis=1)

    def first(self, seen: Any) -> Any:
        """The first element of each set."""
        cells = seen[:, 0, : self.channels] if self.last else seen[:, :, 0]
        if self.groups is None:
            return cells[:1]
        inner = self.channels // self.groups
        return np.repeat(cells[:, ::inner], inner, axis=1)

    def by_set(self, values: Any) -> Any:
        """What is the same for a set, once for each: (C,), or (N, groups)."""
        if self.groups is None:
            return values[0]
        return values[:, :: max(self.channels // self.groups, 1)]

    def spread(self, values: Any) -> Any:
        """What is the same for a set or a channel, in a shape that broadcasts against `seen`."""
        values = np.atleast_2d(values)
        if not self.last:
            return values.astype(self.dtype)[:, :, None]
        repeated = np.empty((len(values), self.length // self.channels, self.channels), self.dtype)
        repeated[...] = values[:, None]
        return repeated.reshape((len(values), 1, self.length))


class Statistics(NamedTuple):
    """What normalises each set, in float64."""

    shift: Any  # a number near the mean, of the dtype of the batch; None for 0
    mean: Any  # of what is left when it is subtracted
    variance: Any
    scale: Any  # 1 / sqrt(variance + eps)
    regular: bool  # no variance overflows, or vanishes though eps is 0


def statistics(x: Any, pixels: Pixels, eps: float) -> Statistics:
    """The mean and the variance of each set; the latter is the mean square minus the mean squared.

    Where that would lose digits, both are computed again: first for x minus the first element of
    the set, so that the variance of equal elements is exactly 0; and if that element is far from
    most others, for x minus the mean.
    """
    seen, shift, less, mean = pixels.seen(x), None, None, 0.0

    def terms(chunk: Chunk) -> tuple[Any, Any]:
        part = seen[chunk.pixels]
        moved = part if less is None else part - less[chunk.factors]
        return moved, moved

    for attempt in range(3):
        if attempt:
            shift = pixels.first(seen) if shift is None else (shift + mean).astype(pixels.dtype)
            less = pixels.spread(shift)
        mean, square = (pixels.mean(each) for each in pixels.sums(terms) / np.float64(pixels.count))
        variance = square - mean * mean
        if not x.size or ((square <= OFFSET * variance) & (square < np.inf)).all():
            break
    scale = 1.0 / np.sqrt(variance + eps)
    regular = bool(((scale > 0) & (scale < np.inf)).all())
    return Statistics(shift, mean, variance, scale, regular)


def normalised_channels(
    x: Any, w: Any, b: Any, pixels: Pixels, found: Statistics
) -> tuple[Any, Any, Any]:
    """(x - mean) scale w + b, where w or b may be None; mean and variance, once for each set."""
    shift, mean, variance, scale, _ = found
    factor = scale if w is None else scale * w
    summand = -mean * factor if b is None else b - mean * factor
    y = shifted_and_scaled(x, pixels, shift, factor, summand)
    mean = mean if shift is None else shift + mean
    return y, *(pixels.by_set(each).astype(x.dtype) for each in (mean, variance))


def shifted_and_scaled(x: Any, pixels: Pixels, shift: Any, factor: Any, summand: Any) -> Any:
    """(x - shift) factor + summand, given for each set or channel; the outer two may be None."""
    y, seen = pixels.new(x.shape), pixels.seen(x)
    result, times = pixels.seen(y), pixels.spread(factor)
    less, more = (None if each is None else pixels.spread(each) for each in (shift, summand))

    def fill(chunk: Chunk) -> None:
        part, out = seen[chunk.pixels], result[chunk.pixels]
        moved = part if less is None else np.subtract(part, less[chunk.factors], out=out)
        np.multiply(moved, times[chunk.factors], out=out)
        if more is not None:
            out += more[chunk.factors]

    pixels.each(fill)
    return y.astype(x.dtype, copy=False)


def sums_with(g: Any, x: Any, pixels: Pixels, shift: Any) -> Any:
    """The sums of g and of g (x - shift) over each cell: (2, M, C)."""
    seen_g, seen_x = pixels.seen(g), pixels.seen(x)
    less = None if shift is None else pixels.spread(shift)

    def terms(chunk: Chunk) -> tuple[Any, Any]:
        part = seen_x[chunk.pixels]
        return seen_g[chunk.pixels], part if less is None else part - less[chunk.factors]

    return pixels.sums(terms)


def sum_of_products(g: Any, x: Any, shift: Any) -> Any:
    """The sum of g (x - shift) over all but the channels; shift may be None.  Array or Tensor."""
    if g.__class__ is np.ndarray:
        sums = sums_with(g, x, Pixels(x, None), shift)[1]
        return np.add.reduce(sums, 0).astype(x.dtype)
    if shift is not None:
        x = x - shift.reshape((-1, *(1,) * (x.ndim - 2)))
    return sum_along(g * x, (0, *range(2, x.ndim)))


def channel_gradients(
    g: Any, x: Any, w: Any, pixels: Pixels, found: Statistics, needs: tuple[bool, ...]
) -> tuple[Any, Any, Any]:
    """The gradients of x, w and b, as far as needed, for y = n w + b and n = (x - mean) scale.

    The first is scale (g w - <g w> - n <g w n>), <> being the mean over a set: a combination of g,
    x - shift and 1, with factors that are given for each set.  x is None if only that of b is.
    """
    shift, mean, _, scale, _ = found
    sum_g, sum_gx = sums_with(g, g if x is None else x, pixels, shift)
    sum_gn = scale * (sum_gx - mean * sum_g)
    gx = None
    if needs[0]:
        slope = scale * pixels.mean(sum_gn if w is None else sum_gn * w) / pixels.count
        level = pixels.mean(sum_g if w is None else sum_g * w) / pixels.count - slope * mean
        of_g = scale if w is None else scale * w
        gx = _combined(g, x, pixels, shift, of_g, -scale * slope, -scale * level)
    gw, gb = (np.add.reduce(each, 0).astype(g.dtype) for each in (sum_gn, sum_g))
    return gx, gw if needs[1] else None, gb if needs[2] else None


def _combined(
    g: Any, x: Any, pixels: Pixels, shift: Any, of_g: Any, of_x: Any, summand: Any
) -> Any:
    """of_g g + of_x (x - shift) + summand, given for each set."""
    gx, seen_g, seen_x = pixels.new(x.shape), pixels.seen(g), pixels.seen(x)
    less = None if shift is None else pixels.spread(shift)
    result, (times_g, times_x, more) = pixels.seen(gx), map(pixels.spread, (of_g, of_x, summand))

    def fill(chunk: Chunk) -> None:
        part, out = seen_x[chunk.pixels], result[chunk.pixels]
        np.multiply(seen_g[chunk.pixels], times_g[chunk.factors], out=out)
        if less is None:
            moved = part * times_x[chunk.factors]
        else:
            moved = part - less[chunk.factors]
            moved *= times_x[chunk.factors]
        out += moved
        out += more[chunk.factors]

    pixels.each(fill)
    return gx.astype(x.dtype, copy=False)


@cache
def _divisor(n: int, most: int) -> int:
    """The largest divisor of n up to a limit; for n = 0 the limit."""
    return next(k for k in range(most, 0, -1) if n % k == 0)
