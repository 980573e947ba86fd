"""Operations that combine the elements along some axes into one.

`axes` is always a tuple of non-negative integers; the reduced axes stay with size 1 when `keepdim`.
"""

import numpy as np

from ..graph import Function
from ..shapes import keepdim_shape
from .choice import Mask


class Sum(Function):
    """y = sum of x over the axes.  dy/dx = 1.  float16 is summed in float32."""

    __slots__ = ("axes", "given", "keepdim")

    def __init__(self, axes, keepdim=False):
        self.axes = axes
        self.keepdim = keepdim

    def forward(self, x):
        self.given = x.shape
        if x.dtype == np.float16:
            wide = np.add.reduce(x, axis=self.axes, keepdims=self.keepdim, dtype=np.float32)
            return wide.astype(np.float16)  # inf where float16 ends
        return np.add.reduce(x, axis=self.axes, keepdims=self.keepdim, dtype=x.dtype)

    def backward(self, g, y, x):
        return (np.broadcast_to(g.reshape(keepdim_shape(self.given, self.axes)), self.given),)


class _Extreme(Function):
    """The shared rule of Max and Min: the gradient is split evenly between the elements that tie.

    Where y is nan, the nan elements share the gradient.
    """

    __slots__ = ("axes", "keepdim")
    saves = "both"

    def __init__(self, axes, keepdim=False):
        self.axes = axes
        self.keepdim = keepdim

    def backward(self, g, y, x):
        kept = keepdim_shape(x.shape, self.axes)
        reached = (x == y.reshape(kept)) | (x != x)  # the latter holds for nan only
        count = np.add.reduce(reached, axis=self.axes, keepdims=True)
        share = reached.astype(np.float64) / count
        return (Mask.apply(g.reshape(kept) * share.astype(g.dtype), mask=reached),)


class Max(_Extreme):
    """y = largest x along the axes.  Elements that tie share the gradient evenly; nan wins."""

    __slots__ = ()

    def forward(self, x):
        return np.maximum.reduce(x, axis=self.axes, keepdims=self.keepdim)


class Min(_Extreme):
    """y = smallest x along the axes.  Elements that tie share the gradient evenly; nan wins."""

    __slots__ = ()

    def forward(self, x):
        return np.minimum.reduce(x, axis=self.axes, keepdims=self.keepdim)


class Prod(Function):
    """y = product of x over the axes.  dy/dx_i = product of all the others.

    The others are multiplied, never y / x_i, so zeros are exact in every order of derivative.
    """

    __slots__ = ("axes", "keepdim")
    saves = "inputs"

    def __init__(self, axes, keepdim=False):
        self.axes = axes
        self.keepdim = keepdim

    def forward(self, x):
        return np.multiply.reduce(x, axis=self.axes, keepdims=self.keepdim, dtype=x.dtype)

    def backward(self, g, y, x):
        last = tuple(range(x.ndim - len(self.axes), x.ndim))
        moved = np.moveaxis(x, self.axes, last)
        rows = moved.reshape((*moved.shape[: x.ndim - len(last)], -1)) if moved.size else moved
        others = product_of_others(rows).reshape(moved.shape) if moved.size else moved
        kept = g.reshape(keepdim_shape(x.shape, self.axes))
        return (kept * np.moveaxis(others, last, self.axes),)


def product_of_others(x):
    """For each element, the product of all the others along the last axis, without a division.

    Halves are multiplied with each other and the problem solved for the products, so n elements
    take about 3 n multiplications and log2(n) steps.
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
