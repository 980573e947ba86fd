"""Stochastic gradient descent, and the same with the mean of the parameters."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import arguments

from ._formulas import largest, power
from .checks import Check, not_negative
from .chunks import Array, State
from .groups import Group
from .optimizer import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

        d = gradient + weight_decay * parameter
        v = momentum * v + (1 - dampening) * d          in the first update: d
        parameter = parameter - lr * v                  without momentum: lr * d
                                                        nesterov: lr * (d + momentum * v)

    v is state["momentum_buffer"]; "step" counts its updates.

    Errors: ValueError if nesterov is True without momentum, or with dampening.

    Source: I. Sutskever et al., On the importance of initialization and momentum in deep
    learning, ICML 2013.
    """

    checks: ClassVar[dict[str, Check]] = {
        **Optimizer.checks,
        "momentum": not_negative,
        "dampening": arguments.finite,
        "nesterov": arguments.flag,
    }

    presumed: ClassVar[dict[str, float]] = {"step": 1}  # PyTorch's SGD counts no updates

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.001,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
            check_finite=check_finite,
        )

    def check_group(self, group: Group) -> None:
        """Nesterov's formula looks ahead along the momentum."""
        if group["nesterov"] and (not group["momentum"] or group["dampening"]):
            raise ValueError("SGD: nesterov needs a momentum above 0, and dampening 0")

    def keeps(self, group: Group) -> tuple[str, ...]:
        """The velocity, if there is momentum."""
        return ("momentum_buffer",) if group["momentum"] else ()

    def numbers(self, group: Group) -> tuple[str, ...]:
        """The count of the velocity's updates."""
        return ("step",) if group["momentum"] else ()

    def advance(self, state: State, group: Group) -> dict[str, float]:
        """That count after this update."""
        return {"step": state["step"].item() + 1} if group["momentum"] else {}

    def apply_single(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The formula, in place, on one chunk of one parameter."""
        momentum, nesterov = group["momentum"], group["nesterov"]
        spare = self._spare(parameter)
        ahead = self._spare(parameter, 2) if nesterov else spare  # before the first write
        d = self._decayed(gradient, parameter, group) if group["weight_decay"] else gradient
        if momentum:
            v = state["momentum_buffer"]
            v *= momentum
            if group["dampening"] and state["step"] > 1:
                v += np.multiply(d, 1 - group["dampening"], out=spare)
            else:
                v += d
            if nesterov:
                np.multiply(v, momentum, out=ahead)
                ahead += d
                d = ahead
            else:
                d = v
        parameter -= np.multiply(d, group["lr"], out=spare)


class ASGD(Optimizer):
    """Gradient descent with shrinking steps, and the mean of the parameters since step t0.

        d = gradient + weight_decay * parameter
        parameter = (1 - lambd * eta) * parameter - eta * d
        ax = ax + mu * (parameter - ax)
        eta = lr / (1 + lambd * lr * t)^alpha, and mu = 1 / max(1, t - t0), for the next step

    t is state["step"]; eta, mu and the mean ax stand in the state.  eta starts at lr, and mu at 1.

    Source: B. Polyak and A. Juditsky, Acceleration of Stochastic Approximation by Averaging,
    SIAM Journal on Control and Optimization 30, 1992.
    """

    checks: ClassVar[dict[str, Check]] = {
        **Optimizer.checks,
        "lambd": not_negative,
        "alpha": not_negative,
        "t0": arguments.finite,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lambd=lambd,
            alpha=alpha,
            t0=t0,
            weight_decay=weight_decay,
            maximize=maximize,
            check_finite=check_finite,
        )

    def keeps(self, group: Group) -> tuple[str, ...]:
        """The mean of the parameters."""
        return ("ax",)

    def numbers(self, group: Group) -> tuple[str, ...]:
        """The count of updates, and the step and the weight of the mean for the next."""
        return ("step", "eta", "mu")

    def start(self, name: str, group: Group) -> float:
        """The first step has size lr, and the mean is the parameter."""
        return float({"eta": group["lr"], "mu": 1}.get(name, 0))

    def advance(self, state: State, group: Group) -> dict[str, float]:
        """The numbers for the next update; "now" and "weight" are those for this one."""
        lr, t = group["lr"], state["step"].item() + 1
        return {
            "step": t,
            "eta": lr / power(1 + group["lambd"] * lr * t, group["alpha"]),
            "mu": 1 / largest(1, t - group["t0"]),
            "now": state["eta"].item(),
            "weight": state["mu"].item(),
        }

    def apply_single(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The formula, in place, on one chunk of one parameter."""
        eta, ax = state["now"], state["ax"]
        spare = self._spare(parameter)
        d = self._decayed(gradient, parameter, group) if group["weight_decay"] else gradient
        parameter *= 1 - group["lambd"] * eta
        parameter -= np.multiply(d, eta, out=spare)
        if state["weight"] == 1:
            np.copyto(ax, parameter)
        else:
            away = np.subtract(parameter, ax, out=spare)
            away *= state["weight"]
            ax += away
