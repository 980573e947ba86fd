"""Losses that are one primitive, for speed or for their corners."""

import numpy as np

from ..arrays.arithmetic import huber_slope
from ..arrays.softmax import cross_entropy, one_hot
from ..arrays.sums import sum_along
from ..engine.function import Primitive


class CrossEntropy(Primitive):
    """y_n = log(sum_k exp(x_nk)) - x_nt with t = labels[n].  dy_n/dx_nk = p_nk - [k = t].

    That is -log of p_nt, the probability that softmax gives the true class.  x: (N, K), y: (N,), or
    x: (N, K, M), y: (N, M) for a sample at each of M positions.  The largest x of each sample is
    subtracted first, so that exp cannot overflow; it cancels out.

    p is a second result, so that derivatives of every order can use it.  Its gradient h adds
    p (h - <h, p>), <> being the sum over the classes.

    One primitive: composed of log_softmax and indexing it would be nine, slow for a small network.
    """

    __slots__ = ("labels",)
    reads = {"x": ("p",)}
    results = ("loss", "p")
    fresh = True
    latex = {
        "loss": r"\log \sum_{\mathrm{classes}} e^{x} - x_{\mathrm{labels}}",
        "p": r"\frac{e^{x}}{\sum_{\mathrm{classes}} e^{x}}",
        "x": (
            r"\bar{\mathrm{loss}} \odot "
            r"(\operatorname{softmax}(x) - \operatorname{one\_hot}(\mathrm{labels}))"
        ),
    }

    def __init__(self, labels):
        self.labels = labels

    def forward(self, x):
        return cross_entropy(x, self.labels)

    def backward(self, g, y, x):
        (g, h), (_, p) = g, y
        gx = None
        if g is not None:
            truth = one_hot(p.shape, p.dtype, self.labels)
            gx = (p - truth) * g.reshape((p.shape[0], 1, *p.shape[2:]))
        if h is not None:
            more = p * (h - sum_along(h * p, (1,), keepdims=True))
            gx = more if gx is None else gx + more
        return (gx,)


class BinaryCrossEntropy(Primitive):
    """y = -t log(p) - (1 - t) log(1 - p).  dy/dp = (p - t) / (p (1 - p)), dy/dt = log((1 - p) / p).

    Both logarithms are at least -100, so y is finite at p = 0 and p = 1; the denominator is at
    least 1e-12.  There dy/dp is not 0, as the slope of the clamped y is, but large, so that a
    confident mistake is corrected.  This is as in PyTorch, except that dy/dt is finite there too.

    One primitive, since the composed form would be 0 / 0 at these corners.
    """

    __slots__ = ()
    reads = {"p": ("p", "t"), "t": ("p",)}
    fresh = True
    latex = {
        "y": r"-t \odot \max(\log(p), -100) - (1 - t) \odot \max(\log(1 - p), -100)",
        "p": r"\bar{y} \odot \frac{p - t}{\max(p \odot (1 - p), 10^{-12})}",
        "t": r"\bar{y} \odot (\max(\log(1 - p), -100) - \max(\log(p), -100))",
    }

    def forward(self, p, t):
        return (t - 1.0) * clamped_log(1.0 - p) - t * clamped_log(p)

    def backward(self, g, y, p, t):
        return (
            g * (p - t) / np.maximum(p * (1.0 - p), 1e-12) if self.needs[0] else None,
            g * (clamped_log(1.0 - p) - clamped_log(p)) if self.needs[1] else None,
        )


def clamped_log(p):
    """log(p), but at least -100.  Array or Tensor."""
    return np.maximum(np.log(p), -100.0)


class Huber(Primitive):
    """y = d^2 / 2 for |d| < delta, else delta (|d| - delta / 2).  dy/dd = d, else +-delta.

    Both are c (d - c / 2), where c is d limited to +-delta.

    One primitive, since the composed form has 0 times inf in its second derivative at inf.
    """

    __slots__ = ("delta",)
    reads = {"d": ("d",)}
    fresh = True
    latex = {
        "y": (
            r"\begin{cases} d^{2} / 2 & \text{if } \lvert d \rvert < \mathrm{delta} \\ "
            r"\mathrm{delta} \, (\lvert d \rvert - \mathrm{delta} / 2) "
            r"& \text{otherwise} \end{cases}"
        ),
        "d": (
            r"\begin{cases} \bar{y} \odot d & \text{if } \lvert d \rvert < \mathrm{delta} \\ "
            r"\mathrm{delta} \, \bar{y} \odot \operatorname{sign}(d) & \text{otherwise} \end{cases}"
        ),
    }

    def __init__(self, delta):
        self.delta = delta

    def forward(self, d):
        limited = huber_slope(d, self.delta)
        return limited * (d - limited * 0.5)

    def backward(self, g, y, d):
        return (g * huber_slope(d, self.delta),)
