"""Arithmetic on shapes: broadcasting, axes, the -1 of a reshape, and arguments given per axis."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from .arguments import integer, is_integer, shown

Shape = tuple[int, ...]
MOST_ELEMENTS = 1 << 47  # a process has addresses for that many bytes
MOST_ALONG_AN_AXIS = 1 << 40  # so that a stride in bytes is an integer of 64 bits
MOST_AXES = 64  # NumPy's limit
Axis = int | Sequence[int] | None
Sizes = int | Sequence[int]


def shape_from(sizes: Sequence[Any], name: str) -> Shape:
    """The shape meant by the arguments of a call: `f(2, 3)` means the same as `f((2, 3))`.

    name   the argument, after the operation, for the error: "reshape: shape"
    """
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    return tuple([size if type(size) is int else integer(size, name) for size in sizes])


def allocatable(shape: Shape, name: str) -> Shape:
    """The shape, if an array could have it; `name` is the argument, after the operation."""
    # NumPy leaves out sizes of 0 here.
    if len(shape) > MOST_AXES or prod([size or 1 for size in shape]) > MOST_ELEMENTS:
        raise ValueError(f"{name}: {shown(shape)} is more than an array can have")
    return shape


def normalize_axis(axis: int, ndim: int, name: str, argument: str = "axis") -> int:
    """`axis` counted from the front.  `name` is the operation, for the error."""
    number = axis if type(axis) is int else integer(axis, f"{name}: {argument}")
    if not -ndim <= number < ndim:
        valid = f"use {-ndim} to {ndim - 1}" if ndim else "there is no axis to name"
        raise ValueError(
            f"{name}: {argument} {shown(number)} is out of range for {ndim} dimensions; {valid}"
        )
    return number % ndim


def line_axis(axis: int, ndim: int, name: str, argument: str = "axis") -> int:
    """`normalize_axis` where a 0-d tensor counts as a line of one element, as in PyTorch.

    The rule for axis 0 and -1 of a 0-d tensor: what reduces, scans, orders, moves, repeats, gathers
    or scatters along an axis takes them, by this function or by `normalize_axes`.  What divides
    the tensor along an axis or names a part of it (an index, select, narrow, split, unbind, cat,
    diagonal, unflatten, glu, size) does not, since a 0-d tensor has no parts.
    """
    if not ndim and integer(axis, f"{name}: {argument}") in (0, -1):
        return 0
    return normalize_axis(axis, ndim, name, argument)


def normalize_axes(axis: Axis, ndim: int, name: str, argument: str = "axis") -> Shape:
    """The axes meant by `axis` (an integer, a sequence, or None for all), counted from the front.

    A 0-d tensor takes axis 0 or -1 too, see `line_axis`, and has no axis to reduce then.
    """
    if axis is None:
        return tuple(range(ndim))
    wanted = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    label = f"{name}: {argument}"
    numbers = tuple([each if type(each) is int else integer(each, label) for each in wanted])
    if ndim == 0 and all(number in (0, -1) for number in numbers):
        return ()
    axes = tuple([normalize_axis(number, ndim, name, argument) for number in numbers])
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: {argument} {shown(wanted)} names a dimension twice")
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


def reshape_target(shape: Shape, target: Shape, name: str = "reshape") -> Shape:
    """`target` with its -1, if there is one, replaced by the size that fits."""
    total = prod(shape)
    if target.count(-1) == 1:
        rest = prod(size for size in target if size != -1)
        if rest and total % rest == 0:
            return tuple(total // rest if size == -1 else size for size in target)
    elif min(target, default=0) >= 0 and prod(target) == total:
        return target
    raise ValueError(
        f"{name}: {shape} holds {total} elements, which do not fill the shape {shown(target)}"
        + ("; only one size may be -1" if target.count(-1) > 1 else "")
    )


def keepdim_shape(shape: Shape, axes: Shape) -> Shape:
    """`shape` with size 1 along `axes`: the shape of a reduction that keeps its dimensions."""
    return tuple([1 if axis in axes else size for axis, size in enumerate(shape)])


def per_axis(
    value: int | Sequence[int], rank: int, name: str, least: int = 1, single: bool = True
) -> Shape:
    """One integer for each of `rank` spatial axes: one for all, or a sequence of them.

    name    the argument, after the operation, for the error: "conv2d: stride"
    least   the smallest that is allowed
    single  whether a sequence of one integer means that integer for all axes, as in PyTorch's
            pools and convolutions, and not in what says the size of a result
    """
    given: tuple[Any, ...] = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    if len(given) == 1 and single:
        given *= rank
    if (
        len(given) != rank
        or not all(map(is_integer, given))
        or not least <= min(given, default=least) <= max(given, default=least) <= MOST_ALONG_AN_AXIS
    ):
        several = f" or {rank} of them" if rank > 1 else ""
        raise ValueError(f"{name}: expected an integer from {least}{several}; got {shown(value)}")
    return tuple([int(number) for number in given])


def padding_pairs(padding: Any, rank: int, name: str) -> tuple[tuple[int, int], ...]:
    """The number of elements before and after each of `rank` spatial axes.

    padding: one number for all, also in a sequence of one; one for each axis; a pair (before,
    after) for each axis; or, as in tinygrad, all in one sequence, the last axis first: (left,
    right, top, bottom).
    """
    given = list(padding) if isinstance(padding, (tuple, list)) else [padding] * rank
    if len(given) == 1 and is_integer(given[0]):
        given *= rank
    if len(given) == 2 * rank and rank > 0:
        pairs = [given[i : i + 2] for i in range(0, len(given), 2)][::-1]
    else:
        pairs = [list(n) if isinstance(n, (tuple, list)) else [n, n] for n in given]
    whole = all(len(pair) == 2 and all(map(is_integer, pair)) for pair in pairs)
    if (
        not whole
        or len(pairs) != rank
        or not 0
        <= min(map(min, pairs), default=0)
        <= max(map(max, pairs), default=0)
        <= MOST_ALONG_AN_AXIS
    ):
        raise ValueError(
            f"{name}: expected an integer from 0, {rank} of them, {rank} pairs (before, after), or "
            f"{2 * rank} numbers, the last axis first; got {shown(padding)}"
        )
    return tuple([(int(before), int(after)) for before, after in pairs])
