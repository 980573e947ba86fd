"""Averaged stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from .chunks import Array, State
from .groups import Group
from .optimizer import Optimizer
from .options import Check, finite


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
        "lambd": finite,
        "alpha": finite,
        "t0": finite,
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
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lambd=lambd,
            alpha=alpha,
            t0=t0,
            weight_decay=weight_decay,
            maximize=maximize,
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
            "eta": lr / (1 + group["lambd"] * lr * t) ** group["alpha"],
            "mu": 1 / max(1, t - group["t0"]),
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
