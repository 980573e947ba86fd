"""Windows that slide over an image: the geometry that convolution and pooling share.

An image is (channels, *size) with one, two or three spatial axes, a batch of them (N, C, *size), in
any memory order.  A window reads one element of the padded image for each place of the kernel; such
a place is called a tap.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..shapes import Shape

# How many bytes an operation works on at a time, so that they stay in a core's second-level cache.
PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Windows:
    """Where the windows lie; one number for each spatial axis.

    size      of the image
    kernel    taps of a window
    stride    from one window to the next
    dilation  from one tap to the next
    before    padding in front: the first window starts that far outside the image
    count     how many windows there are; what they need behind the image is padding as well
    """

    size: Shape
    kernel: Shape
    stride: Shape
    dilation: Shape
    before: Shape
    count: Shape

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
        return replace(
            self,
            size=self.count,
            before=tuple((k - 1) * d - before for k, d, before in axes),
            count=self.size,
        )

    def trim(self, padded: Any, out: Any) -> None:
        """The transpose of `padded`: write into `out`, which is zeros, what lies inside it."""
        place, part = self.inside
        out[part] = padded[place]

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


def channels_last(shape: Shape, dtype: Any, make: Any = np.zeros) -> Any:
    """A new array (N, C, *size) in whose memory the channels of a pixel lie side by side."""
    return np.moveaxis(make((shape[0], *shape[2:], shape[1]), dtype), -1, 1)


def pieces(length: int, each: int) -> Iterator[slice]:
    """Slices of a batch, each of as many images as fit in PIECE if one takes `each` bytes."""
    step = max(1, PIECE // max(each, 1))
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))
