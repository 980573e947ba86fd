"""Operations whose i-th result along the last axis depends on the elements up to the i-th.

In backward, what reaches the i-th element comes from all later results: a scan from the other end.
"""

import numpy as np

from ..engine.function import Primitive


class CumSum(Primitive):
    """y_i = x_0 + ... + x_i.  dy/dx: the gradient is summed from the other end."""

    __slots__ = ("from_the_end",)
    fresh = True

    def __init__(self, from_the_end=False):
        self.from_the_end = from_the_end

    def forward(self, x):
        if self.from_the_end:
            return np.add.accumulate(x[..., ::-1], axis=-1)[..., ::-1]
        return np.add.accumulate(x, axis=-1, dtype=x.dtype)

    def backward(self, g, y, x):
        return (CumSum.apply(g, from_the_end=not self.from_the_end),)


class Recurrence(Primitive):
    """y_i = a_i y_(i-1) + b_i, from y_(-1) = 0.  dy/da_i = G_i y_(i-1), dy/db = G: see pulled_back.

    Two neighbouring steps make one, so half as many steps give every second y, and these the ones
    between: O(n) products, no division, log2(n) calls deep.  (Blelloch, "Prefix Sums and Their
    Applications", 1990, section 1.4.)
    """

    __slots__ = ()
    reads = {"a": ("a", "y"), "b": ("a",)}

    def forward(self, a, b):
        return recurrence(a, b)

    def backward(self, g, y, a, b):
        later = pulled_back(g, a)
        if not self.needs[0]:
            return None, later
        before = np.concatenate((np.zeros_like(y[..., :1]), y[..., :-1]), axis=-1)
        return later * before, later


def recurrence(a, b):
    """The results of `Recurrence`, by halving."""
    size = b.shape[-1]
    if size < 2:
        return b.copy()
    even, odd = slice(0, size // 2 * 2, 2), slice(1, None, 2)
    y = np.empty_like(b)
    y[..., odd] = recurrence(a[..., odd] * a[..., even], a[..., odd] * b[..., even] + b[..., odd])
    y[..., 0] = b[..., 0]
    y[..., 2::2] = a[..., 2::2] * y[..., 1:-1:2] + b[..., 2::2]
    return y


def pulled_back(g, a):
    """G_i = g_i + a_(i+1) G_(i+1): what reaches y_i from all later results of a recurrence.

    It is the same recurrence from the other end.  Arrays or Tensors.
    """
    turned = np.concatenate((a[..., :1], a[..., :0:-1]), axis=-1)  # the first one is not read
    return Recurrence.apply(turned, g[..., ::-1])[..., ::-1]


class CumProd(Primitive):
    """y_i = x_0 x_1 ... x_i.  dy_i/dx_j = the product of all of them but x_j.

    As y_i = x_i y_(i-1), the gradient is a recurrence too: no division, so zeros are exact in every
    order of derivative.
    """

    __slots__ = ()
    reads = {"x": ("x", "y")}
    fresh = True

    def forward(self, x):
        return np.multiply.accumulate(x, axis=-1, dtype=x.dtype)

    def backward(self, g, y, x):
        before = np.concatenate((np.ones_like(y[..., :1]), y[..., :-1]), axis=-1)
        return (pulled_back(g, x) * before,)


class LogCumSumExp(Primitive):
    """y_i = log(exp(x_0) + ... + exp(x_i)).  dy_i/dx_j = exp(x_j - y_i) for j <= i.

    As y_i = log(exp(y_(i-1)) + exp(x_i)), the gradient is a recurrence with factors
    exp(y_(i-1) - y_i), which lie between 0 and 1.  Where x = -inf the derivative is 0.
    """

    __slots__ = ()
    reads = {"x": ("x", "y")}
    fresh = True

    def forward(self, x):
        return np.logaddexp.accumulate(x, axis=-1)

    def backward(self, g, y, x):
        before, after = y[..., :-1], y[..., 1:]
        step = np.exp(np.where(before == after, 0.0, before - after))  # also of two infinities
        step = np.concatenate((np.zeros_like(y[..., :1]), step), axis=-1)
        own = np.exp(np.where(x == -np.inf, -np.inf, x - y))
        return (pulled_back(g, step) * own,)
