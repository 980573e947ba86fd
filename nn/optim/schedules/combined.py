"""Schedules made of others, and of a function of your own."""

from collections.abc import Callable, Iterable, Sequence

from tinygrad_lite import arguments

from ..checks import not_negative
from ._schedule import Schedule, reached, whole_steps


class scaled(Schedule):
    """lr * factor(step), for a function of your own."""

    def __init__(self, lr: float, factor: Callable[[float], float]) -> None:
        self.lr = not_negative(lr, "scaled: lr")
        self.factor = arguments.function(factor, "scaled: factor")

    def at(self, step: float) -> float:
        return self.lr * arguments.number(self.factor(step), "scaled: factor(step)")


class sequential(Schedule):
    """One schedule after the other: the next begins at each milestone, with its own step 0.

    Warm-up, then a cosine: `sequential([linear(0.1, 5), cosine(0.1, 95)], milestones=[5])`.
    """

    def __init__(
        self, schedules: Sequence[Callable[[float], float]], milestones: Iterable[int]
    ) -> None:
        if not isinstance(schedules, list | tuple):
            raise arguments.wrong("sequential: schedules", "a list of schedules", schedules)
        self.schedules = [arguments.function(one, "sequential: schedules") for one in schedules]
        self.milestones = whole_steps("sequential: milestones", milestones)
        if self.milestones != sorted(self.milestones):
            raise ValueError(
                f"sequential: milestones: expected steps in rising order; got {self.milestones}"
            )
        if len(self.milestones) != len(self.schedules) - 1:
            raise ValueError(
                "sequential: expected one milestone fewer than schedules; got "
                f"{len(self.milestones)} milestones and {len(self.schedules)} schedules"
            )

    def at(self, step: float) -> float:
        number = reached(self.milestones, step)
        begun = self.milestones[number - 1] if number else 0
        return arguments.number(self.schedules[number](step - begun), "sequential: schedule(step)")
