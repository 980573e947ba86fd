"""Schedules that begin with the highest rate, or warm up to it, and then fall or stay."""

from collections.abc import Iterable

from tinygrad_lite import arguments

from .._formulas import power
from ..checks import not_negative
from ._schedule import Schedule, half_cosine, reached, whole_steps


class constant(Schedule):
    """The same rate at every step, times `factor` in the first `steps` steps."""

    def __init__(self, lr: float, factor: float = 1.0, steps: int = 0) -> None:
        self.lr = not_negative(lr, "constant: lr")
        self.factor = not_negative(factor, "constant: factor")
        self.steps = arguments.integer(steps, "constant: steps", least=0)

    def at(self, step: float) -> float:
        return self.lr * self.factor if step < self.steps else self.lr


class linear(Schedule):
    """Linear warm-up: from lr * start_factor to lr * end_factor in `steps` steps, then constant.

    With end_factor below start_factor, linear decay.
    """

    def __init__(
        self, lr: float, steps: int = 5, start_factor: float = 1 / 3, end_factor: float = 1.0
    ) -> None:
        self.lr = not_negative(lr, "linear: lr")
        self.steps = arguments.integer(steps, "linear: steps", least=1)
        self.start_factor = not_negative(start_factor, "linear: start_factor")
        self.end_factor = not_negative(end_factor, "linear: end_factor")

    def at(self, step: float) -> float:
        part = min(step / self.steps, 1.0)
        return self.lr * (self.start_factor + (self.end_factor - self.start_factor) * part)


class step(Schedule):
    """lr * gamma^k, where k grows by 1 every `step_size` steps."""

    def __init__(self, lr: float, step_size: int, gamma: float = 0.1) -> None:
        self.lr = not_negative(lr, "step: lr")
        self.step_size = arguments.integer(step_size, "step: step_size", least=1)
        self.gamma = not_negative(gamma, "step: gamma")

    def at(self, step: float) -> float:
        return self.lr * power(self.gamma, step // self.step_size)


class multi_step(Schedule):
    """lr * gamma^k, where k is the number of milestones reached; one given twice counts twice."""

    def __init__(self, lr: float, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.lr = not_negative(lr, "multi_step: lr")
        self.milestones = sorted(whole_steps("multi_step: milestones", milestones))
        self.gamma = not_negative(gamma, "multi_step: gamma")

    def at(self, step: float) -> float:
        return self.lr * power(self.gamma, reached(self.milestones, step))


class exponential(Schedule):
    """lr * gamma^step."""

    def __init__(self, lr: float, gamma: float) -> None:
        self.lr = not_negative(lr, "exponential: lr")
        self.gamma = not_negative(gamma, "exponential: gamma")

    def at(self, step: float) -> float:
        return self.lr * power(self.gamma, step)


class polynomial(Schedule):
    """lr * (1 - step / steps)^power, which is 0 from `steps` on."""

    def __init__(self, lr: float, steps: int = 5, power: float = 1.0) -> None:
        self.lr = not_negative(lr, "polynomial: lr")
        self.steps = arguments.integer(steps, "polynomial: steps", least=1)
        self.power = not_negative(power, "polynomial: power")

    def at(self, step: float) -> float:
        return self.lr * power(1 - min(step / self.steps, 1.0), self.power)


class cosine(Schedule):
    """Half a cosine, from lr at step 0 to eta_min at `steps`.

        eta_min + (lr - eta_min) * (1 + cos(pi * step / steps)) / 2

    After that it rises again, as in PyTorch, and falls from 2 * steps on.  To stay at the end:
    `sequential([cosine(0.1, 90), constant(0.0)], [90])`.

    Source: I. Loshchilov and F. Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts,
    ICLR 2017.
    """

    def __init__(self, lr: float, steps: int, eta_min: float = 0.0) -> None:
        self.lr = not_negative(lr, "cosine: lr")
        self.steps = arguments.integer(steps, "cosine: steps", least=1)
        self.eta_min = not_negative(eta_min, "cosine: eta_min")

    def at(self, step: float) -> float:
        return half_cosine(self.lr, self.eta_min, step / self.steps)
