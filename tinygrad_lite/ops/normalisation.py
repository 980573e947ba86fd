"""Normalisation: mean 0 and variance 1, over the last axes or for the channels of images."""

from math import prod

import numpy as np

from ..arrays.channels import (
    Pixels,
    channel_gradients,
    normalised_channels,
    shifted_and_scaled,
    statistics,
    sum_of_products,
)
from ..arrays.normalisation import (
    by_mean_square,
    mean_and_variance,
    normalised,
    normalised_gradient,
    scaled_gradients,
    scaled_rows,
    sum_times,
    without_trend,
)
from ..arrays.shapes import keepdim_shape
from ..arrays.sums import sum_along
from ..engine.function import Primitive
from .reduce import Centre


class LayerNorm(Primitive):
    """y = (x - mean) r, r = 1 / sqrt(var + eps), over the axes.  dL/dx = r (g - <g> - y <g y>).

    g is dL/dy and <> the mean over the axes.  r is a second result, so that derivatives of every
    order can use it: with h = dL/dr, dL/dx has the further term -h r^2 y / n.

    One primitive: composed of six others, it would save two arrays of x's size; this one saves y.
    """

    __slots__ = ("axes", "count", "eps")
    reads = {"x": ("y",)}
    results = ("out", "r")
    fresh = True
    latex = {
        "out": (
            r"r \odot (x - \operatorname{mean}_{\mathrm{axes}}(x)), \text{ where } "
            r"r = \frac{1}{\sqrt{\operatorname{var}_{\mathrm{axes}}(x) + \mathrm{eps}}}"
        ),
        "r": r"\frac{1}{\sqrt{\operatorname{var}_{\mathrm{axes}}(x) + \mathrm{eps}}}",
        "x": (
            r"r \odot (\bar{\mathrm{out}} "
            r"- \operatorname{mean}_{\mathrm{axes}}(\bar{\mathrm{out}}) - \mathrm{out} \odot "
            r"\operatorname{mean}_{\mathrm{axes}}(\bar{\mathrm{out}} \odot \mathrm{out}))"
        ),
    }

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

    __slots__ = ("eps", "sizes")
    reads = {"x": ("w", "n", "r"), "w": ("n",)}
    results = ("out", "n", "r")
    fresh = True
    latex = {
        "out": (
            r"n \odot w + b, "
            r"\text{ where } n = r \odot (x - \operatorname{mean}_{\mathrm{features}}(x)), "
            r"r = \frac{1}{\sqrt{\operatorname{var}_{\mathrm{features}}(x) + \mathrm{eps}}}"
        ),
        "n": r"r \odot (x - \operatorname{mean}_{\mathrm{features}}(x))",
        "r": r"\frac{1}{\sqrt{\operatorname{var}_{\mathrm{features}}(x) + \mathrm{eps}}}",
        "x": (
            r"r \odot (\delta - \operatorname{mean}_{\mathrm{features}}(\delta) "
            r"- n \odot \operatorname{mean}_{\mathrm{features}}(\delta \odot n)), "
            r"\text{ where } \delta = \bar{\mathrm{out}} \odot w"
        ),
        "w": r"\sum_{\mathrm{rows}} \bar{\mathrm{out}} \odot n",
        "b": r"\sum_{\mathrm{rows}} \bar{\mathrm{out}}",
    }

    def __init__(self, eps):
        self.eps = eps

    def forward(self, x, w, b):
        self.sizes = w.shape
        return scaled_rows(x, w, b, self.eps)

    def backward(self, g, y, x, w, b):
        (g, from_n, from_r), (_, n, r) = g, y
        gx = gw = gb = None
        if g is not None:
            gx, gw, gb = scaled_gradients(g, w, n, r, self.sizes, self.needs)
        if self.needs[0] and not (from_n is None and from_r is None):
            axes = tuple(range(n.ndim - len(self.sizes), n.ndim))
            more = normalised_gradient(from_n, from_r, n, r, axes, prod(self.sizes))
            gx = more if gx is None else gx + more
        return gx, gw, gb


class RMSNorm(Primitive):
    """y = x r w, r = 1 / sqrt(<x^2> + eps), <> being the mean over the last axes, those of w.

    With n = x r and h = g w, dw = the sum of g n over the leading axes and dx = r (h - n <h n>).
    w may be None.  r is a second result, so that derivatives of every order can use it: with k its
    gradient, dx has the further term -k r^2 n / count.

    One primitive: composed of six others, it would save four arrays of x's size; this one saves x.

    Source: B. Zhang and R. Sennrich, Root Mean Square Layer Normalization, NeurIPS 2019.
    """

    __slots__ = ("axes", "eps")
    reads = {"x": ("x", "w", "r"), "w": ("x", "r")}
    results = ("out", "r")
    fresh = True
    latex = {
        "out": (
            r"x \odot r \odot w, \text{ where } "
            r"r = \frac{1}{\sqrt{\operatorname{mean}_{\mathrm{axes}}(x^{2}) + \mathrm{eps}}}"
        ),
        "r": r"\frac{1}{\sqrt{\operatorname{mean}_{\mathrm{axes}}(x^{2}) + \mathrm{eps}}}",
        "x": (
            r"r \odot "
            r"(\delta - \nu \odot \operatorname{mean}_{\mathrm{axes}}(\delta \odot \nu)), "
            r"\text{ where } \delta = \bar{\mathrm{out}} \odot w, \nu = x \odot r"
        ),
        "w": r"\sum_{\mathrm{rows}} \bar{\mathrm{out}} \odot x \odot r",
    }

    def __init__(self, axes, eps):
        self.axes = axes
        self.eps = eps

    def forward(self, x, w):
        y, r = by_mean_square(x, self.axes, self.eps)
        if w is not None:
            y *= w
        return y, r

    def backward(self, g, y, x, w):
        (g, of_r), (_, r) = g, y
        count = prod([x.shape[axis] for axis in self.axes])
        n, gx, gw = x * r, None, None
        if g is not None:
            gn = g * n
            if self.needs[1]:
                gw = sum_along(gn, tuple(range(x.ndim - len(self.axes))))
            if self.needs[0]:
                slope = sum_times(gn, w, self.axes) / count
                gx = without_trend(g if w is None else g * w, None, slope, n, r)
        if self.needs[0] and of_r is not None:
            more = n * (of_r * r * r / -count)
            gx = more if gx is None else gx + more
        return gx, gw


_NORMALISED = r"\hat{x} = \frac{x - \mathrm{mean}}{\sqrt{\mathrm{var} + \mathrm{eps}}}"


def _latex(over):
    """The formulas of a normalisation of channels; over: what its means are taken over."""
    mean = rf"\operatorname{{mean}}_{{\mathrm{{{over}}}}}"
    return {
        "out": r"\hat{x} \odot w + b, \text{ where } " + _NORMALISED,
        "mean": f"{mean}(x)",
        "var": rf"\operatorname{{var}}_{{\mathrm{{{over}}}}}(x)",
        "x": (
            rf"\frac{{\delta - {mean}(\delta) - \hat{{x}} \odot {mean}(\delta \odot \hat{{x}})}}"
            r"{\sqrt{\mathrm{var} + \mathrm{eps}}}, "
            r"\text{ where } \delta = \bar{\mathrm{out}} \odot w, " + _NORMALISED
        ),
        "w": (
            r"\sum_{\mathrm{batch, pixels}} \bar{\mathrm{out}} \odot \hat{x}, "
            r"\text{ where } " + _NORMALISED
        ),
        "b": r"\sum_{\mathrm{batch, pixels}} \bar{\mathrm{out}}",
    }


class _ChannelNorm(Primitive):
    """The rule of BatchNorm and GroupNorm, which differ in what shares a mean.

    On arrays it uses the statistics that forward left as constants.  On Tensors, and for numbers
    whose variance overflows or vanishes, it is composed: n and r are those of LayerNorm.
    """

    __slots__ = ("eps", "found", "groups", "pixels")
    reads = {"x": ("x", "w"), "w": ("x",)}
    results = ("out", "mean", "var")
    fresh = True

    def __init__(self, eps, groups=None):
        self.eps = eps
        self.groups = groups

    def split(self, x):
        """x in a shape where elements that share a mean are along some axes, and these axes."""
        if self.groups is None:
            return x, _channel_axes(x)
        shape = (len(x), self.groups, x.shape[1] // self.groups, *x.shape[2:])
        return x.reshape(shape), tuple(range(2, len(shape)))

    def forward(self, x, w, b):
        self.pixels = pixels = Pixels(x, self.groups)
        self.found = statistics(x, pixels, self.eps)
        if x.size and not self.found.regular:
            return self.of_extremes(x, w, b)
        return normalised_channels(x, w, b, pixels, self.found)

    def of_extremes(self, x, w, b):
        """`forward`, where a variance overflows or vanishes."""
        split, axes = self.split(x)
        y = LayerNorm.apply(split, axes=axes, eps=self.eps)[0].reshape(x.shape)
        y = y if w is None else y * _along_channels(w, x)
        y = y if b is None else y + _along_channels(b, x)
        return y, *mean_and_variance(split, axes)

    def backward(self, g, y, x, w, b):
        g, of_mean, of_var = g
        if g.__class__ is np.ndarray and g.size and self.found.regular:
            gx, gw, gb = channel_gradients(g, x, w, self.pixels, self.found, self.needs)
        else:
            gx, gw, gb = self.composed(g, x, w)
        if self.needs[0] and not (of_mean is None and of_var is None):
            more = self.of_statistics(of_mean, of_var, x)
            gx = more if gx is None else gx + more
        return gx, gw, gb

    def composed(self, g, x, w):
        """The gradients for that of y."""
        gx = gw = gb = None
        if g is None:
            return gx, gw, gb
        if self.needs[2]:
            gb = sum_along(g, _channel_axes(g))
        if self.needs[0] or self.needs[1]:
            split, axes = self.split(x)
            n, r = LayerNorm.apply(split, axes=axes, eps=self.eps)
        if self.needs[1]:
            gw = sum_along(g * n.reshape(x.shape), _channel_axes(g))
        if self.needs[0]:
            g = g if w is None else g * _along_channels(w, x)
            count = prod([split.shape[axis] for axis in axes])
            gx = normalised_gradient(g.reshape(split.shape), None, n, r, axes, count)
            gx = gx.reshape(x.shape)
        return gx, gw, gb

    def of_statistics(self, of_mean, of_var, x):
        """The gradient of x for those of mean and var: 1 / count and 2 (x - mean) / count."""
        split, axes = self.split(x)
        shape = keepdim_shape(split.shape, axes)
        count = prod([split.shape[axis] for axis in axes])
        gx = split * 0.0
        if of_mean is not None:
            gx = gx + of_mean.reshape(shape) / count
        if of_var is not None:
            gx = gx + Centre.apply(split, axes=axes) * (of_var.reshape(shape) * (2.0 / count))
        return gx.reshape(x.shape)


class BatchNorm(_ChannelNorm):
    """y = n w + b, n = (x - mean) r, r = 1 / sqrt(var + eps): each channel over the whole batch.

    x: (N, C, *size), w and b: (C,) or None.  mean and var, with correction 0, are further results,
    (C,), for running averages.

    dw = the sum of g n over all but the channels, db = that of g, and with h = g w
    dx = r (h - <h> - n <h n>), <> being the mean over the same elements.

    One primitive: composed of ten, it would read and write the batch four times as often.

    Source: S. Ioffe and C. Szegedy, Batch Normalization, ICML 2015.
    """

    __slots__ = ()
    latex = _latex(over="batch, pixels")

    def __init__(self, eps):
        super().__init__(eps)


class GroupNorm(_ChannelNorm):
    """y = n w + b, n = (x - mean) r, r = 1 / sqrt(var + eps): each group of channels of each image.

    x: (N, C, *size), w and b: (C,) or None; mean and var: (N, groups), with correction 0.  With as
    many groups as channels it is instance normalisation.  The rule is that of BatchNorm, <> being
    the mean over a group.

    One primitive for the same reason.

    Source: Y. Wu and K. He, Group Normalization, ECCV 2018.
    """

    __slots__ = ()
    latex = _latex(over="group")


class ChannelAffine(Primitive):
    """y = (x - m) a + b, with m, a, b for each channel.  dx = g a, da = <g (x - m)>, dm = -a <g>.

    db = <g>, <> being the sum over all but the channels.  x: (N, C, *size), m, a, b: (C,); m and b
    may be None for 0.  It is batch normalisation in evaluation.

    One primitive, since NumPy's broadcasts along channels are slow, and for <g (x - m)>.
    """

    __slots__ = ()
    reads = {"x": ("a",), "m": ("a",), "a": ("x", "m")}
    fresh = True
    latex = {
        "y": r"(x - m) \odot a + b",
        "x": r"\bar{y} \odot a",
        "m": r"-a \odot \sum_{\mathrm{batch, pixels}} \bar{y}",
        "a": r"\sum_{\mathrm{batch, pixels}} \bar{y} \odot (x - m)",
        "b": r"\sum_{\mathrm{batch, pixels}} \bar{y}",
    }

    def forward(self, x, m, a, b):
        return shifted_and_scaled(x, Pixels(x, None), m, a, b)

    def backward(self, g, y, x, m, a, b):
        gx = gm = ga = gb = None
        if self.needs[0]:
            gx = ChannelAffine.apply(g, None, a, None)
        if self.needs[2]:
            ga = sum_of_products(g, x, m)
        if self.needs[1] or self.needs[3]:
            gb = sum_along(g, _channel_axes(g))
            gm = -gb * a if self.needs[1] else None
        return gx, gm, ga, gb


def _channel_axes(x):
    """All axes but that of the channels."""
    return (0, *range(2, x.ndim))


def _along_channels(w, x):
    """w, a number for each channel, in a shape that broadcasts against x."""
    return w.reshape((-1, *(1,) * (x.ndim - 2)))
