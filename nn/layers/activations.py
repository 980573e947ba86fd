"""Activations: elementwise functions between the other layers.

Every layer whose PyTorch form has `inplace` takes it too.  It changes nothing: the result is the
same, in new memory.
"""

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_lite import Tensor, arguments

from ..module import Module
from ._inputs import Input, as_tensor, float_dtype, with_dtype


class _Elementwise(Module):
    """A function of x without options but PyTorch's `inplace`, which changes nothing."""

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = arguments.flag(inplace, f"{type(self).__name__}: inplace")


# Piecewise linear


class ReLU(_Elementwise):
    """y = max(x, 0), elementwise.  dy/dx at 0 is 0."""

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).relu()


class ReLU6(_Elementwise):
    """y = min(max(x, 0), 6).  dy/dx at 0 and at 6 is 0.

    Source: A. Howard et al., MobileNets, 2017.
    """

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).relu6()


class LeakyReLU(_Elementwise):
    """y = x where x > 0, else negative_slope x.  dy/dx at 0 is negative_slope.

    Source: A. Maas et al., Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013.
    """

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = arguments.number(negative_slope, "LeakyReLU: negative_slope")

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).leaky_relu(self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """y = x where x > 0, else weight x: a LeakyReLU with learned slopes.

    weight: (num_parameters,), initialised to `init`: one slope, or one for each channel (axis 1).
    x is cast to the dtype of the weight as in `Linear`.

    Source: K. He et al., Delving Deep into Rectifiers, ICCV 2015.
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, dtype: DTypeLike | None = None
    ) -> None:
        size = arguments.integer(num_parameters, "PReLU: num_parameters", least=1)
        value = arguments.number(init, "PReLU: init")
        dtype = float_dtype(dtype, "PReLU")
        self.weight = Tensor.full((size,), float(value), dtype=dtype, requires_grad=True)

    def forward(self, x: Input) -> Tensor:
        return with_dtype(x, self.weight.dtype).prelu(self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.weight.numel()}"


class RReLU(_Elementwise):
    """y = x where x > 0, else a x, with a drawn for each element in training (see `rrelu`)."""

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.lower = arguments.number(lower, "RReLU: lower")
        self.upper = arguments.number(upper, "RReLU: upper")

    def forward(self, x: Input) -> Tensor:
        return rrelu(as_tensor(x), self.lower, self.upper, self.training)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}"


class Hardtanh(_Elementwise):
    """y = min(max(x, min_val), max_val).  dy/dx at both bounds is 0."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.min_val = arguments.number(min_val, "Hardtanh: min_val")
        self.max_val = arguments.number(max_val, "Hardtanh: max_val")
        if not self.min_val <= self.max_val:
            raise ValueError(f"Hardtanh: expected min_val <= max_val; got {min_val} and {max_val}")

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).hardtanh(self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class Hardsigmoid(_Elementwise):
    """y = min(max(x / 6 + 1/2, 0), 1).  dy/dx at both ends is 0."""

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).hardsigmoid()


class Hardswish(_Elementwise):
    """y = x min(max(x + 3, 0), 6) / 6.

    Source: A. Howard et al., Searching for MobileNetV3, ICCV 2019.
    """

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).hardswish()


class Hardshrink(Module):
    """y = x where |x| > lambd, else 0."""

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = arguments.number(lambd, "Hardshrink: lambd")

    def forward(self, x: Input) -> Tensor:
        return hardshrink(as_tensor(x), self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(Module):
    """y = x - lambd where x > lambd, x + lambd where x < -lambd, else 0."""

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = arguments.not_negative(lambd, "Softshrink: lambd")

    def forward(self, x: Input) -> Tensor:
        return softshrink(as_tensor(x), self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Threshold(_Elementwise):
    """y = x where x > threshold, else value.  dy/dx is 1 above the threshold, else 0."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold = arguments.number(threshold, "Threshold: threshold")
        self.value = arguments.number(value, "Threshold: value")

    def forward(self, x: Input) -> Tensor:
        return threshold(as_tensor(x), self.threshold, self.value)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}"


# Exponential


class ELU(_Elementwise):
    """y = x where x > 0, else alpha (exp(x) - 1).

    Source: D. Clevert et al., Fast and Accurate Deep Network Learning by Exponential Linear Units,
    ICLR 2016.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = arguments.number(alpha, "ELU: alpha")

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).elu(self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class CELU(_Elementwise):
    """y = x where x > 0, else alpha (exp(x / alpha) - 1).

    Source: J. Barron, Continuously Differentiable Exponential Linear Units, 2017.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = arguments.number(alpha, "CELU: alpha")

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).celu(self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class SELU(_Elementwise):
    """y = 1.0507 elu(x, 1.6733), which keeps mean 0 and variance 1 from layer to layer.

    Source: G. Klambauer et al., Self-Normalizing Neural Networks, NeurIPS 2017.
    """

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).selu()


class Sigmoid(Module):
    """y = 1 / (1 + exp(-x))."""

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).sigmoid()


class LogSigmoid(Module):
    """y = log(sigmoid(x)), without overflow."""

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).logsigmoid()


class Softplus(Module):
    """y = log(1 + exp(beta x)) / beta, a smooth ReLU; x itself where beta x > threshold."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta = arguments.number(beta, "Softplus: beta")
        self.threshold = arguments.number(threshold, "Softplus: threshold")

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).softplus(self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Tanh(Module):
    """y = tanh(x)."""

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).tanh()


class Tanhshrink(Module):
    """y = x - tanh(x)."""

    def forward(self, x: Input) -> Tensor:
        return tanhshrink(as_tensor(x))


class Softsign(Module):
    """y = x / (1 + |x|)."""

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).softsign()


# Gated


class GELU(Module):
    """y = x times the probability that a standard normal number is below x.

    approximate: "none", or "tanh" for PyTorch's and tinygrad's approximation of it.

    Source: D. Hendrycks, K. Gimpel, Gaussian Error Linear Units, 2016.
    """

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = arguments.choice(approximate, "GELU: approximate", "none", "tanh")

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).gelu(self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(_Elementwise):
    """y = x sigmoid(x), also called swish.

    Source: P. Ramachandran et al., Searching for Activation Functions, 2017.
    """

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).silu()


class Mish(_Elementwise):
    """y = x tanh(softplus(x)).

    Source: D. Misra, Mish: A Self Regularized Non-Monotonic Activation Function, 2019.
    """

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).mish()


class GLU(Module):
    """y = a sigmoid(b), where a and b are the two halves of x along the axis `dim`.

    Source: Y. Dauphin et al., Language Modeling with Gated Convolutional Networks, 2016.
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = arguments.integer(dim, "GLU: dim")

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).glu(self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


# Functions of torch.nn.functional that are no methods of Tensor


def rrelu(x: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Tensor:
    """x where x > 0, else a x: in training a is uniform on [lower, upper), else their mean.

    Random numbers come from `Tensor.uniform`, so `Tensor.manual_seed` determines them.

    Source: B. Xu et al., Empirical Evaluation of Rectified Activations in Convolution Network,
    2015.
    """
    lower, upper = arguments.number(lower, "rrelu: lower"), arguments.number(upper, "rrelu: upper")
    if not lower <= upper:
        raise ValueError(f"rrelu: expected lower <= upper; got {lower} and {upper}")
    if not training:
        return x.leaky_relu((lower + upper) / 2)
    x = x if x.dtype.kind == "f" else x.float()
    slopes = Tensor.uniform(*x.shape, low=lower, high=upper, dtype=x.dtype).data
    return x * np.where(x.data > 0, x.dtype.type(1), slopes)


def hardshrink(x: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0."""
    lambd = arguments.number(lambd, "hardshrink: lambd")
    return x.masked_fill((x.data >= -lambd) & (x.data <= lambd), 0)


def softshrink(x: Tensor, lambd: float = 0.5) -> Tensor:
    """x without its part within [-lambd, lambd]; the derivative there, and at both ends, is 0."""
    lambd = arguments.not_negative(lambd, "softshrink: lambd")
    return x - x.clip(-lambd, lambd)


def tanhshrink(x: Tensor) -> Tensor:
    """x - tanh(x)."""
    return x - x.tanh()


def threshold(x: Tensor, threshold: float, value: float) -> Tensor:
    """x where x > threshold, else value; nan stays nan."""
    threshold = arguments.number(threshold, "threshold: threshold")
    value = arguments.number(value, "threshold: value")
    return x.masked_fill(x.data <= threshold, value)
