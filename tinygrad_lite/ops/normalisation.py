"""Normalisation."""

from math import prod

import numpy as np

from ..graph import Function
from ..shapes import sum_along
from .reduce import centred


class LayerNorm(Function):
    """y = (x - mean) r, r = 1 / sqrt(var + eps), over the axes.  dL/dx = r (g - <g> - y <g y>).

    g is dL/dy and <> the mean over the axes.  r is a second result, so that the rule finds it both
    in first and in higher order: with h = dL/dr, dL/dx has the further term -h r^2 y / n.

    Composed of six operations it took 375 us for (16, 64, 64), forward and backward, and kept two
    arrays of that size; as one it takes 200 and keeps y.
    """

    __slots__ = ("axes", "count", "eps")
    saves = "output"
    fresh = True

    def __init__(self, axes, eps):
        self.axes = axes
        self.eps = eps

    def forward(self, x):
        self.count = prod([x.shape[axis] for axis in self.axes])
        y = centred(x, self.axes)
        r = 1.0 / np.sqrt(sum_along(y * y, self.axes, keepdims=True) / self.count + self.eps)
        y *= r
        return y, r

    def backward(self, g, y, x):
        (g, h), (y, r) = g, y
        from_y = from_r = None
        if g is not None:
            slope = sum_along(g * y, self.axes, keepdims=True) / self.count
            mean = sum_along(g, self.axes, keepdims=True) / self.count
            from_y = (g - mean - y * slope) * r
        if h is not None:
            from_r = y * (h * r * r / -self.count)
        return (from_y if from_r is None else from_r if from_y is None else from_y + from_r,)
