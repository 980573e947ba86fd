"""Products of matrices, and sums of products over named axes, of tensors and arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays.arguments import is_integer, shown, wrong
from ..arrays.dtypes import new_array
from ..arrays.shapes import Shape, broadcast_shape
from ..engine.graph import TensorBase
from ..ops.linalg import Matmul
from ._einsum import einsum
from ._operands import HALF, cast, matched, operand, pair, refuse_bools, single
from ._subscripts import LETTERS


def matrix_product(a: Any, b: Any, name: str = "matmul") -> Any:
    """a @ b of tensors and arrays, with NumPy's rules for shapes."""
    a, b = pair(name, operand(a, name), operand(b, name))
    a_shape, b_shape = getattr(a, "shape", ()), getattr(b, "shape", ())
    if not a_shape or not b_shape:
        raise ValueError(
            f"{name}: expected at least one dimension on each side; got {a_shape} @ {b_shape}; "
            "use * for numbers"
        )
    inner = b_shape[-2] if len(b_shape) > 1 else b_shape[0]
    if a_shape[-1] != inner:
        fits = len(b_shape) > 1 and a_shape[-1] == b_shape[-1]
        fix = "x.linear(w.T)" if name == "linear" else "x @ w.T"
        raise ValueError(
            f"{name}: inner sizes differ: {a_shape} @ {b_shape}"
            + (f"; did you mean {fix}?" if fits else "")
        )
    if len(a_shape) > 2 and len(b_shape) > 2:
        broadcast_shape(a_shape[:-2], b_shape[:-2], name="matmul, stacks of matrices")
    if a.dtype.char in "e?":
        refuse_bools(name, a)
        return cast(Matmul.apply(*single(a, b)), HALF)
    return Matmul.apply(a, b)


def sum_of_products(
    subscripts: str, operands: Sequence[Any], tensor_class: type[TensorBase]
) -> Any:
    """`Tensor.einsum` of tensors and arrays; the result is a `tensor_class` if none is a tensor."""
    if not isinstance(subscripts, str):
        raise wrong("einsum: subscripts", "text such as 'ij,jk->ik'", subscripts)
    if not operands:
        raise TypeError("einsum: expected operands after the subscripts; got none")
    if not any(isinstance(value, TensorBase) for value in operands):
        operands = [
            tensor_class._wrap(new_array(value, None, "einsum"), None) for value in operands
        ]
    parts = (pair if len(operands) == 2 else matched)("einsum", *operands)
    dtype = next(part.dtype for part in parts if hasattr(part, "dtype"))
    parts = [np.asarray(x, dtype) if isinstance(x, (int, float)) else x for x in parts]
    if dtype == HALF:
        return cast(einsum(subscripts, single(*parts)), HALF)
    return einsum(subscripts, parts)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """`Tensor.tensordot` of tensors and arrays, at least one of which is a tensor."""
    a, b = operand(a, "tensordot"), operand(b, "tensordot: other")
    a_shape, b_shape = np.shape(a), np.shape(b)
    a_labels = list(LETTERS[: len(a_shape)])
    b_labels = list(LETTERS[::-1][: len(b_shape)])
    pairs = _paired_axes(axes, a_shape, b_shape)
    if pairs is None:
        raise ValueError(
            "tensordot: axes: expected a number of axes, or two lists of axes of the same sizes; "
            f"got {shown(axes)} for shapes {a_shape} and {b_shape}"
        )
    for i, j in pairs:
        b_labels[j] = a_labels[i]
    left = [label for label in a_labels if label not in b_labels]
    right = [label for label in b_labels if label not in a_labels]
    subscripts = "".join((*a_labels, ",", *b_labels, "->", *left, *right))
    return sum_of_products(subscripts, (a, b), TensorBase)


def _paired_axes(axes: Any, a_shape: Shape, b_shape: Shape) -> list[tuple[int, int]] | None:
    """The pairs of axes of a tensordot, counted from the front; None if they are none."""
    a_ndim, b_ndim = len(a_shape), len(b_shape)
    if isinstance(axes, (tuple, list)):
        axes = [axis.tolist() if isinstance(axis, np.ndarray) else axis for axis in axes]
    elif isinstance(axes, np.ndarray):
        axes = axes.tolist()
    if is_integer(axes):
        count = int(axes)
        if not 0 <= count <= min(a_ndim, b_ndim):
            return None
        lists: Any = (range(a_ndim - count, a_ndim), range(count))
    elif isinstance(axes, (tuple, list)) and len(axes) == 2:
        lists = [axis if isinstance(axis, (tuple, list)) else (axis,) for axis in axes]
    else:
        return None
    firsts, seconds = map(list, lists)
    if len(firsts) != len(seconds) or not all(map(is_integer, (*firsts, *seconds))):
        return None
    inside = all(-a_ndim <= i < a_ndim for i in firsts) and all(
        -b_ndim <= j < b_ndim for j in seconds
    )
    if not inside:
        return None
    pairs = [(int(i) % a_ndim, int(j) % b_ndim) for i, j in zip(firsts, seconds, strict=True)]
    once = all(len(set(part)) == len(pairs) for part in zip(*pairs, strict=True))
    return pairs if once and all(a_shape[i] == b_shape[j] for i, j in pairs) else None
