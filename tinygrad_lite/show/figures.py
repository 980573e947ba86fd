"""Values in a few words: all of up to nine elements, and otherwise what they look like."""

from typing import Any

import numpy as np

from ..engine.graph import Array

MOST_SHOWN = 9  # elements that are shown one by one


def values_text(value: Any) -> str:
    """The elements of an array if they are few, or else a few statistics; "" for None."""
    if value is None or isinstance(value, tuple):
        return ""
    array = np.asarray(value)
    if array.size <= MOST_SHOWN or array.dtype.kind not in "fiu":
        if array.size > MOST_SHOWN:
            return f"{np.count_nonzero(array)} of {array.size} are True"
        return _elements(array)
    finite = np.isfinite(array)
    numbers = array[finite].astype(np.float64)
    parts = []
    if numbers.size and not numbers.any():
        parts.append("all are 0" if numbers.size == array.size else "the others are 0")
    elif numbers.size:
        parts.append(
            f"mean {figure(numbers.mean())}, sd {figure(numbers.std())}, "
            f"{figure(numbers.min())} to {figure(numbers.max())}"
        )
        zeros = numbers.size - np.count_nonzero(numbers)
        if zeros:
            parts.append(f"{zeros} of {array.size} are 0")
    nans = int(np.count_nonzero(np.isnan(array)))
    infinite = array.size - int(np.count_nonzero(finite)) - nans
    if nans:
        parts.insert(0, f"{nans} of {array.size} are nan")
    if infinite:
        parts.insert(0, f"{infinite} of {array.size} are infinite")
    return "; ".join(parts)


def figure(number: Any) -> str:
    """A number with four digits."""
    return f"{float(number):.4g}"


def _elements(array: Array) -> str:
    if array.ndim == 0:
        return figure(array) if array.dtype.kind == "f" else str(array.item())
    return f"[{', '.join(_elements(np.asarray(row)) for row in array)}]"


def largest(value: Any) -> float:
    """The largest size of a finite element; 0 if there is none."""
    array = np.asarray(value)
    sizes = np.abs(array[np.isfinite(array)])
    return float(sizes.max(initial=0))
