"""Losses of predicted numbers: how far they are from their targets."""

from typing import Any, Self

from ..arrays.arguments import number
from ..ops.losses import Huber
from ._labels import weighted
from ._losses import Reduction, alike, check_reduction, reduced
from ._operands import Operand, in_single
from ._theme import Theme


class RegressionLossMethods(Theme):
    """Losses of numbers; `reduction` is "mean", "sum" or "none" (one value for each element).

    Integers become float32; float16 is computed in float32.  Gradients flow to targets too.
    """

    __slots__ = ()

    @in_single
    def mse_loss(
        self, target: Operand, reduction: Reduction = "mean", weight: Operand | None = None
    ) -> Self:
        """(x - target)^2.

        weight: a factor of each element, of x's shape; "mean" divides by the sum of the weights.
        """
        check_reduction("mse_loss", reduction)
        x, truth = alike("mse_loss", self, target=target)
        return _weighted_mean("mse_loss", (x - truth).square(), weight, reduction)

    @in_single
    def l1_loss(
        self, target: Operand, reduction: Reduction = "mean", weight: Operand | None = None
    ) -> Self:
        """|x - target|; the derivative where they are equal is 0.

        weight: as for mse_loss.
        """
        check_reduction("l1_loss", reduction)
        x, truth = alike("l1_loss", self, target=target)
        return _weighted_mean("l1_loss", (x - truth).abs(), weight, reduction)

    @in_single
    def huber_loss(
        self,
        target: Operand,
        reduction: Reduction = "mean",
        delta: float = 1.0,
        weight: Operand | None = None,
    ) -> Self:
        """d^2 / 2 for |d| <= delta, else delta (|d| - delta / 2), with d = x - target.

        weight: a factor of each element, of x's shape; "mean" divides by the number of elements.

        Source: P. Huber, Robust Estimation of a Location Parameter, 1964.
        """
        check_reduction("huber_loss", reduction)
        delta = number(delta, "huber_loss: delta")
        if not delta > 0:
            raise ValueError(f"huber_loss: expected delta above 0; got {delta}")
        x, truth = alike("huber_loss", self, target=target)
        losses = Huber.apply(x - truth, delta=delta)
        if weight is not None:
            losses = weighted(losses, alike("huber_loss", losses, weight=weight)[1])
        return reduced(losses, reduction)

    @in_single
    def smooth_l1_loss(
        self, target: Operand, reduction: Reduction = "mean", beta: float = 1.0
    ) -> Self:
        """huber_loss with delta = beta, divided by beta; l1_loss if beta = 0."""
        check_reduction("smooth_l1_loss", reduction)
        beta = number(beta, "smooth_l1_loss: beta")
        if not beta >= 0:
            raise ValueError(f"smooth_l1_loss: expected beta of 0 or more; got {beta}")
        x, truth = alike("smooth_l1_loss", self, target=target)
        difference = x - truth
        losses = Huber.apply(difference, delta=beta) / beta if beta else difference.abs()
        return reduced(losses, reduction)


def _weighted_mean(name: str, losses: Any, weight: Any, reduction: str) -> Any:
    """The losses reduced; the mean is that with these weights."""
    if weight is None:
        return reduced(losses, reduction)
    weights = alike(name, losses, weight=weight)[1]
    losses = weighted(losses, weights)
    return losses.sum() / weights.sum() if reduction == "mean" else reduced(losses, reduction)
