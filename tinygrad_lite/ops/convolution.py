"""Convolution in any number of dimensions, and its two transposes.

y[n, o, p] = sum over channels c and taps t of x[n, c, p stride + t dilation] w[o, c, t]
is linear in x and in w.  So it has a transpose with respect to each, and the derivatives of the
three, of any order, are the same three again.  How they are computed: arrays/convolution.py.
"""

from ..arrays.convolution import Convolution, sum_over_pixels
from ..engine.function import Primitive

# In formulas: tap t of window p reads the element q(p, t).
WHERE_TAPS_READ = (
    r", \text{ where } q(p, t) = p \, \mathrm{stride} + t \, \mathrm{dilation} - \mathrm{before}"
)


class _Convolution(Primitive):
    """The shared options: the windows over x, and the number of groups of channels."""

    __slots__ = ("groups", "windows")
    fresh = True

    def __init__(self, windows, groups=1):
        self.windows = windows
        self.groups = groups

    def same(self):
        """The options of the derivatives."""
        return {"windows": self.windows, "groups": self.groups}

    def on_arrays(self):
        """The same convolution and its transposes, on arrays."""
        return Convolution(self.windows, self.groups)


class Conv(_Convolution):
    """y = x convolved with w, plus b.  dy/dx is ConvInput of w, dy/dw is ConvWeight of x.

    x: (N, C, *size), w: (O, C / groups, *kernel), b: (O,) or None, y: (N, O, *count).
    """

    __slots__ = ()
    reads = {"x": ("w",), "w": ("x",)}
    latex = {
        "y": r"\sum_{c, t} x_{n, c, q(p, t)} \, w_{o, c, t} + b_{o} \text{ at each } n, o, p"
        + WHERE_TAPS_READ,
        "x": r"\sum_{o, p, t: q(p, t) = i} \bar{y}_{n, o, p} \, w_{o, c, t} "
        r"\text{ at each } n, c, i" + WHERE_TAPS_READ,
        "w": r"\sum_{n, p} \bar{y}_{n, o, p} \, x_{n, c, q(p, t)} \text{ at each } o, c, t"
        + WHERE_TAPS_READ,
        "b": r"\sum_{n, p} \bar{y}_{n, o, p} \text{ at each } o",
    }

    def forward(self, x, w, b):
        return self.on_arrays().convolve(x, w, b)

    def backward(self, g, y, x, w, b):
        gx = gw = gb = None
        if self.needs[2]:
            gb = sum_over_pixels(g)
        if self.needs[0] and self.needs[1]:
            both = self.on_arrays().to_both(g, x, w)
            if both is not None:
                return *both, gb
        if self.needs[0]:
            gx = ConvInput.apply(g, w, **self.same())
        if self.needs[1]:
            gw = ConvWeight.apply(x, g, **self.same())
        return gx, gw, gb


class ConvInput(_Convolution):
    """y = the sum over windows of x w: the transpose of Conv with respect to x.

    dy/dx is Conv of w, dy/dw is ConvWeight of x.
    x: (N, O, *count), w: (O, C / groups, *kernel), y: (N, C, *size).
    """

    __slots__ = ()
    reads = {"x": ("w",), "w": ("x",)}
    latex = {
        "y": r"\sum_{o, p, t: q(p, t) = i} x_{n, o, p} \, w_{o, c, t} \text{ at each } n, c, i"
        + WHERE_TAPS_READ,
        "x": r"\sum_{c, t} \bar{y}_{n, c, q(p, t)} \, w_{o, c, t} \text{ at each } n, o, p"
        + WHERE_TAPS_READ,
        "w": r"\sum_{n, p} x_{n, o, p} \, \bar{y}_{n, c, q(p, t)} \text{ at each } o, c, t"
        + WHERE_TAPS_READ,
    }

    def forward(self, x, w):
        return self.on_arrays().to_input(x, w)

    def backward(self, g, y, x, w):
        return (
            Conv.apply(g, w, None, **self.same()) if self.needs[0] else None,
            ConvWeight.apply(g, x, **self.same()) if self.needs[1] else None,
        )


class ConvWeight(_Convolution):
    """y = the sum over windows of x h: the transpose of Conv with respect to w.

    dy/dx is ConvInput of h, dy/dh is Conv of x.
    x: (N, C, *size), h: (N, O, *count), y: (O, C / groups, *kernel).
    """

    __slots__ = ()
    reads = {"x": ("h",), "h": ("x",)}
    latex = {
        "y": r"\sum_{n, p} h_{n, o, p} \, x_{n, c, q(p, t)} \text{ at each } o, c, t"
        + WHERE_TAPS_READ,
        "x": r"\sum_{o, p, t: q(p, t) = i} h_{n, o, p} \, \bar{y}_{o, c, t} "
        r"\text{ at each } n, c, i" + WHERE_TAPS_READ,
        "h": r"\sum_{c, t} x_{n, c, q(p, t)} \, \bar{y}_{o, c, t} \text{ at each } n, o, p"
        + WHERE_TAPS_READ,
    }

    def forward(self, x, h):
        return self.on_arrays().to_weight(x, h)

    def backward(self, g, y, x, h):
        return (
            ConvInput.apply(h, g, **self.same()) if self.needs[0] else None,
            Conv.apply(x, g, None, **self.same()) if self.needs[1] else None,
        )
