"""Normalisation of each sample: over its last axes, or over groups of its channels.

Each formula is a function with PyTorch's arguments, which the layer calls with its parameters.
float16 is computed in float32, and rounded once.
"""

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_lite import Tensor, arguments, ops

from .. import init
from ..module import Module
from ._inputs import (
    Input,
    as_tensor,
    float_dtype,
    in_float,
    in_single,
    with_channels,
)


def layer_norm(
    x: Input,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, over the last axes; see `LayerNorm`."""
    axes, x = _last_axes("layer_norm", normalized_shape, in_float(x, weight), weight, bias)
    return x.layernorm(axes, arguments.not_negative(eps, "layer_norm: eps"), weight, bias)


class LayerNorm(Module):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, over the last axes of x.

    normalized_shape: the sizes of those axes, or the size of the last one.  weight, initialised to
    ones, and bias, initialised to zeros, have this shape.  var is the mean squared deviation
    (correction 0).

    elementwise_affine: False for no weight and no bias (both are None).  bias: False for no bias.
    x is cast to the dtype of the weight as in `Linear`.

    Source: J. Ba et al., Layer Normalization, 2016.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.normalized_shape = shape = _sizes("LayerNorm", normalized_shape)
        self.eps = arguments.not_negative(eps, "LayerNorm: eps")
        dtype = float_dtype(dtype, "LayerNorm")
        affine = arguments.flag(elementwise_affine, "LayerNorm: elementwise_affine")
        self.elementwise_affine = affine
        biased = arguments.flag(bias, "LayerNorm: bias")
        self.weight = init.ones(*shape, dtype=dtype) if affine else None
        self.bias = init.zeros(*shape, dtype=dtype) if affine and biased else None

    def forward(self, x: Input) -> Tensor:
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        affine = "" if self.weight is not None else ", elementwise_affine=False"
        return f"{self.normalized_shape}, eps={self.eps}{affine}"


def rms_norm(
    x: Input,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """x / sqrt(mean of x^2 + eps) * weight, over the last axes; see `RMSNorm`."""
    axes, x = _last_axes("rms_norm", normalized_shape, in_float(x, weight), weight)
    if x.dtype == np.float16:
        x, weight = in_single(x), in_single(weight)
        return rms_norm(x, normalized_shape, weight, eps).cast(np.float16)
    least = (
        np.finfo(x.dtype).eps.item()
        if eps is None
        else arguments.not_negative(eps, "rms_norm: eps")
    )
    y: Tensor = ops.RMSNorm.apply(x, weight, axes=axes, eps=least)[0]
    return y


class RMSNorm(Module):
    """y = x / sqrt(mean of x^2 + eps) * weight, over the last axes of x.

    normalized_shape, elementwise_affine: as in `LayerNorm`, without a bias.  eps: None for the
    distance from 1 to the next number of the dtype (float32's for float16).

    Source: B. Zhang and R. Sennrich, Root Mean Square Layer Normalization, NeurIPS 2019.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.normalized_shape = shape = _sizes("RMSNorm", normalized_shape)
        self.eps = None if eps is None else arguments.not_negative(eps, "RMSNorm: eps")
        dtype = float_dtype(dtype, "RMSNorm")
        affine = arguments.flag(elementwise_affine, "RMSNorm: elementwise_affine")
        self.elementwise_affine = affine
        self.weight = init.ones(*shape, dtype=dtype) if affine else None

    def forward(self, x: Input) -> Tensor:
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        affine = "" if self.weight is not None else ", elementwise_affine=False"
        return f"{self.normalized_shape}, eps={self.eps}{affine}"


def group_norm(
    x: Input,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, over each group of channels; see `GroupNorm`.

    x: (N, C, ...), weight and bias: (C,).
    """
    x = with_channels("group_norm", x, {"weight": weight, "bias": bias})
    groups = arguments.integer(num_groups, "group_norm: num_groups", least=1)
    eps = arguments.not_negative(eps, "group_norm: eps")
    if x.shape[1] % groups:
        raise ValueError(
            f"group_norm: num_groups: expected a divisor of the {x.shape[1]} channels; got {groups}"
        )
    if x.dtype == np.float16:
        x, weight, bias = in_single(x), in_single(weight), in_single(bias)
        return group_norm(x, groups, weight, bias, eps).cast(np.float16)
    if x.numel() == groups:
        raise ValueError(
            f"group_norm: expected more than one element in a group; got {x.shape} in {groups} "
            "groups, whose variances are 0"
        )
    y: Tensor = ops.GroupNorm.apply(x, weight, bias, eps=eps, groups=groups)[0]
    return y


class GroupNorm(Module):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, over each group of channels of a sample.

    x: (N, C, ...); weight, initialised to ones, and bias, initialised to zeros: (C,).  The channels
    are split into `num_groups` groups of neighbours.  var has correction 0.

    affine: False for no weight and no bias (both are None).  bias: False for no bias.

    Source: Y. Wu and K. He, Group Normalization, ECCV 2018.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        dtype: DTypeLike | None = None,
        bias: bool = True,
    ) -> None:
        self.num_groups = arguments.integer(num_groups, "GroupNorm: num_groups", least=1)
        self.num_channels = arguments.integer(num_channels, "GroupNorm: num_channels", least=1)
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_groups: expected a divisor of the {num_channels} channels; "
                f"got {num_groups}"
            )
        self.eps = arguments.not_negative(eps, "GroupNorm: eps")
        dtype = float_dtype(dtype, "GroupNorm")
        self.affine = arguments.flag(affine, "GroupNorm: affine")
        biased = arguments.flag(bias, "GroupNorm: bias")
        self.weight = init.ones(num_channels, dtype=dtype) if affine else None
        self.bias = init.zeros(num_channels, dtype=dtype) if affine and biased else None

    def forward(self, x: Input) -> Tensor:
        x = as_tensor(x)
        if x.shape[1:2] != (self.num_channels,):
            raise ValueError(f"expected (N, {self.num_channels}, ...); got {x.shape}")
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


def local_response_norm(
    x: Input, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha * mean of x^2 over neighbouring channels)^beta; see `LocalResponseNorm`."""
    x = in_float(x, None)
    size = arguments.integer(size, "local_response_norm: size", least=1)
    if x.ndim < 3:
        raise ValueError(f"local_response_norm: expected (N, C, L, ...); got {x.shape}")
    if not x.numel():
        return x
    n, channels, *rest = x.shape
    squares = (x * x).reshape(n, 1, channels, prod(rest))
    around = ((size // 2, (size - 1) // 2), (0, 0))
    mean = squares.avg_pool2d((size, 1), stride=1, padding=around).reshape(x.shape)
    return x / (mean * alpha + k) ** beta


class LocalResponseNorm(Module):
    """y = x / (k + alpha * mean of x^2 over neighbouring channels)^beta.  x: (N, C, L, ...).

    size: the number of channels, size // 2 of them before the own one; outside, x counts as 0.

    Source: A. Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks,
    NeurIPS 2012, there with the sum instead of the mean.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size = arguments.integer(size, "LocalResponseNorm: size", least=1)
        self.alpha = arguments.number(alpha, "LocalResponseNorm: alpha")
        self.beta = arguments.number(beta, "LocalResponseNorm: beta")
        self.k = arguments.number(k, "LocalResponseNorm: k")

    def forward(self, x: Input) -> Tensor:
        return local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _sizes(name: str, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """The sizes of the axes to normalise over, at least one."""
    shape = arguments.sizes(normalized_shape, f"{name}: normalized_shape", least=1)
    if not shape:
        raise ValueError(f"{name}: normalized_shape: expected one size or more; got ()")
    return shape


def _last_axes(
    name: str, normalized_shape: int | Sequence[int], x: Tensor, *given: Tensor | None
) -> tuple[tuple[int, ...], Tensor]:
    """The axes of these sizes, and x, which must have them, as what is given."""
    shape = _sizes(name, normalized_shape)
    if x.shape[-len(shape) :] != shape:
        raise ValueError(f"expected (..., {', '.join(map(str, shape))}); got {x.shape}")
    for tensor in given:
        if tensor is not None and tensor.shape != shape:
            raise ValueError(f"{name}: expected a weight and a bias of {shape}; got {tensor.shape}")
    return tuple(range(x.ndim - len(shape), x.ndim)), x
