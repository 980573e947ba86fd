"""Losses: methods of the prediction that take the target.

A prediction and its target must have the same shape.  A loss never broadcasts them, since (N, 1)
with (N,) would silently become (N, N).
"""

from math import prod
from typing import Any, Literal, Self

import numpy as np

from ..arrays.arguments import choice, flag, integer, number, probability
from ..arrays.shapes import Shape, broadcast_shape, normalize_axes
from ..engine.graph import Array, TensorBase
from ..ops.activations import Softmax, Softplus
from ..ops.elementwise import Cast, Sigmoid
from ..ops.indexing import Getitem
from ..ops.losses import BinaryCrossEntropy, Huber
from ..ops.selection import Mask, Where
from ..source_lines import warn
from ._keywords import also
from ._labels import (
    as_rows,
    checked_labels,
    class_weights,
    expected_nll,
    label_shape_and_classes,
    nll_per_sample,
    reduced_by_labels,
    refuse_gradient,
    weighted,
)
from ._operands import Operand, as_float, as_tensor, in_single, matched, plain_array
from ._theme import Theme
from .activations import scaled_to_one
from .reduce import p_norm

Reduction = Literal["mean", "sum", "none"]


class LossMethods(Theme):
    """Losses; `reduction` is "mean", "sum" or "none" (one value for each sample or element).

    Integers become float32; float16 is computed in float32.  Gradients flow to targets too.
    """

    __slots__ = ()

    # Classes

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
        _check_reduction("cross_entropy", reduction)
        _warn_if_made_by(Softmax, self, "cross_entropy applies softmax itself; pass it the scores")
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
        _check_reduction(name, reduction)
        _warn_if_made_by(Softmax, self, f"{name} applies softmax itself; pass it the scores")
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
        """
        _check_reduction("nll_loss", reduction)
        _warn_if_made_by(Softmax, self, "nll_loss expects logarithms; use log_softmax before it")
        scores = as_float(self)
        shape, count = label_shape_and_classes("nll_loss", scores)
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

    # Probabilities

    @also("target")
    @in_single
    def binary_crossentropy(self, Y: Operand, reduction: Reduction = "mean") -> Self:
        """-Y log(p) - (1 - Y) log(1 - p), where self holds probabilities p.

        Logarithms are limited to -100, so that a wrong p of 0 or 1 costs 100, with a gradient of
        1e12.  Prefer `binary_crossentropy_logits`, which is exact.
        """
        _check_reduction("binary_crossentropy", reduction)
        p, truth = _alike("binary_crossentropy", self, Y=Y)
        outside = ~((p._data >= 0) & (p._data <= 1))
        if outside.any():
            raise ValueError(
                "binary_crossentropy: expected probabilities from 0 to 1; got "
                f"{p._data[outside][0]}; binary_crossentropy_logits takes scores"
            )
        return _reduced(BinaryCrossEntropy.apply(p, truth), reduction)

    @also("target")
    @in_single
    def binary_crossentropy_logits(
        self, Y: Operand, reduction: Reduction = "mean", pos_weight: Operand | None = None
    ) -> Self:
        """-Y log(sigmoid(x)) - (1 - Y) log(1 - sigmoid(x)), where self holds scores x; no overflow.

        pos_weight: a factor of the first term, broadcast to x: the weight of positive targets.

        Warns if the scores are an output of sigmoid, since this function applies sigmoid itself.
        """
        _check_reduction("binary_crossentropy_logits", reduction)
        name = "binary_crossentropy_logits"
        _warn_if_made_by(Sigmoid, self, f"{name} applies sigmoid itself; pass it the scores")
        x, truth = _alike(name, self, Y=Y)
        positive = truth
        if pos_weight is not None:
            _, weights = matched(name, x, pos_weight=pos_weight)
            if broadcast_shape(x.shape, np.shape(weights), name=name) != x.shape:
                raise ValueError(
                    f"{name}: expected a pos_weight that broadcasts to {x.shape}; "
                    f"got {np.shape(weights)}"
                )
            positive = truth * weights
        losses = weighted(Softplus.apply(-x), positive) + weighted(Softplus.apply(x), 1.0 - truth)
        return _reduced(losses, reduction)

    @in_single
    def kl_div(
        self,
        target: Operand,
        reduction: Literal["mean", "sum", "none", "batchmean"] = "mean",
        log_target: bool = False,
    ) -> Self:
        """target (log(target) - x), where self holds log-probabilities x: the KL divergence.

        log_target: the target holds logarithms too.  The divergence itself is reduction
        "batchmean", the sum divided by the size of axis 0; "mean" divides by the number of
        elements.  The term of a target of 0 is 0.  Warns if self is an output of softmax.

        Source: S. Kullback, R. Leibler, On Information and Sufficiency, 1951.
        """
        _check_reduction("kl_div", reduction, "batchmean")
        _warn_if_made_by(Softmax, self, "kl_div expects logarithms; use log_softmax before it")
        x, truth = _alike("kl_div", self, target=target)
        if flag(log_target, "kl_div: log_target"):
            losses = weighted(truth - x, truth.exp())
        else:
            losses = truth.xlogy(truth) - weighted(x, truth)
        if reduction == "batchmean":
            return losses.sum() / (x.shape[0] if x.ndim else 1)
        return _reduced(losses, reduction)

    # Regression

    @in_single
    def mse_loss(self, target: Operand, reduction: Reduction = "mean") -> Self:
        """(x - target)^2."""
        _check_reduction("mse_loss", reduction)
        x, truth = _alike("mse_loss", self, target=target)
        return _reduced((x - truth).square(), reduction)

    @in_single
    def l1_loss(self, target: Operand, reduction: Reduction = "mean") -> Self:
        """|x - target|; the derivative where they are equal is 0."""
        _check_reduction("l1_loss", reduction)
        x, truth = _alike("l1_loss", self, target=target)
        return _reduced((x - truth).abs(), reduction)

    @in_single
    def huber_loss(
        self, target: Operand, reduction: Reduction = "mean", delta: float = 1.0
    ) -> Self:
        """d^2 / 2 for |d| <= delta, else delta (|d| - delta / 2), with d = x - target.

        Source: P. Huber, Robust Estimation of a Location Parameter, 1964.
        """
        _check_reduction("huber_loss", reduction)
        delta = number(delta, "huber_loss: delta")
        if not delta > 0:
            raise ValueError(f"huber_loss: expected delta above 0; got {delta}")
        x, truth = _alike("huber_loss", self, target=target)
        return _reduced(Huber.apply(x - truth, delta=delta), reduction)

    @in_single
    def smooth_l1_loss(
        self, target: Operand, reduction: Reduction = "mean", beta: float = 1.0
    ) -> Self:
        """huber_loss with delta = beta, divided by beta; l1_loss if beta = 0."""
        _check_reduction("smooth_l1_loss", reduction)
        beta = number(beta, "smooth_l1_loss: beta")
        if not beta >= 0:
            raise ValueError(f"smooth_l1_loss: expected beta of 0 or more; got {beta}")
        x, truth = _alike("smooth_l1_loss", self, target=target)
        difference = x - truth
        losses = Huber.apply(difference, delta=beta) / beta if beta else difference.abs()
        return _reduced(losses, reduction)

    # Pairs.  The derivative of max(0, u) at u = 0 is 1 in these, as in PyTorch.

    @in_single
    def hinge_embedding_loss(
        self, target: Operand, margin: float = 1.0, reduction: Reduction = "mean"
    ) -> Self:
        """x where the target is 1, max(0, margin - x) where it is -1; self holds distances x."""
        _check_reduction("hinge_embedding_loss", reduction)
        margin = number(margin, "hinge_embedding_loss: margin")
        x = as_float(self)
        similar = _similar("hinge_embedding_loss", target, x.shape)
        return _reduced(Where.apply(x, _positive(margin - x), condition=similar), reduction)

    @also("input2")
    @in_single
    def margin_ranking_loss(
        self, other: Operand, target: Operand, margin: float = 0.0, reduction: Reduction = "mean"
    ) -> Self:
        """max(0, margin - target (x - other)); target 1 if x should be the larger one, else -1."""
        _check_reduction("margin_ranking_loss", reduction)
        margin = number(margin, "margin_ranking_loss: margin")
        x, y = _alike("margin_ranking_loss", self, other=other)
        wins = _similar("margin_ranking_loss", target, x.shape)
        lead = (x - y) * np.where(wins, 1.0, -1.0).astype(x.dtype)
        return _reduced(_positive(margin - lead), reduction)

    @also("dim", "x2")
    @in_single
    def cosine_similarity(self, other: Operand, axis: int = 1, eps: float = 1e-8) -> Self:
        """x . other / (|x| |other|) along the axis, where each length is at least eps.

        The two shapes broadcast.
        """
        name = "cosine_similarity"
        given = matched(name, self, other, floating=True)
        x, y = (as_tensor(each, self, given[0].dtype) for each in given)
        shape = broadcast_shape(x.shape, y.shape, name=name)
        x, y = (each if each.shape == shape else each.expand(shape) for each in (x, y))
        axes = normalize_axes((axis,), len(shape), name)
        x, y = (scaled_to_one(name, each, 2, axes, eps) for each in (x, y))
        return (x * y).sum(axes)

    @also("input2")
    @in_single
    def cosine_embedding_loss(
        self, other: Operand, target: Operand, margin: float = 0.0, reduction: Reduction = "mean"
    ) -> Self:
        """1 - cosine where the target is 1, max(0, cosine - margin) where it is -1.

        self, other: (N, E) or (E,); target: (N,) or ().
        """
        _check_reduction("cosine_embedding_loss", reduction)
        margin = number(margin, "cosine_embedding_loss: margin")
        x, y = _alike("cosine_embedding_loss", self, other=other)
        similar = _similar("cosine_embedding_loss", target, x.shape[:-1])
        cosine = x.cosine_similarity(y, -1)
        losses = Where.apply(1.0 - cosine, _positive(cosine - margin), condition=similar)
        return _reduced(losses, reduction)

    @in_single
    def triplet_margin_loss(
        self,
        positive: Operand,
        negative: Operand,
        margin: float = 1.0,
        p: float = 2,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: Reduction = "mean",
    ) -> Self:
        """max(0, margin + |x - positive + eps| - |x - negative + eps|), with the p-norm.

        All three: (N, E) or (E,).  swap: the distance of the negative is measured from the positive
        if that is smaller.

        Source: V. Balntas et al., Learning Shallow Convolutional Feature Descriptors with Triplet
        Losses, BMVC 2016.
        """
        _check_reduction("triplet_margin_loss", reduction)
        name = "triplet_margin_loss"
        margin, eps = number(margin, f"{name}: margin"), number(eps, f"{name}: eps")
        anchor, near, far = _alike(name, self, positive=positive, negative=negative)

        def distance(a: Any, b: Any) -> Any:
            return p_norm(name, a - b + eps, p, -1, False)

        between = distance(anchor, far)
        if flag(swap, f"{name}: swap"):
            between = between.minimum(distance(near, far))
        losses = _positive(distance(anchor, near) - between + margin)
        return _reduced(losses, reduction)


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
        return _reduced(losses.reshape(shape), reduction)
    classes, kept = checked_labels(f"{name}: {argument}", given, shape, count, ignore_index)
    if label_smoothing:
        onehot = np.equal.outer(classes, np.arange(count)).astype(scores.dtype)
        losses = expected_nll(as_rows(scores), onehot, label_smoothing, weights)
    else:
        losses = nll_per_sample(scores, classes)
        losses = losses if weights is None else weighted(losses, weights[classes])
    return reduced_by_labels(losses, shape, reduction, kept, weights, classes)


def _check_reduction(name: str, reduction: str, *others: str) -> None:
    if type(reduction) is not str or reduction not in ("mean", "sum", "none"):
        choice(reduction, f"{name}: reduction", *others, "mean", "sum", "none")


def _reduced(losses: Any, reduction: str) -> Any:
    return losses if reduction == "none" else getattr(losses, reduction)()


def _warn_if_made_by(op: type, tensor: TensorBase, advice: str) -> None:
    """Warn if the tensor is the result of `op`, perhaps cast to another dtype."""
    node: Any = tensor._node
    while isinstance(node, Cast):
        (node,) = node.parents
    if isinstance(node, op):
        warn(f"{advice} (they come out of {op.__name__.lower()})")


def _alike(name: str, prediction: Any, **others: Any) -> list[Any]:
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


def _positive(x: Any) -> Any:
    """max(x, 0), with the derivative 1 at 0, and nan for nan."""
    data = x._data
    return Mask.apply(x, mask=np.where(data != data, data, (data >= 0).astype(data.dtype)))


def _similar(name: str, target: Any, shape: Shape) -> Array:
    """Where the target is 1; it is -1 elsewhere."""
    refuse_gradient(target, f"{name}: target")
    signs = plain_array(target, f"{name}: target")
    if signs.shape != shape:
        raise ValueError(f"{name}: expected a target of shape {shape}; got {signs.shape}")
    wrong = np.abs(signs) != 1
    if wrong.any():
        raise ValueError(f"{name}: target: expected 1 and -1; got {signs[wrong][0]}")
    return np.asarray(signs == 1)
