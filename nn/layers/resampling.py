"""Resampling: images at another resolution, and channels that become pixels."""

from collections.abc import Sequence
from typing import Any, Literal

from tinygrad_lite import Tensor, arguments

from ..module import Module
from ._inputs import Input, as_tensor

Size = int | Sequence[int]
Scale = float | Sequence[float]
Mode = Literal["nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area"]
MODES = ("nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area")


class Upsample(Module):
    """The image at another size: (N, C, *size) -> (N, C, *new_size), larger or smaller.

    size           one number, or one for each axis after the first two
    scale_factor   instead of it, the ratio of the new size to the old one
    mode           "nearest" takes the left edges of pixels, "nearest-exact" their middles;
                   "linear", "bilinear" (two axes), "trilinear" (three) and "bicubic" (two, from
                   four neighbours along each) interpolate between them; "area" (up to three)
                   takes the means of windows, as `AdaptiveAvgPool2d` does
    align_corners  for these: the outermost pixels of the two images coincide
    recompute_scale_factor  the ratio is taken from the two sizes, which are integers
    """

    def __init__(
        self,
        size: Size | None = None,
        scale_factor: Scale | None = None,
        mode: Mode = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        name = type(self).__name__
        if (size is None) == (scale_factor is None):
            raise ValueError(f"{name}: expected either size or scale_factor")
        self.size, self.scale_factor = size, scale_factor
        self.mode = arguments.choice(mode, f"{name}: mode", *MODES)
        if align_corners is not None:
            arguments.flag(align_corners, f"{name}: align_corners")
            if mode.startswith("nearest") or mode == "area":
                raise ValueError(f"{name}: align_corners is for linear and cubic modes; got {mode}")
        self.align_corners = align_corners
        if recompute_scale_factor and size is not None:
            raise ValueError(f"{name}: recompute_scale_factor is for a scale_factor, not for size")
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, x: Input) -> Tensor:
        x = as_tensor(x)
        given = self.scale_factor if self.size is None else self.size
        rank = len(given) if isinstance(given, list | tuple) else x.ndim - 2
        if x.ndim < 3 or rank != x.ndim - 2:
            raise ValueError(f"expected (N, C, *size) with the axes of {given}; got {x.shape}")
        size: Any = self.size
        scale = self.scale_factor
        if (self.recompute_scale_factor or self.mode == "area") and scale is not None:
            scales = scale if isinstance(scale, list | tuple) else [scale] * rank
            size = [int(n * s) for n, s in zip(x.shape[2:], scales, strict=True)]
            scale = None
        if self.mode == "area":
            pools = x.adaptive_avg_pool1d, x.adaptive_avg_pool2d, x.adaptive_avg_pool3d
            if rank > len(pools):
                raise ValueError(f"area is for 1 to 3 axes; got {rank}, of shape {x.shape}")
            return pools[rank - 1](size)
        return x.interpolate(size, self.mode, bool(self.align_corners), scale)

    def extra_repr(self) -> str:
        given = f"scale_factor={self.scale_factor}" if self.size is None else f"size={self.size}"
        return f"{given}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Upsample of (N, C, H, W) in mode "nearest"."""

    def __init__(self, size: Size | None = None, scale_factor: Scale | None = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample of (N, C, H, W) in mode "bilinear" with aligned corners."""

    def __init__(self, size: Size | None = None, scale_factor: Scale | None = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class PixelShuffle(Module):
    """Channels become pixels: (..., C r^2, H, W) -> (..., C, H r, W r), r = upscale_factor.

    Source: W. Shi et al., Real-Time Single Image and Video Super-Resolution, CVPR 2016.
    """

    def __init__(self, upscale_factor: int) -> None:
        name = "PixelShuffle: upscale_factor"
        self.upscale_factor = arguments.integer(upscale_factor, name, least=1)

    def forward(self, x: Input) -> Tensor:
        return pixel_shuffle(as_tensor(x), self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Pixels become channels: (..., C, H r, W r) -> (..., C r^2, H, W), r = downscale_factor."""

    def __init__(self, downscale_factor: int) -> None:
        name = "PixelUnshuffle: downscale_factor"
        self.downscale_factor = arguments.integer(downscale_factor, name, least=1)

    def forward(self, x: Input) -> Tensor:
        return pixel_unshuffle(as_tensor(x), self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Channel i of group g becomes channel i * groups + g: (N, C, *size), the same shape.

    Source: X. Zhang et al., ShuffleNet, CVPR 2018.
    """

    def __init__(self, groups: int) -> None:
        self.groups = arguments.integer(groups, "ChannelShuffle: groups", least=1)

    def forward(self, x: Input) -> Tensor:
        return channel_shuffle(as_tensor(x), self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


# Functions of torch.nn.functional that are no methods of Tensor


def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """(..., C r^2, H, W) -> (..., C, H r, W r), r = upscale_factor."""
    r = arguments.integer(upscale_factor, "pixel_shuffle: upscale_factor", least=1)
    if x.ndim < 3 or x.shape[-3] % r**2:
        raise ValueError(
            f"pixel_shuffle: expected (..., C, H, W) with a multiple of {r**2} channels; "
            f"got {x.shape}"
        )
    *before, channels, height, width = x.shape
    n = len(before)
    y = x.reshape(*before, channels // r**2, r, r, height, width)
    y = y.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return y.reshape(*before, channels // r**2, height * r, width * r)


def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    """(..., C, H r, W r) -> (..., C r^2, H, W), r = downscale_factor."""
    r = arguments.integer(downscale_factor, "pixel_unshuffle: downscale_factor", least=1)
    if x.ndim < 3 or x.shape[-2] % r or x.shape[-1] % r:
        raise ValueError(
            f"pixel_unshuffle: expected (..., C, H, W) with H and W multiples of {r}; got {x.shape}"
        )
    *before, channels, height, width = x.shape
    n = len(before)
    y = x.reshape(*before, channels, height // r, r, width // r, r)
    y = y.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return y.reshape(*before, channels * r**2, height // r, width // r)


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """(N, C, *size) with its channels reordered: the transpose of (groups, C / groups)."""
    groups = arguments.integer(groups, "channel_shuffle: groups", least=1)
    if x.ndim < 3 or x.shape[1] % groups:
        raise ValueError(
            f"channel_shuffle: expected (N, C, *size) with a multiple of {groups} channels; "
            f"got {x.shape}"
        )
    n, channels, *size = x.shape
    return x.reshape(n, groups, channels // groups, *size).transpose(1, 2).reshape(x.shape)
