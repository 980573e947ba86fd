"""Integers never wrap silently: a value that an integer dtype lacks is an error.

This holds for every value that enters an integer dtype: a number, the elements of a list or of an
array of another dtype.  nan and inf are no integers; the fraction of a float is cut off.  Between
tensors of one integer dtype, arithmetic is that of the processor, as in NumPy and PyTorch: in
uint8, 1 - 2 is 255.
"""

from math import isfinite
from typing import Any

import numpy as np

from .arguments import shown
from .float_errors import quiet, restore, silence
from .recorded import check

INT = np.dtype(np.int64)


def fits(number: float, dtype: np.dtype[Any]) -> bool:
    """Whether `dtype` has this number: always, unless it is an integer dtype."""
    if dtype.kind not in "iu":
        return True
    if not isinstance(number, int) and not isfinite(number):
        return False
    limits = np.iinfo(dtype)
    return limits.min <= int(number) <= limits.max


def check_fits(name: str, number: float, dtype: np.dtype[Any], fix: str = "") -> None:
    """ValueError if an integer dtype lacks this number; `name` is the operation."""
    if not fits(number, dtype):
        limits = np.iinfo(dtype)
        finite = isinstance(number, int) or isfinite(number)
        held = f"{limits.min} to {limits.max}" if finite else "integers"
        raise ValueError(
            f"{name}: {shown(number)} does not fit into {dtype}, which holds {held}"
            f"{fix and '; '}{fix}"
        )


def check_all_fit(name: str, array: Any, dtype: np.dtype[Any], fix: str = "") -> None:
    """ValueError if an integer dtype lacks an element of the array."""
    if dtype.kind in "iu" and array.size and not np.can_cast(array.dtype, dtype):
        _check_extremes(name, array, dtype, fix)


@check
@quiet
def _check_extremes(name: str, array: Any, dtype: np.dtype[Any], fix: str) -> None:
    for extreme in (array.min(), array.max()):  # nan, if there is one
        check_fits(name, extreme.item(), dtype, fix)


def converted(name: str, array: Any, dtype: np.dtype[Any]) -> Any:
    """The array with another dtype; ValueError if that is an integer dtype and lacks a value.

    The array itself if it has that dtype.  A float beyond the range of a float dtype becomes inf.
    """
    check_all_fit(name, array, dtype)
    token = silence()
    try:
        return array.astype(dtype, copy=False)
    finally:
        restore(token)


def positions(name: str, array: Any) -> Any:
    """A copy of an integer array as int64, in which NumPy would make 2^64 - 1 the last position."""
    if array.dtype.kind == "u" and array.size:
        _check_positions(name, array)
    return array.astype(INT)


@check
def _check_positions(name: str, array: Any) -> None:
    """IndexError for what int64 lacks."""
    if not fits(int(array.max()), INT):
        raise IndexError(f"{name}: {array.max()} is out of range for any axis")


def whole_numbers(data: Any) -> bool:
    """Whether there are only integers in a nested list of numbers and arrays."""
    stack = [data]
    while stack:
        value = stack.pop()
        if isinstance(value, (list, tuple)):
            stack.extend(reversed(value))  # the first is looked at first, and mostly settles it
        elif isinstance(value, float) or getattr(value, "dtype", np.dtype(int)).kind not in "biu":
            return False
    return True
