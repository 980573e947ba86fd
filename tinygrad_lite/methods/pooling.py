"""Pooling over windows: the largest element or the mean, and their adaptive forms."""

from collections.abc import Sequence
from math import prod
from typing import Any, Self

import numpy as np

from ..arrays.arguments import flag, integer, shown
from ..arrays.float_errors import quiet
from ..arrays.pooling import max_pool
from ..arrays.recorded import check, recorder, whole
from ..arrays.shapes import Shape, Sizes, padding_pairs, per_axis
from ..arrays.windows import Windows
from ..engine.graph import Array, TensorBase
from ..ops.indexing import Getitem
from ..ops.pooling import MaxPool, SumPool
from ..ops.selection import Where
from ._operands import as_float, in_single, plain_array
from ._positions import along
from ._theme import Theme
from .convolution import Padding, as_batch

OutputSize = int | Sequence[int | None]


class PoolingMethods(Theme):
    """Pooling of images (N, C, *size), or of one image (C, *size), over windows of `kernel_size`.

    kernel_size, stride (default: kernel_size) and dilation are one number, or one for each spatial
    axis; padding as for conv2d, at most half a window.  ceil_mode adds a last window that is partly
    outside, if it starts inside.
    """

    __slots__ = ()

    def max_pool1d(
        self,
        kernel_size: Sizes = 2,
        stride: Sizes | None = None,
        dilation: Sizes = 1,
        padding: Padding = 0,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        """Largest element of windows over sequences (N, C, length); see max_pool2d."""
        found = windows_of("max_pool1d", 1, self, kernel_size, stride, dilation, padding, ceil_mode)
        return self._max_pool(*found[:2], flag(return_indices, "max_pool1d: return_indices"))

    def max_pool2d(
        self,
        kernel_size: Sizes = 2,
        stride: Sizes | None = None,
        dilation: Sizes = 1,
        padding: Padding = 0,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        """Largest element of each window; the first gets the gradient if several are equal.

        (N, C, H, W) -> (N, C, rows of windows, columns of windows).  nan counts as the largest.
        With return_indices also its position (int64) in the flat H x W channel: see max_unpool2d.
        """
        found = windows_of("max_pool2d", 2, self, kernel_size, stride, dilation, padding, ceil_mode)
        return self._max_pool(*found[:2], flag(return_indices, "max_pool2d: return_indices"))

    def max_pool3d(
        self,
        kernel_size: Sizes = 2,
        stride: Sizes | None = None,
        dilation: Sizes = 1,
        padding: Padding = 0,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        """Largest element of windows over volumes (N, C, depth, height, width); see max_pool2d."""
        found = windows_of("max_pool3d", 3, self, kernel_size, stride, dilation, padding, ceil_mode)
        return self._max_pool(*found[:2], flag(return_indices, "max_pool3d: return_indices"))

    @quiet
    def _max_pool(self, x: Any, windows: Windows, return_indices: bool) -> Any:
        shape = (*self._data.shape[: -len(windows.size)], *windows.count)
        y = MaxPool.apply(x, windows=windows)
        if not return_indices:
            return y.reshape(shape)
        known = y.requires_grad and recorder.get() is None  # by the operation, in this call
        winners = y._node.winners if known else _winners(x._data, windows)
        return y.reshape(shape), self._wrap(windows.positions(winners).reshape(shape), None)

    @in_single
    def avg_pool1d(
        self,
        kernel_size: Sizes = 2,
        stride: Sizes | None = None,
        dilation: Sizes = 1,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> Self:
        """Mean of windows over sequences (N, C, length); see avg_pool2d."""
        found = windows_of("avg_pool1d", 1, self, kernel_size, stride, dilation, padding, ceil_mode)
        return self._avg_pool("avg_pool1d", *found, count_include_pad)

    @in_single
    def avg_pool2d(
        self,
        kernel_size: Sizes = 2,
        stride: Sizes | None = None,
        dilation: Sizes = 1,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Self:
        """Mean of each window; padding counts as zeros, or not at all if not count_include_pad.

        divisor_override  what the sum of each window is divided by, instead of its size

        (N, C, H, W) -> (N, C, rows of windows, columns of windows).  Integers give float32.
        """
        found = windows_of("avg_pool2d", 2, self, kernel_size, stride, dilation, padding, ceil_mode)
        return self._avg_pool("avg_pool2d", *found, count_include_pad, divisor_override)

    @in_single
    def avg_pool3d(
        self,
        kernel_size: Sizes = 2,
        stride: Sizes | None = None,
        dilation: Sizes = 1,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Self:
        """Mean of windows over volumes (N, C, depth, height, width); see avg_pool2d."""
        found = windows_of("avg_pool3d", 3, self, kernel_size, stride, dilation, padding, ceil_mode)
        return self._avg_pool("avg_pool3d", *found, count_include_pad, divisor_override)

    def _avg_pool(
        self,
        name: str,
        x: Any,
        windows: Windows,
        pairs: Sequence[tuple[int, int]],
        count_include_pad: bool,
        divisor: int | None = None,
    ) -> Any:
        rank = len(windows.size)
        padded = flag(count_include_pad, f"{name}: count_include_pad")
        total = SumPool.apply(as_float(x), windows=windows)
        if divisor is not None:
            divisor = integer(divisor, f"{name}: divisor_override")
            if not divisor:
                raise ValueError(f"{name}: divisor_override: expected another integer than 0")
            mean = total / divisor
        else:
            counts = windows.taps_inside(pairs if padded else ((0, 0),) * rank)
            mean = total / counts.astype(total.dtype)
        return mean.reshape((*self._data.shape[:-rank], *windows.count))

    def max_unpool2d(
        self,
        indices: Any,
        kernel_size: Sizes = 2,
        stride: Sizes | None = None,
        dilation: Sizes = 1,
        padding: Padding = 0,
        output_size: Sequence[int] | None = None,
    ) -> Self:
        """The elements at the indices that max_pool2d returned, zeros elsewhere.

        self and indices: (N, C, h, w) -> (N, C, H, W).  If several elements have the same index,
        the last is kept, and only it gets a gradient.

        output_size: (H, W) or the whole shape; default: the smallest with that many windows.
        """
        name, shape = "max_unpool2d", self._data.shape
        x = as_batch(name, self, 2)
        positions = plain_array(
            indices, f"{name}: indices", "integers, as return_indices=True gives", "iu"
        )
        if positions.shape != shape or positions.dtype.kind not in "iu":
            raise ValueError(
                f"{name}: expected integer indices of shape {shape}, as "
                f"max_pool2d(return_indices=True) gives; got {positions.dtype} {positions.shape}"
            )
        kernel = per_axis(kernel_size, 2, f"{name}: kernel_size")
        strides = strides_of(name, stride, kernel)
        dilations = per_axis(dilation, 2, f"{name}: dilation")
        pairs = padding_pairs(padding, 2, f"{name}: padding")
        size = tuple(
            (n - 1) * s + (k - 1) * d + 1 - sum(pair)
            for n, s, k, d, pair in zip(shape[-2:], strides, kernel, dilations, pairs, strict=True)
        )
        if output_size is not None:
            given = output_size
            if isinstance(given, (tuple, list)) and len(given) == len(shape):
                given = given[-2:]
            size = per_axis(given, 2, f"{name}: output_size", single=False)
        if min(size) < 1:
            raise ValueError(f"{name}: padding {shown(padding)} leaves an output of size {size}")
        if positions.size:
            _check_positions(name, positions, size)
        n, channels = x.shape[:2]
        zeros = x._wrap(np.zeros((n, channels, prod(size)), x.dtype), None)
        y = zeros.scatter(2, positions.reshape((n, channels, prod(shape[-2:]))), x.flatten(2))
        return y.reshape((*shape[:-2], *size))

    def adaptive_avg_pool1d(self, output_size: OutputSize) -> Self:
        """Mean of output_size windows over sequences (N, C, length); see adaptive_avg_pool2d."""
        return self._adaptive_avg_pool("adaptive_avg_pool1d", 1, output_size)

    def adaptive_avg_pool2d(self, output_size: OutputSize) -> Self:
        """Mean of windows that divide the image evenly: (N, C, H, W) -> (N, C, *output_size).

        Window i of n along an axis of size s runs from floor(i s / n) to ceil((i + 1) s / n).
        output_size: one number, or one for each axis; None keeps the size of an axis.
        """
        return self._adaptive_avg_pool("adaptive_avg_pool2d", 2, output_size)

    def adaptive_avg_pool3d(self, output_size: OutputSize) -> Self:
        """Mean of windows over volumes (N, C, depth, height, width); see adaptive_avg_pool2d."""
        return self._adaptive_avg_pool("adaptive_avg_pool3d", 3, output_size)

    @in_single
    def _adaptive_avg_pool(self, name: str, rank: int, output_size: OutputSize) -> Any:
        y = as_float(self)
        for axis, n in zip(
            range(-rank, 0), output_sizes(name, self, rank, output_size), strict=True
        ):
            axis += y.ndim
            before, size, after = y.shape[:axis], y.shape[axis], y.shape[axis + 1 :]
            if size % n == 0:
                y = y.reshape((*before, n, size // n, *after)).mean(axis + 1)
                continue
            positions, inside = adaptive_windows(size, n)
            mask = inside.reshape((*inside.shape, *(1,) * len(after)))
            taken = Getitem.apply(y, index=along(axis, positions), distinct=False)
            counts = mask.sum(1).astype(y.dtype)
            y = Where.apply(taken, 0.0, condition=mask).sum(axis + 1) / counts
        return y

    def adaptive_max_pool1d(self, output_size: OutputSize, return_indices: bool = False) -> Any:
        """Largest element of output_size windows over sequences; see adaptive_max_pool2d."""
        return self._adaptive_max_pool("adaptive_max_pool1d", 1, output_size, return_indices)

    def adaptive_max_pool2d(self, output_size: OutputSize, return_indices: bool = False) -> Any:
        """Largest element of windows that divide the image evenly, as for adaptive_avg_pool2d.

        (N, C, H, W) -> (N, C, *output_size).  The first gets the gradient if several are equal; nan
        counts as the largest.  With return_indices also its position, as from max_pool2d.
        """
        return self._adaptive_max_pool("adaptive_max_pool2d", 2, output_size, return_indices)

    def adaptive_max_pool3d(self, output_size: OutputSize, return_indices: bool = False) -> Any:
        """Largest element of windows over volumes; see adaptive_max_pool2d."""
        return self._adaptive_max_pool("adaptive_max_pool3d", 3, output_size, return_indices)

    @quiet
    def _adaptive_max_pool(
        self, name: str, rank: int, output_size: OutputSize, return_indices: bool
    ) -> Any:
        return_indices = flag(return_indices, f"{name}: return_indices")
        sizes = output_sizes(name, self, rank, output_size)
        x = as_batch(name, self, rank)
        n, channels, *size = x.shape
        if all(s % count == 0 for s, count in zip(size, sizes, strict=True)):
            kernel = tuple(s // count for s, count in zip(size, sizes, strict=True))
            found = windows_of(name, rank, self, kernel, None, 1, 0, False)
            return self._max_pool(*found[:2], return_indices)
        chosen = largest_of_adaptive(x._data, sizes)
        shape = (*self._data.shape[:-rank], *sizes)
        y = x.flatten(2).gather(2, chosen.reshape((n, channels, prod(sizes)))).reshape(shape)
        return (y, self._wrap(chosen.reshape(shape), None)) if return_indices else y


@whole
def _winners(x: Array, windows: Windows) -> Any:
    """For each window the number of the tap that is the largest."""
    return max_pool(x, windows, True)[1]


def images_of(name: str, x: TensorBase, rank: int) -> Any:
    """x as a batch of images with `rank` spatial axes; they may not be bools."""
    if x._data.dtype == np.bool_:
        raise TypeError(f"{name}: expected numbers; got bool")
    return as_batch(name, x, rank)


def windows_of(
    name: str,
    rank: int,
    x: TensorBase,
    kernel_size: Sizes,
    stride: Sizes | None,
    dilation: Sizes,
    padding: Padding,
    ceil_mode: bool,
) -> tuple[Any, Windows, tuple[tuple[int, int], ...]]:
    """x as a batch, the windows over it, and the padding (before, after) of each axis."""
    batch = images_of(name, x, rank)
    kernel = per_axis(kernel_size, rank, f"{name}: kernel_size")
    strides = strides_of(name, stride, kernel)
    dilations = per_axis(dilation, rank, f"{name}: dilation")
    pairs = padding_pairs(padding, rank, f"{name}: padding")
    if any(
        2 * max(pair) > (k - 1) * d + 1 for pair, k, d in zip(pairs, kernel, dilations, strict=True)
    ):
        raise ValueError(
            f"{name}: padding is at most half a window, which spans "
            f"{tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))} elements; "
            f"got {shown(padding)}"
        )
    ceil_mode = flag(ceil_mode, f"{name}: ceil_mode")
    size = batch.shape[2:]
    windows = Windows.over(name, size, kernel, strides, dilations, pairs, ceil_mode)
    return batch, windows, pairs


def strides_of(name: str, stride: Sizes | None, kernel: Shape) -> Shape:
    """The stride along each axis: that of the kernel for None, and in PyTorch for () too."""
    if stride is None or (isinstance(stride, (tuple, list)) and not stride):
        return kernel
    return per_axis(stride, len(kernel), f"{name}: stride")


def output_sizes(name: str, x: TensorBase, rank: int, output_size: OutputSize) -> Shape:
    """The size of an adaptive pooling's output along each axis."""
    size = images_of(name, x, rank).shape[2:]
    if min(size) == 0:
        raise ValueError(f"{name}: an image of size {size} has nothing to pool")
    wanted: Any = output_size
    if isinstance(output_size, (tuple, list)) and len(output_size) == rank:
        wanted = [given if n is None else n for n, given in zip(output_size, size, strict=True)]
    return per_axis(wanted, rank, f"{name}: output_size", single=False)


@check
def _check_positions(name: str, positions: Array, size: Shape) -> None:
    """ValueError for one that an output of this size does not have."""
    if not 0 <= positions.min() <= positions.max() < prod(size):
        raise ValueError(
            f"{name}: indices run from {positions.min()} to {positions.max()}; an output of "
            f"size {size} has 0 to {prod(size) - 1}"
        )


def adaptive_windows(size: int, count: int) -> tuple[Array, Array]:
    """The positions (count, taps) in `count` windows that divide an axis evenly, and a mask.

    The sizes of windows differ by one element: the mask is False after the end of a smaller one.
    """
    number = np.arange(count)
    start, end = number * size // count, -(-(number + 1) * size // count)
    positions = start[:, None] + np.arange((end - start).max())
    return np.minimum(positions, size - 1), positions < end[:, None]


@whole
def largest_of_adaptive(x: Array, sizes: Shape) -> Array:
    """The position in the flat image of each window's largest element: (N, C, *sizes)."""
    rank, size = len(sizes), x.shape[2:]
    flat: Any = 0
    inside: Any = True
    for axis, (n, count) in enumerate(zip(size, sizes, strict=True)):
        positions, valid = adaptive_windows(n, count)
        shape = [1] * (2 * rank)
        shape[axis], shape[rank + axis] = positions.shape
        flat = flat * n + positions.reshape(shape)
        inside = inside & valid.reshape(shape)
    flat = flat.reshape((*sizes, -1))
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    read = np.where(
        inside.reshape(flat.shape), x.reshape((*x.shape[:2], prod(size)))[..., flat], lowest
    )
    winner = np.argmax(read, axis=-1)
    missing = np.isnan(read)
    if missing.any():  # the last nan, as in max_pool2d
        last = flat.shape[-1] - 1 - np.argmax(missing[..., ::-1], axis=-1)
        winner = np.where(missing.any(-1), last, winner)
    return np.take_along_axis(np.broadcast_to(flat, read.shape), winner[..., None], -1)[..., 0]
