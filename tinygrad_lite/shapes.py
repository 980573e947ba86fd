"""Arithmetic on shapes: broadcasting, axes, and the sizes that a reshape leaves open.

Nothing here knows of tensors or of the graph.
"""

from collections.abc import Sequence
from math import prod
from operator import index as as_index
from typing import Any

import numpy as np

from .products import multiply

Shape = tuple[int, ...]
Axis = int | Sequence[int] | None
Sizes = int | Sequence[int]


def shape_from(sizes: Sequence[Any]) -> Shape:
    """The shape meant by the arguments of a call: `f(2, 3)` and `f((2, 3))` mean the same."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    try:
        return tuple(as_index(size) for size in sizes)
    except TypeError:
        raise TypeError(f"a shape is made of integers; got {tuple(sizes)}") from None


def integer(value: Any, name: str) -> int:
    """`value` as a Python int.  `name` is the operation, for the error."""
    try:
        return as_index(value)
    except TypeError:
        raise TypeError(f"{name}: expected an integer; got {value!r}") from None


def normalize_axis(axis: int, ndim: int, name: str) -> int:
    """`axis` counted from the front.  `name` is the operation, for the error."""
    try:
        number = as_index(axis)
    except TypeError:
        raise TypeError(f"{name}: an axis is an integer; got {axis!r}") from None
    if not -ndim <= number < ndim:
        valid = f"use {-ndim} to {ndim - 1}" if ndim else "there is no axis to name"
        raise ValueError(f"{name}: axis {number} is out of range for {ndim} dimensions; {valid}")
    return number % ndim


def normalize_axes(axis: Axis, ndim: int, name: str) -> Shape:
    """The axes meant by `axis` (an integer, a sequence, or None for all), counted from the front.

    A 0-d tensor takes axis 0 or -1 too, as in PyTorch, and has no axis to reduce then.
    """
    if axis is None:
        return tuple(range(ndim))
    wanted = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    if ndim == 0 and all(number in (0, -1) for number in wanted):
        return ()
    axes = tuple(normalize_axis(number, ndim, name) for number in wanted)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: axis {wanted} names a dimension twice")
    return axes


def broadcast_shape(*shapes: Shape, name: str) -> Shape:
    """The common shape by NumPy's rule: sizes agree from the right, or one of them is 1."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(str(shape) for shape in shapes)
        raise ValueError(
            f"{name}: shapes {listed} do not broadcast; from the right, sizes must be equal or 1"
        ) from None


def reshape_target(shape: Shape, target: Shape) -> Shape:
    """`target` with its -1, if there is one, replaced by what the other sizes leave over."""
    total = prod(shape)
    if target.count(-1) == 1:
        rest = prod(size for size in target if size != -1)
        if rest and total % rest == 0:
            return tuple(total // rest if size == -1 else size for size in target)
    elif min(target, default=0) >= 0 and prod(target) == total:
        return target
    raise ValueError(
        f"reshape: {shape} holds {total} elements, which do not fill {target}"
        + ("; only one size may be -1" if target.count(-1) > 1 else "")
    )


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


def sum_along(x: Any, axes: Shape, keepdims: bool = False) -> Any:
    """np.add.reduce(x, axis=axes, keepdims=keepdims); axes count from the front.  Array or Tensor.

    NumPy starts its inner loop anew for each row: to sum the rows of (1024, 64) takes it 28 us and
    the columns 19.  A product with ones takes 5.
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
    if axes == (0,) and x.ndim == 2 and x.flags.forc and len(x) <= 4096:  # a bias: 4 us, not 7
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


def keepdim_shape(shape: Shape, axes: Shape) -> Shape:
    """`shape` with size 1 along `axes`: the shape of a reduction that keeps its dimensions."""
    return tuple([1 if axis in axes else size for axis, size in enumerate(shape)])


def per_axis(value: int | Sequence[int], rank: int, name: str, least: int = 1) -> Shape:
    """One integer for each of `rank` spatial axes: one for all, or a sequence of them.

    name   the argument, after the operation, for the error: "conv2d: stride"
    least  the smallest that is allowed
    """
    given: tuple[Any, ...] = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    try:
        numbers = tuple(as_index(number) for number in given)
    except TypeError:
        numbers = ()
    if len(numbers) != rank or min(numbers, default=least) < least:
        several = f" or {rank} of them" if rank > 1 else ""
        raise ValueError(f"{name}: expected an integer from {least}{several}; got {value!r}")
    return numbers


def padding_pairs(padding: Any, rank: int, name: str) -> tuple[tuple[int, int], ...]:
    """How many elements go before and after each of `rank` spatial axes.

    padding: one number for all, one for each axis, a pair (before, after) for each axis, or as
    tinygrad has it, all in one row, the last axis first: (left, right, top, bottom).
    """
    given = list(padding) if isinstance(padding, (tuple, list)) else [padding] * rank
    if len(given) == 2 * rank and rank > 0:
        pairs = [given[i : i + 2] for i in range(0, len(given), 2)][::-1]
    else:
        pairs = [list(n) if isinstance(n, (tuple, list)) else [n, n] for n in given]
    try:
        found = tuple((as_index(before), as_index(after)) for before, after in pairs)
    except (TypeError, ValueError):
        found = ()
    if len(found) != rank or min(map(min, found), default=0) < 0:
        raise ValueError(
            f"{name}: expected an integer from 0, {rank} of them, {rank} pairs (before, after), or "
            f"{2 * rank} numbers, the last axis first; got {padding!r}"
        )
    return found
