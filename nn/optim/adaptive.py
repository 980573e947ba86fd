"""RMSprop, Adagrad and Adadelta: steps divided by the size of the gradients so far."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import arguments

from ._formulas import above_zero, denominator, keep_mean, keep_mean_square
from .checks import Check, not_negative
from .chunks import Array, State
from .groups import Group
from .optimizer import Optimizer


class RMSprop(Optimizer):
    """The gradient divided by the root of the mean square of the last ones.

        d = gradient + weight_decay * parameter
        v = alpha * v + (1 - alpha) * d^2
        change = d / (sqrt(v) + eps)
        b = momentum * b + change                       without momentum: change
        parameter = parameter - lr * b

    With centered, the mean of the gradients, g = alpha * g + (1 - alpha) * d, is subtracted:
    sqrt(v - g^2).  v is state["square_avg"], b is state["momentum_buffer"], g is state["grad_avg"].

    Sources: T. Tieleman and G. Hinton, Lecture 6.5 of Neural Networks for Machine Learning, 2012;
    centered: A. Graves, Generating Sequences With Recurrent Neural Networks, 2013.
    """

    checks: ClassVar[dict[str, Check]] = {
        **Optimizer.checks,
        "alpha": not_negative,
        "eps": not_negative,
        "momentum": not_negative,
        "centered": arguments.flag,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
            maximize=maximize,
            check_finite=check_finite,
        )

    def keeps(self, group: Group) -> tuple[str, ...]:
        """The mean square, and what momentum and centered need."""
        names = ["square_avg"]
        names += ["momentum_buffer"] if group["momentum"] else []
        names += ["grad_avg"] if group["centered"] else []
        return tuple(names)

    def apply_single(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The formula, in place, on one chunk of one parameter."""
        v, alpha = state["square_avg"], group["alpha"]
        spare = self._spare(parameter)
        d = self._decayed(gradient, parameter, group) if group["weight_decay"] else gradient
        keep_mean_square(v, d, alpha, spare)
        if group["centered"]:
            g = state["grad_avg"]
            keep_mean(g, d, alpha, spare)
            variance = np.multiply(g, g, out=spare)
            np.subtract(v, variance, out=variance)
            v = np.maximum(variance, 0, out=variance)  # rounding may leave less than 0
        change = np.divide(d, denominator(v, group["eps"], spare), out=spare)
        if group["momentum"]:
            b = state["momentum_buffer"]
            b *= group["momentum"]
            b += change
            np.multiply(b, group["lr"], out=change)
        else:
            change *= group["lr"]
        parameter -= change


class Adagrad(Optimizer):
    """The gradient divided by the root of the sum of all squares so far.

        d = gradient + weight_decay * parameter
        s = s + d^2
        parameter = parameter - lr / (1 + (t - 1) * lr_decay) * d / (sqrt(s) + eps)

    t is state["step"], and s is state["sum"], which starts at initial_accumulator_value.

    Source: J. Duchi et al., Adaptive Subgradient Methods, JMLR 12, 2011.
    """

    checks: ClassVar[dict[str, Check]] = {
        **Optimizer.checks,
        "lr_decay": not_negative,
        "initial_accumulator_value": not_negative,
        "eps": not_negative,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            maximize=maximize,
            check_finite=check_finite,
        )

    def keeps(self, group: Group) -> tuple[str, ...]:
        """The sum of squares."""
        return ("sum",)

    def start(self, name: str, group: Group) -> float:
        """The sum starts at a value of the user's."""
        return float(group["initial_accumulator_value"]) if name == "sum" else 0.0

    def apply_single(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The formula, in place, on one chunk of one parameter."""
        s, t = state["sum"], state["step"]
        spare = self._spare(parameter)
        d = self._decayed(gradient, parameter, group) if group["weight_decay"] else gradient
        s += np.multiply(d, d, out=spare)
        change = np.divide(d, denominator(s, group["eps"], spare), out=spare)
        change *= group["lr"] / (1 + (t - 1) * group["lr_decay"])
        parameter -= change


class Adadelta(Optimizer):
    """Steps as long as the last steps were, in the units of the parameter.

        d = gradient + weight_decay * parameter
        v = rho * v + (1 - rho) * d^2
        change = sqrt(u + eps) / sqrt(v + eps) * d
        u = rho * u + (1 - rho) * change^2
        parameter = parameter - lr * change

    v is state["square_avg"] and u is state["acc_delta"].

    Source: M. Zeiler, ADADELTA: An Adaptive Learning Rate Method, 2012.
    """

    checks: ClassVar[dict[str, Check]] = {
        **Optimizer.checks,
        "rho": arguments.probability,
        "eps": not_negative,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            rho=rho,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            check_finite=check_finite,
        )

    def keeps(self, group: Group) -> tuple[str, ...]:
        """The mean squares of the gradients and of the changes."""
        return ("square_avg", "acc_delta")

    def apply_single(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The formula, in place, on one chunk of one parameter."""
        v, u, rho = state["square_avg"], state["acc_delta"], group["rho"]
        spare, change = self._spare(parameter), self._spare(parameter, 2)
        d = self._decayed(gradient, parameter, group) if group["weight_decay"] else gradient
        eps = above_zero(group["eps"], parameter)
        keep_mean_square(v, d, rho, spare)
        np.add(u, eps, out=change)
        change /= np.add(v, eps, out=spare)
        np.sqrt(change, out=change)
        change *= d
        keep_mean_square(u, change, rho, spare)
        change *= group["lr"]
        parameter -= change
