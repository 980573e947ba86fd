"""Activation functions."""

from typing import Any, Self

from ..graph import TensorBase
from ..ops.elementwise import Relu, Sigmoid, Tanh
from .operands import as_float


class ActivationMethods(TensorBase):
    """Activation functions; the shape stays."""

    __slots__ = ()

    def relu(self) -> Self:
        """max(x, 0); the derivative at 0 is 0."""
        return Relu.apply(self)

    def tanh(self) -> Self:
        """Hyperbolic tangent."""
        return Tanh.apply(as_float(self))

    def sigmoid(self) -> Self:
        """1 / (1 + exp(-x)), without overflow."""
        return Sigmoid.apply(as_float(self))

    def log_softmax(self, axis: int = -1) -> Self:
        """log(softmax(x)): x minus the logarithm of the sum of exp(x) along the axis.

        The largest x is subtracted first, which changes nothing but prevents overflow; as a
        constant, since its derivative cancels out.
        """
        x: Any = as_float(self)
        shifted = x - x.detach().max(axis, keepdim=True)
        return shifted - shifted.exp().sum(axis, keepdim=True).log()

    def softmax(self, axis: int = -1) -> Self:
        """exp(x) / sum(exp(x)) along the axis, without overflow."""
        x: Any = as_float(self)
        powers = (x - x.detach().max(axis, keepdim=True)).exp()
        return powers / powers.sum(axis, keepdim=True)
