"""The quantile function of the standard normal distribution."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Function

# Wichura's polynomials, highest power first: numerator and denominator near the middle, in the
# tails, and far out in them.
MIDDLE = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
     4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
     1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
     2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
     4.2313330701600911252e1, 1.0),
)  # fmt: skip
TAIL = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
     1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
     4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
     1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
     2.05319162663775882187e0, 1.0),
)  # fmt: skip
FAR = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
     2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580e0,
     5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
     7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
     5.99832206555887937690e-1, 1.0),
)  # fmt: skip


class NormalQuantile(Function):
    """y with P(z <= y) = p.  dy/dp = 1 / density(y) = sqrt(2 pi) exp(y^2 / 2).

    -inf at 0, inf at 1, nan outside.

    Source: M. Wichura, Algorithm AS 241: The Percentage Points of the Normal Distribution, 1988.
    """

    saves = "output"

    def forward(self, p: NDArray[Any]) -> NDArray[Any]:
        """Computed in float64."""
        wide = p.astype(np.float64)
        with np.errstate(all="ignore"):
            q = wide - 0.5
            tail = np.sqrt(-np.log(np.where(q < 0, wide, 1.0 - wide)))
            y = np.where(tail <= 5, _ratio(TAIL, tail - 1.6), _ratio(FAR, tail - 5.0))
            y = np.where(np.isinf(tail), np.inf, y) * np.sign(q)
            y = np.where(np.abs(q) <= 0.425, q * _ratio(MIDDLE, 0.180625 - q * q), y)
            return y.astype(p.dtype)

    def backward(self, g: Any, y: Any, p: Any) -> tuple[Any]:
        """The density is that of the standard normal distribution."""
        return (g * (np.exp(y * y * 0.5) * math.sqrt(2.0 * math.pi)),)


def _ratio(polynomials: tuple[tuple[float, ...], tuple[float, ...]], r: Any) -> Any:
    """One polynomial in r divided by the other."""
    above, below = polynomials
    return np.polyval(above, r) / np.polyval(below, r)
