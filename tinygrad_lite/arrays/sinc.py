"""sin(z) / z and its derivatives of any order."""

import math
from typing import Any

import numpy as np


def sinc(x: Any, order: int) -> Any:
    """f_n(x), the n-th derivative of f_0(z) = sin(z) / z at z = x, n being `order`.

    Differentiating z f_0 = sin(z) n times gives z f_n + n f_(n-1) = sin(z + n pi/2), from which f_n
    follows for |z| > n.  Nearer to 0 this loses digits, so there the power series is summed.
    At inf and -inf it is 0, the limit.  float16 is computed in float32.
    """
    z = x.astype(np.float32) if x.dtype == np.float16 else x
    near = np.abs(z) <= order
    away = np.where(near, 1.0, z)
    waves = np.sin(away), np.cos(away)
    y = waves[0] / away
    for n in range(1, order + 1):
        wave = waves[n % 2] if n % 4 < 2 else -waves[n % 2]
        y = (wave - n * y) / away
    y = np.where(np.abs(z) == np.inf, 0.0, y)
    return np.where(near, series(np.where(near, z, 0.0), order), y).astype(x.dtype)


def series(z: Any, order: int) -> Any:
    """f_n(z) as the sum of (-1)^k z^m / ((2k + 1) m!), m = 2k - n >= 0.

    For |z| up to n the terms reach below the rounding of float64.
    """
    square, lowest = z * z, order % 2
    total = np.zeros_like(z)
    for m in range(lowest + 4 * (5 + order) - 2, -1, -2):
        k = (m + order) // 2
        total = total * square + (-1.0) ** k / ((2 * k + 1) * math.factorial(m))
    return total * z if lowest else total
