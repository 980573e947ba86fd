"""Activation functions that are one primitive, for accuracy or speed.

`axes` is a tuple of non-negative integers, as in reductions.
"""

import numpy as np

from ..arrays.activations import CUBIC, SATURATED, SCALE, gelu, gelu_slope
from ..arrays.arithmetic import beyond, finite, limited
from ..arrays.recorded import each_time, holds, whole
from ..arrays.softmax import log_softmax, softmax
from ..arrays.sums import sum_along
from ..engine.function import Primitive
from ..source_lines import warn
from .elementwise import Sigmoid


class Softplus(Primitive):
    """y = log(1 + exp(x)).  dy/dx = sigmoid(x).

    Computed as max(x, 0) + log(1 + exp(-|x|)), which never overflows and keeps the small values of
    the left tail.  (np.logaddexp(x, 0) is the same, but much slower.)
    """

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\log(1 + e^{x})", "x": r"\bar{y} \odot \operatorname{sigmoid}(x)"}

    def forward(self, x):
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def backward(self, g, y, x):
        return (g * Sigmoid.apply(x),)


class Softsign(Primitive):
    """y = x / (1 + |x|), which tends to -1 and 1.  dy/dx = 1 / (1 + |x|)^2.

    A primitive, since the composed slope, 1 / (1 + |x|) - |x| / (1 + |x|)^2, loses all its digits
    far out.
    """

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {
        "y": r"\frac{x}{1 + \lvert x \rvert}",
        "x": r"\frac{\bar{y}}{(1 + \lvert x \rvert)^{2}}",
    }

    def forward(self, x):
        x = finite(x, x.dtype)
        return x / (np.abs(x) + 1.0)

    def backward(self, g, y, x):
        scale = np.abs(x) + 1.0
        return (g / scale / scale,)


class Gate(Primitive):
    """y = x s, for a gate s that depends on x and is constant beyond +-SATURATED, 0 on the left.

    dy/dx = s, dy/ds = x.  Beyond, dy/ds meets a derivative of s that is 0, and x counts as
    +-SATURATED: 0 times x is then 0, and not nan, for an infinite x too.
    """

    __slots__ = ("extreme",)
    reads = {"x": ("s",), "s": ("x",)}
    fresh = True
    latex = {"y": r"x \odot s", "x": r"\bar{y} \odot s", "s": r"\bar{y} \odot x"}

    def forward(self, x, s):
        self.extreme = holds(beyond, x, SATURATED)
        x = x.clip(-SATURATED, np.inf) if self.extreme else x  # no temporary: see temporaries.py
        return x * s

    def backward(self, g, y, x, s):
        gx = gs = None
        if self.needs[0]:
            gx = g * s
        if self.needs[1]:
            x = limited(x, SATURATED) if self.extreme else x
            gs = g * x
        return gx, gs


class Gelu(Primitive):
    """y = x s, s = (1 + tanh(u)) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3).  dy/dx: see GeluSlope.

    s, the weight of x, is a second result, so that derivatives of every order can use it; its own
    derivative is ds/dx = 2 s (1 - s) u'.

    One primitive: composed of eight others, it would save five arrays of x's size; this one saves x
    and s.
    """

    __slots__ = ()
    reads = {"x": ("x", "s")}
    results = ("product", "s")
    fresh = True
    latex = {
        "product": (
            r"x \odot s, \text{ where } s = \frac{1 + \tanh(\theta)}{2}, "
            r"\theta = \sqrt{2 / \pi} \, (x + 0.044715 x^{3})"
        ),
        "s": (
            r"\frac{1 + \tanh(\theta)}{2}, "
            r"\text{ where } \theta = \sqrt{2 / \pi} \, (x + 0.044715 x^{3})"
        ),
        "x": (
            r"\bar{\mathrm{product}} \odot (s + 2 x \odot s \odot (1 - s) \odot \gamma), "
            r"\text{ where } \gamma = \sqrt{2 / \pi} \, (1 + 0.134145 x^{2})"
        ),
    }

    def forward(self, x):
        return gelu(x)

    def backward(self, g, y, x):
        (g, h), s = g, y[1]
        gx = None
        if g is not None:
            gx = g * GeluSlope.apply(x, s)
        if h is not None:
            x = limited(x, SATURATED)
            from_s = h * (s * (1.0 - s) * (x * x * (6.0 * CUBIC) + 2.0 * SCALE))
            gx = from_s if gx is None else gx + from_s
        return (gx,)


class GeluSlope(Primitive):
    """y = s + s (1 - s) v, v = 2 x u': the slope of Gelu, as a function of x and s.

    dy/dx = s (1 - s) dv/dx, dy/ds = 1 + (1 - 2 s) v.  One primitive, so that its steps can run in
    place.
    """

    __slots__ = ()
    reads = {"x": ("x", "s"), "s": ("x", "s")}
    fresh = True
    latex = {
        "y": (
            r"s + s \odot (1 - s) \odot \nu, "
            r"\text{ where } \nu = 2 \sqrt{2 / \pi} \, (x + 0.134145 x^{3})"
        ),
        "x": r"2 \sqrt{2 / \pi} \, \bar{y} \odot s \odot (1 - s) \odot (1 + 0.402435 x^{2})",
        "s": (
            r"\bar{y} \odot (1 + (1 - 2 s) \odot \nu), "
            r"\text{ where } \nu = 2 \sqrt{2 / \pi} \, (x + 0.134145 x^{3})"
        ),
    }

    def forward(self, x, s):
        return gelu_slope(x, s)

    def backward(self, g, y, x, s):
        gx = gs = None
        x = limited(x, SATURATED)  # beyond, s is 0 or 1
        square = x * x
        if self.needs[0]:
            gx = g * (s * (1.0 - s) * (square * (18.0 * CUBIC) + 2.0 * SCALE))
        if self.needs[1]:
            gs = g * ((square * (6.0 * CUBIC) + 2.0 * SCALE) * x * (1.0 - s * 2.0) + 1.0)
        return gx, gs


class Softmax(Primitive):
    """y = exp(x) / sum of exp(x) over the axes.  dy_i/dx_k = y_i ([i = k] - y_k).

    mask  1 for the x that count and 0 for the others, in x's dtype; it broadcasts to x.  y is 0 for
          the others, even if no x counts; with a mask, x = -inf does not count

    Where exp could overflow or vanish, the largest x is subtracted first; it cancels out.  Where
    all x are -inf, and there is no mask, y is nan, and a warning says so.

    One primitive, since exp, sum and division as separate operations would be slower.
    """

    __slots__ = ("axes", "mask")
    reads = {"x": ("y",)}
    fresh = True
    latex = {
        "y": (
            r"\begin{cases} \frac{\mathrm{mask} \odot e^{x}}"
            r"{\sum_{\mathrm{axes}} \mathrm{mask} \odot e^{x}} "
            r"& \text{if } \mathrm{mask} \text{ is given} \\ "
            r"\frac{e^{x}}{\sum_{\mathrm{axes}} e^{x}} & \text{otherwise} \end{cases}"
        ),
        "x": r"y \odot (\bar{y} - \sum_{\mathrm{axes}} \bar{y} \odot y)",
    }

    def __init__(self, axes, mask=None):
        self.axes = axes
        self.mask = mask

    def forward(self, x):
        return checked_softmax(x, self.axes, self.mask)

    def backward(self, g, y, x):
        return ((g - sum_along(g * y, self.axes, keepdims=True)) * y,)


class LogSoftmax(Primitive):
    """y = x - log(sum of exp(x) over the axes).  dy_i/dx_k = [i = k] - exp(y_k).

    The largest x is subtracted first; it cancels out.  Where all x are -inf, it warns as Softmax
    does; and it is one primitive for the same reason.
    """

    __slots__ = ("axes",)
    reads = {"x": ("y",)}
    fresh = True
    latex = {
        "y": r"x - \log \sum_{\mathrm{axes}} e^{x}",
        "x": r"\bar{y} - e^{y} \odot \sum_{\mathrm{axes}} \bar{y}",
    }

    def __init__(self, axes):
        self.axes = axes

    def forward(self, x):
        y, largest = log_softmax(x, self.axes)
        if largest is not None:
            warn_if_all_infinite(largest, self.axes)
        return y

    def backward(self, g, y, x):
        return (g - np.exp(y) * sum_along(g, self.axes, keepdims=True),)


@whole
def checked_softmax(x, axes, mask):
    """softmax(x), and a warning where it is nan."""
    y, largest = softmax(x, axes, mask)
    if largest is not None:
        warn_if_all_infinite(largest, axes)
    return y


@each_time
def warn_if_all_infinite(largest, axes):
    """Warn if the largest score along the axes is -inf, since the result is then nan."""
    if largest.min() == -np.inf:
        along = axes[0] if len(axes) == 1 else axes
        warn(
            f"softmax: all scores along axis {along} are -inf somewhere, so the result there is "
            "nan; leave at least one score finite",
            RuntimeWarning,
        )
