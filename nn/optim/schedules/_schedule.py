"""What schedules share: the call, the repr, readers of arguments, and parts of formulas."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import arguments


class Schedule:
    """A function of the step.  A subclass writes `at`, the formula.

    Its repr is the call that makes it; it can be pickled, and equals another of the same options.
    """

    def at(self, step: float) -> float:
        """The rate at this step, a Python number of 0 or more."""
        raise NotImplementedError(f"{type(self).__name__} has no at(step)")

    @overload
    def __call__(self, step: float) -> float: ...
    @overload
    def __call__(self, step: NDArray[Any]) -> NDArray[np.float64]: ...
    def __call__(self, step: float | NDArray[Any]) -> float | NDArray[np.float64]:
        """The rate at this step; of an array of steps, an array of rates."""
        if isinstance(step, np.ndarray) and step.ndim:
            rates = [self(each) for each in step.ravel().tolist()]
            return np.array(rates, np.float64).reshape(step.shape)
        number = arguments.number(step, f"{type(self).__name__}: step")
        if not 0 <= number < math.inf:
            raise ValueError(f"{type(self).__name__}: step: expected 0 or more; got {number}")
        return float(self.at(number))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({options})"


def half_cosine(start: float, end: float, part: float) -> float:
    """From start to end while part goes from 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def reached(milestones: Sequence[int], step: float) -> int:
    """How many of the milestones are not after this step."""
    return sum(milestone <= step for milestone in milestones)


def whole_steps(name: str, value: Iterable[int]) -> list[int]:
    """Several steps, as a list."""
    is_list = isinstance(value, Iterable) and getattr(value, "ndim", 1) == 1
    if isinstance(value, str) or not is_list:
        raise arguments.wrong(name, "a list of steps", value)
    return [arguments.integer(each, name, least=0) for each in value]


def above_0(value: float, name: str) -> float:
    """A finite number above 0, as a Python float."""
    return float(arguments.positive(arguments.finite(value, name), name))
