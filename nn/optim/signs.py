"""Lion and Rprop: steps that follow the sign of the gradient, whatever its size."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ._formulas import keep_mean
from .checks import Check, fractions, not_negative, pair
from .chunks import Array, State
from .groups import Group
from .optimizer import Optimizer


class Lion(Optimizer):
    """The sign of a momentum: every element moves by lr.

        parameter = parameter - lr * weight_decay * parameter
        parameter = parameter - lr * sign(b1 * m + (1 - b1) * gradient)
        m = b2 * m + (1 - b2) * gradient

    b1 and b2 are `betas`, and m is state["exp_avg"].  Its lr is a third to a tenth of Adam's, its
    weight_decay larger by as much.

    Source: X. Chen et al., Symbolic Discovery of Optimization Algorithms, NeurIPS 2023.
    """

    checks: ClassVar[dict[str, Check]] = {**Optimizer.checks, "betas": fractions}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            weight_decay=weight_decay,
            maximize=maximize,
            check_finite=check_finite,
        )

    def keeps(self, group: Group) -> tuple[str, ...]:
        """The momentum."""
        return ("exp_avg",)

    def apply_single(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The formula, in place, on one chunk of one parameter."""
        lr, (b1, b2), m = group["lr"], group["betas"], state["exp_avg"]
        spare, mixed = self._spare(parameter), self._spare(parameter, 2)
        if group["weight_decay"]:
            parameter *= 1 - lr * group["weight_decay"]
        np.multiply(m, b1, out=mixed)
        mixed += np.multiply(gradient, 1 - b1, out=spare)
        change = np.sign(mixed, out=spare)  # NumPy's sign is slow in place
        change *= lr
        parameter -= change
        keep_mean(m, gradient, b2, spare)


def _etas(value: Any, name: str) -> tuple[float, ...]:
    """A number below 1 that shrinks, and one above 1 that grows."""
    shrink, grow = pair(value, name)
    if not 0 < shrink < 1 < grow:
        raise ValueError(
            f"{name}: expected a number between 0 and 1, and one above 1; got {shrink}, {grow}"
        )
    return shrink, grow


def _sizes(value: Any, name: str) -> tuple[float, ...]:
    """The smallest and the largest step."""
    return pair(value, name, not_negative)


class Rprop(Optimizer):
    """Resilient backpropagation: every element has a step that grows until its gradient turns.

        size = size * etas[1] if gradient * last > 0, * etas[0] if gradient * last < 0
        size = size, at least step_sizes[0] and at most step_sizes[1]
        gradient = 0 where gradient * last < 0
        parameter = parameter - sign(gradient) * size
        last = gradient

    last is state["prev"], and size is state["step_size"], which starts at lr.  It is made for
    gradients of the whole data, not of batches.

    Errors: ValueError unless 0 < etas[0] < 1 < etas[1].

    Source: M. Riedmiller and H. Braun, A direct adaptive method for faster backpropagation
    learning: the RPROP algorithm, ICNN 1993.
    """

    checks: ClassVar[dict[str, Check]] = {
        **Optimizer.checks,
        "etas": _etas,
        "step_sizes": _sizes,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            etas=etas,
            step_sizes=step_sizes,
            maximize=maximize,
            check_finite=check_finite,
        )

    def keeps(self, group: Group) -> tuple[str, ...]:
        """The last gradient, and the size of the steps."""
        return ("prev", "step_size")

    def start(self, name: str, group: Group) -> float:
        """The first steps have size lr."""
        return float(group["lr"]) if name == "step_size" else 0.0

    def apply_single(self, gradient: Array, parameter: Array, state: State, group: Group) -> None:
        """The formula, in place, on one chunk of one parameter."""
        last, size, (shrink, grow) = state["prev"], state["step_size"], group["etas"]
        change, turned = self._spare(parameter), self._spare(parameter, 1)
        np.sign(gradient, out=turned)  # the product of the gradients may underflow, not of signs
        turned *= np.sign(last, out=change)
        back = turned < 0
        np.multiply(size, grow, out=size, where=turned > 0)
        np.multiply(size, shrink, out=size, where=back)
        np.clip(size, *group["step_sizes"], out=size)
        np.copyto(last, gradient)
        np.copyto(last, 0, where=back)
        np.sign(last, out=change)
        change *= size
        parameter -= change
