"""Losses."""

from typing import Any, Literal, Self

import numpy as np

from ..graph import Array, TensorBase

Reduction = Literal["mean", "sum", "none"]


class LossMethods(TensorBase):
    """Losses of a model's scores; `reduction` is "mean", "sum" or "none" (one value a sample)."""

    __slots__ = ()

    def cross_entropy(self, labels: Any, reduction: Reduction = "mean") -> Self:
        """Negative log-probability of the true class, from scores before softmax.

        self: (N, classes) of scores; labels: (N,) of integers 0 .. classes - 1, a Tensor or an
        array.  With "mean" its derivative by the scores is (softmax(scores) - onehot) / N.
        """
        scores: Any = self
        if scores.ndim != 2:
            raise ValueError(f"cross_entropy: expected scores (N, classes); got {scores.shape}")
        classes = check_labels(labels, *scores.shape)
        picked = scores.log_softmax(axis=1)[np.arange(len(classes)), classes]
        if reduction == "none":
            return -picked
        if reduction not in ("mean", "sum"):
            raise ValueError(f'reduction: expected "mean", "sum" or "none"; got {reduction!r}')
        return -(picked.mean() if reduction == "mean" else picked.sum())


def check_labels(labels: Any, samples: int, classes: int) -> Array:
    """The labels as an array (samples,), each in 0 .. classes - 1."""
    array = labels._data if isinstance(labels, TensorBase) else np.asarray(labels)
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
