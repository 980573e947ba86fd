"""Convolutions, pooling, resampling, padding: functions of (N, C, *size), or of one (C, *size)."""

from collections.abc import Sequence
from typing import Any

from tinygrad_lite import Tensor

from ..layers import Fold, Unfold, Upsample, pooling, resampling, unpooling
from ..layers._inputs import Input, as_tensor
from ._calls import called, refuse

Sizes = int | Sequence[int]
Scale = float | Sequence[float]
OutputSize = int | Sequence[int | None]

# Convolutions


def conv1d(
    input: Input,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of sequences (N, C, L): `Tensor.conv1d`."""
    return as_tensor(input, "conv1d").conv1d(weight, bias, groups, stride, dilation, padding)


def conv2d(
    input: Input,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of images (N, C, H, W): `Tensor.conv2d`."""
    return as_tensor(input, "conv2d").conv2d(weight, bias, groups, stride, dilation, padding)


def conv3d(
    input: Input,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of volumes (N, C, D, H, W): `Tensor.conv3d`."""
    return as_tensor(input, "conv3d").conv3d(weight, bias, groups, stride, dilation, padding)


def conv_transpose1d(
    input: Input,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Transposed convolution of sequences (N, C, L): `Tensor.conv_transpose1d`."""
    x = as_tensor(input, "conv_transpose1d")
    return x.conv_transpose1d(weight, bias, groups, stride, dilation, padding, output_padding)


def conv_transpose2d(
    input: Input,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Transposed convolution of images (N, C, H, W): `Tensor.conv_transpose2d`."""
    x = as_tensor(input, "conv_transpose2d")
    return x.conv_transpose2d(weight, bias, groups, stride, dilation, padding, output_padding)


def conv_transpose3d(
    input: Input,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Transposed convolution of volumes (N, C, D, H, W): `Tensor.conv_transpose3d`."""
    x = as_tensor(input, "conv_transpose3d")
    return x.conv_transpose3d(weight, bias, groups, stride, dilation, padding, output_padding)


def unfold(
    input: Input, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Tensor:
    """The elements of each window as one column: that of `nn.Unfold`."""
    layer = called("unfold", Unfold, kernel_size, dilation, padding, stride)
    y: Tensor = called("unfold", layer.forward, input)
    return y


def fold(
    input: Input,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """The transpose of unfold, which adds overlapping windows: that of `nn.Fold`."""
    layer = called("fold", Fold, output_size, kernel_size, dilation, padding, stride)
    y: Tensor = called("fold", layer.forward, input)
    return y


# Pooling


def max_pool1d(
    input: Input,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of windows over sequences (N, C, L): `Tensor.max_pool1d`."""
    x = as_tensor(input, "max_pool1d")
    return x.max_pool1d(kernel_size, stride, dilation, padding, ceil_mode, return_indices)


def max_pool2d(
    input: Input,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of windows over images (N, C, H, W): `Tensor.max_pool2d`."""
    x = as_tensor(input, "max_pool2d")
    return x.max_pool2d(kernel_size, stride, dilation, padding, ceil_mode, return_indices)


def max_pool3d(
    input: Input,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest element of windows over volumes (N, C, D, H, W): `Tensor.max_pool3d`."""
    x = as_tensor(input, "max_pool3d")
    return x.max_pool3d(kernel_size, stride, dilation, padding, ceil_mode, return_indices)


def avg_pool1d(
    input: Input,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean of windows over sequences (N, C, L): `Tensor.avg_pool1d`."""
    x = as_tensor(input, "avg_pool1d")
    return x.avg_pool1d(kernel_size, stride, 1, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Input,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of windows over images (N, C, H, W): `Tensor.avg_pool2d`."""
    x = as_tensor(input, "avg_pool2d")
    return x.avg_pool2d(
        kernel_size, stride, 1, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input: Input,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of windows over volumes (N, C, D, H, W): `Tensor.avg_pool3d`."""
    x = as_tensor(input, "avg_pool3d")
    return x.avg_pool3d(
        kernel_size, stride, 1, padding, ceil_mode, count_include_pad, divisor_override
    )


def lp_pool1d(
    input: Input,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The p-norm of windows over sequences (N, C, L): that of `nn.LPPool1d`."""
    x = as_tensor(input, "lp_pool1d")
    return pooling.lp_pool1d(x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Input,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The p-norm of windows over images (N, C, H, W): that of `nn.LPPool2d`."""
    x = as_tensor(input, "lp_pool2d")
    return pooling.lp_pool2d(x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Input,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The p-norm of windows over volumes (N, C, D, H, W): that of `nn.LPPool3d`."""
    x = as_tensor(input, "lp_pool3d")
    return pooling.lp_pool3d(x, norm_type, kernel_size, stride, ceil_mode)


def adaptive_max_pool1d(input: Input, output_size: OutputSize, return_indices: bool = False) -> Any:
    """Largest element of output_size even windows: `Tensor.adaptive_max_pool1d`."""
    return as_tensor(input, "adaptive_max_pool1d").adaptive_max_pool1d(output_size, return_indices)


def adaptive_max_pool2d(input: Input, output_size: OutputSize, return_indices: bool = False) -> Any:
    """Largest element of output_size even windows: `Tensor.adaptive_max_pool2d`."""
    return as_tensor(input, "adaptive_max_pool2d").adaptive_max_pool2d(output_size, return_indices)


def adaptive_max_pool3d(input: Input, output_size: OutputSize, return_indices: bool = False) -> Any:
    """Largest element of output_size even windows: `Tensor.adaptive_max_pool3d`."""
    return as_tensor(input, "adaptive_max_pool3d").adaptive_max_pool3d(output_size, return_indices)


def adaptive_avg_pool1d(input: Input, output_size: OutputSize) -> Tensor:
    """Mean of output_size even windows: `Tensor.adaptive_avg_pool1d`."""
    return as_tensor(input, "adaptive_avg_pool1d").adaptive_avg_pool1d(output_size)


def adaptive_avg_pool2d(input: Input, output_size: OutputSize) -> Tensor:
    """Mean of output_size even windows: `Tensor.adaptive_avg_pool2d`."""
    return as_tensor(input, "adaptive_avg_pool2d").adaptive_avg_pool2d(output_size)


def adaptive_avg_pool3d(input: Input, output_size: OutputSize) -> Tensor:
    """Mean of output_size even windows: `Tensor.adaptive_avg_pool3d`."""
    return as_tensor(input, "adaptive_avg_pool3d").adaptive_avg_pool3d(output_size)


def max_unpool1d(
    input: Input,
    indices: Input,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The elements where max_pool1d found them: that of `nn.MaxUnpool1d`."""
    x, at = as_tensor(input, "max_unpool1d"), as_tensor(indices, "max_unpool1d")
    return unpooling.max_unpool1d(x, at, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Input,
    indices: Input,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The elements where max_pool2d found them: that of `nn.MaxUnpool2d`."""
    x, at = as_tensor(input, "max_unpool2d"), as_tensor(indices, "max_unpool2d")
    return unpooling.max_unpool2d(x, at, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Input,
    indices: Input,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The elements where max_pool3d found them: that of `nn.MaxUnpool3d`."""
    x, at = as_tensor(input, "max_unpool3d"), as_tensor(indices, "max_unpool3d")
    return unpooling.max_unpool3d(x, at, kernel_size, stride, padding, output_size)


# Resampling


def interpolate(
    input: Input,
    size: Sizes | None = None,
    scale_factor: Scale | None = None,
    mode: Any = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """The image at another size: that of `nn.Upsample`."""
    refuse("interpolate", "antialias", antialias, False)
    options = (size, scale_factor, mode, align_corners, recompute_scale_factor)
    layer = called("interpolate", Upsample, *options)
    y: Tensor = called("interpolate", layer.forward, input)
    return y


def upsample(
    input: Input,
    size: Sizes | None = None,
    scale_factor: Scale | None = None,
    mode: Any = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Former name of `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Input, size: Sizes | None = None, scale_factor: Scale | None = None
) -> Tensor:
    """`interpolate` in mode "nearest"."""
    return interpolate(input, size, scale_factor)


def upsample_bilinear(
    input: Input, size: Sizes | None = None, scale_factor: Scale | None = None
) -> Tensor:
    """`interpolate` in mode "bilinear", with corners aligned."""
    return interpolate(input, size, scale_factor, "bilinear", True)


def pixel_shuffle(input: Input, upscale_factor: int) -> Tensor:
    """(..., C r^2, H, W) -> (..., C, H r, W r): that of `nn.PixelShuffle`."""
    return resampling.pixel_shuffle(as_tensor(input, "pixel_shuffle"), upscale_factor)


def pixel_unshuffle(input: Input, downscale_factor: int) -> Tensor:
    """(..., C, H r, W r) -> (..., C r^2, H, W): that of `nn.PixelUnshuffle`."""
    return resampling.pixel_unshuffle(as_tensor(input, "pixel_unshuffle"), downscale_factor)


def channel_shuffle(input: Input, groups: int) -> Tensor:
    """The channels of groups interleaved: that of `nn.ChannelShuffle`."""
    return resampling.channel_shuffle(as_tensor(input, "channel_shuffle"), groups)


def pad(
    input: Input, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Elements added at the edges, (before, after) of the last axis first: `Tensor.pad`."""
    return as_tensor(input, "pad").pad(pad, mode, 0.0 if value is None else value)
