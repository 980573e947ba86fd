"""Reading and writing by index.

An index is a tuple of integers, slices, None, Ellipsis, integer arrays and masks; `distinct` says
that it holds no integer arrays, or that they name no element twice.
"""

from math import prod

import numpy as np

from ..engine.function import Primitive
from .selection import Mask


class Getitem(Primitive):
    """y = x[index].  Elements that the index does not name get no gradient; see ScatterAdd."""

    __slots__ = ("distinct", "given", "index")
    views = True
    fresh = True

    def __init__(self, index, distinct):
        self.index = index
        self.distinct = distinct

    def forward(self, x):
        self.given = x.shape
        return x[self.index]

    def backward(self, g, y, x):
        return (ScatterAdd.apply(g, index=self.index, distinct=self.distinct, shape=self.given),)


class ScatterAdd(Primitive):
    """y = zeros of `shape` with x added at the index: the transpose of Getitem.

    An element named several times gets the sum, and float16 is summed in float32.  dy/dx: the
    gradient read at the index.
    """

    __slots__ = ("distinct", "index", "shape")

    def __init__(self, index, distinct, shape):
        self.index = index
        self.distinct = distinct
        self.shape = shape

    def forward(self, x):
        if self.distinct:
            y = np.zeros(self.shape, x.dtype)
            y[self.index] = x
            return y
        y = np.zeros(self.shape, np.float32 if x.dtype == np.float16 else x.dtype)
        write_at(np.add, y, self.index, x)
        return y.astype(x.dtype, copy=False)

    def backward(self, g, y, x):
        return (g[self.index],)


class Setitem(Primitive):
    """y = x with `value` written at the index.  The places written get no gradient from y to x.

    Where an index array names an element twice, the last value stands, and only it gets the
    gradient.  (PyTorch gives it to all of them.)
    """

    __slots__ = ("distinct", "index", "lasting")
    broadcasts = True

    def __init__(self, index, distinct):
        self.index = index
        self.distinct = distinct

    def forward(self, x, value):
        y = np.array(x)  # of a number of 0 dimensions, too, which copy() leaves one
        y[self.index] = value
        if not self.distinct and self.needs[1]:
            order = np.zeros(x.shape, np.int64)
            numbers = np.arange(order[self.index].size).reshape(order[self.index].shape)
            order[self.index] = numbers
            self.lasting = order[self.index] == numbers
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
    """y = the extreme of x and of all values that the index brings to a place.

    Those of them that reach it share the gradient evenly, as in Max; nan wins.  `extreme` is
    np.maximum or np.minimum.  Without `include_self` x counts only where the index names nothing.
    """

    __slots__ = ("extreme", "include_self", "index")
    reads = {"x": ("x", "value", "y"), "value": ("x", "value", "y")}

    def __init__(self, index, extreme, include_self):
        self.index = index
        self.extreme = extreme
        self.include_self = include_self

    def forward(self, x, value):
        y = x.copy()
        if not self.include_self:
            y[self.index] = value  # one of those that are compared, whichever it is
        write_at(self.extreme, y, self.index, value)
        return y

    def backward(self, g, y, x, value):
        last = y[self.index]
        reached = (value == last) | (value != value)  # the latter holds for nan only
        stays = (x == y) | (x != x)
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
    """y_i = x_ii, of the last two axes, which have one size.

    The gradient is a diagonal, with zeros elsewhere.
    """

    __slots__ = ("given",)
    views = True

    def forward(self, x):
        self.given = x.shape
        return np.einsum("...ii->...i", x)

    def backward(self, g, y, x):
        places = np.arange(self.given[-1])
        index = (..., places, places)
        return (ScatterAdd.apply(g, index=index, distinct=True, shape=self.given),)


def write_at(ufunc, y, index, x):
    """ufunc.at(y, index, x) for a contiguous y: y[index] = ufunc(y[index], x) for each in turn.

    NumPy takes a third of the time for positions in flat data.  So integer arrays side by side,
    with whole axes before and after, are made such: what is written is y[outer, middle, inner].
    """
    if x.size < 1000:
        ufunc.at(y, index, x)
        return
    first, last = 0, len(index)
    while _is_whole(index[first]):
        first += 1
    while _is_whole(index[last - 1]):
        last -= 1
    arrays = index[first:last]
    if not all(map(_holds_positions, arrays)):
        ufunc.at(y, index, x)
        return
    start = y.ndim - len(index) + first if ... in index[:first] else first
    stop = start + len(arrays)
    middle = np.ravel_multi_index(arrays, y.shape[start:stop], mode="wrap").reshape(-1, 1)
    inner = np.arange(prod(y.shape[stop:]))
    places = middle * inner.size + inner
    if start:
        outer = np.arange(prod(y.shape[:start])).reshape(-1, 1, 1)
        places = outer * prod(y.shape[start:]) + places
    ufunc.at(y.reshape(-1), places.reshape(-1), x.reshape(-1).astype(y.dtype, copy=False))


def _is_whole(part):
    return part is ... or (isinstance(part, slice) and part == slice(None))


def _holds_positions(part):
    return isinstance(part, np.ndarray) and part.dtype.kind in "iu"
