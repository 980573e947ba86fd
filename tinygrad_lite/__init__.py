"""An autograd engine on NumPy: tensors that record a graph, and gradients by walking it back."""

from .autograd import grad
from .check import GradientError, gradcheck, gradgradcheck
from .checkpointing import checkpoint
from .graph import Function
from .recording import is_grad_enabled, no_grad, record_source_lines
from .show import draw
from .tensor import Tensor
from .transforms import hessian, hvp, jacobian, jvp, vjp

__version__ = "0.1.0"

__all__ = [
    "Function",
    "GradientError",
    "Tensor",
    "checkpoint",
    "draw",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "hessian",
    "hvp",
    "is_grad_enabled",
    "jacobian",
    "jvp",
    "no_grad",
    "record_source_lines",
    "vjp",
]
