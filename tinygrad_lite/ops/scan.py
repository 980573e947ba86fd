"""Scans: the i-th result along the last axis depends on the elements up to the i-th.

The gradient of the i-th element comes from all later results: it is a scan in reverse.
"""

import numpy as np

from ..arrays.recurrences import recurrence, running
from ..engine.function import Primitive


class CumSum(Primitive):
    """y_i = x_0 + ... + x_i.  The gradient is CumSum of g in reverse."""

    __slots__ = ("from_the_end",)
    fresh = True
    latex = {
        "y": (
            r"\begin{cases} \sum_{k \ge i} x_{k} & \text{if } \mathrm{from\_the\_end} \\ "
            r"\sum_{k \le i} x_{k} & \text{otherwise} \end{cases} \text{ at each } i"
        ),
        "x": (
            r"\begin{cases} \sum_{k \le i} \bar{y}_{k} & \text{if } \mathrm{from\_the\_end} \\ "
            r"\sum_{k \ge i} \bar{y}_{k} & \text{otherwise} \end{cases} \text{ at each } i"
        ),
    }

    def __init__(self, from_the_end=False):
        self.from_the_end = from_the_end

    def forward(self, x):
        if self.from_the_end:
            return running(np.add, x[..., ::-1])[..., ::-1]
        return running(np.add, x)

    def backward(self, g, y, x):
        return (CumSum.apply(g, from_the_end=not self.from_the_end),)


class Recurrence(Primitive):
    """y_i = a_i y_(i-1) + b_i, from y_(-1) = 0.  dL/da_i = G_i y_(i-1), dL/db_i = G_i.

    G_i = g_i + a_(i+1) G_(i+1) is the gradient of y_i through all later results too: see
    pulled_back.  There is no division, so factors may be 0.
    """

    __slots__ = ()
    reads = {"a": ("a", "y"), "b": ("a",)}
    latex = {
        "y": r"a_{i} \, y_{i - 1} + b_{i} \text{ at each } i",
        "a": (
            r"\gamma_{i} \, y_{i - 1} \text{ at each } i, "
            r"\text{ where } \gamma_{i} = \bar{y}_{i} + a_{i + 1} \, \gamma_{i + 1}"
        ),
        "b": (
            r"\gamma_{i} \text{ at each } i, "
            r"\text{ where } \gamma_{i} = \bar{y}_{i} + a_{i + 1} \, \gamma_{i + 1}"
        ),
    }

    def forward(self, a, b):
        return recurrence(a, b)

    def backward(self, g, y, a, b):
        later = pulled_back(g, a)
        if not self.needs[0]:
            return None, later
        before = np.concatenate((np.zeros_like(y[..., :1]), y[..., :-1]), axis=-1)
        return later * before, later


def pulled_back(g, a):
    """G_i = g_i + a_(i+1) G_(i+1): the gradient of y_i through all later results of a recurrence.

    It is the same recurrence in reverse.  Array or Tensor.
    """
    turned = np.concatenate((a[..., :1], a[..., :0:-1]), axis=-1)  # the first one is not read
    return Recurrence.apply(turned, g[..., ::-1])[..., ::-1]


class CumProd(Primitive):
    """y_i = x_0 x_1 ... x_i.  dy_i/dx_j = the product of all of them but x_j.

    Since y_i = x_i y_(i-1), the gradient is a recurrence too: no division, so derivatives of
    every order are exact where elements are 0.  It is computed in float64, since a product of many
    factors is rounded once for each.
    """

    __slots__ = ()
    reads = {"x": ("x", "y")}
    fresh = True
    latex = {
        "y": r"\prod_{k \le i} x_{k} \text{ at each } i",
        "x": r"\sum_{j \ge i} \bar{y}_{j} \prod_{k \le j, k \ne i} x_{k} \text{ at each } i",
    }

    def forward(self, x):
        return running(np.multiply, x)

    def backward(self, g, y, x):
        before = np.concatenate((np.ones_like(y[..., :1]), y[..., :-1]), axis=-1)
        later = pulled_back(g.astype(np.float64), x.astype(np.float64))
        return ((later * before).astype(g.dtype),)


class LogCumSumExp(Primitive):
    """y_i = log(exp(x_0) + ... + exp(x_i)).  dy_i/dx_j = exp(x_j - y_i) for j <= i.

    Since y_i = log(exp(y_(i-1)) + exp(x_i)), the gradient is a recurrence with the factors
    exp(y_(i-1) - y_i), which lie between 0 and 1; computed in float64, as for CumProd.  Where
    x = -inf the derivative is 0.
    """

    __slots__ = ()
    reads = {"x": ("x", "y")}
    fresh = True
    latex = {
        "y": r"\log \sum_{k \le i} e^{x_{k}} \text{ at each } i",
        "x": r"\sum_{j \ge i} \bar{y}_{j} \, e^{x_{i} - y_{j}} \text{ at each } i",
    }

    def forward(self, x):
        return running(np.logaddexp, x)

    def backward(self, g, y, x):
        wide = y.astype(np.float64)
        before, after = wide[..., :-1], wide[..., 1:]
        step = np.exp(np.where(before == after, 0.0, before - after))  # 1 also for two infinities
        step = np.concatenate((np.zeros_like(wide[..., :1]), step), axis=-1)
        own = np.exp(np.where(x == -np.inf, -np.inf, x - y))
        return ((pulled_back(g.astype(np.float64), step) * own).astype(g.dtype),)
