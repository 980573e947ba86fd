"""Adam and its relatives: every element has its own step size."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import arguments

from ._formulas import above_zero, denominator, keep_mean, keep_mean_square, square_root
from .checks import Check, fractions, not_negative
from .chunks import Array, State
from .groups import Group
from .optimizer import Optimizer


class Adam(Optimizer):
    """Adaptive moments: every element has its own step size.

        d = gradient + weight_decay * parameter
        m = b1 * m + (1 - b1) * d
        v = b2 * v + (1 - b2) * d^2
        parameter = parameter - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    b1 and b2 are `betas`, t is state["step"], m is state["exp_avg"] and v is state["exp_avg_sq"].

    amsgrad                 the largest v so far, state["max_exp_avg_sq"], stands in the last line
    decoupled_weight_decay  the decay is that of AdamW

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
        check_finite: bool = False,
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
            check_finite=check_finite,
        )

    def keeps(self, group: Group) -> tuple[str, ...]:
        """The running means of the gradient and of its square, and with amsgrad the largest."""
        names = ("exp_avg", "exp_avg_sq")
        return (*names, "max_exp_avg_sq") if group["amsgrad"] else names

    def apply_single(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The formula, in place, on one chunk of one parameter."""
        b1, b2 = group["betas"]
        m, v, t = state["exp_avg"], state["exp_avg_sq"], state["step"]
        spare = self._spare(parameter)  # before the first write
        d = self._decayed(gradient, parameter, group) if group["weight_decay"] else gradient
        keep_mean(m, d, b1, spare)
        keep_mean_square(v, d, b2, spare)
        if group["amsgrad"]:
            v = np.maximum(v, state["max_exp_avg_sq"], out=state["max_exp_avg_sq"])
        # With root = sqrt(1 - b2^t), both corrections are factors of the numbers lr and eps:
        # parameter - (lr * root / (1 - b1^t)) * m / (sqrt(v) + eps * root)
        root = square_root(1 - b2**t)
        change = np.divide(m, denominator(v, group["eps"] * root, spare), out=spare)
        step_size = group["lr"] * root / (1 - b1**t)
        change *= step_size
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
        check_finite: bool = False,
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
            check_finite=check_finite,
        )


class Adamax(Optimizer):
    """Adam with the largest gradient, slowly forgotten, instead of the root mean square.

        d = gradient + weight_decay * parameter
        m = b1 * m + (1 - b1) * d
        u = max(b2 * u, |d| + eps)
        parameter = parameter - lr * (m / (1 - b1^t)) / u

    b1 and b2 are `betas`, t is state["step"], m is state["exp_avg"] and u is state["exp_inf"].

    Source: D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, section 7.
    """

    checks: ClassVar[dict[str, Check]] = {
        **Optimizer.checks,
        "betas": fractions,
        "eps": not_negative,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.002,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
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
        """The running mean of the gradient, and its largest size."""
        return ("exp_avg", "exp_inf")

    def apply_single(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The formula, in place, on one chunk of one parameter."""
        b1, b2 = group["betas"]
        m, u, t = state["exp_avg"], state["exp_inf"], state["step"]
        spare = self._spare(parameter)
        d = self._decayed(gradient, parameter, group) if group["weight_decay"] else gradient
        keep_mean(m, d, b1, spare)
        u *= b2
        size = np.abs(d, out=spare)
        size += above_zero(group["eps"], size)
        np.maximum(u, size, out=u)
        change = np.divide(m, u, out=spare)
        change *= group["lr"] / (1 - b1**t)
        parameter -= change


class NAdam(Optimizer):
    """Adam with Nesterov's momentum, which looks one update ahead.

        d = gradient + weight_decay * parameter
        m = b1 * m + (1 - b1) * d
        v = b2 * v + (1 - b2) * d^2
        u_t = b1 * (1 - 0.96^(t * momentum_decay) / 2), and P_t = u_1 * ... * u_t
        ahead = (1 - u_t) / (1 - P_t) * d + u_{t+1} / (1 - P_{t+1}) * m
        parameter = parameter - lr * ahead / (sqrt(v / (1 - b2^t)) + eps)

    b1 and b2 are `betas`, t is state["step"], P_t is state["mu_product"], m is state["exp_avg"] and
    v is state["exp_avg_sq"].  With decoupled_weight_decay the decay is that of AdamW.

    Source: T. Dozat, Incorporating Nesterov Momentum into Adam, ICLR 2016 workshop.
    """

    checks: ClassVar[dict[str, Check]] = {
        **Adamax.checks,
        "momentum_decay": not_negative,
        "decoupled_weight_decay": arguments.flag,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.002,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 0.004,
        decoupled_weight_decay: bool = False,
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
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
            check_finite=check_finite,
        )

    def keeps(self, group: Group) -> tuple[str, ...]:
        """The running means of the gradient and of its square."""
        return ("exp_avg", "exp_avg_sq")

    def numbers(self, group: Group) -> tuple[str, ...]:
        """The count of updates, and the product of the momentum in each."""
        return ("step", "mu_product")

    def start(self, name: str, group: Group) -> float:
        """The product of no factors is 1."""
        return 1.0 if name == "mu_product" else 0.0

    def advance(self, state: State, group: Group) -> dict[str, float]:
        """One more update, and one more factor."""
        t = state["step"].item() + 1
        return {"step": t, "mu_product": state["mu_product"].item() * _momentum(t, group)}

    def apply_single(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The formula, in place, on one chunk of one parameter."""
        lr, (b1, b2) = group["lr"], group["betas"]
        m, v, t, product = (state[n] for n in ("exp_avg", "exp_avg_sq", "step", "mu_product"))
        spare, ahead = self._spare(parameter), self._spare(parameter, 2)
        d = self._decayed(gradient, parameter, group) if group["weight_decay"] else gradient
        keep_mean(m, d, b1, spare)
        keep_mean_square(v, d, b2, spare)
        now, following = _momentum(t, group), _momentum(t + 1, group)
        np.multiply(d, (1 - now) / (1 - product), out=ahead)
        ahead += np.multiply(m, following / (1 - product * following), out=spare)
        root = square_root(1 - b2**t)  # moved out of the denominator, as in Adam
        ahead /= denominator(v, group["eps"] * root, spare)
        ahead *= lr * root
        parameter -= ahead


def _momentum(t: float, group: Group) -> float:
    """Of NAdam's t-th update: it rises from half of b1 to b1."""
    momentum: float = group["betas"][0] * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"]))
    return momentum


class RAdam(Optimizer):
    """Adam that waits until the mean of squares is worth dividing by.

        d = gradient + weight_decay * parameter
        m = b1 * m + (1 - b1) * d
        v = b2 * v + (1 - b2) * d^2
        r_inf = 2 / (1 - b2) - 1, and r = r_inf - 2 * t * b2^t / (1 - b2^t)
        parameter = parameter - lr * (m / (1 - b1^t)) * s
        s = sqrt((r - 4) (r - 2) r_inf (1 - b2^t) / ((r_inf - 4) (r_inf - 2) r)) / (sqrt(v) + eps)
            if r > 5; else 1

    b1 and b2 are `betas`, t is state["step"], m is state["exp_avg"] and v is state["exp_avg_sq"].
    With decoupled_weight_decay the decay is that of AdamW.

    Source: L. Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, ICLR 2020.
    """

    checks: ClassVar[dict[str, Check]] = {
        **Adamax.checks,
        "decoupled_weight_decay": arguments.flag,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
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
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
            check_finite=check_finite,
        )

    def keeps(self, group: Group) -> tuple[str, ...]:
        """The running means of the gradient and of its square."""
        return ("exp_avg", "exp_avg_sq")

    def apply_single(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The formula, in place, on one chunk of one parameter."""
        b1, b2 = group["betas"]
        m, v, t = state["exp_avg"], state["exp_avg_sq"], state["step"]
        spare = self._spare(parameter)
        d = self._decayed(gradient, parameter, group) if group["weight_decay"] else gradient
        keep_mean(m, d, b1, spare)
        keep_mean_square(v, d, b2, spare)
        rate, longest, correction = group["lr"] / (1 - b1**t), 2 / (1 - b2) - 1, 1 - b2**t
        length = longest - 2 * t * b2**t / correction
        if length > 5:
            shorter = (length - 4) * (length - 2) / length
            rate *= square_root(shorter * longest / ((longest - 4) * (longest - 2)) * correction)
            change = np.divide(m, denominator(v, group["eps"], spare), out=spare)
            change *= rate
        else:
            change = np.multiply(m, rate, out=spare)
        parameter -= change
