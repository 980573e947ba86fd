"""What losses have in common: reductions, shapes, warnings, factors.

A prediction and its target must have the same shape.  A loss never broadcasts them, since (N, 1)
with (N,) would silently become (N, N).
"""

from math import prod
from typing import Any, Literal

import numpy as np

from ..arrays.arguments import choice
from ..arrays.recorded import check, recorder
from ..arrays.shapes import Shape, broadcast_shape
from ..engine.function import Primitive
from ..engine.graph import Array, Node, TensorBase
from ..mistakes import tell
from ..ops.activations import LogSoftmax, Softplus
from ..ops.elementwise import Cast, Log
from ..ops.selection import Mask
from ._labels import refuse_gradient
from ._operands import as_tensor, cast, matched, operand, plain_array

Reduction = Literal["mean", "sum", "none"]


def check_reduction(name: str, reduction: str, *others: str) -> None:
    if type(reduction) is not str or reduction not in ("mean", "sum", "none"):
        choice(reduction, f"{name}: reduction", *others, "mean", "sum", "none")


def reduced(losses: Any, reduction: str) -> Any:
    return losses if reduction == "none" else getattr(losses, reduction)()


def tell_if_made_by(op: type, tensor: TensorBase, advice: str) -> None:
    """A TrainingWarning if the tensor is the result of `op`, perhaps reshaped or cast."""
    if isinstance(_maker(tensor), op):
        tell(f"{advice} (they come out of {op.__name__.lower()})")


def tell_unless_logarithms(name: str, scores: TensorBase, axis: int) -> None:
    """A TrainingWarning if the scores, computed by a model, are no log-probabilities along an axis.

    Only values tell, so they are looked at unless log_softmax or log made them.  What was computed
    from such logarithms may have any values: log-probabilities times an advantage have.
    """
    maker: Any = _maker(scores)
    straight = isinstance(maker, LogSoftmax) and maker is scores._node
    along = maker.axes[0] if straight else axis
    if not isinstance(maker, Primitive) or (isinstance(maker, _LOGARITHMS) and along == axis):
        return
    if recorder.get() is not None or not scores._data.size:
        return
    with np.errstate(all="ignore"):
        improbable = np.exp(scores._data).sum(axis).max()
    if improbable > _SURELY_MORE and along != axis:
        tell(
            f"{name} expects log-probabilities along axis {axis}, and these are along axis "
            f"{along}; write log_softmax({axis})"
        )
    elif improbable > _SURELY_MORE and not _reaches(maker, _LOGARITHMS):
        tell(
            f"{name} expects log-probabilities, and the exponentials of these scores add up to "
            f"{improbable:.3g}; write log_softmax({axis}) before it, or pass the scores to "
            "cross_entropy"
        )


# What makes logarithms of probabilities; log(sigmoid(x)) is -softplus(-x).
_LOGARITHMS = (LogSoftmax, Log, Softplus)
_SURELY_MORE = 1.05  # than a sum of probabilities: float16 has three digits
_NEAR = 64  # operations in which a logarithm is looked for


def _maker(tensor: TensorBase) -> Node | None:
    """The operation that computed the values of a tensor, before casts and views."""
    node = tensor._node
    while isinstance(node, Primitive) and (node.views or isinstance(node, Cast)):
        (node,) = node.parents if len(node.parents) == 1 else (None,)
    return node


def _reaches(node: Node, kinds: tuple[type, ...]) -> bool:
    """Whether one of the operations before a node is of one of these kinds."""
    found = [node]
    for one in found:
        if isinstance(one, kinds):
            return True
        if len(found) < _NEAR:
            found += [parent for parent in one.parents if parent is not None]
    return False


def alike(name: str, prediction: Any, **others: Any) -> list[Any]:
    """The prediction and the others as tensors of a common float dtype; their shapes must agree."""
    given = matched(name, prediction, floating=True, **others)
    shape = given[0].shape
    for key, value in zip(others, given[1:], strict=True):
        got = np.shape(value)
        if got != shape:
            raise ValueError(
                f"{name}: expected {key} of the prediction's shape {shape}; got {got}"
                + (reshaped(key, got, shape) or "; a loss never broadcasts")
            )
    return [as_tensor(value, given[0], given[0].dtype) for value in given]


def reshaped(key: str, got: Shape, shape: Shape) -> str:
    """The fix for an argument that only has another number of axes, as (N, 1) for (N,)."""
    return f"; did you mean {key}.reshape({shape})?" if prod(got) == prod(shape) else ""


def hinged(x: Any) -> Any:
    """max(x, 0), with the derivative 1 at 0, and nan for nan."""
    data = x._data
    return Mask.apply(x, mask=np.where(data != data, data, (data >= 0).astype(data.dtype)))


def is_similar(name: str, target: Any, shape: Shape) -> Array:
    """Where the target is 1; it is -1 elsewhere."""
    refuse_gradient(target, f"{name}: target")
    signs = plain_array(target, f"{name}: target")
    if signs.shape != shape:
        raise ValueError(
            f"{name}: expected a target of shape {shape}; got {signs.shape}"
            + reshaped("target", signs.shape, shape)
        )
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
