"""Activation functions whose steps run in place."""

from math import pi, sqrt
from typing import Any

import numpy as np

from .arithmetic import limited
from .recorded import holds
from .selection import has_nan

# The argument of tanh in gelu is u = SCALE x + CUBIC x^3.
SCALE = sqrt(2 / pi)
CUBIC = 0.044715 * SCALE

SATURATED = 1e4  # beyond it, a gate (sigmoid, the normal distribution, ...) is exactly 0 or 1


def sigmoid(x: Any, out: Any = None) -> Any:
    """1 / (1 + exp(-x)), in memory laid out as x, or in `out`.

    It keeps the small values of the left tail; where exp(-x) overflows, it is 0 and not a subnormal
    number.  (By exp(-|x|), which never overflows, it would be slower.)
    """
    y = np.negative(x, out=np.empty_like(x) if out is None else out)
    np.exp(y, out=y)
    y += 1.0
    return np.divide(1.0, y, out=y)


def gelu(x: Any) -> tuple[Any, Any]:
    """x s and s = (1 + tanh(u)) / 2, with u = sqrt(2 / pi) (x + 0.044715 x^3)."""
    s = x * x
    s *= CUBIC
    s += SCALE
    s *= x
    s = np.tanh(s, out=s if s.ndim else None)
    s += 1.0
    s *= 0.5
    y = x * s
    if holds(has_nan, y):  # for x = -inf, where s is 0
        y = x.clip(-SATURATED, np.inf) * s
    return y, s


def gelu_slope(x: Any, s: Any) -> Any:
    """s + s (1 - s) 2 x u', with s and u as in `gelu`, u' = sqrt(2 / pi) + 3 CUBIC x^2."""
    y = _gelu_slope(x, s)
    if holds(has_nan, y):  # where x^2 overflows, though s (1 - s) is 0
        y = _gelu_slope(limited(x, SATURATED), s)
    return y


def _gelu_slope(x: Any, s: Any) -> Any:
    y = x * x
    y *= 6.0 * CUBIC
    y += 2.0 * SCALE
    bend = 1.0 - s
    bend *= s
    bend *= x
    y *= bend
    y += s
    return y
