"""Sums along axes: as products with ones where that is faster; and their transpose, a broadcast."""

from math import prod
from typing import Any

import numpy as np

from .products import multiply
from .shapes import Shape, keepdim_shape


def unbroadcast(gradient: Any, shape: Shape) -> Any:
    """`gradient` summed over the axes along which `shape` was broadcast.  Array or Tensor.

    An element that was repeated reached the result several times, so its derivative is the sum
    over the copies (the chain rule).  This is the only place that undoes a broadcast.
    """
    extra = gradient.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        axis + extra
        for axis, size in enumerate(shape)
        if size == 1 and gradient.shape[axis + extra] != 1
    )
    return sum_along(gradient, axes).reshape(shape)


def repeated_along(g: Any, shape: Shape, axes: Shape) -> Any:
    """`g`, a sum over the axes of an array of this shape, repeated along them.  Array or Tensor.

    It is the transpose of `sum_along`, whether that kept the axes or not.  An array comes back as a
    read-only view.
    """
    if isinstance(g, (np.ndarray, np.generic)) and g.size == 1:  # np.broadcast_to is far slower
        same = np.ndarray(shape, g.dtype, np.asarray(g), 0, (0,) * len(shape))
        same.flags.writeable = False
        return same
    return np.broadcast_to(g.reshape(keepdim_shape(shape, axes)), shape)


def sum_along(x: Any, axes: Shape, keepdims: bool = False) -> Any:
    """np.add.reduce(x, axis=axes, keepdims=keepdims); axes count from the front.  Array or Tensor.

    NumPy restarts its inner loop for each row; a product with ones is much faster.
    """
    if type(x) is np.ndarray and x.size >= 2048 and x.dtype.char in "fd":
        sums = _product_with_ones(x, axes)
        if sums is not None:
            return sums.reshape(keepdim_shape(x.shape, axes)) if keepdims else sums
    total: Any = np.add.reduce
    return total(x, axis=axes, keepdims=keepdims)


def _product_with_ones(x: Any, axes: Shape) -> Any:
    """The sums over axes that come first or last in memory; None for others, and for long sums.

    BLAS adds up a sum in fewer parts than NumPy does, so a very long one would be less exact.
    """
    if axes == (0,) and x.ndim == 2 and x.flags.forc and len(x) <= 4096:  # a bias: the fastest path
        return multiply(np.ones(len(x), x.dtype), x)
    if not x.flags.c_contiguous:
        order = sorted(range(x.ndim), key=x.strides.__getitem__, reverse=True)
        turned = x.transpose(order)
        if not turned.flags.c_contiguous:
            return None
        sums = _product_with_ones(turned, tuple(sorted(map(order.index, axes))))
        left = [axis for axis in order if axis not in axes]
        return None if sums is None else sums.transpose([left.index(axis) for axis in sorted(left)])
    count, rest = len(axes), x.ndim - len(axes)
    terms = prod([x.shape[axis] for axis in axes])
    if not count or not rest or terms > 4096:
        return None
    if axes == tuple(range(rest, x.ndim)):
        return multiply(x.reshape(-1, terms), np.ones(terms, x.dtype)).reshape(x.shape[:rest])
    if axes == tuple(range(count)):
        return multiply(np.ones(terms, x.dtype), x.reshape(terms, -1)).reshape(x.shape[count:])
    return None
