"""Stochastic gradient descent."""

import math
from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from tinygrad_lite import Tensor, arguments

from .chunks import Array, State
from .optimizer import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

        d = gradient + weight_decay * parameter
        v = momentum * v + d
        parameter = parameter - lr * v                  without momentum: lr * d
                                                        nesterov: lr * (d + momentum * v)

    v is state["velocity"].  The results equal those of PyTorch's SGD with dampening 0, its default.

    Source: I. Sutskever et al., On the importance of initialization and momentum in deep
    learning, ICML 2013.
    """

    limits: ClassVar[dict[str, float]] = {
        **Optimizer.limits,
        "momentum": math.inf,
        "weight_decay": math.inf,
    }

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.001,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, lr)
        self.momentum = momentum
        self.weight_decay = weight_decay
        nesterov = arguments.flag(nesterov, "SGD: nesterov")
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov needs a momentum above 0")
        self.nesterov = nesterov

    def keeps(self) -> tuple[str, ...]:
        """The velocity, if there is momentum."""
        return ("velocity",) if self.momentum else ()

    def apply_single(self, gradient: Array, parameter: Array, state: State) -> None:
        """The formula, in place, on one chunk of one parameter."""
        spare = self._spare(parameter)
        ahead = self._spare(parameter, 1) if self.nesterov else spare  # before the first write
        d = gradient
        if self.weight_decay:
            d = np.multiply(parameter, self.weight_decay, out=spare)
            d += gradient
        if self.momentum:
            v = state["velocity"]
            v *= self.momentum
            v += d
            if self.nesterov:
                np.multiply(v, self.momentum, out=ahead)
                ahead += d
                d = ahead
            else:
                d = v
        parameter -= np.multiply(d, self.lr, out=spare)
