"""Losses of class labels: the scores of C classes, and which of them is true."""

from typing import Any, Self

import numpy as np

from ..arrays.arguments import integer, number, probability
from ..arrays.recorded import leaves
from ..engine.graph import TensorBase
from ..ops.activations import Softmax
from ..ops.indexing import Getitem
from ..ops.selection import Mask, Relu
from ._keywords import also
from ._labels import (
    as_rows,
    checked_label_sets,
    checked_labels,
    class_weights,
    expected_nll,
    label_shape_and_classes,
    nll_per_sample,
    reduced_by_labels,
    weighted,
)
from ._losses import Reduction, check_reduction, reduced, tell_if_made_by, tell_unless_logarithms
from ._operands import as_float, as_tensor, in_single, plain_array
from ._theme import Theme


class ClassLossMethods(Theme):
    """Losses of class labels; `reduction` is "mean", "sum" or "none" (one value for each sample).

    Integers become float32; float16 is computed in float32.
    """

    __slots__ = ()

    @also("target", "Y")
    @in_single
    def cross_entropy(
        self,
        labels: Any,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
        weight: Any = None,
        ignore_index: int | None = -100,
    ) -> Self:
        """Negative log-probability of the true class, from scores before softmax.

        self: (N, C); (C,) for one sample; or (N, C, d1, ...) for N d1 ... samples.  The derivative
        of the mean with respect to scores (N, C) is (softmax(scores) - onehot) / N.

        labels           integers from 0 to C - 1, of shape (N,), () or (N, d1, ...); or floats of
                         the scores' shape, the probabilities of all classes
        label_smoothing  the share of each label that is distributed evenly over all classes
        weight           (C,), the weight of each class; "mean" divides by the sum of the labels'
                         weights (for probabilities by the number of samples)
        ignore_index     samples with this label are ignored; if all have it, the mean is nan and
                         the gradient is 0

        Warns if the scores are an output of softmax, since this function applies softmax itself.

        Errors: ValueError for a label out of range, TypeError for labels that are not integers.
        """
        check_reduction("cross_entropy", reduction)
        tell_if_made_by(Softmax, self, "cross_entropy applies softmax itself; pass it the scores")
        return _cross_entropy(
            "cross_entropy",
            "labels",
            self,
            labels,
            reduction,
            label_smoothing,
            weight,
            ignore_index,
        )

    @also("target")
    def sparse_categorical_crossentropy(
        self,
        Y: Any,
        ignore_index: int | None = -1,
        label_smoothing: float = 0.0,
        reduction: Reduction = "mean",
    ) -> Self:
        """cross_entropy of scores (..., C), with the classes last, and labels Y (...).

        The label -1 is ignored (in tinygrad it counts in the mean, with a loss of 0).
        """
        name = "sparse_categorical_crossentropy"
        check_reduction(name, reduction)
        tell_if_made_by(Softmax, self, f"{name} applies softmax itself; pass it the scores")
        ndim = self.ndim
        scores = self.permute(0, ndim - 1, *range(1, ndim - 1)) if ndim > 2 else self
        return _cross_entropy(name, "Y", scores, Y, reduction, label_smoothing, None, ignore_index)

    @also("target", "Y")
    @in_single
    def nll_loss(
        self,
        labels: Any,
        weight: Any = None,
        ignore_index: int | None = -100,
        reduction: Reduction = "mean",
    ) -> Self:
        """Negative log-likelihood: -x[label], where self holds log-probabilities x.

        Shapes and options are those of cross_entropy, which gives the same as log_softmax and
        nll_loss, and is faster.

        Warns if what a model computed are no log-probabilities.
        """
        check_reduction("nll_loss", reduction)
        tell_if_made_by(Softmax, self, "nll_loss expects logarithms; use log_softmax before it")
        scores = as_float(self)
        shape, count = label_shape_and_classes("nll_loss", scores)
        tell_unless_logarithms("nll_loss", self, 0 if scores.ndim == 1 else 1)
        weights = None
        if weight is not None:
            weights = class_weights("nll_loss", weight, count, scores.dtype)
        if ignore_index is not None:
            ignore_index = integer(ignore_index, "nll_loss: ignore_index")
        given = plain_array(labels, "nll_loss: labels", "integers, one class per sample")
        classes, kept = checked_labels("nll_loss: labels", given, shape, count, ignore_index)
        named = (np.arange(len(classes)), classes)
        losses = -Getitem.apply(as_rows(scores), index=named, distinct=True)
        losses = losses if weights is None else weighted(losses, weights[classes])
        return reduced_by_labels(losses, shape, reduction, kept, weights, classes)

    @in_single
    def multi_margin_loss(
        self,
        target: Any,
        p: int = 1,
        margin: float = 1.0,
        weight: Any = None,
        reduction: Reduction = "mean",
    ) -> Self:
        """Sum over classes k, except the true one t, of max(0, margin - x[t] + x[k])^p / C.

        self: scores (N, C), target: (N,); or (C,) and ().  p is 1 or 2; the derivative of
        max(0, u) at u = 0 is 0.

        weight: (C,), a factor for the samples of each class; the mean is over the samples.

        Source: K. Crammer, Y. Singer, On the Algorithmic Implementation of Multiclass Kernel-based
        Vector Machines, JMLR 2, 2001.
        """
        name = "multi_margin_loss"
        check_reduction(name, reduction)
        if integer(p, f"{name}: p") not in (1, 2):
            raise ValueError(f"{name}: p: expected 1 or 2; got {p}")
        margin = number(margin, f"{name}: margin")
        scores = _matrix(name, self)
        shape, count = label_shape_and_classes(name, scores)
        weights = None if weight is None else class_weights(name, weight, count, scores.dtype)
        given = plain_array(target, f"{name}: target", "integers, one class per sample")
        classes, _ = checked_labels(f"{name}: target", given, shape, count, None)
        rows, samples = as_rows(scores), np.arange(len(classes))
        right = Getitem.apply(rows, index=(samples, classes), distinct=True)
        others = classes[:, None] != np.arange(count)
        losses = Mask.apply(Relu.apply(rows + (margin - right).reshape(-1, 1)), mask=others)
        losses = (losses if p == 1 else losses.square()).sum(1) / count
        losses = losses if weights is None else weighted(losses, weights[classes])
        return reduced(losses.reshape(shape), reduction)

    @in_single
    def multilabel_margin_loss(self, target: Any, reduction: Reduction = "mean") -> Self:
        """Sum over true classes t and other classes k of max(0, 1 - x[t] + x[k]) / C.

        self: scores (N, C) or (C,); target: integers of the same shape, which list the true classes
        of a sample, then -1; what stands after the first -1 does not count.  The derivative of
        max(0, u) at u = 0 is 0.
        """
        name = "multilabel_margin_loss"
        check_reduction(name, reduction)
        scores = _matrix(name, self)
        given = plain_array(target, f"{name}: target", "integers, the classes of each sample")
        leaves(f"{name}, in which shapes depend on values", given)
        chosen, listed, true = checked_label_sets(f"{name}: target", given, scores.shape)
        rows = as_rows(scores)
        right = Getitem.apply(rows, index=(np.arange(len(chosen))[:, None], chosen), distinct=False)
        pairs = listed[:, :, None] & ~true[:, None, :]
        terms = rows.unsqueeze(1) + (1.0 - right).unsqueeze(2)
        losses = Mask.apply(Relu.apply(terms), mask=pairs).sum((1, 2)) / scores.shape[-1]
        return reduced(losses.reshape(scores.shape[:-1]), reduction)


def _cross_entropy(
    name: str,
    argument: str,
    tensor: TensorBase,
    labels: Any,
    reduction: str,
    label_smoothing: float,
    weight: Any,
    ignore_index: int | None,
) -> Any:
    """`Tensor.cross_entropy` for a method called `name`, whose labels are called `argument`."""
    if type(label_smoothing) is not float or label_smoothing != 0:
        label_smoothing = probability(label_smoothing, f"{name}: label_smoothing")
    if ignore_index is not None and type(ignore_index) is not int:
        ignore_index = integer(ignore_index, f"{name}: ignore_index")
    scores: Any = as_float(tensor)
    shape, count = label_shape_and_classes(name, scores)
    weights = None
    if weight is not None:
        weights = class_weights(name, weight, count, scores.dtype)
    given = plain_array(labels, f"{name}: {argument}", "integers or probabilities")
    if given.dtype.kind == "f" and given.shape == scores.shape:  # probabilities
        if ignore_index is not None and ignore_index >= 0:
            raise ValueError(f"{name}: ignore_index needs labels, not probabilities")
        target = as_rows(as_tensor(labels, scores, scores.dtype))
        losses = expected_nll(as_rows(scores), target, label_smoothing, weights)
        return reduced(losses.reshape(shape), reduction)
    classes, kept = checked_labels(f"{name}: {argument}", given, shape, count, ignore_index)
    if label_smoothing:
        onehot = np.equal.outer(classes, np.arange(count)).astype(scores.dtype)
        losses = expected_nll(as_rows(scores), onehot, label_smoothing, weights)
    else:
        losses = nll_per_sample(scores, classes)
        losses = losses if weights is None else weighted(losses, weights[classes])
    return reduced_by_labels(losses, shape, reduction, kept, weights, classes)


def _matrix(name: str, tensor: TensorBase) -> Any:
    """The scores of samples as floats, (N, C) or (C,)."""
    shape = tensor._data.shape
    if len(shape) not in (1, 2) or not shape[-1]:
        raise ValueError(f"{name}: expected scores (N, C) or (C,) of some classes; got {shape}")
    return as_float(tensor)
