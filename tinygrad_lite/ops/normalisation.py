"""Layer normalisation."""

from math import prod

from ..arrays.normalisation import normalised, normalised_gradient, scaled_gradient
from ..arrays.sums import sum_along
from ..engine.function import Primitive


class LayerNorm(Primitive):
    """y = (x - mean) r, r = 1 / sqrt(var + eps), over the axes.  dL/dx = r (g - <g> - y <g y>).

    g is dL/dy and <> the mean over the axes.  r is a second result, so that derivatives of every
    order can use it: with h = dL/dr, dL/dx has the further term -h r^2 y / n.

    One primitive: composed of six others, it would save two arrays of x's size; this one saves y.
    """

    __slots__ = ("axes", "count", "eps")
    reads = {"x": ("y",)}
    fresh = True

    def __init__(self, axes, eps):
        self.axes = axes
        self.eps = eps

    def forward(self, x):
        self.count = prod([x.shape[axis] for axis in self.axes])
        return normalised(x, self.axes, self.count, self.eps)

    def backward(self, g, y, x):
        (g, h), (y, r) = g, y
        return (normalised_gradient(g, h, y, r, self.axes, self.count),)


class LayerNormAffine(Primitive):
    """y = n w + b, n = (x - mean) r, r = 1 / sqrt(var + eps), over the last axes, those of w.

    dw = the sum of g n over the leading axes, db = that of g.  dn = g w leads to dx as in
    LayerNorm.  b may be None.  n and r are further results, used by the rule.

    One primitive, since <g w> and <g w n> are then products with w, and g w n is never computed.
    """

    __slots__ = ("axes", "count", "eps", "front")
    reads = {"x": ("w", "n", "r"), "w": ("n",)}
    results = ("out", "n", "r")
    fresh = True

    def __init__(self, eps):
        self.eps = eps

    def forward(self, x, w, b):
        self.front = tuple(range(x.ndim - w.ndim))
        self.axes = tuple(range(x.ndim - w.ndim, x.ndim))
        self.count = w.size
        n, r = normalised(x, self.axes, self.count, self.eps)
        y = n * w
        if b is not None:
            y += b
        return y, n, r

    def backward(self, g, y, x, w, b):
        (g, from_n, from_r), (_, n, r) = g, y
        gx = gw = gb = None
        if g is not None:
            gn = g * n if self.needs[0] or self.needs[1] else None
            if self.needs[0]:
                gx = scaled_gradient(g, gn, w, n, r)
            if self.needs[1]:
                gw = sum_along(gn, self.front)
            if self.needs[2]:
                gb = sum_along(g, self.front)
        if self.needs[0] and not (from_n is None and from_r is None):
            more = normalised_gradient(from_n, from_r, n, r, self.axes, self.count)
            gx = more if gx is None else gx + more
        return gx, gw, gb
