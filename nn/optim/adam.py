"""Adam and AdamW: every element has its own step size."""

import math
from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import arguments

from .chunks import Array, State
from .groups import Group
from .optimizer import Optimizer
from .options import Check, fractions, not_negative


class Adam(Optimizer):
    """Adaptive moments: every element has its own step size.

        d = gradient + weight_decay * parameter
        m = b1 * m + (1 - b1) * d
        v = b2 * v + (1 - b2) * d^2
        parameter = parameter - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    b1 and b2 are `betas`, t is state["step"], m is state["exp_avg"] and v is state["exp_avg_sq"].
    With amsgrad, the largest v so far, state["max_exp_avg_sq"], takes the place of v in the last
    line.  With decoupled_weight_decay the decay is that of AdamW.

    Sources: D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, ICLR 2015; amsgrad:
    S. Reddi et al., On the Convergence of Adam and Beyond, ICLR 2018.
    """

    checks: ClassVar[dict[str, Check]] = {
        **Optimizer.checks,
        "betas": fractions,
        "eps": not_negative,
        "amsgrad": arguments.flag,
        "decoupled_weight_decay": arguments.flag,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def keeps(self, group: Group) -> tuple[str, ...]:
        """The running means of the gradient and of its square, and with amsgrad the largest."""
        names = ("exp_avg", "exp_avg_sq")
        return (*names, "max_exp_avg_sq") if group["amsgrad"] else names

    def apply_single(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The formula, in place, on one chunk of one parameter."""
        lr, (b1, b2) = group["lr"], group["betas"]
        m, v, t = state["exp_avg"], state["exp_avg_sq"], state["step"]
        spare = self._spare(parameter)  # before the first write
        if group["weight_decay"]:
            if group["decoupled_weight_decay"]:
                parameter *= 1 - lr * group["weight_decay"]
            else:
                gradient = self._decayed(gradient, parameter, group)
        m *= b1
        m += np.multiply(gradient, 1 - b1, out=spare)
        v *= b2
        squared = np.multiply(gradient, gradient, out=spare)
        squared *= 1 - b2
        v += squared
        if group["amsgrad"]:
            v = np.maximum(v, state["max_exp_avg_sq"], out=state["max_exp_avg_sq"])
        # With root = sqrt(1 - b2^t), both corrections are factors of the numbers lr and eps:
        # parameter - (lr * root / (1 - b1^t)) * m / (sqrt(v) + eps * root)
        root = math.sqrt(1 - b2**t)
        change = np.sqrt(v, out=spare)
        change += max(group["eps"] * root, _smallest(change.dtype))
        np.divide(m, change, out=change)
        change *= lr * root / (1 - b1**t)
        parameter -= change


class AdamW(Adam):
    """Adam with decoupled weight decay: the decay does not pass through the step sizes.

        parameter = parameter - lr * weight_decay * parameter, and then as Adam without decay

    Source: I. Loshchilov and F. Hutter, Decoupled Weight Decay Regularization, ICLR 2019.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
        )


@cache
def _smallest(dtype: np.dtype[Any]) -> float:
    """The smallest positive normal number of the dtype.

    The denominator is at least this, since with eps 0 an element that never had a gradient would
    become 0 / 0.
    """
    return float(np.finfo(dtype).smallest_normal)
