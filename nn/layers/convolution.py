"""Convolutions, transposed convolutions, and the columns that they are products with."""

from collections.abc import Callable, Sequence
from math import prod
from typing import ClassVar

from numpy.typing import DTypeLike

from tinygrad_lite import Tensor, arguments

from .. import init
from ..module import Module
from ._inputs import Input, Sizes, as_tensor, float_dtype, per_axis, with_dtype


class _Convolution(Module):
    """Parameters and options of the convolutions along `rank` axes."""

    rank: ClassVar[int]
    padding: tuple[int, ...] | str

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes,
        dilation: Sizes,
        groups: int,
    ) -> None:
        name, rank = type(self).__name__, self.rank
        self.in_channels = arguments.integer(in_channels, f"{name}: in_channels", least=1)
        self.out_channels = arguments.integer(out_channels, f"{name}: out_channels", least=1)
        self.kernel_size = per_axis(kernel_size, rank, f"{name}: kernel_size")
        self.stride = per_axis(stride, rank, f"{name}: stride")
        self.dilation = per_axis(dilation, rank, f"{name}: dilation")
        self.groups = arguments.integer(groups, f"{name}: groups", least=1)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(
                f"{name}: expected in_channels and out_channels that groups={self.groups} divides; "
                f"got {self.in_channels} and {self.out_channels}"
            )

    def _draw(self, rows: int, columns: int, bias: bool, dtype: DTypeLike | None) -> None:
        """The weight (rows, columns, *kernel_size) and the bias: uniform on +-1 / sqrt(fan-in)."""
        name = type(self).__name__
        biased, dtype = arguments.flag(bias, f"{name}: bias"), float_dtype(dtype, name)
        bound = (columns * prod(self.kernel_size)) ** -0.5
        self.weight = init.kaiming_uniform(rows, columns, *self.kernel_size, dtype=dtype)
        self.bias = init.uniform(self.out_channels, bound=bound, dtype=dtype) if biased else None

    def extra_repr(self) -> str:
        usual = {"padding": (0,) * self.rank, "dilation": (1,) * self.rank, "groups": 1}
        changed = [
            f", {name}={getattr(self, name)!r}"
            for name, value in usual.items()
            if getattr(self, name) != value
        ]
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}{''.join(changed)}"
            + (", bias=False" if self.bias is None else "")
        )


class _Conv(_Convolution):
    """What Conv1d, Conv2d and Conv3d share: everything but `convolve` and `rank`."""

    convolve: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, groups)
        self._draw(self.out_channels, self.in_channels // self.groups, bias, dtype)
        name = type(self).__name__
        if isinstance(padding, str):
            self.padding = arguments.choice(padding, f"{name}: padding", "same", "valid")
            if padding == "same" and max(self.stride) > 1:
                raise ValueError(f"{name}: padding='same' needs stride 1; got {self.stride}")
        else:
            self.padding = per_axis(padding, self.rank, f"{name}: padding", least=0)
        modes = ("zeros", "reflect", "replicate", "circular")
        self.padding_mode = arguments.choice(padding_mode, f"{name}: padding_mode", *modes)

    def forward(self, x: Input) -> Tensor:
        x = with_dtype(x, self.weight.dtype)
        options = (self.groups, self.stride, self.dilation)
        if self.padding_mode == "zeros":
            return self.convolve(x, self.weight, self.bias, *options, self.padding)
        padded = x.pad(self._edges(), self.padding_mode)
        return self.convolve(padded, self.weight, self.bias, *options)

    def _edges(self) -> list[int]:
        """The padding (before, after) of each axis, the last axis first."""
        sizes = [(n, n) for n in self.padding if isinstance(n, int)]
        if self.padding == "same":  # an odd number has one more after
            spans = [(k - 1) * d for k, d in zip(self.kernel_size, self.dilation, strict=True)]
            sizes = [(span // 2, span - span // 2) for span in spans]
        return [n for pair in reversed(sizes) for n in pair]

    def extra_repr(self) -> str:
        mode = "" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode!r}"
        return super().extra_repr() + mode


class Conv1d(_Conv):
    """Convolution of sequences (N, C, L) or (C, L); see Conv2d."""

    rank, convolve = 1, staticmethod(Tensor.conv1d)


class Conv2d(_Conv):
    """y[n, o, p] = bias[o] + sum over channels c, taps t of x[n, c, p stride + t dilation] w.

    x: (N, in, H, W) or (in, H, W) -> (N, out, H', W') or (out, H', W'), with
    H' = (H + 2 padding - (kernel - 1) dilation - 1) // stride + 1.
    weight: (out, in / groups, *kernel_size), bias: (out,), initialised as in PyTorch: uniform on
    +-1 / sqrt(in / groups * kernel).  x is cast to the dtype of the weight as in `Linear`.

    padding       elements added at both ends of each axis; "same" (stride 1): y has the size of x;
                  "valid": none
    padding_mode  what they are: "zeros", "reflect", "replicate" or "circular", as in the layers of
                  padding.py
    groups        the number of groups of channels, each of which is convolved separately

    kernel_size, stride, padding and dilation are one number, or one for each axis.
    """

    rank, convolve = 2, staticmethod(Tensor.conv2d)


class Conv3d(_Conv):
    """Convolution of volumes (N, C, D, H, W) or (C, D, H, W); see Conv2d."""

    rank, convolve = 3, staticmethod(Tensor.conv3d)


class _ConvTranspose(_Convolution):
    """What the transposed convolutions share: everything but `convolve` and `rank`."""

    convolve: ClassVar[Callable[..., Tensor]]
    padding: tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, groups)
        self._draw(self.in_channels, self.out_channels // self.groups, bias, dtype)
        name, rank = type(self).__name__, self.rank
        self.padding = per_axis(padding, rank, f"{name}: padding", least=0)
        self.output_padding = per_axis(output_padding, rank, f"{name}: output_padding", least=0)
        if padding_mode != "zeros":
            raise ValueError(f"{name}: padding_mode: expected 'zeros'; got {padding_mode!r}")

    def forward(self, x: Input, output_size: Sequence[int] | None = None) -> Tensor:
        x = with_dtype(x, self.weight.dtype)
        extra = self.output_padding if output_size is None else self._extra(x.shape, output_size)
        options = (self.groups, self.stride, self.dilation, self.padding, extra)
        return self.convolve(x, self.weight, self.bias, *options)

    def _extra(self, shape: Sequence[int], output_size: Sequence[int]) -> tuple[int, ...]:
        """The output_padding that gives this size."""
        given = arguments.sizes(output_size, "output_size")
        size = given[-self.rank :] if len(given) == len(shape) else given
        least = [
            (n - 1) * s - 2 * p + (k - 1) * d + 1
            for n, s, p, k, d in zip(
                shape[-self.rank :],
                *(self.stride, self.padding, self.kernel_size, self.dilation),
                strict=True,
            )
        ]
        most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
        if len(size) != self.rank or not all(
            low <= n <= high for low, n, high in zip(least, size, most, strict=True)
        ):
            raise ValueError(f"output_size: expected from {least} to {most}; got {given}")
        return tuple([n - low for n, low in zip(size, least, strict=True)])

    def extra_repr(self) -> str:
        extra = self.output_padding
        shown = f", output_padding={extra}" if any(extra) else ""
        return super().extra_repr() + shown


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of sequences (N, C, L) or (C, L); see ConvTranspose2d."""

    rank, convolve = 1, staticmethod(Tensor.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """The transpose of Conv2d, which enlarges: the kernel times each pixel is added to y.

    x: (N, in, H, W) or (in, H, W) -> (N, out, H', W') or (out, H', W'), with
    H' = (H - 1) stride - 2 padding + (kernel - 1) dilation + 1 + output_padding.
    weight: (in, out / groups, *kernel_size), bias: (out,), initialised as in PyTorch: uniform on
    +-1 / sqrt(out / groups * kernel).  x is cast to the dtype of the weight as in `Linear`.

    padding         elements cut off at both ends of each axis
    output_padding  Conv2d maps several sizes to the same one; this selects one of them
    output_size     in a call, instead of it: (H', W'), or the shape of y

    Source: M. Zeiler et al., Deconvolutional Networks, CVPR 2010.
    """

    rank, convolve = 2, staticmethod(Tensor.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of volumes (N, C, D, H, W) or (C, D, H, W); see ConvTranspose2d."""

    rank, convolve = 3, staticmethod(Tensor.conv_transpose3d)


class Unfold(Module):
    """The elements of each window as one column: (N, C, H, W) -> (N, C * taps, windows).

    One image (C, H, W) gives (C * taps, windows).  weight.flatten(1) @ y is a convolution.
    """

    def __init__(
        self, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
    ) -> None:
        self.kernel_size = per_axis(kernel_size, 2, "Unfold: kernel_size")
        self.dilation = per_axis(dilation, 2, "Unfold: dilation")
        self.padding = per_axis(padding, 2, "Unfold: padding", least=0)
        self.stride = per_axis(stride, 2, "Unfold: stride")

    def forward(self, x: Input) -> Tensor:
        x = as_tensor(x)
        if x.ndim not in (3, 4):
            raise ValueError(f"expected (N, C, H, W) or (C, H, W); got {x.shape}")
        batch = x if x.ndim == 4 else x.unsqueeze(0)
        y = batch.im2col(self.kernel_size, self.dilation, self.padding, self.stride)
        return y if x.ndim == 4 else y.squeeze(0)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """The transpose of Unfold: overlapping windows are added.

    (N, C * taps, windows) -> (N, C, *output_size), or (C * taps, windows) -> (C, *output_size).
    """

    def __init__(
        self,
        output_size: Sizes,
        kernel_size: Sizes,
        dilation: Sizes = 1,
        padding: Sizes = 0,
        stride: Sizes = 1,
    ) -> None:
        self.output_size = per_axis(output_size, 2, "Fold: output_size")
        self.kernel_size = per_axis(kernel_size, 2, "Fold: kernel_size")
        self.dilation = per_axis(dilation, 2, "Fold: dilation")
        self.padding = per_axis(padding, 2, "Fold: padding", least=0)
        self.stride = per_axis(stride, 2, "Fold: stride")

    def forward(self, x: Input) -> Tensor:
        x = as_tensor(x)
        if x.ndim not in (2, 3):
            raise ValueError(
                f"expected (N, C * taps, windows) or (C * taps, windows); got {x.shape}"
            )
        batch = x if x.ndim == 3 else x.unsqueeze(0)
        options = (self.kernel_size, self.dilation, self.padding, self.stride)
        y = batch.col2im(self.output_size, *options)
        return y if x.ndim == 3 else y.squeeze(0)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )
