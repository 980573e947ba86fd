"""Pooling over windows: the largest element, the mean, the p-norm.

Inputs are (N, C, *size), or (C, *size) for one of them.  kernel_size, stride (default:
kernel_size), padding and dilation are one number, or one for each axis; ceil_mode adds a last
window that is partly outside, if it starts inside.
"""

from collections.abc import Callable, Sequence
from math import inf, prod
from typing import Any, ClassVar

from tinygrad_lite import Tensor, arguments

from ..module import Module
from ._inputs import Input, Sizes, as_tensor, per_axis

OutputSize = int | Sequence[int | None] | None


class Pool(Module):
    """Windows along `rank` axes, and the function that pools them."""

    rank: ClassVar[int]
    pool: ClassVar[Callable[..., Any]]

    def __init__(self, kernel_size: Sizes, stride: Sizes | None, padding: Sizes = 0) -> None:
        name, rank = type(self).__name__, self.rank
        self.kernel_size = per_axis(kernel_size, rank, f"{name}: kernel_size")
        given = self.kernel_size if stride is None or stride == () else stride
        self.stride = per_axis(given, rank, f"{name}: stride")
        self.padding = per_axis(padding, rank, f"{name}: padding", least=0)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


# The largest element


class _MaxPool(Pool):
    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        name = type(self).__name__
        self.dilation = per_axis(dilation, self.rank, f"{name}: dilation")
        self.return_indices = arguments.flag(return_indices, f"{name}: return_indices")
        self.ceil_mode = arguments.flag(ceil_mode, f"{name}: ceil_mode")

    def forward(self, x: Input) -> Any:
        windows = (self.kernel_size, self.stride, self.dilation, self.padding, self.ceil_mode)
        return self.pool(as_tensor(x), *windows, self.return_indices)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, dilation={self.dilation}, ceil_mode={self.ceil_mode}"


class MaxPool1d(_MaxPool):
    """Largest element of windows over sequences (N, C, L); see MaxPool2d."""

    rank, pool = 1, staticmethod(Tensor.max_pool1d)


class MaxPool2d(_MaxPool):
    """y = the largest element of each window: (N, C, H, W) -> (N, C, H', W').

    If several are equal, the first gets the gradient; nan counts as the largest.  With
    return_indices the result is y and the position of each in its flat H x W channel, as
    MaxUnpool2d takes it.
    """

    rank, pool = 2, staticmethod(Tensor.max_pool2d)


class MaxPool3d(_MaxPool):
    """Largest element of windows over volumes (N, C, D, H, W); see MaxPool2d."""

    rank, pool = 3, staticmethod(Tensor.max_pool3d)


# The mean


class _AvgPool(Pool):
    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        name = type(self).__name__
        self.ceil_mode = arguments.flag(ceil_mode, f"{name}: ceil_mode")
        self.count_include_pad = arguments.flag(count_include_pad, f"{name}: count_include_pad")
        self.divisor_override = (
            None
            if divisor_override is None
            else arguments.integer(divisor_override, f"{name}: divisor_override")
        )
        if self.divisor_override == 0:
            raise ValueError(f"{name}: divisor_override: expected another integer than 0")

    def forward(self, x: Input) -> Tensor:
        options: dict[str, Any] = {
            "ceil_mode": self.ceil_mode,
            "count_include_pad": self.count_include_pad,
        }
        if self.divisor_override is not None:
            options["divisor_override"] = self.divisor_override
        windows = {"stride": self.stride, "padding": self.padding}
        y: Tensor = self.pool(as_tensor(x), self.kernel_size, **windows, **options)
        return y


class AvgPool1d(_AvgPool):
    """Mean of windows over sequences (N, C, L); see AvgPool2d."""

    rank, pool = 1, staticmethod(Tensor.avg_pool1d)

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)


class AvgPool2d(_AvgPool):
    """y = the mean of each window: (N, C, H, W) -> (N, C, H', W').

    count_include_pad  whether padding counts as zeros, or not at all
    divisor_override   what the sum of each window is divided by, instead of its size
    """

    rank, pool = 2, staticmethod(Tensor.avg_pool2d)


class AvgPool3d(_AvgPool):
    """Mean of windows over volumes (N, C, D, H, W); see AvgPool2d."""

    rank, pool = 3, staticmethod(Tensor.avg_pool3d)


# The p-norm


def _lp_pool(
    average: Callable[..., Tensor],
    rank: int,
    x: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None,
    ceil_mode: bool,
) -> Tensor:
    """lp_pool1d, 2d or 3d, by the mean over the same windows."""
    p = arguments.number(norm_type, f"lp_pool{rank}d: norm_type")
    if p == 0:
        raise ValueError(f"lp_pool{rank}d: norm_type: expected another number than 0")
    kernel = per_axis(kernel_size, rank, f"lp_pool{rank}d: kernel_size")
    if abs(p) == inf:
        sign = 1 if p > 0 else -1
        pool = getattr(x.abs() * sign, f"max_pool{rank}d")
        largest: Tensor = pool(kernel, stride, ceil_mode=ceil_mode) * sign
        return largest
    total = average(x**p, kernel, stride, ceil_mode=ceil_mode) * prod(kernel)
    return (total.sign() * total.abs().relu()) ** (1 / p)  # relu makes the derivative at 0 a 0


def lp_pool1d(
    x: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The p-norm of windows over (N, C, L); see LPPool2d."""
    return _lp_pool(Tensor.avg_pool1d, 1, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    x: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The p-norm of windows over (N, C, H, W); see LPPool2d."""
    return _lp_pool(Tensor.avg_pool2d, 2, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    x: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The p-norm of windows over (N, C, D, H, W); see LPPool2d."""
    return _lp_pool(Tensor.avg_pool3d, 3, x, norm_type, kernel_size, stride, ceil_mode)


class _LPPool(Pool):
    def __init__(
        self,
        norm_type: float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride)
        name = type(self).__name__
        self.norm_type = arguments.number(norm_type, f"{name}: norm_type")
        self.ceil_mode = arguments.flag(ceil_mode, f"{name}: ceil_mode")

    def forward(self, x: Input) -> Tensor:
        windows = (self.kernel_size, self.stride, self.ceil_mode)
        y: Tensor = self.pool(as_tensor(x), self.norm_type, *windows)
        return y

    def extra_repr(self) -> str:
        return f"norm_type={self.norm_type}, {super().extra_repr()}"


class LPPool1d(_LPPool):
    """The p-norm of windows over sequences (N, C, L); see LPPool2d."""

    rank, pool = 1, staticmethod(lp_pool1d)


class LPPool2d(_LPPool):
    """y = (sum of x^p over each window)^(1 / p): (N, C, H, W) -> (N, C, H', W').

    norm_type: p; 1 is the sum, inf the largest |x|, -inf the smallest.  The derivative is 0 where
    the sum is 0.  As in PyTorch no absolute value is taken for other p, and the sum of a window
    that is partly outside counts as if it were whole.
    """

    rank, pool = 2, staticmethod(lp_pool2d)


class LPPool3d(_LPPool):
    """The p-norm of windows over volumes (N, C, D, H, W); see LPPool2d."""

    rank, pool = 3, staticmethod(lp_pool3d)


# Adaptive: a given number of windows


class _AdaptivePool(Module):
    """A number of windows for each of `rank` axes."""

    rank: ClassVar[int]
    pool: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: OutputSize) -> None:
        name, rank = type(self).__name__, self.rank
        given = output_size if isinstance(output_size, list | tuple) else (output_size,) * rank
        if len(given) != rank:
            raise ValueError(f"{name}: output_size: expected {rank} numbers; got {output_size}")
        self.output_size = tuple(
            [n if n is None else arguments.integer(n, f"{name}: output_size", 1) for n in given]
        )

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveAvgPool(_AdaptivePool):
    def forward(self, x: Input) -> Tensor:
        y: Tensor = self.pool(as_tensor(x), self.output_size)
        return y


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Mean of output_size windows over sequences (N, C, L); see AdaptiveAvgPool2d."""

    rank, pool = 1, staticmethod(Tensor.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """y = the mean of windows that divide the image evenly: (N, C, H, W) -> (N, C, *output_size).

    Window i of n along an axis of size s runs from floor(i s / n) to ceil((i + 1) s / n).
    output_size: one number, or one for each axis; None keeps the size of an axis.
    """

    rank, pool = 2, staticmethod(Tensor.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Mean of windows over volumes (N, C, D, H, W); see AdaptiveAvgPool2d."""

    rank, pool = 3, staticmethod(Tensor.adaptive_avg_pool3d)


class _AdaptiveMaxPool(_AdaptivePool):
    def __init__(self, output_size: OutputSize, return_indices: bool = False) -> None:
        super().__init__(output_size)
        name = f"{type(self).__name__}: return_indices"
        self.return_indices = arguments.flag(return_indices, name)

    def forward(self, x: Input) -> Any:
        return self.pool(as_tensor(x), self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Largest element of output_size windows over sequences (N, C, L); see AdaptiveMaxPool2d."""

    rank, pool = 1, staticmethod(Tensor.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """y = the largest element of windows as in AdaptiveAvgPool2d: -> (N, C, *output_size).

    With return_indices the result is y and the positions, as from MaxPool2d.
    """

    rank, pool = 2, staticmethod(Tensor.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Largest element of windows over volumes (N, C, D, H, W); see AdaptiveMaxPool2d."""

    rank, pool = 3, staticmethod(Tensor.adaptive_max_pool3d)
