"""Layers that multiply by a matrix."""

from math import prod

from tinygrad_lite import Tensor, arguments

from .. import init
from ..module import Module
from ._inputs import Input, with_dtype


class Linear(Module):
    """y = x @ weight.T + bias.  x: (..., in), weight: (out, in), bias: (out,) -> (..., out).

    weight and bias are initialised as in PyTorch: uniform on +-1 / sqrt(in)
    (`init.kaiming_uniform`).

    x is cast to the dtype of the weight: integers, such as the bytes of an image, silently;
    other floats with a warning, since that cast costs time at every step.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        in_features = arguments.integer(in_features, "Linear: in_features", least=1)
        out_features = arguments.integer(out_features, "Linear: out_features", least=1)
        biased = arguments.flag(bias, "Linear: bias")
        self.weight = init.kaiming_uniform(out_features, in_features)
        self.bias = init.uniform(out_features, bound=in_features**-0.5) if biased else None

    def forward(self, x: Input) -> Tensor:
        x = with_dtype(x, self.weight.dtype)
        try:
            return x.linear(self.weight, self.bias, transposed=True)
        except ValueError:
            if x.shape[-1:] == self.weight.shape[1:]:
                raise
            raise ValueError(_misfit(x.shape, self.weight.shape[1])) from None

    def extra_repr(self) -> str:
        out_features, in_features = self.weight.shape
        return f"{in_features}, {out_features}" + (", bias=False" if self.bias is None else "")


def _misfit(shape: tuple[int, ...], in_features: int) -> str:
    """The message for an input of the wrong shape."""
    hint = ""
    if len(shape) > 2 and prod(shape[1:]) == in_features:
        hint = "; flatten(1) it first"
    elif len(shape) == 2 and shape[0] == in_features:
        hint = "; did you mean x.T?"
    return f"expected (..., {in_features}); got {shape}{hint}"
