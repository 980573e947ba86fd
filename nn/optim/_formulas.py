"""What several formulas have in common, in place and without new memory.

`spare` is memory of the same length that may be overwritten.
"""

from functools import cache
from typing import Any

import numpy as np

from .chunks import Array


def keep_mean(mean: Array, value: Array, kept: float, spare: Array) -> None:
    """mean = kept * mean + (1 - kept) * value."""
    mean *= kept
    mean += np.multiply(value, 1 - kept, out=spare)


def keep_mean_square(mean: Array, value: Array, kept: float, spare: Array) -> None:
    """mean = kept * mean + (1 - kept) * value^2."""
    mean *= kept
    squared = np.multiply(value, value, out=spare)
    squared *= 1 - kept
    mean += squared


def denominator(square: Array, eps: float, out: Array) -> Array:
    """sqrt(square) + eps, in `out`."""
    np.sqrt(square, out=out)
    out += above_zero(eps, out.dtype)
    return out


def above_zero(eps: float, dtype: np.dtype[Any]) -> float:
    """The eps of a denominator, or the smallest positive normal number of the dtype.

    So with eps 0, an element that never had a gradient stays the same, and does not become 0 / 0.
    """
    return max(eps, _smallest(dtype))


@cache
def _smallest(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype).smallest_normal)
