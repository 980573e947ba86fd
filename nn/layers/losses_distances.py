"""Losses of distances: of two inputs that should be alike or not, or of three.

As in losses.py, each calls the method of Tensor that it names, with the options that it holds.
"""

from collections.abc import Callable
from typing import Any

from tinygrad_lite import Tensor, arguments

from ..module import Module
from ._inputs import Input, as_tensor, reduction_of
from .losses import Reduction


class _Margin(Module):
    """A loss of two inputs that is 0 beyond a margin."""

    def __init__(
        self,
        margin: float = 0.0,
        size_average: None = None,
        reduce: None = None,
        reduction: Reduction = "mean",
    ) -> None:
        name = type(self).__name__
        self.reduction = reduction_of(name, reduction, size_average, reduce)
        self.margin = arguments.number(margin, f"{name}: margin")


class HingeEmbeddingLoss(_Margin):
    """input where the target is 1, max(0, margin - input) where -1 (`Tensor.hinge_embedding_loss`).

    input: distances.
    """

    def __init__(
        self,
        margin: float = 1.0,
        size_average: None = None,
        reduce: None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input: Input, target: Input) -> Tensor:
        return as_tensor(input).hinge_embedding_loss(target, self.margin, self.reduction)


class MarginRankingLoss(_Margin):
    """max(0, margin - target (input1 - input2)) (`Tensor.margin_ranking_loss`).

    target: 1 where input1 should be the larger one, else -1.
    """

    def forward(self, input1: Input, input2: Input, target: Input) -> Tensor:
        return as_tensor(input1).margin_ranking_loss(input2, target, self.margin, self.reduction)


class CosineEmbeddingLoss(_Margin):
    """1 - cosine where the target is 1, max(0, cosine - margin) where it is -1.

    By `Tensor.cosine_embedding_loss`.  input1, input2: (N, E) or (E,); target: (N,) or ().
    """

    def forward(self, input1: Input, input2: Input, target: Input) -> Tensor:
        return as_tensor(input1).cosine_embedding_loss(input2, target, self.margin, self.reduction)


class TripletMarginLoss(Module):
    """max(0, margin + |anchor - positive + eps| - |anchor - negative + eps|), with the p-norm.

    By `Tensor.triplet_margin_loss`.  All three: (N, E) or (E,).

    swap: the distance of the negative is measured from the positive if that is smaller.
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: None = None,
        reduce: None = None,
        reduction: Reduction = "mean",
    ) -> None:
        self.reduction = reduction_of("TripletMarginLoss", reduction, size_average, reduce)
        self.margin = arguments.positive(margin, "TripletMarginLoss: margin")
        self.p = arguments.number(p, "TripletMarginLoss: p")
        self.eps = arguments.number(eps, "TripletMarginLoss: eps")
        self.swap = arguments.flag(swap, "TripletMarginLoss: swap")

    def forward(self, anchor: Input, positive: Input, negative: Input) -> Tensor:
        return as_tensor(anchor).triplet_margin_loss(
            positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction
        )


class TripletMarginWithDistanceLoss(Module):
    """max(0, margin + d(anchor, positive) - d(anchor, negative)), d being any function.

    By `Tensor.triplet_margin_with_distance_loss`.

    distance_function: of two Tensors; default: `Tensor.pairwise_distance`.
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Any, Any], Any] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        name = "TripletMarginWithDistanceLoss"
        self.reduction = reduction_of(name, reduction)
        if distance_function is not None:
            arguments.function(distance_function, f"{name}: distance_function")
        self.distance_function = distance_function
        self.margin = arguments.positive(margin, f"{name}: margin")
        self.swap = arguments.flag(swap, f"{name}: swap")

    def forward(self, anchor: Input, positive: Input, negative: Input) -> Tensor:
        return as_tensor(anchor).triplet_margin_with_distance_loss(
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
