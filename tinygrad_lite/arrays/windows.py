"""Windows that slide over an image: the geometry that convolution and pooling share.

An image is (channels, *size) with one, two or three spatial axes, a batch of them (N, C, *size), in
any memory order.  A window reads one element of the padded image for each position in the kernel,
which is called a tap.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise, product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .shapes import Shape, allocatable
from .threads import CHUNK

# A sum over the batch consists of this number of partial sums, whatever the number of threads: so
# the results are bit-identical, and this number of threads can share the work.
SHARES = 16
SUMS = 1 << 25  # bytes that the partial sums may take together; but there are at least two


class Windows:
    """The positions of the windows; one number for each spatial axis.

    size      of the image
    kernel    number of taps of a window
    stride    from one window to the next
    dilation  from one tap to the next
    before    padding in front: the first window starts that far outside the image
    count     number of windows; what they read beyond the image is padding too
    """

    __slots__ = ("before", "count", "dilation", "kernel", "size", "stride")

    # Not a dataclass: a frozen one is slow to import and slow to create.
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
        """All windows that fit into an image with padding (before, after) along each axis.

        ceil_mode: also the next one, which does not fit, if it starts in the image or in the
        padding before it.  name is the operation, for the error if none fits.
        """
        padded = tuple(n + sum(pair) for n, pair in zip(size, padding, strict=True))
        allocatable(padded, f"{name}: padding")
        allocatable(kernel, f"{name}: kernel_size")
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
        """The size of the part of the padded image that windows read."""
        axes = zip(self.count, self.stride, self.kernel, self.dilation, strict=True)
        return tuple((n - 1) * stride + (k - 1) * dilation + 1 for n, stride, k, dilation in axes)

    @property
    def inside(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The index of the image in the padded one, and the index of the part that windows read."""
        positions: list[Any] = [...]
        parts: list[Any] = [...]
        for size, before, extent in zip(self.size, self.before, self.extent, strict=True):
            start, end = max(before, 0), max(min(before + size, extent), 0)
            positions.append(slice(start, max(start, end)))
            parts.append(slice(max(-before, 0), max(start, end) - before))
        return tuple(positions), tuple(parts)

    @property
    def tile(self) -> bool:
        """Whether each element of the image is read exactly once."""
        apart = self.kernel == self.stride and max(self.dilation) == 1
        return apart and not any(self.before) and self.extent == self.size

    @property
    def overlap(self) -> int:
        """The largest number of windows that read the same element, at most."""
        axes = zip(self.kernel, self.dilation, self.stride, self.count, strict=True)
        return prod([min(k, (k - 1) * d // s + 1, n) for k, d, s, n in axes])

    def taps(self) -> Iterator[tuple[tuple[int, ...], tuple[Any, ...]]]:
        """Each tap of the kernel, and the index of the elements that all windows read there."""
        for tap in product(*map(range, self.kernel)):
            axes = zip(tap, self.dilation, self.stride, self.count, strict=True)
            yield tap, (..., *(slice(i * d, i * d + (n - 1) * s + 1, s) for i, d, s, n in axes))

    def padded(self, x: Any, fill: float = 0, in_channels_last: bool = False) -> Any:
        """x with `fill` around it, (N, C, *extent): a view of x if there is no padding.

        A copy has the memory order of x.  With in_channels_last (for a fill of 0) the result is in
        that order, and a copy if x is not.
        """
        position, part = self.inside
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
        padded[position] = reached
        return padded

    def turned(self) -> "Windows":
        """At stride 1, windows over the result of these: each reads the results of one pixel.

        A pixel is read by the first tap of one window, by the second tap of the window before it,
        and so on.
        """
        axes = zip(self.kernel, self.dilation, self.before, strict=True)
        before = tuple((k - 1) * d - before for k, d, before in axes)
        return Windows(self.count, self.kernel, self.stride, self.dilation, before, self.size)

    def first_inside(self) -> Any:
        """For each window, the number of its first tap inside the image: (*count)."""
        number: Any = 0
        axes = zip(self.count, self.stride, self.before, self.kernel, self.dilation, strict=True)
        for n, stride, before, k, d in axes:
            outside = np.maximum(before - np.arange(n) * stride, 0)
            number = np.expand_dims(number, -1) * k + np.minimum(-(-outside // d), k - 1)
        return number

    def positions(self, taps: Any) -> Any:
        """The index into the flat image that a tap of each window reads; taps: (N, C, *count)."""
        flat: Any = 0
        along = np.unravel_index(taps, self.kernel)
        for axis, (tap, n) in enumerate(zip(along, self.size, strict=True)):
            first = np.arange(self.count[axis]) * self.stride[axis] - self.before[axis]
            first = first.reshape((-1, *(1,) * (len(self.size) - 1 - axis)))
            flat = flat * n + first + tap * self.dilation[axis]
        return flat

    def taps_inside(self, padding: Sequence[tuple[int, int]]) -> Any:
        """The number of taps of each window inside the image and this padding: (*count)."""
        number: Any = 1
        for axis, (before, after) in enumerate(padding):
            positions = np.add.outer(
                np.arange(self.count[axis]) * self.stride[axis] - self.before[axis],
                np.arange(self.kernel[axis]) * self.dilation[axis],
            )
            inside = (positions >= -before) & (positions < self.size[axis] + after)
            number = np.multiply.outer(number, inside.sum(1))
        return number

    def chunks(self, n: int, each: int) -> "list[Chunk]":
        """A batch of n images in chunks, each of as many windows as fit in CHUNK bytes.

        A window takes `each` bytes.
        """
        found = []
        rows, image = self.count[0], max(each * prod(self.count), 1)
        for start in range(0, n, at_once := max(1, CHUNK // image)):
            images = slice(start, min(start + at_once, n))
            for row in range(0, rows, rows_at_once := max(1, rows * CHUNK // image)):
                part = slice(row, min(row + rows_at_once, rows))
                found.append(Chunk(images, (images, slice(None), part), self.rows(part)))
        return found

    def rows(self, part: slice) -> "Windows":
        """The windows of these rows only (along the first axis), over the same image."""
        if part == slice(0, self.count[0]):
            return self
        before = (self.before[0] - part.start * self.stride[0], *self.before[1:])
        count = (part.stop - part.start, *self.count[1:])
        return Windows(self.size, self.kernel, self.stride, self.dilation, before, count)

    def add_inside(self, padded: Any, out: Any) -> None:
        """The transpose of `padded`: add to `out` the part inside the padding."""
        position, part = self.inside
        out[part] += padded[position]

    def view(self, padded: Any) -> Any:
        """The element that each tap of each window reads, as a view: (N, C, *kernel, *count)."""
        strides = padded.strides[2:]
        taps = (d * step for d, step in zip(self.dilation, strides, strict=True))
        starts = (s * step for s, step in zip(self.stride, strides, strict=True))
        return as_strided(
            padded,
            (*padded.shape[:2], *self.kernel, *self.count),
            (*padded.strides[:2], *taps, *starts),
            writeable=False,
        )


class Chunk(NamedTuple):
    """A part of a batch: some images, or some rows of the result of one image."""

    images: slice
    result: tuple[slice, ...]  # of these images or rows, an index of (N, C, *count)
    windows: Windows


def by_images(chunks: list[Chunk]) -> list[list[Chunk]]:
    """Chunks of the same images together: where windows overlap, they add to the same pixels."""
    return [list(found) for _, found in groupby(chunks, key=lambda chunk: chunk.images.start)]


def shares(chunks: list[Chunk], each: int) -> list[list[Chunk]]:
    """The chunks in groups: the results in a group are added up to one sum of `each` bytes."""
    count = min(max(2, min(SHARES, SUMS // each)), len(chunks))
    ends = [len(chunks) * number // count for number in range(count + 1)]
    return [chunks[start:end] for start, end in pairwise(ends)]


def laid_out_as(other: Any, x: Any) -> Any:
    """x in the memory order of another array of its shape: itself, or a copy."""
    if [step // x.itemsize for step in x.strides] == [n // other.itemsize for n in other.strides]:
        return x
    copy = np.empty_like(other, x.dtype)
    copy[...] = x
    return copy


def channels_last(shape: Shape, dtype: Any, make: Any = np.zeros) -> Any:
    """A new array (N, C, *size) with the channels of a pixel side by side in memory."""
    return second(make((shape[0], *shape[2:], shape[1]), dtype))


def in_channels_last(x: Any) -> Any:
    """x with its channels side by side in memory: itself, or a copy."""
    return second(np.ascontiguousarray(last(x)))


def last(x: Any) -> Any:
    """(N, C, *size) seen as (N, *size, C): np.moveaxis, but faster."""
    return x.transpose((0, *range(2, x.ndim), 1))


def second(x: Any) -> Any:
    """(N, *size, C) seen as (N, C, *size)."""
    return x.transpose((0, x.ndim - 1, *range(1, x.ndim - 1)))
