"""Activation functions."""

import warnings
from typing import Any, Self

import numpy as np

from ..graph import TensorBase
from ..ops.choice import Relu
from ..ops.elementwise import Sigmoid, Tanh
from .operands import as_float, in_single


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

    @in_single
    def log_softmax(self, axis: int = -1) -> Self:
        """log(softmax(x)): x minus the logarithm of the sum of exp(x) along the axis."""
        shifted = self._below_zero(axis)
        return shifted - shifted.exp().sum(axis, keepdim=True).log()

    @in_single
    def softmax(self, axis: int = -1) -> Self:
        """exp(x) / sum(exp(x)) along the axis, without overflow."""
        powers = self._below_zero(axis).exp()
        return powers / powers.sum(axis, keepdim=True)

    def _below_zero(self, axis: int) -> Any:
        """x minus its largest element along the axis, which exp() takes without overflow.

        A softmax stays the same, so the largest element counts as a constant.
        """
        x: Any = as_float(self)
        if not x.size:
            return x
        largest = x.detach().max(axis, keepdim=True)
        if largest._data.min() == -np.inf:
            warnings.warn(
                f"softmax: all scores along axis {axis} are -inf somewhere, so the result there is "
                "nan; leave at least one score finite",
                RuntimeWarning,
                stacklevel=4,
            )
        return x - largest
