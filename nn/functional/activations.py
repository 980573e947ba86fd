"""Activations: elementwise functions, and softmax along an axis.

Names that end in an underscore, and `inplace=True`, write into the memory of the input.
"""

from typing import Literal

from numpy.typing import DTypeLike

from tinygrad_lite import Tensor

from ..layers import activations
from ..layers._inputs import Input, as_tensor
from ..layers.softmaxes import chosen_axis
from ..layers.softmaxes import gumbel_softmax as gumbel_softmax
from ._calls import applied

# Piecewise linear


def relu(input: Input, inplace: bool = False) -> Tensor:
    """max(x, 0): `Tensor.relu`."""
    return applied("relu", input, inplace, Tensor.relu)


def relu_(input: Input) -> Tensor:
    """`relu` in place."""
    return relu(input, inplace=True)


def relu6(input: Input, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6): `Tensor.relu6`."""
    return applied("relu6", input, inplace, Tensor.relu6)


def threshold(input: Input, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value: that of `nn.Threshold`."""
    return applied("threshold", input, inplace, activations.threshold, threshold, value)


def threshold_(input: Input, threshold: float, value: float) -> Tensor:
    """`threshold` in place."""
    return applied("threshold_", input, True, activations.threshold, threshold, value)


def hardtanh(
    input: Input, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """min(max(x, min_val), max_val): `Tensor.hardtanh`."""
    return applied("hardtanh", input, inplace, Tensor.hardtanh, min_val, max_val)


def hardtanh_(input: Input, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh` in place."""
    return hardtanh(input, min_val, max_val, inplace=True)


def hardsigmoid(input: Input, inplace: bool = False) -> Tensor:
    """min(max(x / 6 + 1/2, 0), 1): `Tensor.hardsigmoid`."""
    return applied("hardsigmoid", input, inplace, Tensor.hardsigmoid)


def hardswish(input: Input, inplace: bool = False) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6: `Tensor.hardswish`."""
    return applied("hardswish", input, inplace, Tensor.hardswish)


def hardshrink(input: Input, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0: that of `nn.Hardshrink`."""
    return activations.hardshrink(as_tensor(input, "hardshrink"), lambd)


def softshrink(input: Input, lambd: float = 0.5) -> Tensor:
    """x without its part within [-lambd, lambd]: that of `nn.Softshrink`."""
    return activations.softshrink(as_tensor(input, "softshrink"), lambd)


def leaky_relu(input: Input, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope x: `Tensor.leaky_relu`."""
    return applied("leaky_relu", input, inplace, Tensor.leaky_relu, negative_slope)


def leaky_relu_(input: Input, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu` in place."""
    return leaky_relu(input, negative_slope, inplace=True)


def prelu(input: Input, weight: Tensor) -> Tensor:
    """x where x > 0, else weight x, one weight or one for each channel: `Tensor.prelu`."""
    return as_tensor(input, "prelu").prelu(weight)


def rrelu(
    input: Input,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """x where x > 0, else a x, a being drawn in training: that of `nn.RReLU`."""
    return applied("rrelu", input, inplace, activations.rrelu, lower, upper, training)


def rrelu_(
    input: Input, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False
) -> Tensor:
    """`rrelu` in place."""
    return rrelu(input, lower, upper, training, inplace=True)


# Exponential


def elu(input: Input, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha (exp(x) - 1): `Tensor.elu`."""
    return applied("elu", input, inplace, Tensor.elu, alpha)


def elu_(input: Input, alpha: float = 1.0) -> Tensor:
    """`elu` in place."""
    return elu(input, alpha, inplace=True)


def celu(input: Input, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha (exp(x / alpha) - 1): `Tensor.celu`."""
    return applied("celu", input, inplace, Tensor.celu, alpha)


def celu_(input: Input, alpha: float = 1.0) -> Tensor:
    """`celu` in place."""
    return celu(input, alpha, inplace=True)


def selu(input: Input, inplace: bool = False) -> Tensor:
    """1.0507 elu(x, 1.6733): `Tensor.selu`."""
    return applied("selu", input, inplace, Tensor.selu)


def selu_(input: Input) -> Tensor:
    """`selu` in place."""
    return selu(input, inplace=True)


def sigmoid(input: Input) -> Tensor:
    """1 / (1 + exp(-x)): `Tensor.sigmoid`."""
    return as_tensor(input, "sigmoid").sigmoid()


def logsigmoid(input: Input) -> Tensor:
    """log(sigmoid(x)), without overflow: `Tensor.logsigmoid`."""
    return as_tensor(input, "logsigmoid").logsigmoid()


def softplus(input: Input, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + exp(beta x)) / beta, and x where beta x > threshold: `Tensor.softplus`."""
    return as_tensor(input, "softplus").softplus(beta, threshold)


def tanh(input: Input) -> Tensor:
    """Hyperbolic tangent: `Tensor.tanh`."""
    return as_tensor(input, "tanh").tanh()


def tanhshrink(input: Input) -> Tensor:
    """x - tanh(x): that of `nn.Tanhshrink`."""
    return activations.tanhshrink(as_tensor(input, "tanhshrink"))


def softsign(input: Input) -> Tensor:
    """x / (1 + |x|): `Tensor.softsign`."""
    return as_tensor(input, "softsign").softsign()


# Gated


def gelu(input: Input, approximate: Literal["none", "tanh"] = "none") -> Tensor:
    """x times the normal distribution function of x; also approximate="tanh": `Tensor.gelu`."""
    return as_tensor(input, "gelu").gelu(approximate)


def silu(input: Input, inplace: bool = False) -> Tensor:
    """x sigmoid(x): `Tensor.silu`."""
    return applied("silu", input, inplace, Tensor.silu)


def mish(input: Input, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x)): `Tensor.mish`."""
    return applied("mish", input, inplace, Tensor.mish)


def glu(input: Input, dim: int = -1) -> Tensor:
    """a sigmoid(b) of the two halves a, b of x along dim: `Tensor.glu`."""
    return as_tensor(input, "glu").glu(dim)


# Along an axis


def softmax(input: Input, dim: int | None = None, *, dtype: DTypeLike | None = None) -> Tensor:
    """exp(x) / sum(exp(x)) along dim: `Tensor.softmax`.  Without dim it warns, and chooses one."""
    x = as_tensor(input, "softmax")
    return x.softmax(chosen_axis("softmax", x, dim), dtype)


def log_softmax(input: Input, dim: int | None = None, *, dtype: DTypeLike | None = None) -> Tensor:
    """log(softmax(x)) along dim: `Tensor.log_softmax`.  Without dim as in softmax."""
    x = as_tensor(input, "log_softmax")
    return x.log_softmax(chosen_axis("log_softmax", x, dim), dtype)


def softmin(input: Input, dim: int | None = None, *, dtype: DTypeLike | None = None) -> Tensor:
    """softmax(-x) along dim: `Tensor.softmin`.  Without dim as in softmax."""
    x = as_tensor(input, "softmin")
    return x.softmin(chosen_axis("softmin", x, dim), dtype)
