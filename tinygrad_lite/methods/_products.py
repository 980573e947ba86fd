"""Products of matrices, and sums of products over named axes, of tensors and arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays.arguments import integer
from ..arrays.dtypes import new_array
from ..arrays.shapes import broadcast_shape
from ..engine.graph import TensorBase
from ..ops.linalg import Matmul
from ._einsum import einsum
from ._operands import cast, matched, operand, pair, refuse_bools
from ._subscripts import LETTERS

HALF = np.dtype(np.float16)  # NumPy sums its products in float16, so they are computed in float32


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
        return cast(Matmul.apply(cast(a, np.float32), cast(b, np.float32)), HALF)
    return Matmul.apply(a, b)


def sum_of_products(
    subscripts: str, operands: Sequence[Any], tensor_class: type[TensorBase]
) -> Any:
    """`Tensor.einsum` of tensors and arrays; the result is a `tensor_class` if none is a tensor."""
    if not isinstance(subscripts, str):
        got = type(subscripts).__name__
        raise TypeError(f"einsum: expected subscripts such as 'ij,jk->ik' first; got {got}")
    if not operands:
        raise TypeError(f"einsum: expected operands after '{subscripts}'; got none")
    if not any(isinstance(value, TensorBase) for value in operands):
        operands = [tensor_class._wrap(new_array(value), None) for value in operands]
    parts = (pair if len(operands) == 2 else matched)("einsum", *operands)
    dtype = next(part.dtype for part in parts if hasattr(part, "dtype"))
    parts = [np.asarray(x, dtype) if isinstance(x, (int, float)) else x for x in parts]
    if dtype == HALF:
        return cast(einsum(subscripts, [cast(part, np.float32) for part in parts]), HALF)
    return einsum(subscripts, parts)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """`Tensor.tensordot` of tensors and arrays, at least one of which is a tensor."""
    a_shape, b_shape = np.shape(a), np.shape(b)
    a_labels = list(LETTERS[: len(a_shape)])
    b_labels = list(LETTERS[::-1][: len(b_shape)])
    try:
        if np.ndim(axes) == 0:
            pairs: Any = (range(len(a_shape))[len(a_shape) - integer(axes, "axes") :], range(axes))
        else:
            pairs = [np.atleast_1d(part).tolist() for part in axes]
        for i, j in zip(*pairs, strict=True):
            b_labels[integer(j, "axes")] = a_labels[integer(i, "axes")]
        fits = all(a_shape[i] == b_shape[j] for i, j in zip(*pairs, strict=True))
        fits = fits and len(set(b_labels) & set(a_labels)) == len(pairs[0])
    except (TypeError, ValueError, IndexError):
        fits = False
    if not fits:
        raise ValueError(
            "tensordot: expected a number of axes, or two lists of axes of the same sizes; got "
            f"{axes} for shapes {a_shape} and {b_shape}"
        )
    left = [label for label in a_labels if label not in b_labels]
    right = [label for label in b_labels if label not in a_labels]
    subscripts = "".join((*a_labels, ",", *b_labels, "->", *left, *right))
    return sum_of_products(subscripts, (a, b), TensorBase)
