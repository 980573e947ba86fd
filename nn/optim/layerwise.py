"""LARS and LAMB: the step of each parameter is in proportion to its norm, for large batches."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import Tensor, arguments, recorded

from ..utils import get_total_norm
from ._formulas import largest
from .checks import Check, fractions, not_negative
from .chunks import Array, State
from .groups import Group
from .optimizer import Optimizer


class LARS(Optimizer):
    """Layer-wise adaptive rate scaling: SGD, with a rate for each parameter.

        d = gradient + weight_decay * parameter
        r = tcoef * |parameter| / (|gradient| + weight_decay * |parameter|)
        v = momentum * v + lr * r * d
        parameter = parameter - v                       nesterov: lr * r * d + momentum * v

    v is state["momentum_buffer"], and tcoef the trust coefficient.  r is 1 if one of the norms is
    0.  Biases and the parameters of normalisation are often put into a group of an SGD instead.

    Source: Y. You et al., Large Batch Training of Convolutional Networks, 2017.
    """

    checks: ClassVar[dict[str, Check]] = {
        **Optimizer.checks,
        "momentum": not_negative,
        "nesterov": arguments.flag,
        "tcoef": not_negative,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.001,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        nesterov: bool = False,
        tcoef: float = 0.001,
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            nesterov=nesterov,
            tcoef=tcoef,
            maximize=maximize,
            check_finite=check_finite,
        )

    def keeps(self, group: Group) -> tuple[str, ...]:
        """The velocity."""
        return ("momentum_buffer",)

    def numbers(self, group: Group) -> tuple[str, ...]:
        """None: the formula does not depend on the count of updates."""
        return ()

    def advance(self, state: State, group: Group) -> dict[str, float]:
        """No numbers."""
        return {}

    def apply_whole(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The formula, in place, on one parameter."""
        decay, v = group["weight_decay"], state["momentum_buffer"]
        length, steepness = _norm(parameter), _norm(gradient)
        change = decay * parameter
        change += gradient
        change *= _rate(group["lr"], group["tcoef"], decay, length, steepness)
        v *= group["momentum"]
        v += change
        parameter -= change + group["momentum"] * v if group["nesterov"] else v


class LAMB(Optimizer):
    """Layer-wise adaptive moments: AdamW, with a rate for each parameter.

        m = b1 * m + (1 - b1) * gradient
        v = b2 * v + (1 - b2) * gradient^2
        d = (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps) + weight_decay * parameter
        parameter = parameter - lr * |parameter| / |d| * d

    b1 and b2 are `betas`, t is state["step"], m is state["exp_avg"] and v is state["exp_avg_sq"].
    The ratio of the norms is 1 if one of them is 0.

    Source: Y. You et al., Large Batch Optimization for Deep Learning: Training BERT in 76 minutes,
    ICLR 2020.
    """

    checks: ClassVar[dict[str, Check]] = {
        **Optimizer.checks,
        "betas": fractions,
        "eps": not_negative,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            check_finite=check_finite,
        )

    def keeps(self, group: Group) -> tuple[str, ...]:
        """The running means of the gradient and of its square."""
        return ("exp_avg", "exp_avg_sq")

    def apply_whole(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The formula, in place, on one parameter."""
        (b1, b2), t = group["betas"], state["step"]
        m, v = state["exp_avg"], state["exp_avg_sq"]
        m *= b1
        m += (1 - b1) * gradient
        v *= b2
        v += (1 - b2) * np.square(gradient)
        least = float(np.finfo(v.dtype).smallest_normal)  # 0 / 0 would be nan, with eps 0
        root = np.sqrt(v / (1 - b2**t))
        root += largest(group["eps"], least)
        d = m / (1 - b1**t)
        d /= root
        if group["weight_decay"]:
            d += group["weight_decay"] * parameter
        length, change = _norm(parameter), _norm(d)
        d *= group["lr"] * _ratio(length, change)
        parameter -= d


@recorded.whole
def _rate(lr: float, tcoef: float, decay: float, length: float, steepness: float) -> float:
    """LARS's rate for a parameter of this norm, whose gradient has the other."""
    if length > 0 and steepness > 0:
        return lr * (tcoef * length / (steepness + decay * length))
    return lr


@recorded.whole
def _ratio(length: float, change: float) -> float:
    """length / change; 1 if one of them is 0."""
    return length / change if length > 0 and change > 0 else 1.0


@recorded.whole
def _norm(array: Array) -> float:
    """The root of the sum of squares, in float64."""
    return float(get_total_norm(Tensor.from_array(np.asarray(array))).item())
