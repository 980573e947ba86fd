"""Normalisation: inputs are shifted and scaled to mean 0 and variance 1."""

from collections.abc import Sequence

from tinygrad_lite import Tensor, arguments

from .. import init
from ..module import Module
from ._inputs import Input, as_tensor, with_dtype


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
    ) -> None:
        shape = arguments.sizes(normalized_shape, "LayerNorm: normalized_shape", least=1)
        if not shape:
            raise ValueError("LayerNorm: normalized_shape: expected one size or more; got ()")
        affine = arguments.flag(elementwise_affine, "LayerNorm: elementwise_affine")
        biased = arguments.flag(bias, "LayerNorm: bias")
        self.normalized_shape = shape
        self.eps = arguments.number(eps, "LayerNorm: eps")
        self.weight = init.ones(*shape) if affine else None
        self.bias = init.zeros(*shape) if affine and biased else None

    def forward(self, x: Input) -> Tensor:
        x = as_tensor(x) if self.weight is None else with_dtype(x, self.weight.dtype)
        shape = self.normalized_shape
        if x.shape[-len(shape) :] != shape:
            raise ValueError(f"expected (..., {', '.join(map(str, shape))}); got {x.shape}")
        axes = tuple(range(-len(shape), 0))
        return x.layernorm(axes, self.eps, self.weight, self.bias)

    def extra_repr(self) -> str:
        affine = "" if self.weight is not None else ", elementwise_affine=False"
        return f"{self.normalized_shape}, eps={self.eps}{affine}"
