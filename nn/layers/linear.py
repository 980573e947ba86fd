"""Layers that multiply by a matrix."""

from math import prod

from numpy.typing import DTypeLike

from tinygrad_lite import Tensor, arguments

from .. import init
from ..module import Module
from ._inputs import Input, float_dtype, with_dtype


class Linear(Module):
    """y = x @ weight.T + bias.  x: (..., in), weight: (out, in), bias: (out,) -> (..., out).

    weight and bias are initialised as in PyTorch: uniform on +-1 / sqrt(in)
    (`init.kaiming_uniform`).

    x is cast to the dtype of the weight: integers, such as the bytes of an image, silently;
    other floats with a warning, since that cast costs time at every step.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        dtype: DTypeLike | None = None,
    ) -> None:
        in_features = arguments.integer(in_features, "Linear: in_features", least=1)
        out_features = arguments.integer(out_features, "Linear: out_features", least=1)
        biased, dtype = arguments.flag(bias, "Linear: bias"), float_dtype(dtype, "Linear")
        self.in_features, self.out_features = in_features, out_features
        self.weight = init.kaiming_uniform(out_features, in_features, dtype=dtype)
        bound = in_features**-0.5
        self.bias = init.uniform(out_features, bound=bound, dtype=dtype) if biased else None

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


class Bilinear(Module):
    """y_k = x1 @ weight_k @ x2 + bias_k.  x1: (..., in1), x2: (..., in2) -> (..., out).

    weight: (out, in1, in2) and bias: (out,) are initialised as in PyTorch: uniform on
    +-1 / sqrt(in1).  Both inputs are cast to the dtype of the weight as in `Linear`.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        dtype: DTypeLike | None = None,
    ) -> None:
        in1 = arguments.integer(in1_features, "Bilinear: in1_features", least=1)
        in2 = arguments.integer(in2_features, "Bilinear: in2_features", least=1)
        out = arguments.integer(out_features, "Bilinear: out_features", least=1)
        biased, dtype = arguments.flag(bias, "Bilinear: bias"), float_dtype(dtype, "Bilinear")
        self.in1_features, self.in2_features, self.out_features = in1, in2, out
        bound = in1**-0.5
        self.weight = init.uniform(out, in1, in2, bound=bound, dtype=dtype)
        self.bias = init.uniform(out, bound=bound, dtype=dtype) if biased else None

    def forward(self, input1: Input, input2: Input) -> Tensor:
        return bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        out_features, in1_features, in2_features = self.weight.shape
        unbiased = ", bias=False" if self.bias is None else ""
        return f"{in1_features}, {in2_features}, {out_features}{unbiased}"


def bilinear(input1: Input, input2: Input, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The formula of `Bilinear`, with its weight (out, in1, in2) and bias (out,)."""
    if weight.ndim != 3:
        raise ValueError(f"bilinear: expected a weight (out, in1, in2); got {weight.shape}")
    x1 = with_dtype(input1, weight.dtype, "input1")
    x2 = with_dtype(input2, weight.dtype, "input2")
    out, in1, in2 = weight.shape
    if (*x1.shape[:-1], in1, in2) != (*x1.shape, *x2.shape[-1:]) or x1.shape[:-1] != x2.shape[:-1]:
        raise ValueError(
            f"bilinear: expected (..., {in1}) and (..., {in2}) of the same leading axes; "
            f"got {x1.shape} and {x2.shape}"
        )
    left = x1.linear(weight.transpose(0, 1).reshape(in1, out * in2))
    y = (left.reshape(*x1.shape[:-1], out, in2) @ x2.unsqueeze(-1)).squeeze(-1)
    return y if bias is None else y + bias


def _misfit(shape: tuple[int, ...], in_features: int) -> str:
    """The message for an input of the wrong shape."""
    hint = ""
    if len(shape) > 2 and prod(shape[1:]) == in_features:
        hint = "; flatten(1) it first"
    elif len(shape) == 2 and shape[0] == in_features:
        hint = "; did you mean x.T?"
    return f"expected (..., {in_features}); got {shape}{hint}"
