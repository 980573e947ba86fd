"""Adam and AdamW: every element has its own step size."""

import math
from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import Tensor

from .chunks import Array, State
from .optimizer import Optimizer


class Adam(Optimizer):
    """Adaptive moments: every element has its own step size.

        m = b1 * m + (1 - b1) * gradient
        v = b2 * v + (1 - b2) * gradient^2
        parameter = parameter - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    t is state["step"], m is state["mean"] and v is state["square"].  The results equal those of
    PyTorch's Adam.

    Source: D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, ICLR 2015.
    """

    limits: ClassVar[dict[str, float]] = {**Optimizer.limits, "b1": 1, "b2": 1, "eps": math.inf}

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.001,
        b1: float = 0.9,
        b2: float = 0.999,
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, lr)
        self.b1 = b1
        self.b2 = b2
        self.eps = eps

    def keeps(self) -> tuple[str, ...]:
        """The running means of the gradient and of its square."""
        return ("mean", "square")

    def apply_single(self, gradient: Array, parameter: Array, state: State) -> None:
        """The formula, in place, on one chunk of one parameter."""
        m, v, t = state["mean"], state["square"], state["step"]
        spare = self._spare(parameter)
        m *= self.b1
        m += np.multiply(gradient, 1 - self.b1, out=spare)
        v *= self.b2
        squared = np.multiply(gradient, gradient, out=spare)
        squared *= 1 - self.b2
        v += squared
        # With root = sqrt(1 - b2^t), both corrections are factors of the numbers lr and eps:
        # parameter - (lr * root / (1 - b1^t)) * m / (sqrt(v) + eps * root)
        root = math.sqrt(1 - self.b2**t)
        change = np.sqrt(v, out=spare)
        change += max(self.eps * root, _smallest(change.dtype))
        np.divide(m, change, out=change)
        change *= self.lr * root / (1 - self.b1**t)
        parameter -= change


class AdamW(Adam):
    """Adam with decoupled weight decay: the decay does not pass through the step sizes.

        parameter = parameter - lr * weight_decay * parameter, and then as Adam

    The results equal those of PyTorch's AdamW.

    Source: I. Loshchilov and F. Hutter, Decoupled Weight Decay Regularization, ICLR 2019.
    """

    limits: ClassVar[dict[str, float]] = {**Adam.limits, "weight_decay": math.inf}

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.001,
        b1: float = 0.9,
        b2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr, b1, b2, eps)
        self.weight_decay = weight_decay

    def apply_single(self, gradient: Array, parameter: Array, state: State) -> None:
        """The formula, in place, on one chunk of one parameter."""
        self._spare(parameter)  # reserved before the first write, in case there is no memory left
        parameter *= 1 - self.lr * self.weight_decay
        super().apply_single(gradient, parameter, state)


@cache
def _smallest(dtype: np.dtype[Any]) -> float:
    """The smallest positive normal number of the dtype.

    The denominator is at least this: in float16, an eps of 1e-8 would be 0, and 0 / 0 is nan.
    """
    return float(np.finfo(dtype).smallest_normal)
