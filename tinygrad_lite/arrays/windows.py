"""Windows that slide over an image: the geometry that convolution and pooling share.

An image is (channels, *size) with one, two or three spatial axes, a batch of them (N, C, *size), in
any memory order.  A window reads one element of the padded image for each place of the kernel; such
a place is called a tap.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise, product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .shapes import Shape
from .threads import PIECE

# A sum over the batch is made of so many partial sums, whatever the number of threads: the same
# bits come out, and up to that many threads have something to do.
SHARES = 16
SUMS = 1 << 25  # but they take no more than so many bytes, or two are made


class Windows:
    """Where the windows lie; one number for each spatial axis.

    size      of the image
    kernel    taps of a window
    stride    from one window to the next
    dilation  from one tap to the next
    before    padding in front: the first window starts that far outside the image
    count     how many windows there are; what they need behind the image is padding as well
    """

    __slots__ = ("before", "count", "dilation", "kernel", "size", "stride")

    # By hand, for a frozen dataclass took 2 ms of the import, and 2 us for each of its objects.
    def __init__(
        self,
        size: Shape,
        kernel: Shape,
        stride: Shape,
        dilation: Shape,
        before: Shape,
        count: Shape,
    ) -> None:
        self.size, self.kernel, self.stride = size, kernel, stride
        self.dilation, self.before, self.count = dilation, before, count

    @classmethod
    def over(
        cls,
        name: str,
        size: Shape,
        kernel: Shape,
        stride: Shape,
        dilation: Shape,
        padding: Sequence[tuple[int, int]],
        ceil_mode: bool = False,
    ) -> "Windows":
        """All windows that fit into an image with padding (before, after) each axis.

        ceil_mode: and the last that does not, if it starts in the image or in the padding before.
        name is the operation, for the error if not one fits.
        """
        padded = tuple(n + sum(pair) for n, pair in zip(size, padding, strict=True))
        spans = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
        count = []
        for n, (before, after), span, s in zip(size, padding, spans, stride, strict=True):
            room = n + before + after - span
            windows = (room + (s - 1 if ceil_mode else 0)) // s + 1
            if ceil_mode and (windows - 1) * s >= n + before:
                windows -= 1
            count.append(windows)
        if min(count) < 1:
            raise ValueError(
                f"{name}: a kernel over {spans} elements does not fit into a padded input of "
                f"{padded}"
            )
        first = tuple(before for before, _ in padding)
        return cls(size, kernel, stride, dilation, first, tuple(count))

    @property
    def extent(self) -> Shape:
        """The size of the padded image as far as windows read it."""
        axes = zip(self.count, self.stride, self.kernel, self.dilation, strict=True)
        return tuple((n - 1) * stride + (k - 1) * dilation + 1 for n, stride, k, dilation in axes)

    @property
    def inside(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The image's place in the padded one, and the part of the image that windows reach."""
        places: list[Any] = [...]
        parts: list[Any] = [...]
        for size, before, extent in zip(self.size, self.before, self.extent, strict=True):
            start, end = max(before, 0), max(min(before + size, extent), 0)
            places.append(slice(start, max(start, end)))
            parts.append(slice(max(-before, 0), max(start, end) - before))
        return tuple(places), tuple(parts)

    @property
    def tile(self) -> bool:
        """Whether each element of the image is read by one window, and once."""
        apart = self.kernel == self.stride and max(self.dilation) == 1
        return apart and not any(self.before) and self.extent == self.size

    def taps(self) -> Iterator[tuple[tuple[int, ...], tuple[Any, ...]]]:
        """Each tap of the kernel, and the index of what all windows read there."""
        for tap in product(*map(range, self.kernel)):
            axes = zip(tap, self.dilation, self.stride, self.count, strict=True)
            yield tap, (..., *(slice(i * d, i * d + (n - 1) * s + 1, s) for i, d, s, n in axes))

    def padded(self, x: Any, fill: float = 0, in_channels_last: bool = False) -> Any:
        """x with `fill` around it, (N, C, *extent): a view of it if nothing is to be added.

        A copy's memory is in the order of x, or in_channels_last (then the fill is 0), for which x
        is copied if need be.
        """
        place, part = self.inside
        shape = (*x.shape[:2], *self.extent)
        reached = x[part]
        if reached.shape == shape and not (
            in_channels_last and x.shape[1] > 1 and x.strides[1] != x.itemsize
        ):
            return reached
        padded = (
            channels_last(shape, x.dtype)
            if in_channels_last
            else np.full_like(x, fill, shape=shape)
        )
        padded[place] = reached
        return padded

    def turned(self) -> "Windows":
        """At stride 1, the windows over what these give, of which each reads what reads one pixel.

        A pixel is read by the first tap of one window, the second of the one before, and so on.
        """
        axes = zip(self.kernel, self.dilation, self.before, strict=True)
        before = tuple((k - 1) * d - before for k, d, before in axes)
        return Windows(self.count, self.kernel, self.stride, self.dilation, before, self.size)

    def first_inside(self) -> Any:
        """For each window, the number of the first tap that lies in the image: (*count)."""
        number: Any = 0
        axes = zip(self.count, self.stride, self.before, self.kernel, self.dilation, strict=True)
        for n, stride, before, k, d in axes:
            outside = np.maximum(before - np.arange(n) * stride, 0)
            number = np.expand_dims(number, -1) * k + np.minimum(-(-outside // d), k - 1)
        return number

    def positions(self, taps: Any) -> Any:
        """Where in the flat image a tap of each window reads; taps: numbers (N, C, *count)."""
        flat: Any = 0
        along = np.unravel_index(taps, self.kernel)
        for axis, (tap, n) in enumerate(zip(along, self.size, strict=True)):
            first = np.arange(self.count[axis]) * self.stride[axis] - self.before[axis]
            first = first.reshape((-1, *(1,) * (len(self.size) - 1 - axis)))
            flat = flat * n + first + tap * self.dilation[axis]
        return flat

    def taps_inside(self, padding: Sequence[tuple[int, int]]) -> Any:
        """How many taps of each window are in the image, or in so much padding: (*count)."""
        number: Any = 1
        for axis, (before, after) in enumerate(padding):
            places = np.add.outer(
                np.arange(self.count[axis]) * self.stride[axis] - self.before[axis],
                np.arange(self.kernel[axis]) * self.dilation[axis],
            )
            inside = (places >= -before) & (places < self.size[axis] + after)
            number = np.multiply.outer(number, inside.sum(1))
        return number

    def pieces(self, n: int, each: int) -> "list[Piece]":
        """A batch of n images in pieces, of as many windows as fit in PIECE at `each` bytes."""
        found = []
        rows, image = self.count[0], max(each * prod(self.count), 1)
        for start in range(0, n, at_once := max(1, PIECE // image)):
            images = slice(start, min(start + at_once, n))
            for row in range(0, rows, rows_at_once := max(1, rows * PIECE // image)):
                part = slice(row, min(row + rows_at_once, rows))
                found.append(Piece(images, (images, slice(None), part), self.rows(part)))
        return found

    def rows(self, part: slice) -> "Windows":
        """The windows of these rows only (along the first axis), over the same image."""
        if part == slice(0, self.count[0]):
            return self
        before = (self.before[0] - part.start * self.stride[0], *self.before[1:])
        count = (part.stop - part.start, *self.count[1:])
        return Windows(self.size, self.kernel, self.stride, self.dilation, before, count)

    def add_inside(self, padded: Any, out: Any) -> None:
        """The transpose of `padded`: add to `out` what lies inside it."""
        place, part = self.inside
        out[part] += padded[place]

    def view(self, padded: Any) -> Any:
        """What each tap of each window reads, (N, C, *kernel, *count), without a copy."""
        strides = padded.strides[2:]
        taps = (d * step for d, step in zip(self.dilation, strides, strict=True))
        starts = (s * step for s, step in zip(self.stride, strides, strict=True))
        return as_strided(
            padded,
            (*padded.shape[:2], *self.kernel, *self.count),
            (*padded.strides[:2], *taps, *starts),
            writeable=False,
        )


class Piece(NamedTuple):
    """A part of a batch: some images, or some rows of what one image gives."""

    images: slice
    given: tuple[slice, ...]  # what they give, an index of (N, C, *count)
    windows: Windows


def by_images(pieces: list[Piece]) -> list[list[Piece]]:
    """Those of the same images together: where windows overlap, rows of an image add to others."""
    return [list(found) for _, found in groupby(pieces, key=lambda piece: piece.images.start)]


def shares(pieces: list[Piece], each: int) -> list[list[Piece]]:
    """The pieces in runs, in each of which what they give, `each` bytes, is added up."""
    count = min(max(2, min(SHARES, SUMS // each)), len(pieces))
    ends = [len(pieces) * number // count for number in range(count + 1)]
    return [pieces[start:end] for start, end in pairwise(ends)]


def laid_out_as(other: Any, x: Any) -> Any:
    """x in the memory order of another array of its shape: itself, or a copy."""
    if [step // x.itemsize for step in x.strides] == [n // other.itemsize for n in other.strides]:
        return x
    copy = np.empty_like(other, x.dtype)
    copy[...] = x
    return copy


def channels_last(shape: Shape, dtype: Any, make: Any = np.zeros) -> Any:
    """A new array (N, C, *size) in whose memory the channels of a pixel lie side by side."""
    return second(make((shape[0], *shape[2:], shape[1]), dtype))


def in_channels_last(x: Any) -> Any:
    """x with its channels side by side in memory: itself, or a copy."""
    return second(np.ascontiguousarray(last(x)))


def last(x: Any) -> Any:
    """(N, C, *size) seen as (N, *size, C); np.moveaxis takes ten times as long to say so."""
    return x.transpose((0, *range(2, x.ndim), 1))


def second(x: Any) -> Any:
    """(N, *size, C) seen as (N, C, *size)."""
    return x.transpose((0, x.ndim - 1, *range(1, x.ndim - 1)))
