"""Initial values of parameters: float32 leaf tensors that require grad.

Shapes are (out, in) for matrices and (out, in, height, width) for convolution kernels.  The fan-in
is the number of inputs that each output is a sum of, in * height * width; the fan-out is the number
of outputs that each input contributes to, out * height * width.

Random numbers are drawn by Tensor, so `Tensor.manual_seed` determines them.
"""

import math

from tinygrad_lite import Tensor, arguments


def kaiming_uniform(*shape: int, a: float = math.sqrt(5.0)) -> Tensor:
    """Uniform on +-bound, bound = sqrt(6 / ((1 + a^2) fan_in)).

    a: the negative slope of the leaky ReLU that follows, 0 for ReLU.  With the default, the same as
    in PyTorch's layers, bound is 1 / sqrt(fan_in).

    Source: K. He et al., Delving Deep into Rectifiers, ICCV 2015.
    """
    _fans("kaiming_uniform", shape)
    return Tensor.kaiming_uniform(*shape, a=a, requires_grad=True)


def kaiming_normal(*shape: int, a: float = 0.0) -> Tensor:
    """Normal with mean 0 and standard deviation sqrt(2 / ((1 + a^2) fan_in)).

    a: the negative slope of the leaky ReLU that follows, 0 for ReLU.  The variance then stays the
    same from layer to layer.

    Source: K. He et al., Delving Deep into Rectifiers, ICCV 2015.
    """
    _fans("kaiming_normal", shape)
    return Tensor.kaiming_normal(*shape, a=a, requires_grad=True)


def glorot_uniform(*shape: int) -> Tensor:
    """Uniform on +-bound, bound = sqrt(6 / (fan_in + fan_out)): for tanh and sigmoid.

    For kernels this is PyTorch's formula, not tinygrad's: tinygrad, and `Tensor.glorot_uniform`,
    leave height * width out of the fan-out.

    Source: X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward
    neural networks, AISTATS 2010.
    """
    fan_in, fan_out = _fans("glorot_uniform", shape)
    return uniform(*shape, bound=math.sqrt(6.0 / (fan_in + fan_out)))


def uniform(*shape: int, bound: float) -> Tensor:
    """Uniform on +-bound."""
    if not 0 <= arguments.number(bound, "uniform: bound") < math.inf:
        raise ValueError(f"uniform: bound: expected a finite number of 0 or more; got {bound}")
    return Tensor.uniform(*shape, low=-bound, high=bound, requires_grad=True)


def normal(*shape: int, std: float) -> Tensor:
    """Normal with mean 0 and standard deviation `std`."""
    return Tensor.normal(*shape, std=std, requires_grad=True)


def zeros(*shape: int) -> Tensor:
    """Every element 0."""
    return Tensor.zeros(*shape, requires_grad=True)


def ones(*shape: int) -> Tensor:
    """Every element 1."""
    return Tensor.ones(*shape, requires_grad=True)


def _fans(name: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """The fan-in and the fan-out of a shape."""
    shape = arguments.sizes(shape, f"{name}: shape", least=None)
    if len(shape) < 2 or min(shape) < 1:
        raise ValueError(f"{name}: expected a shape (out, in, ...) without zeros; got {shape}")
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel
