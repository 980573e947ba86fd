"""Reading and writing by index.

An index is a tuple of integers, slices, None, Ellipsis, integer arrays and masks; `basic` says
that it holds no arrays, so that it names each element once and NumPy answers with a view.
"""

import numpy as np

from ..graph import Function


class Getitem(Function):
    """y = x[index].  Elements that the index does not name get no gradient; see ScatterAdd."""

    __slots__ = ("basic", "given", "index")
    views = True
    fresh = True

    def __init__(self, index, basic):
        self.index = index
        self.basic = basic

    def forward(self, x):
        self.given = x.shape
        return x[self.index]

    def backward(self, g, y, x):
        return (ScatterAdd.apply(g, index=self.index, basic=self.basic, shape=self.given),)


class ScatterAdd(Function):
    """y = zeros of `shape` with x added at the index: the transpose of Getitem.

    An element named several times gets the sum.  dy/dx: the gradient read at the index.
    """

    __slots__ = ("basic", "index", "shape")

    def __init__(self, index, basic, shape):
        self.index = index
        self.basic = basic
        self.shape = shape

    def forward(self, x):
        y = np.zeros(self.shape, x.dtype)
        if self.basic:
            y[self.index] = x
        else:
            np.add.at(y, self.index, x)
        return y

    def backward(self, g, y, x):
        return (g[self.index],)


class Setitem(Function):
    """y = x with `value` written at the index.  The places written get no gradient from y to x.

    Where an index array names an element twice, the last value stands, and only it gets the
    gradient.  (PyTorch gives it to all of them.)
    """

    __slots__ = ("basic", "index", "lasting")
    broadcasts = True

    def __init__(self, index, basic):
        self.index = index
        self.basic = basic

    def forward(self, x, value):
        y = x.copy()
        y[self.index] = value
        if not self.basic and self.needs[1]:
            order = np.zeros(x.shape, np.int64)
            numbers = np.arange(order[self.index].size).reshape(order[self.index].shape)
            order[self.index] = numbers
            self.lasting = order[self.index] == numbers
        return y

    def backward(self, g, y, x, value):
        gx = gv = None
        if self.needs[0]:
            gx = Setitem.apply(g, 0.0, index=self.index, basic=self.basic)
        if self.needs[1]:
            gv = g[self.index]
            if not self.basic:
                gv = np.where(self.lasting, gv, 0.0)
        return gx, gv
