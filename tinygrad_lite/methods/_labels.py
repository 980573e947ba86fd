"""Class labels and scores: what cross entropy and related losses have in common.

Scores (N, C, d1, ...) hold C numbers for each element of the labels (N, d1, ...).
"""

from math import prod
from typing import Any

import numpy as np

from ..arrays.arithmetic import LARGEST, beyond
from ..arrays.recorded import Outdated, carried, check, holds, holds_now, recorder, whole
from ..arrays.shapes import Shape
from ..engine.graph import Array, TensorBase, array_of
from ..ops.activations import LogSoftmax
from ..ops.arithmetic import Div
from ..ops.losses import CrossEntropy
from ..ops.reduce import Mean, Sum
from ..ops.selection import Mask
from ._operands import plain_array

IGNORED = -100  # PyTorch's default for labels that do not count
UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}  # by the size in bytes


def label_shape_and_classes(name: str, scores: Any) -> tuple[Shape, int]:
    """The shape that the labels for these scores have, and the number of classes."""
    shape = scores.shape
    if not shape:
        raise ValueError(f"{name}: expected scores (N, C), (C,) or (N, C, d1, ...); got ()")
    return ((), shape[0]) if len(shape) == 1 else ((shape[0], *shape[2:]), shape[1])


def as_rows(scores: Any) -> Any:
    """The scores as (samples, C)."""
    shape = scores.shape
    if len(shape) < 3:
        return scores if len(shape) == 2 else scores.reshape(1, -1)
    moved = scores.permute(0, *range(2, len(shape)), 1)
    return moved.reshape(prod((shape[0], *shape[2:])), shape[1])


def refuse_gradient(value: Any, name: str) -> None:
    """ValueError for a Tensor that requires grad, where it is a constant."""
    if isinstance(value, TensorBase) and value._node is not None:
        raise ValueError(f"{name}: it is a constant; detach() it, no gradient flows there")


def class_weights(name: str, weight: Any, count: int, dtype: np.dtype[Any]) -> Array:
    """The weights (C,) with the dtype of the scores."""
    refuse_gradient(weight, f"{name}: weight")
    weights = plain_array(weight, f"{name}: weight")
    if weights.shape != (count,):
        raise ValueError(
            f"{name}: weight: expected one per class, shape {(count,)}; got {weights.shape}"
        )
    return carried(weights.astype(dtype))


def nll_per_sample(scores: Any, classes: Array) -> Any:
    """-log(softmax(scores)) of each sample's class, flat, by one primitive."""
    shape = scores.shape
    if len(shape) > 2 and not np.moveaxis(scores._data, 1, -1).flags.c_contiguous:
        samples = shape[0], prod(shape[2:])
        scores = scores.reshape(shape[0], shape[1], samples[1])
        return CrossEntropy.apply(scores, labels=classes.reshape(samples))[0].reshape(-1)
    return CrossEntropy.apply(as_rows(scores), labels=classes)[0]


def weighted(losses: Any, weights: Any) -> Any:
    """losses * weights, and 0 where a weight is 0 and the loss infinite, in the gradients too."""
    if holds(beyond, losses._data, LARGEST[losses._data.dtype]):
        spared = (array_of(weights) == 0) & np.isinf(losses._data)
        losses = Mask.apply(losses, mask=~spared)
    return losses * weights


def expected_nll(rows: Any, target: Any, smoothing: float, weights: Array | None) -> Any:
    """-sum over the classes of p log(softmax(row)), p the target: cross entropy by definition."""
    if smoothing:
        target = target * (1.0 - smoothing) + smoothing / rows.shape[1]
    if weights is not None:
        target = target * weights
    return -weighted(LogSoftmax.apply(rows, axes=(1,)), target).sum(1)


def checked_labels(
    name: str, labels: Array, expected: Shape, classes: int, ignore_index: int | None
) -> tuple[Array, Array | None]:
    """The labels as a flat array, each from 0 to classes - 1, and a mask of those that count.

    The mask is None if all count; labels that do not count are 0 in the array.  name is the
    operation and the argument, for the error.

    While a step is captured, a mask is made if it is needed then, or an ignore_index is given that
    is not the default; labels to ignore that come later are an error, if there is no mask.
    """
    masked = None
    if recorder.get() is not None and ignore_index is not None:
        masked = ignore_index != IGNORED or holds_now(_has, labels, ignore_index)
    return _checked(name, labels, expected, classes, ignore_index, masked)


def _has(labels: Array, label: int) -> bool:
    return bool((labels == label).any())


@check
def _checked(
    name: str,
    labels: Array,
    expected: Shape,
    classes: int,
    ignore_index: int | None,
    masked: bool | None,
) -> tuple[Array, Array | None]:
    """`checked_labels`, with a mask if `masked`, and without one if it is False."""
    array = plain_array(labels, "labels").copy()  # a copy, since the backward pass reads it
    if array.dtype.kind not in "iu":
        swapped = array.ndim > len(expected) + 1
        fix = "scores.cross_entropy(labels)" if swapped else "labels.astype(np.int64)"
        raise TypeError(
            f"{name}: expected integers, one class per sample; got {array.dtype}; write {fix}"
        )
    if array.shape != expected:
        hint = ""
        if array.size == prod(expected):
            hint = f"; did you mean labels.reshape({expected})?"
        elif len(expected) > 1 and array.shape == (expected[0], classes, *expected[1:-1]):
            hint = "; classes lie along axis 1; sparse_categorical_crossentropy takes them last"
        elif array.shape == (*expected, classes):
            hint = "; labels.argmax(-1) gives the classes of one-hot rows"
        raise ValueError(
            f"{name}: expected shape {expected}, to fit the scores; got {array.shape}{hint}"
        )
    flat = array.reshape(-1).astype(array.dtype.newbyteorder("="), copy=False)
    outside = flat.view(UNSIGNED[flat.itemsize]) >= classes  # negative labels become large
    wrong = bool(outside.any())
    kept = None
    if ignore_index is not None and (wrong or ignore_index >= 0 or masked):
        kept = flat != ignore_index
        outside &= kept
        wrong = bool(outside.any())
    if wrong:
        first = int(outside.argmax())
        index = first if array.ndim == 1 else tuple(map(int, np.unravel_index(first, expected)))
        raise ValueError(
            f"{name}: label {flat[first]} at index {index} is outside 0 to {classes - 1}"
        )
    if kept is None:
        return flat, None
    if masked is False:
        raise Outdated(
            f"{name}: labels are {ignore_index}, to be ignored, and none was when this step was "
            "captured; pass ignore_index another way than by default, or capture such a batch"
        )
    return np.where(kept, flat, 0), kept


@check
def checked_label_sets(name: str, labels: Array, expected: Shape) -> tuple[Array, Array, Array]:
    """Lists of classes that end at the first -1, one list a row.

    Returns the classes (samples, longest list), where a list counts, and (samples, C) whether a
    class is in the list of the sample.
    """
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers; got {labels.dtype}")
    if labels.shape != expected:
        raise ValueError(f"{name}: expected the scores' shape {expected}; got {labels.shape}")
    classes = expected[-1]
    rows = labels.reshape(-1, classes).astype(np.int64)
    outside = (rows < -1) | (rows >= classes)
    if outside.any():
        row, column = (int(index) for index in np.argwhere(outside)[0])
        index = (row, column) if len(expected) > 1 else column
        raise ValueError(
            f"{name}: label {rows[row, column]} at index {index} is outside -1 to {classes - 1}"
        )
    listed = np.logical_and.accumulate(rows >= 0, axis=1)
    listed = listed[:, : listed.sum(1).max(initial=0)]
    chosen = np.where(listed, rows[:, : listed.shape[1]], 0)
    true = np.zeros(rows.shape, np.bool_)
    true[np.nonzero(listed)[0], chosen[listed]] = True
    return chosen, listed, true


def reduced_by_labels(
    losses: Any,
    shape: Shape,
    reduction: str,
    kept: Array | None,
    weights: Array | None,
    classes: Array,
) -> Any:
    """The losses reduced, without labels that do not count; the mean is weighted.

    losses: flat; shape: the shape of the labels, and of the result if the reduction is "none".
    """
    if kept is not None:
        losses = Mask.apply(losses, mask=kept)
    if reduction == "none":
        return losses if len(shape) == 1 else losses.reshape(shape)
    if reduction == "sum":
        return Sum.apply(losses, axes=(0,))
    if weights is None and kept is None:
        return Mean.apply(losses, axes=(0,))
    total = _total(weights, classes, kept, losses.dtype)
    return Div.apply(Sum.apply(losses, axes=(0,)), total)


@whole
def _total(weights: Any, classes: Array, kept: Any, dtype: np.dtype[Any]) -> Any:
    """The sum of the weights, by default 1, of all labels that count."""
    counts = np.ones(classes.shape, dtype) if weights is None else weights[classes]
    return np.asarray(np.sum(counts if kept is None else counts[kept]))
