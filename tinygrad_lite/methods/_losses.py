"""What losses have in common: reductions, shapes, warnings, factors.

A prediction and its target must have the same shape.  A loss never broadcasts them, since (N, 1)
with (N,) would silently become (N, N).
"""

from math import prod
from typing import Any, Literal

import numpy as np

from ..arrays.arguments import choice
from ..arrays.recorded import check
from ..arrays.shapes import Shape, broadcast_shape
from ..engine.graph import Array, TensorBase
from ..ops.elementwise import Cast
from ..ops.selection import Mask
from ..source_lines import warn
from ._labels import refuse_gradient
from ._operands import as_tensor, cast, matched, operand, plain_array

Reduction = Literal["mean", "sum", "none"]


def check_reduction(name: str, reduction: str, *others: str) -> None:
    if type(reduction) is not str or reduction not in ("mean", "sum", "none"):
        choice(reduction, f"{name}: reduction", *others, "mean", "sum", "none")


def reduced(losses: Any, reduction: str) -> Any:
    return losses if reduction == "none" else getattr(losses, reduction)()


def warn_if_made_by(op: type, tensor: TensorBase, advice: str) -> None:
    """Warn if the tensor is the result of `op`, perhaps cast to another dtype."""
    node: Any = tensor._node
    while isinstance(node, Cast):
        (node,) = node.parents
    if isinstance(node, op):
        warn(f"{advice} (they come out of {op.__name__.lower()})")


def alike(name: str, prediction: Any, **others: Any) -> list[Any]:
    """The prediction and the others as tensors of a common float dtype; their shapes must agree."""
    given = matched(name, prediction, floating=True, **others)
    shape = given[0].shape
    for key, value in zip(others, given[1:], strict=True):
        got = np.shape(value)
        if got != shape:
            fits = prod(got) == prod(shape)
            raise ValueError(
                f"{name}: expected {key} of the prediction's shape {shape}; got {got}; "
                + (f"did you mean {key}.reshape({shape})?" if fits else "a loss never broadcasts")
            )
    return [as_tensor(value, given[0], given[0].dtype) for value in given]


def hinged(x: Any) -> Any:
    """max(x, 0), with the derivative 1 at 0, and nan for nan."""
    data = x._data
    return Mask.apply(x, mask=np.where(data != data, data, (data >= 0).astype(data.dtype)))


def is_similar(name: str, target: Any, shape: Shape) -> Array:
    """Where the target is 1; it is -1 elsewhere."""
    refuse_gradient(target, f"{name}: target")
    signs = plain_array(target, f"{name}: target")
    if signs.shape != shape:
        raise ValueError(f"{name}: expected a target of shape {shape}; got {signs.shape}")
    _check_signs(name, signs)
    return signs == 1


@check
def _check_signs(name: str, signs: Array) -> None:
    """ValueError unless all are 1 or -1."""
    wrong = np.abs(signs) != 1
    if wrong.any():
        raise ValueError(f"{name}: target: expected 1 and -1; got {signs[wrong][0]}")


def factors(name: str, key: str, value: Any, x: Any) -> Any:
    """The argument `key`, a factor of each element of x, in the dtype of x; it broadcasts to x."""
    given = operand(value, f"{name}: {key}")
    if broadcast_shape(x.shape, np.shape(given), name=f"{name}: {key}") != x.shape:
        raise ValueError(
            f"{name}: expected a {key} that broadcasts to {x.shape}; got {np.shape(given)}"
        )
    return given if isinstance(given, (bool, int, float)) else cast(given, x.dtype)
