"""Losses of predicted probabilities: how improbable a prediction makes its target."""

from math import log, pi
from typing import Any, Literal, Self

import numpy as np

from ..arrays.arguments import flag, number
from ..arrays.recorded import check
from ..engine.graph import Array
from ..ops.activations import Softmax, Softplus
from ..ops.elementwise import Sigmoid
from ..ops.losses import BinaryCrossEntropy
from ..ops.selection import Mask, Where
from ._keywords import also
from ._labels import weighted
from ._losses import (
    Reduction,
    alike,
    check_reduction,
    factors,
    is_similar,
    reduced,
    reshaped,
    tell_if_made_by,
)
from ._operands import Operand, as_float, as_tensor, cast, in_single, operand
from ._theme import Theme


class ProbabilityLossMethods(Theme):
    """Losses of probabilities; `reduction` is "mean", "sum" or "none" (a value for each element).

    Integers become float32; float16 is computed in float32.  Gradients flow to targets too.
    """

    __slots__ = ()

    @also("target")
    @in_single
    def binary_crossentropy(
        self, Y: Operand, reduction: Reduction = "mean", weight: Operand | None = None
    ) -> Self:
        """-Y log(p) - (1 - Y) log(1 - p), where self holds probabilities p.

        weight: a factor of each element, broadcast to p; "mean" divides by the number of elements.

        Logarithms are limited to -100, so that a wrong p of 0 or 1 costs 100, with a gradient of
        1e12.  Prefer `binary_crossentropy_logits`, which is exact.
        """
        check_reduction("binary_crossentropy", reduction)
        p, truth = alike("binary_crossentropy", self, Y=Y)
        _check_probabilities(p._data)
        losses = BinaryCrossEntropy.apply(p, truth)
        if weight is not None:
            losses = losses * factors("binary_crossentropy", "weight", weight, p)
        return reduced(losses, reduction)

    @also("target")
    @in_single
    def binary_crossentropy_logits(
        self,
        Y: Operand,
        reduction: Reduction = "mean",
        pos_weight: Operand | None = None,
        weight: Operand | None = None,
    ) -> Self:
        """-Y log(sigmoid(x)) - (1 - Y) log(1 - sigmoid(x)), where self holds scores x; no overflow.

        pos_weight  a factor of the first term, broadcast to x: the weight of positive targets
        weight      a factor of both terms, broadcast to x; "mean" divides by the number of elements

        Warns if the scores are an output of sigmoid, since this function applies sigmoid itself.
        """
        check_reduction("binary_crossentropy_logits", reduction)
        name = "binary_crossentropy_logits"
        tell_if_made_by(Sigmoid, self, f"{name} applies sigmoid itself; pass it the scores")
        x, truth = alike(name, self, Y=Y)
        positive = truth
        if pos_weight is not None:
            positive = truth * factors(name, "pos_weight", pos_weight, x)
        losses = _logistic(x, truth, positive)
        if weight is not None:
            losses = weighted(losses, factors(name, "weight", weight, x))
        return reduced(losses, reduction)

    @in_single
    def multilabel_soft_margin_loss(
        self, target: Operand, weight: Operand | None = None, reduction: Reduction = "mean"
    ) -> Self:
        """binary_crossentropy_logits, the mean over the classes (the last axis), then reduced.

        self: scores (..., C); target: the same shape, 1 for true classes, else 0.
        weight: a factor for each class, or any that broadcasts to the scores.
        """
        name = "multilabel_soft_margin_loss"
        check_reduction(name, reduction)
        x, truth = alike(name, self, target=target)
        if not x.ndim:
            raise ValueError(f"{name}: expected scores (..., C); got ()")
        losses = _logistic(x, truth, truth)
        losses = losses if weight is None else weighted(losses, factors(name, "weight", weight, x))
        return reduced(losses.mean(-1), reduction)

    @in_single
    def soft_margin_loss(self, target: Operand, reduction: Reduction = "mean") -> Self:
        """log(1 + exp(-target x)), without overflow; the target is 1 or -1 everywhere."""
        check_reduction("soft_margin_loss", reduction)
        x = as_float(self)
        signs = np.where(is_similar("soft_margin_loss", target, x.shape), -1.0, 1.0).astype(x.dtype)
        return reduced(Softplus.apply(x * x._wrap(signs, None)), reduction)

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
        check_reduction("kl_div", reduction, "batchmean")
        tell_if_made_by(Softmax, self, "kl_div expects logarithms; use log_softmax before it")
        x, truth = alike("kl_div", self, target=target)
        if flag(log_target, "kl_div: log_target"):
            losses = weighted(truth - x, truth.exp())
        else:
            losses = truth.xlogy(truth) - weighted(x, truth)
        if reduction == "batchmean":
            return losses.sum() / (x.shape[0] if x.ndim else 1)
        return reduced(losses, reduction)

    @in_single
    def poisson_nll_loss(
        self,
        target: Operand,
        log_input: bool = True,
        full: bool = False,
        eps: float = 1e-8,
        reduction: Reduction = "mean",
    ) -> Self:
        """exp(x) - target x, where self holds x, the logarithm of the rate of a Poisson variable.

        log_input  False: self holds the rate itself, for x - target log(x + eps)
        full       add log(target!), by Stirling's formula, where the target is above 1
        """
        name = "poisson_nll_loss"
        check_reduction(name, reduction)
        eps = number(eps, f"{name}: eps")
        x, truth = alike(name, self, target=target)
        if flag(log_input, f"{name}: log_input"):
            losses = x.exp() - weighted(x, truth)
        else:
            losses = x - weighted((x + eps).log(), truth)
        if flag(full, f"{name}: full"):
            above = truth._data > 1
            n = Where.apply(truth, 1.0, condition=above)
            stirling = n * n.log() - n + (n * (2 * pi)).log() * 0.5
            losses = losses + Mask.apply(stirling, mask=above)
        return reduced(losses, reduction)

    @in_single
    def gaussian_nll_loss(
        self,
        target: Operand,
        var: Operand,
        full: bool = False,
        eps: float = 1e-6,
        reduction: Reduction = "mean",
    ) -> Self:
        """(log(var) + (x - target)^2 / var) / 2, where self holds the mean of a normal variable.

        target  the shape of x, except that axes may have size 1
        var     a number, or of such a shape, or of one without the last axis; where it is below
                eps it counts as eps, but its gradient is the one of eps
        full    add log(2 pi) / 2

        Source: D. Nix, A. Weigend, Estimating the mean and variance of the target probability
        distribution, 1994.
        """
        name = "gaussian_nll_loss"
        check_reduction(name, reduction)
        if not (eps := number(eps, f"{name}: eps")) >= 0:
            raise ValueError(f"{name}: expected eps of 0 or more; got {eps}")
        x = as_float(self)
        truth = _beside(name, "target", operand(target, f"{name}: target"), x)
        variance = operand(var, f"{name}: var")
        if isinstance(variance, (bool, int, float)):
            variance = np.full(x.shape, variance, x.dtype)
        elif x.ndim and variance.shape == x.shape[:-1]:
            variance = variance.reshape((*variance.shape, 1))
        variance = _beside(name, "var", variance, x)
        _check_variance(f"{name}: var", variance._data)
        variance = variance.clone()
        np.maximum(variance._data, eps, out=variance._data)
        losses = (variance.log() + (x - truth).square() / variance) * 0.5
        if flag(full, f"{name}: full"):
            losses = losses + 0.5 * log(2 * pi)
        return reduced(losses, reduction)


@check
def _check_probabilities(p: Array) -> None:
    """ValueError unless all are from 0 to 1."""
    outside = ~((p >= 0) & (p <= 1))
    if outside.any():
        raise ValueError(
            "binary_crossentropy: expected probabilities from 0 to 1; got "
            f"{p[outside][0]}; binary_crossentropy_logits takes scores"
        )


@check
def _check_variance(name: str, variance: Array) -> None:
    """ValueError for negative ones."""
    if (variance < 0).any():
        raise ValueError(f"{name}: expected 0 or more; got {variance.min()}")


def _logistic(x: Any, truth: Any, positive: Any) -> Any:
    """-positive log(sigmoid(x)) - (1 - truth) log(1 - sigmoid(x)), without overflow."""
    return weighted(Softplus.apply(-x), positive) + weighted(Softplus.apply(x), 1.0 - truth)


def _beside(name: str, key: str, value: Any, x: Any) -> Any:
    """The argument `key` in the dtype of x; its shape is that of x, except for axes of size 1."""
    shape = np.shape(value)
    fits = len(shape) == x.ndim and all(
        n in (1, size) for n, size in zip(shape, x.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{name}: expected {key} of the prediction's shape {x.shape}, or with axes of size 1; "
            f"got {shape}" + reshaped(key, shape, x.shape)
        )
    return cast(as_tensor(value, x, x.dtype), x.dtype)
