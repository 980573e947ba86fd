"""What several formulas have in common, in place and without new memory.

`spare` is memory of the same length that may be overwritten.
"""

import math

import numpy as np

from tinygrad_lite import recorded

from .chunks import Array

# For numbers that a captured step computes anew in each replay.
square_root, largest = recorded.whole(math.sqrt), recorded.whole(max)

# The smallest positive normal number, by the bytes of a float32 and a float64.
SMALLEST = {4: 2.0**-126, 8: 2.0**-1022}


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
    eps_hat = largest(eps, SMALLEST[out.itemsize])  # as in above_zero
    out += eps_hat
    return out


def above_zero(eps: float, array: Array) -> float:
    """The eps of a denominator, or the smallest positive normal number of its dtype.

    So with eps 0, an element that never had a gradient stays the same, and does not become 0 / 0.
    """
    return largest(eps, SMALLEST[array.itemsize])


@recorded.whole
def power(base: float, exponent: float) -> float:
    """base^exponent; inf if that is beyond a float."""
    try:
        return float(base**exponent)
    except OverflowError:
        return math.inf
