"""Checks of an optimiser's options: each is made when the option is given, and when it is assigned.

A check takes a value and its name for messages ("Adam: lr"), and returns the value in its plain
form: a Python float, since a NumPy scalar would decide dtypes.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from tinygrad_lite import arguments

Check: TypeAlias = Callable[[Any, str], Any]


def not_negative(value: Any, name: str) -> float:
    """A number of 0 or more, and finite."""
    return arguments.finite(arguments.not_negative(value, name), name)


def fraction(value: Any, name: str) -> float:
    """A number from 0 to below 1: what a running mean keeps of its old value."""
    number = float(arguments.number(value, name))
    if not 0 <= number < 1:
        raise ValueError(f"{name}: expected a number from 0 to below 1; got {number}")
    return number


def fractions(value: Any, name: str) -> tuple[float, ...]:
    """Two numbers from 0 to below 1, as a tuple."""
    return pair(value, name, fraction)


def pair(value: Any, name: str, check: Check = arguments.finite) -> tuple[float, ...]:
    """Two numbers, each of which the check takes, as a tuple."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise arguments.wrong(name, "two numbers, as in (0.9, 0.999)", value)
    return tuple(check(each, f"{name}[{position}]") for position, each in enumerate(value))
