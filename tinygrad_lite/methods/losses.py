"""Losses."""

from typing import Any, Literal, Self

import numpy as np

from ..graph import Array, TensorBase
from ..ops.losses import CrossEntropy
from .operands import as_float, in_single

Reduction = Literal["mean", "sum", "none"]


class LossMethods(TensorBase):
    """Losses of a model's scores; `reduction` is "mean", "sum" or "none" (one value a sample)."""

    __slots__ = ()

    @in_single
    def cross_entropy(self, labels: Any, reduction: Reduction = "mean") -> Self:
        """Negative log-probability of the true class, from scores before softmax.

        self: (N, classes) of scores; labels: (N,) of integers 0 .. classes - 1, a Tensor or an
        array.  With "mean" its derivative by the scores is (softmax(scores) - onehot) / N.
        """
        shape = self._data.shape
        if len(shape) != 2:
            raise ValueError(f"cross_entropy: expected scores (N, classes); got {shape}")
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f'reduction: expected "mean", "sum" or "none"; got {reduction!r}')
        classes = check_labels(labels, *shape)
        losses: Any = CrossEntropy.apply(as_float(self), labels=classes)
        return losses if reduction == "none" else getattr(losses, reduction)()


def check_labels(labels: Any, samples: int, classes: int) -> Array:
    """The labels as an array (samples,), each in 0 .. classes - 1."""
    array = np.array(labels)  # a copy, since backward reads it
    if array.dtype.kind not in "iu":
        raise TypeError(f"labels: expected integers, one class a sample; got {array.dtype}")
    if array.shape != (samples,):
        raise ValueError(
            f"labels: expected shape {(samples,)}, as many as scores; got {array.shape}"
        )
    outside = (array < 0) | (array >= classes)
    if outside.any():
        where = int(outside.argmax())
        raise ValueError(
            f"labels: label {array[where]} at index {where} is outside 0 to {classes - 1}"
        )
    return array
