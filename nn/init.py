"""Starting values of parameters: leaf tensors of float32 that require grad.

Shapes are (out, in) for matrices and (out, in, height, width) for images' kernels.  The fan-in of
an output is the number of inputs it is summed from, in * height * width; the fan-out of an input
the number of outputs that it goes to, out * height * width.

Random numbers are drawn by Tensor, so `Tensor.manual_seed` decides them.
"""

import math

from tinygrad_lite import Tensor


def kaiming_uniform(*shape: int, a: float = math.sqrt(5.0)) -> Tensor:
    """Uniform on +-bound, bound = sqrt(6 / ((1 + a^2) fan_in)).

    a: the slope of the leaky ReLU that follows, 0 for ReLU.  With the default, which PyTorch's
    layers have, bound is 1 / sqrt(fan_in).

    Source: K. He et al., Delving Deep into Rectifiers, ICCV 2015.
    """
    _fans("kaiming_uniform", shape)
    return Tensor.kaiming_uniform(*shape, a=a, requires_grad=True)


def kaiming_normal(*shape: int, a: float = 0.0) -> Tensor:
    """Normal with mean 0 and standard deviation sqrt(2 / ((1 + a^2) fan_in)).

    a: the slope of the leaky ReLU that follows, 0 for ReLU.  The values after each layer then keep
    their variance from layer to layer.

    Source: K. He et al., Delving Deep into Rectifiers, ICCV 2015.
    """
    _fans("kaiming_normal", shape)
    return Tensor.kaiming_normal(*shape, a=a, requires_grad=True)


def glorot_uniform(*shape: int) -> Tensor:
    """Uniform on +-bound, bound = sqrt(6 / (fan_in + fan_out)): for tanh and sigmoid.

    For kernels this is PyTorch's formula, and not tinygrad's, which `Tensor.glorot_uniform` has:
    there the fan-out leaves height * width out.

    Source: X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward
    neural networks, AISTATS 2010.
    """
    fan_in, fan_out = _fans("glorot_uniform", shape)
    return uniform(*shape, bound=math.sqrt(6.0 / (fan_in + fan_out)))


def uniform(*shape: int, bound: float) -> Tensor:
    """Uniform on +-bound."""
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
    """Fan-in and fan-out."""
    if len(shape) < 2 or min(shape) < 1:
        raise ValueError(f"{name}: expected a shape (out, in, ...) without zeros; got {shape}")
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel
