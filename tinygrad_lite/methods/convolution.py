"""Convolutions in one, two and three dimensions, and transposed convolutions."""

from collections.abc import Sequence
from math import prod
from typing import Any, Self

import numpy as np

from ..arrays.arguments import integer, shown
from ..arrays.shapes import Shape, Sizes, padding_pairs, per_axis, shape_from
from ..arrays.windows import Windows
from ..ops.convolution import Conv, ConvInput
from ..ops.pooling import OverlapAdd, SlidingWindows
from ._operands import Operand, cast, in_single, matched, refuse_bools, single
from ._theme import Theme

AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}
Padding = Sizes | Sequence[tuple[int, int]] | str


class ConvolutionMethods(Theme):
    """Convolutions (cross-correlations) of images (N, C, *size), or of one image (C, *size).

    stride    one number, or one for each spatial axis; dilation too
    padding   zeros at the edges: one number, one or a pair (before, after) for each axis, or as in
              tinygrad one flat sequence with the last axis first: (left, right, top, bottom)
    groups    the number of groups of channels, each of which is convolved separately; as many
              groups as channels is a depthwise convolution
    """

    __slots__ = ()

    def conv1d(
        self,
        weight: Operand,
        bias: Operand | None = None,
        groups: int = 1,
        stride: Sizes = 1,
        dilation: Sizes = 1,
        padding: Padding = 0,
    ) -> Self:
        """Convolution of sequences (N, C, length); see conv2d."""
        return convolve("conv1d", 1, self, weight, bias, groups, stride, dilation, padding)

    def conv2d(
        self,
        weight: Operand,
        bias: Operand | None = None,
        groups: int = 1,
        stride: Sizes = 1,
        dilation: Sizes = 1,
        padding: Padding = 0,
    ) -> Self:
        """y[n, o, p] = sum over channels c, taps t of x[n, c, p stride + t dilation] w[o, c, t].

        self: (N, C, H, W); weight: (O, C / groups, kernel height, kernel width); bias: (O,).
        padding may be "valid" (none) or, with stride 1, "same": y has the size of x.
        """
        return convolve("conv2d", 2, self, weight, bias, groups, stride, dilation, padding)

    def conv3d(
        self,
        weight: Operand,
        bias: Operand | None = None,
        groups: int = 1,
        stride: Sizes = 1,
        dilation: Sizes = 1,
        padding: Padding = 0,
    ) -> Self:
        """Convolution of volumes (N, C, depth, height, width); see conv2d."""
        return convolve("conv3d", 3, self, weight, bias, groups, stride, dilation, padding)

    def conv_transpose1d(
        self,
        weight: Operand,
        bias: Operand | None = None,
        groups: int = 1,
        stride: Sizes = 1,
        dilation: Sizes = 1,
        padding: Padding = 0,
        output_padding: Sizes = 0,
    ) -> Self:
        """Transposed convolution of sequences (N, C, length); see conv_transpose2d."""
        return convolve_transposed(
            *("conv_transpose1d", 1, self, weight, bias, groups),
            *(stride, dilation, padding, output_padding),
        )

    def conv_transpose2d(
        self,
        weight: Operand,
        bias: Operand | None = None,
        groups: int = 1,
        stride: Sizes = 1,
        dilation: Sizes = 1,
        padding: Padding = 0,
        output_padding: Sizes = 0,
    ) -> Self:
        """The transpose of conv2d, which enlarges: the kernel times each pixel is added to y.

        self: (N, C, H, W); weight: (C, O / groups, kernel height, kernel width); bias: (O,).  The
        size of y is (H - 1) stride - padding + (kernel - 1) dilation + 1 + output_padding: padding
        is cut off.  conv2d maps several input sizes to the same output size; output_padding, less
        than stride or dilation, selects one of them.
        """
        return convolve_transposed(
            *("conv_transpose2d", 2, self, weight, bias, groups),
            *(stride, dilation, padding, output_padding),
        )

    def conv_transpose3d(
        self,
        weight: Operand,
        bias: Operand | None = None,
        groups: int = 1,
        stride: Sizes = 1,
        dilation: Sizes = 1,
        padding: Padding = 0,
        output_padding: Sizes = 0,
    ) -> Self:
        """Transposed convolution of volumes (N, C, D, H, W); see conv_transpose2d."""
        return convolve_transposed(
            *("conv_transpose3d", 3, self, weight, bias, groups),
            *(stride, dilation, padding, output_padding),
        )

    def im2col(
        self, kernel_size: Sizes, dilation: Sizes = 1, padding: Padding = 0, stride: Sizes = 1
    ) -> Self:
        """The elements of each window as one column: PyTorch's nn.functional.unfold.

        (N, C, *size) -> (N, C * taps, windows), for any number of spatial axes, in new memory.
        weight.reshape(O, -1) @ x.im2col(...) is a convolution.
        """
        size = self._data.shape[2:]
        windows = _columns_windows("im2col", size, kernel_size, dilation, padding, stride)
        n, channels = self._data.shape[:2]
        shape = (n, channels * prod(windows.kernel), prod(windows.count))
        y = SlidingWindows.apply(self, windows=windows).reshape(shape)
        return y.clone() if np.may_share_memory(y._data, self._data) else y

    @in_single
    def col2im(
        self,
        output_size: Sequence[int],
        kernel_size: Sizes,
        dilation: Sizes = 1,
        padding: Padding = 0,
        stride: Sizes = 1,
    ) -> Self:
        """The transpose of im2col, which adds overlapping windows: PyTorch's nn.functional.fold.

        (N, C * taps, windows) -> (N, C, *output_size): each element is the sum of all its copies in
        the columns.
        """
        size = shape_from((output_size,), "col2im: output_size")
        shape = self._data.shape
        windows = _columns_windows("col2im", size, kernel_size, dilation, padding, stride)
        taps, count = prod(windows.kernel), prod(windows.count)
        if len(shape) != 3 or shape[1] % taps or shape[2] != count:
            raise ValueError(
                f"col2im: expected columns (N, C * {taps} taps, {count} windows); got {shape}"
            )
        columns = self.reshape((shape[0], shape[1] // taps, *windows.kernel, *windows.count))
        return OverlapAdd.apply(columns, windows=windows)


def _columns_windows(
    name: str, size: Shape, kernel_size: Sizes, dilation: Sizes, padding: Padding, stride: Sizes
) -> Windows:
    """The windows of im2col and col2im over an image of this size."""
    rank = len(size)
    if not rank:
        raise ValueError(f"{name}: expected images (N, C, *size) with at least one spatial axis")
    return Windows.over(
        name,
        size,
        per_axis(kernel_size, rank, f"{name}: kernel_size"),
        per_axis(stride, rank, f"{name}: stride"),
        per_axis(dilation, rank, f"{name}: dilation"),
        padding_pairs(padding, rank, f"{name}: padding"),
    )


def convolve(
    name: str,
    rank: int,
    x: Any,
    weight: Any,
    bias: Any,
    groups: int,
    stride: Sizes,
    dilation: Sizes,
    padding: Padding,
) -> Any:
    """conv1d, conv2d or conv3d: `rank` is the number of spatial axes."""
    x, weight, bias = _checked(name, rank, x, weight, bias)
    groups = integer(groups, f"{name}: groups", least=1)
    outputs, inner, *kernel = weight.shape
    channels, *size = x.shape[-rank - 1 :]
    if channels != inner * groups:
        each = f" in each of {groups} groups" if groups > 1 else ""
        last = x.shape[-1] == inner * groups
        hint = f"; did you mean x.moveaxis(-1, {-rank - 1})?" if last else ""
        raise ValueError(
            f"{name}: the weight {weight.shape} takes {inner} channels{each}; "
            f"got {channels} in {x.shape}{hint}"
        )
    if outputs % groups:
        raise ValueError(f"{name}: {groups} groups do not divide the {outputs} output channels")
    strides = per_axis(stride, rank, f"{name}: stride")
    dilations = per_axis(dilation, rank, f"{name}: dilation")
    if isinstance(padding, str):
        spans = [(k - 1) * d for k, d in zip(kernel, dilations, strict=True)]
        pairs = _padding_by_name(name, padding, spans, strides)
    else:
        pairs = padding_pairs(padding, rank, f"{name}: padding")
    windows = Windows.over(name, tuple(size), tuple(kernel), strides, dilations, pairs)
    return _applied(name, Conv, rank, x, weight, bias, windows, groups)


def convolve_transposed(
    name: str,
    rank: int,
    x: Any,
    weight: Any,
    bias: Any,
    groups: int,
    stride: Sizes,
    dilation: Sizes,
    padding: Padding,
    output_padding: Sizes,
) -> Any:
    """conv_transpose1d, 2d or 3d: `rank` is the number of spatial axes."""
    x, weight, bias = _checked(name, rank, x, weight, bias)
    groups = integer(groups, f"{name}: groups", least=1)
    channels, *count = x.shape[-rank - 1 :]
    if len(weight) != channels:
        raise ValueError(
            f"{name}: the weight {weight.shape} takes {len(weight)} channels; "
            f"got {channels} in {x.shape}"
        )
    if channels % groups:
        raise ValueError(f"{name}: {groups} groups do not divide the {channels} channels")
    strides = per_axis(stride, rank, f"{name}: stride")
    dilations = per_axis(dilation, rank, f"{name}: dilation")
    pairs = padding_pairs(padding, rank, f"{name}: padding")
    extra = per_axis(output_padding, rank, f"{name}: output_padding", least=0)
    if any(e >= max(s, d) for e, s, d in zip(extra, strides, dilations, strict=True)):
        raise ValueError(
            f"{name}: output_padding {extra} is not less than stride {strides} or dilation "
            f"{dilations}"
        )
    size = tuple(
        (n - 1) * s - sum(pair) + (k - 1) * d + 1 + e
        for n, s, pair, k, d, e in zip(
            *(count, strides, pairs, weight.shape[2:], dilations, extra), strict=True
        )
    )
    if min(size) < 1:
        raise ValueError(f"{name}: padding {shown(padding)} leaves an output of size {size}")
    windows = Windows(
        size=size,
        kernel=weight.shape[2:],
        stride=strides,
        dilation=dilations,
        before=tuple(before for before, _ in pairs),
        count=tuple(count),
    )
    return _applied(name, ConvInput, rank, x, weight, bias, windows, groups)


def _checked(name: str, rank: int, x: Any, weight: Any, bias: Any) -> tuple[Any, Any, Any]:
    """Input, weight and bias (or None) with a common dtype, checked for their dimensions."""
    named = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    given = matched(name, x, **named)
    x, weight, bias = (*given, None)[:3]
    if getattr(weight, "ndim", 0) != rank + 2:
        raise ValueError(
            f"{name}: expected the weight as (out, in / groups, {AXES[rank]}); "
            f"got {np.shape(weight)}"
        )
    if 0 in weight.shape[2:]:
        raise ValueError(f"{name}: the kernel has no elements; got a weight of {weight.shape}")
    as_batch(name, x, rank)
    refuse_bools(name, x)
    return x, weight, bias


def _padding_by_name(
    name: str, padding: str, spans: Sequence[int], strides: Shape
) -> tuple[tuple[int, int], ...]:
    """The padding that "same" or "valid" means; an odd one has one more element after."""
    if padding not in ("same", "valid"):
        raise ValueError(
            f'{name}: padding: expected "same", "valid" or numbers; got {shown(padding)}'
        )
    if padding == "valid":
        return ((0, 0),) * len(spans)
    if max(strides) > 1:
        raise ValueError(f'{name}: padding "same" needs stride 1; got {strides}')
    return tuple((span // 2, span - span // 2) for span in spans)


def _applied(
    name: str, op: Any, rank: int, x: Any, weight: Any, bias: Any, windows: Windows, groups: int
) -> Any:
    """The op on a batch, or on one image as a batch of 1, plus the bias; float16 in float32."""
    dtype = x.dtype
    x, weight, bias = single(x, weight, bias)
    transposed = op is ConvInput
    outputs = weight.shape[1] * groups if transposed else len(weight)
    if bias is not None and getattr(bias, "shape", ()) != (outputs,):
        raise ValueError(f"{name}: expected a bias of shape ({outputs},); got {np.shape(bias)}")
    given = (as_batch(name, x, rank), weight, *(() if transposed else (bias,)))
    y = op.apply(*given, windows=windows, groups=groups)
    if transposed and bias is not None:
        y = y + bias.reshape((-1, *(1,) * rank))
    return cast(y.reshape(y.shape[1:]) if x.ndim == rank + 1 else y, dtype)


def as_batch(name: str, x: Any, rank: int) -> Any:
    """Images (N, C, *size) with `rank` spatial axes; one image (C, *size) as a batch of 1."""
    if x._data.ndim not in (rank + 1, rank + 2):
        raise ValueError(f"{name}: expected the input as (N, C, {AXES[rank]}); got {x._data.shape}")
    return x if x._data.ndim == rank + 2 else x.reshape((1, *x._data.shape))
