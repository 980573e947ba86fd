"""Elementwise selection: relu, maximum, clip, where.  The gradient goes to the selected input."""

import numpy as np

from ..arrays.recorded import whole
from ..arrays.selection import has_nan, masked, nan_under, relu, where_nan, zero_or_nan
from ..engine.function import Primitive
from ..engine.graph import array_of


class Mask(Primitive):
    """y = x where the mask is True or positive, else 0, also where x is inf or nan.  dy/dx = mask.

    A product with the mask would give nan for inf times 0.  Where a mask of floats is nan, so are
    y and dy/dx.
    """

    __slots__ = ("mask",)
    fresh = True
    latex = {
        "y": r"\begin{cases} x & \text{if } \mathrm{mask} > 0 \\ 0 & \text{otherwise} \end{cases}",
        "x": (
            r"\begin{cases} \bar{y} & \text{if } \mathrm{mask} > 0 \\ "
            r"0 & \text{otherwise} \end{cases}"
        ),
    }

    def __init__(self, mask):
        self.mask = array_of(mask)  # a Tensor if a rule runs on Tensors

    def forward(self, x):
        return masked(x, self.mask)

    def backward(self, g, y, x):
        return (Mask.apply(g, mask=self.mask),)


class Relu(Primitive):
    """y = max(x, 0).  dy/dx = 1 for x > 0, 0 for x <= 0 (0 is a corner), nan for nan."""

    __slots__ = ()
    reads = {"x": ("y",)}
    fresh = True
    latex = {
        "y": r"\max(x, 0)",
        "x": r"\begin{cases} \bar{y} & \text{if } x > 0 \\ 0 & \text{otherwise} \end{cases}",
    }

    def forward(self, x):
        return relu(x)

    def backward(self, g, y, x):
        return (Mask.apply(g, mask=y),)  # y is never negative


def passed(g, mask, x):
    """g where the mask holds, else 0, and nan where x is nan, which fails every comparison.

    It is linear in g, so that derivatives of every order are nan there.
    """
    if isinstance(g, (np.ndarray, np.generic)):
        return passed_array(g, mask, x)
    return _passed(g, mask, x)


@whole
def passed_array(g, mask, x):
    """`passed` for arrays."""
    return _passed(g, mask, x)


def _passed(g, mask, x):
    if has_nan(x):
        nans = x != x  # true for nan only
        return Mask.apply(g * np.where(nans, x, 1.0), mask=mask | nans)
    return Mask.apply(g, mask=mask)


def level(g, nans):
    """0, the gradient through a constant, and nan under a mask of `where_nan`; linear in g."""
    if isinstance(g, (np.ndarray, np.generic)):
        return zero_or_nan(g, nans)
    return np.zeros_like(g) if nans is None else nan_under(Mask.apply(g, mask=nans), nans)


class _Choice(Primitive):
    """The shared rule of Maximum and Minimum: the gradient goes to the selected input.

    Where they are equal, half goes to each.  nan is selected before any number; the slope of an
    input that is nan is nan, and that of a number beside it 0.
    """

    __slots__ = ()
    reads = {"a": ("a", "b"), "b": ("a", "b")}
    broadcasts = True
    fresh = True

    def selects(self, a, b):
        """Where a is selected, alone or as the equal of b."""
        raise NotImplementedError

    def backward(self, g, y, a, b):
        half = np.where(a == b, g * 0.5, g)
        return (
            passed(half, self.selects(a, b), a) if self.needs[0] else None,
            passed(half, self.selects(b, a), b) if self.needs[1] else None,
        )


class Maximum(_Choice):
    """y = max(a, b).  The gradient goes to the larger one; where they are equal, half to each."""

    __slots__ = ()
    latex = {
        "y": r"\max(a, b)",
        "a": (
            r"\begin{cases} \bar{y} & \text{if } a > b \\ "
            r"\bar{y} / 2 & \text{if } a = b \\ "
            r"0 & \text{otherwise} \end{cases}"
        ),
        "b": (
            r"\begin{cases} \bar{y} & \text{if } b > a \\ "
            r"\bar{y} / 2 & \text{if } a = b \\ "
            r"0 & \text{otherwise} \end{cases}"
        ),
    }

    def forward(self, a, b):
        return np.maximum(a, b)

    def selects(self, a, b):
        return a >= b


class Minimum(_Choice):
    """y = min(a, b).  The gradient goes to the smaller one; where they are equal, half to each."""

    __slots__ = ()
    latex = {
        "y": r"\min(a, b)",
        "a": (
            r"\begin{cases} \bar{y} & \text{if } a < b \\ "
            r"\bar{y} / 2 & \text{if } a = b \\ "
            r"0 & \text{otherwise} \end{cases}"
        ),
        "b": (
            r"\begin{cases} \bar{y} & \text{if } b < a \\ "
            r"\bar{y} / 2 & \text{if } a = b \\ "
            r"0 & \text{otherwise} \end{cases}"
        ),
    }

    def forward(self, a, b):
        return np.minimum(a, b)

    def selects(self, a, b):
        return a <= b


class Clip(Primitive):
    """y = min(max(x, low), high).  dy/dx = 1 for low <= x <= high, else 0; nan for nan.

    Where x is outside, the gradient goes to the bound, and to `high` wherever low > high, as in
    PyTorch; two bounds that are equal share it.  A bound may be a number, or broadcast; None leaves
    that side open.

    edges: whether dy/dx = 1 at the bounds too
    """

    __slots__ = ("edges",)
    reads = {"x": ("x", "low", "high"), "low": ("x", "low", "high"), "high": ("x", "low", "high")}
    broadcasts = True
    fresh = True
    latex = {
        "y": r"\min(\max(x, \mathrm{low}), \mathrm{high})",
        "x": (
            r"\begin{cases} "
            r"\begin{cases} \bar{y} & \text{if } \mathrm{low} \le x \le \mathrm{high} \\ "
            r"0 & \text{otherwise} \end{cases} & \text{if } \mathrm{edges} \\ "
            r"\begin{cases} \bar{y} & \text{if } \mathrm{low} < x < \mathrm{high} \\ "
            r"0 & \text{otherwise} \end{cases} & \text{otherwise} \end{cases}"
        ),
        "low": (
            r"\begin{cases} \bar{y} & \text{if } x < \mathrm{low} < \mathrm{high} \\ "
            r"\bar{y} / 2 & \text{if } x < \mathrm{low} = \mathrm{high} \\ "
            r"0 & \text{otherwise} \end{cases}"
        ),
        "high": (
            r"\begin{cases} \bar{y} & \text{if } x > \mathrm{high} "
            r"\text{ or } \mathrm{low} > \mathrm{high} \\ "
            r"\bar{y} / 2 & \text{if } x < \mathrm{low} = \mathrm{high} \\ "
            r"0 & \text{otherwise} \end{cases}"
        ),
    }

    def __init__(self, edges=True):
        self.edges = edges

    def forward(self, x, low, high):
        return np.clip(x, low, high)

    def backward(self, g, y, x, low, high):
        gx = glow = ghigh = None
        if self.needs[0]:
            above = low is None or (low <= x if self.edges else low < x)
            below = high is None or (x <= high if self.edges else x < high)
            gx = passed(g, above & below, x)
        if self.needs[1] or self.needs[2]:
            under = np.False_ if low is None else x < low
            over = np.False_ if high is None else x > high
            if low is not None and high is not None:
                equal = under & (low == high)
                g = np.where(equal, g * 0.5, g)
                under, over = under & (low <= high), over | (high < low) | equal
            glow = passed(g, under, low) if self.needs[1] else None
            ghigh = passed(g, over, high) if self.needs[2] else None
        return gx, glow, ghigh


class Where(Primitive):
    """y = a where the condition holds, else b.  The gradient goes to the selected one.

    The other one gets 0, which becomes nan if it comes from an operation with an infinite
    derivative (0 times inf): so keep the inputs of that operation finite, not its result.
    """

    __slots__ = ("condition",)
    broadcasts = True
    fresh = True
    latex = {
        "y": r"\begin{cases} a & \text{if } \mathrm{condition} \\ b & \text{otherwise} \end{cases}",
        "a": (
            r"\begin{cases} \bar{y} & \text{if } \mathrm{condition} \\ "
            r"0 & \text{otherwise} \end{cases}"
        ),
        "b": (
            r"\begin{cases} 0 & \text{if } \mathrm{condition} \\ "
            r"\bar{y} & \text{otherwise} \end{cases}"
        ),
    }

    def __init__(self, condition):
        self.condition = condition

    def forward(self, a, b):
        return np.where(self.condition, a, b)

    def backward(self, g, y, a, b):
        return (
            Mask.apply(g, mask=self.condition) if self.needs[0] else None,
            Mask.apply(g, mask=~self.condition) if self.needs[1] else None,
        )


class Step(Primitive):
    """y = a function that is constant between its jumps: sign, floor, ceil.  dy/dx = 0.

    It is 0 at the jumps too, and nan where y is nan.  The operation is recorded, so that its input
    gets a gradient.  Inputs whose kind of dtype is in `unchanged` are copied: the function does not
    change their values.
    """

    __slots__ = ("function", "nans", "unchanged")
    fresh = True
    latex = {"y": r"\mathrm{function}(x)", "x": "0"}

    def __init__(self, function, unchanged="b"):
        self.function = function
        self.unchanged = unchanged

    def forward(self, x):
        y = x.copy() if x.dtype.kind in self.unchanged else self.function(x)
        self.nans = where_nan(y)
        return y

    def backward(self, g, y, x):
        return (level(g, self.nans),)


class Abs(Primitive):
    """y = |x|.  dy/dx = sign(x), which is 0 at 0 and nan for nan."""

    __slots__ = ()
    reads = {"x": ("x",)}
    fresh = True
    latex = {"y": r"\lvert x \rvert", "x": r"\bar{y} \odot \operatorname{sign}(x)"}

    def forward(self, x):
        return np.abs(x)

    def backward(self, g, y, x):
        return (g * np.sign(x),)
