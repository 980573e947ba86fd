"""exp(x) over its sum along axes, without overflow, and logarithms of it."""

from math import exp
from typing import Any

import numpy as np

from .recorded import whole
from .selection import largest_along, largest_of_all, smallest_of_all
from .shapes import Shape
from .sums import sum_along

MODERATE = 40.0  # exp of it, added up, is far below the upper end of float32
SMALL_TOTAL = exp(-10.0)  # so far above the lower end that 1e-33 of it still has all its digits


def softmax(x: Any, axes: Shape, mask: Any = None) -> tuple[Any, Any]:
    """y = exp(x) / sum of exp(x) along the axes; and the largest x along them, or None.

    mask  1 for the x that count and 0 for the others, in x's dtype; it broadcasts to x.  y is 0 for
          the others, even if no x counts

    Where exp could overflow or vanish, the largest x along the axes is subtracted first; it cancels
    out, and y is nan where it is -inf.  Otherwise, and with a mask or no elements, the second
    result is None.  (Finding the largest x of all is much faster than along each row.)
    """
    if x.dtype != np.float16 and x.size and largest_of_all(x) < MODERATE:
        y = np.exp(x)
        if mask is not None:
            y *= mask
        total = sum_along(y, axes, keepdims=True)
        if smallest_of_all(total) > SMALL_TOTAL:
            y /= total
            return y, None
    if mask is None:
        y, largest = below_zero(x, axes)
        y = np.exp(y)
        y /= sum_along(y, axes, keepdims=True)
        return y, largest
    counted = np.where(mask, x, -np.inf)
    largest = largest_along(counted, axes, keepdims=True, initial=-np.inf)
    y = np.exp(counted - np.where(largest == -np.inf, 0.0, largest))
    total = sum_along(y, axes, keepdims=True)
    y /= np.where(total == 0, 1.0, total)
    return y, None


def log_softmax(x: Any, axes: Shape) -> tuple[Any, Any]:
    """y = x - log(sum of exp(x) along the axes); and the largest x along them, or None.

    The largest x is subtracted first; it cancels out, and y is nan where it is -inf.  With
    no elements, the second result is None.
    """
    y, largest = below_zero(x, axes)
    y -= np.log(sum_along(np.exp(y), axes, keepdims=True))
    return y, largest


def below_zero(x: Any, axes: Shape) -> tuple[Any, Any]:
    """x minus its largest element along the axes, and that element (None if x is empty)."""
    largest = largest_along(x, axes, keepdims=True, initial=-np.inf)
    y = x - largest
    return y if y.__class__ is np.ndarray else np.asarray(y), largest if x.size else None


def cross_entropy(x: Any, labels: Any) -> tuple[Any, Any]:
    """log(sum_k exp(x_nk)) - x_nt with t = labels[n], and p, the softmax of x along axis 1.

    x: (N, K) or (N, K, M); labels: integers (N,) or (N, M).
    """
    shifted = x - largest_along(x, (1,), keepdims=True, initial=-np.inf)
    true = shifted[_true_class(x.shape, labels)]
    exponential = np.exp(shifted, out=shifted)
    total = sum_along(exponential, (1,), keepdims=True)
    p = np.divide(exponential, total, out=exponential)
    return np.log(total).reshape(true.shape) - true, p


@whole
def one_hot(shape: Shape, dtype: Any, labels: Any) -> Any:
    """1 for each sample's class and 0 for the others: (N, K) or (N, K, M)."""
    truth = np.zeros(shape, dtype)
    truth[_true_class(shape, labels)] = 1.0
    return truth


def _true_class(shape: Shape, labels: Any) -> Any:
    """The index of each sample's score of its class."""
    if len(shape) == 2:
        return np.arange(shape[0]), labels
    return np.arange(shape[0])[:, None], labels, np.arange(shape[2])
