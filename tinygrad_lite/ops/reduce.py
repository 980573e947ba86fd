"""Reductions: the elements along some axes become one.

`axes` is always a tuple of non-negative integers; with `keepdim` the reduced axes stay, of size 1.
"""

from math import prod

import numpy as np

from ..arrays.arithmetic import finite, norm, product_along
from ..arrays.normalisation import centred
from ..arrays.recorded import whole
from ..arrays.selection import attains, largest_along, some_infinite
from ..arrays.shapes import keepdim_shape
from ..arrays.sums import repeated_along, sum_along
from ..engine.function import Primitive
from .selection import Mask


class _Total(Primitive):
    """The shared options of Sum and Mean, whose rule is: all elements get the same gradient."""

    __slots__ = ("axes", "given", "keepdim")
    given: tuple[int, ...]

    def __init__(self, axes, keepdim=False):
        self.axes = axes
        self.keepdim = keepdim


class Sum(_Total):
    """y = sum of x over the axes.  dy/dx = 1."""

    __slots__ = ()
    latex = {
        "y": r"\sum_{\mathrm{axes}} x",
        "x": r"\operatorname{repeated}_{\mathrm{axes}}(\bar{y})",
    }

    def forward(self, x):
        self.given = x.shape
        return sum_along(x, self.axes, self.keepdim)

    def backward(self, g, y, x):
        return (repeated_along(g, self.given, self.axes),)


class Mean(_Total):
    """y = sum of x / n over the axes.  dy/dx = 1 / n.  nan where n = 0.

    One primitive, since most losses end in a mean, and Sum and Div would be two.
    """

    __slots__ = ("count",)
    latex = {
        "y": r"\operatorname{mean}_{\mathrm{axes}}(x)",
        "x": r"\operatorname{repeated}_{\mathrm{axes}}(\frac{\bar{y}}{\mathrm{count}})",
    }

    def forward(self, x):
        self.given = x.shape
        whole = len(self.axes) == x.ndim
        self.count = x.size if whole else prod([x.shape[axis] for axis in self.axes])
        return sum_along(x, self.axes, self.keepdim) / self.count

    def backward(self, g, y, x):
        return (repeated_along(g / self.count, self.given, self.axes),)


class _Extreme(Primitive):
    """The shared rule of Max and Min: the gradient is split evenly between the elements that tie.

    If y is nan, the nan elements share the gradient.
    """

    __slots__ = ("axes", "keepdim")
    reads = {"x": ("x", "y")}
    fresh = True

    def __init__(self, axes, keepdim=False):
        self.axes = axes
        self.keepdim = keepdim

    def backward(self, g, y, x):
        kept = keepdim_shape(x.shape, self.axes)
        y = y.reshape(kept)
        reached = attains(x, y)
        exact = np.float32 if prod(x.shape) < 1 << 24 else np.float64  # float32 counts to here
        count = sum_along(reached.astype(exact), self.axes, keepdims=True)
        share = (g.reshape(kept) / count).astype(g.dtype)
        return (Mask.apply(np.broadcast_to(share, x.shape), mask=reached),)


class Max(_Extreme):
    """y = largest x along the axes.  Elements that tie share the gradient evenly; nan wins."""

    __slots__ = ()
    latex = {
        "y": r"\max_{\mathrm{axes}}(x)",
        "x": (
            r"\begin{cases} \bar{y} / \kappa & \text{if } x = y \\ "
            r"0 & \text{otherwise} \end{cases}, "
            r"\text{ where } \kappa = \sum_{\mathrm{axes}} [x = y]"
        ),
    }

    def forward(self, x):
        return largest_along(x, self.axes, self.keepdim)


class Min(_Extreme):
    """y = smallest x along the axes.  Elements that tie share the gradient evenly; nan wins."""

    __slots__ = ()
    latex = {
        "y": r"\min_{\mathrm{axes}}(x)",
        "x": (
            r"\begin{cases} \bar{y} / \kappa & \text{if } x = y \\ "
            r"0 & \text{otherwise} \end{cases}, "
            r"\text{ where } \kappa = \sum_{\mathrm{axes}} [x = y]"
        ),
    }

    def forward(self, x):
        return np.minimum.reduce(x, axis=self.axes, keepdims=self.keepdim)


class Prod(Primitive):
    """y = product of x over the axes.  dy/dx_i = product of all the others.

    The others are multiplied; y is never divided by x_i, so derivatives of every order are exact
    where elements are 0.  In float64, since a product of many factors is rounded once for each.
    """

    __slots__ = ("axes", "keepdim")
    reads = {"x": ("x",)}
    fresh = True
    latex = {
        "y": r"\prod_{\mathrm{axes}} x",
        "x": r"\bar{y} \odot \prod_{k \ne i} x_{k} \text{ at each } i",
    }

    def __init__(self, axes, keepdim=False):
        self.axes = axes
        self.keepdim = keepdim

    def forward(self, x):
        return product_along(x, self.axes, self.keepdim)

    def backward(self, g, y, x):
        last = tuple(range(x.ndim - len(self.axes), x.ndim))
        moved = np.moveaxis(x, self.axes, last)
        others = moved
        if prod(x.shape):
            rows = moved.reshape((*moved.shape[: x.ndim - len(last)], -1)).astype(np.float64)
            others = product_of_others(rows).reshape(moved.shape).astype(g.dtype)
        kept = g.reshape(keepdim_shape(x.shape, self.axes))
        return (kept * np.moveaxis(others, last, self.axes),)


def product_of_others(x):
    """For each element, the product of all the others along the last axis, without a division.

    The two halves are multiplied elementwise and the problem is solved for these products, so n
    elements take about 3 n multiplications in log2(n) steps.  Array or Tensor.
    """
    size = x.shape[-1]
    if size == 1:
        return np.ones_like(x)
    if size % 2:
        rest, last = x[..., :-1], x[..., -1:]
        pairs = product_of_others(rest)
        return np.concatenate((pairs * last, pairs[..., :1] * rest[..., :1]), axis=-1)
    left, right = x[..., : size // 2], x[..., size // 2 :]
    others = product_of_others(left * right)
    return np.concatenate((others * right, others * left), axis=-1)


class Centre(Primitive):
    """y = x - mean of x over the axes.  The gradient is Centre of g: the map is its own transpose.

    One of the elements is first subtracted from all.  So if they are equal, y is exactly 0, though
    the computed mean of seven times 0.1 is not 0.1; otherwise the standard deviation of mere
    rounding errors would get a gradient as large as that of real differences.
    """

    __slots__ = ("axes",)
    fresh = True
    latex = {
        "y": r"x - \operatorname{mean}_{\mathrm{axes}}(x)",
        "x": r"\bar{y} - \operatorname{mean}_{\mathrm{axes}}(\bar{y})",
    }

    def __init__(self, axes):
        self.axes = axes

    def forward(self, x):
        return centred(x, self.axes)

    def backward(self, g, y, x):
        return (Centre.apply(g, axes=self.axes),)


class Norm(Primitive):
    """y = (sum of |x|^p over the axes)^(1/p).  dy/dx = sign(x) (|x| / y)^(p - 1), and 0 at x = 0.

    No power overflows or vanishes, so y has the full range of the dtype.  p is finite and not 0.
    Where one x is infinite, its derivative is its sign; where several are, it is 0 as at x = 0.
    """

    __slots__ = ("axes", "keepdim", "p")
    reads = {"x": ("x", "y")}
    fresh = True
    latex = {
        "y": r"(\sum_{\mathrm{axes}} \lvert x \rvert^{\mathrm{p}})^{1 / \mathrm{p}}",
        "x": (
            r"\begin{cases} 0 & \text{if } x = 0 \\ "
            r"\bar{y} \odot \operatorname{sign}(x) \odot "
            r"(\lvert x \rvert / y)^{\mathrm{p} - 1} & \text{otherwise} \end{cases}"
        ),
    }

    def __init__(self, axes, p, keepdim=False):
        self.axes = axes
        self.p = p
        self.keepdim = keepdim

    def forward(self, x):
        y = norm(x, self.axes, self.p)
        return y if self.keepdim else np.squeeze(y, self.axes)

    def backward(self, g, y, x):
        kept = keepdim_shape(x.shape, self.axes)
        y = y.reshape(kept)
        length = np.where(y == 0, np.inf, y)  # so that the ratio is 0 where y is
        ratio = ratio_to_norm(x, y, length, self.axes)
        if self.p == 2:
            slope = ratio
        else:
            flat = (x == 0) | (y == 0)
            size = np.abs(np.where(flat, 1.0, ratio))
            slope = np.where(flat, 0.0, np.sign(x) * size ** (self.p - 1.0))
        return (g.reshape(kept) * slope,)


@whole
def ratio_to_norm(x, y, length, axes):
    """x / length; where y is inf, the sign of an infinite x, if it is the only one, else 0."""
    if not some_infinite(y):
        return x / length
    infinite = np.abs(x) == np.inf
    count = sum_along(infinite.astype(x.dtype), axes, keepdims=True)
    return np.where(infinite & (count == 1), np.sign(x), finite(x, x.dtype) / length)
