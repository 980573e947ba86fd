"""Reading and writing by index.

An index is a tuple of integers, slices, None, Ellipsis, integer arrays and masks.  `distinct` says
that it has no integer arrays, or that they name no element twice.
"""

import numpy as np

from ..arrays.scatter import last_written, read_at, scatter_add, scatter_extreme
from ..arrays.selection import attains
from ..engine.function import Primitive
from .selection import Mask


class Getitem(Primitive):
    """y = x[index].  The gradient is g added to zeros at the index: see ScatterAdd."""

    __slots__ = ("distinct", "given", "index")
    views = True
    fresh = True
    latex = {
        "y": r"x_{\mathrm{index}}",
        "x": r"\text{zeros with } \bar{y} \text{ added at } \mathrm{index}",
    }

    def __init__(self, index, distinct):
        self.index = index
        self.distinct = distinct

    def forward(self, x):
        self.given = x.shape
        return x[self.index] if self.distinct else read_at(x, self.index)

    def backward(self, g, y, x):
        return (ScatterAdd.apply(g, index=self.index, distinct=self.distinct, shape=self.given),)


class ScatterAdd(Primitive):
    """y = zeros of `shape` with x added at the index.  The gradient is read at the index.

    The transpose of Getitem.  An element named several times gets the sum; float16 is summed in
    float32.
    """

    __slots__ = ("distinct", "index", "shape")
    latex = {
        "y": r"\text{zeros with } x \text{ added at } \mathrm{index}",
        "x": r"\bar{y}_{\mathrm{index}}",
    }

    def __init__(self, index, distinct, shape):
        self.index = index
        self.distinct = distinct
        self.shape = shape

    def forward(self, x):
        return scatter_add(x, self.index, self.distinct, self.shape)

    def backward(self, g, y, x):
        return (Getitem.apply(g, index=self.index, distinct=self.distinct),)


class Setitem(Primitive):
    """y = x with `value` written at the index.  dx = g with 0 at the index, dvalue = g[index].

    If an index array names an element twice, the last value is the result, and only it gets the
    gradient.  (PyTorch gives it to all of them.)
    """

    __slots__ = ("distinct", "index", "lasting")
    broadcasts = True
    latex = {
        "y": r"x \text{ with } \mathrm{value} \text{ at } \mathrm{index}",
        "x": r"\bar{y} \text{ with } 0 \text{ at } \mathrm{index}",
        "value": (
            r"\bar{y}_{\mathrm{index}}, "
            r"\text{ but } 0 \text{ for a value that another one overwrote}"
        ),
    }

    def __init__(self, index, distinct):
        self.index = index
        self.distinct = distinct

    def forward(self, x, value):
        # Makes an array even of a NumPy scalar, whose copy() is a scalar.
        y = x.copy("K") if x.__class__ is np.ndarray else np.array(x)
        y[self.index] = value
        if not self.distinct and self.needs[1]:
            self.lasting = last_written(x.shape, self.index)
        return y

    def backward(self, g, y, x, value):
        gx = gv = None
        if self.needs[0]:
            gx = Setitem.apply(g, 0.0, index=self.index, distinct=self.distinct)
        if self.needs[1]:
            gv = g[self.index]
            if not self.distinct:
                gv = Mask.apply(gv, mask=self.lasting)
        return gx, gv


class ScatterExtreme(Primitive):
    """y = for each element, the extreme of x and of all values that the index assigns to it.

    The gradient is shared evenly by those that attain the extreme, as in Max; nan wins.  `extreme`
    is np.maximum or np.minimum.  Without `include_self`, x counts only for elements that the index
    does not name.
    """

    __slots__ = ("extreme", "include_self", "index")
    reads = {"x": ("x", "value", "y"), "value": ("x", "value", "y")}
    latex = {
        "y": r"\mathrm{extreme}(x, \text{every } \mathrm{value} \text{ at } \mathrm{index})",
        "x": (
            r"\begin{cases} \bar{y} / \kappa & \text{if } x = y \\ "
            r"0 & \text{otherwise} \end{cases}, "
            r"\text{ where } \kappa = \text{the number of elements that attain } y"
        ),
        "value": (
            r"\begin{cases} \bar{y}_{\mathrm{index}} / \kappa_{\mathrm{index}} "
            r"& \text{if } \mathrm{value} = y_{\mathrm{index}} \\ "
            r"0 & \text{otherwise} \end{cases}, "
            r"\text{ where } \kappa = \text{the number of elements that attain } y"
        ),
    }

    def __init__(self, index, extreme, include_self):
        self.index = index
        self.extreme = extreme
        self.include_self = include_self

    def forward(self, x, value):
        return scatter_extreme(x, value, self.index, self.extreme, self.include_self)

    def backward(self, g, y, x, value):
        reached, stays = attains(value, y[self.index]), attains(x, y)
        if not self.include_self:
            stays = Setitem.apply(stays, False, index=self.index, distinct=False)
        ones = reached.astype(np.float64)
        count = ScatterAdd.apply(ones, index=self.index, distinct=False, shape=x.shape)
        share = g * (1.0 / (count + stays)).astype(g.dtype)
        gx = gv = None
        if self.needs[0]:
            gx = Mask.apply(share, mask=stays)
        if self.needs[1]:
            gv = Mask.apply(share[self.index], mask=reached)
        return gx, gv


class Diagonal(Primitive):
    """y_i = x_ii, of the last two axes, of the same size.  The gradient is a diagonal matrix."""

    __slots__ = ("given",)
    views = True
    latex = {"y": r"x_{i, i} \text{ at each } i", "x": r"\operatorname{diag}(\bar{y})"}

    def forward(self, x):
        self.given = x.shape
        return np.einsum("...ii->...i", x)

    def backward(self, g, y, x):
        positions = np.arange(self.given[-1])
        index = (..., positions, positions)
        return (ScatterAdd.apply(g, index=index, distinct=True, shape=self.given),)
