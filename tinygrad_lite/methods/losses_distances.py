"""Losses of distances: of two inputs that should be alike or not, or of three."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np

from ..arrays.arguments import flag, function, number
from ..arrays.shapes import broadcast_shape, normalize_axes
from ..ops.selection import Where
from ._keywords import also
from ._losses import Reduction, alike, check_reduction, hinged, is_similar, reduced
from ._operands import Operand, as_float, as_tensor, in_single, matched
from ._theme import Theme
from .activations import scaled_to_one
from .reduce import p_norm


class DistanceLossMethods(Theme):
    """Losses of distances; `reduction` is "mean", "sum" or "none" (one value for each distance).

    The derivative of max(0, u) at u = 0 is 1 in these, as in PyTorch.  Integers become float32;
    float16 is computed in float32.
    """

    __slots__ = ()

    # Distances

    @also("dim", "x2")
    @in_single
    def cosine_similarity(self, other: Operand, axis: int = 1, eps: float = 1e-8) -> Self:
        """x . other / (|x| |other|) along the axis, where each length is at least eps.

        The two shapes broadcast.
        """
        name = "cosine_similarity"
        x, y = _both(name, self, other)
        axes = normalize_axes((axis,), x.ndim, name)
        x, y = (scaled_to_one(name, each, 2, axes, eps) for each in (x, y))
        return (x * y).sum(axes)

    @also("x2", "keepdims")
    @in_single
    def pairwise_distance(
        self, other: Operand, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
    ) -> Self:
        """The p-norm of x - other + eps along the last axis.  The two shapes broadcast."""
        name = "pairwise_distance"
        x, y = _both(name, self, other)
        return _p_distance(name, x, y, p, number(eps, f"{name}: eps"), keepdim)

    # Losses

    @in_single
    def hinge_embedding_loss(
        self, target: Operand, margin: float = 1.0, reduction: Reduction = "mean"
    ) -> Self:
        """x where the target is 1, max(0, margin - x) where it is -1; self holds distances x."""
        check_reduction("hinge_embedding_loss", reduction)
        margin = number(margin, "hinge_embedding_loss: margin")
        x = as_float(self)
        similar = is_similar("hinge_embedding_loss", target, x.shape)
        return reduced(Where.apply(x, hinged(margin - x), condition=similar), reduction)

    @also("input2")
    @in_single
    def margin_ranking_loss(
        self, other: Operand, target: Operand, margin: float = 0.0, reduction: Reduction = "mean"
    ) -> Self:
        """max(0, margin - target (x - other)); target 1 if x should be the larger one, else -1."""
        check_reduction("margin_ranking_loss", reduction)
        margin = number(margin, "margin_ranking_loss: margin")
        x, y = alike("margin_ranking_loss", self, other=other)
        wins = is_similar("margin_ranking_loss", target, x.shape)
        lead = (x - y) * np.where(wins, 1.0, -1.0).astype(x.dtype)
        return reduced(hinged(margin - lead), reduction)

    @also("input2")
    @in_single
    def cosine_embedding_loss(
        self, other: Operand, target: Operand, margin: float = 0.0, reduction: Reduction = "mean"
    ) -> Self:
        """1 - cosine where the target is 1, max(0, cosine - margin) where it is -1.

        self, other: (N, E) or (E,); target: (N,) or ().
        """
        check_reduction("cosine_embedding_loss", reduction)
        margin = number(margin, "cosine_embedding_loss: margin")
        x, y = alike("cosine_embedding_loss", self, other=other)
        alike_pairs = is_similar("cosine_embedding_loss", target, x.shape[:-1])
        cosine = x.cosine_similarity(y, -1)
        losses = Where.apply(1.0 - cosine, hinged(cosine - margin), condition=alike_pairs)
        return reduced(losses, reduction)

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
        name = "triplet_margin_loss"
        eps = number(eps, f"{name}: eps")

        def distance(a: Any, b: Any) -> Any:
            return _p_distance(name, a, b, p, eps)

        return _triplet(name, self, positive, negative, distance, margin, swap, reduction)

    @in_single
    def triplet_margin_with_distance_loss(
        self,
        positive: Operand,
        negative: Operand,
        *,
        distance_function: Callable[[Any, Any], Any] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: Reduction = "mean",
    ) -> Self:
        """max(0, margin + d(x, positive) - d(x, negative)), where d is the distance_function.

        distance_function: of two tensors of one shape; default: `pairwise_distance`.  swap: as for
        triplet_margin_loss.
        """
        name = "triplet_margin_with_distance_loss"
        distance: Any = type(self).pairwise_distance
        if distance_function is not None:
            distance = function(distance_function, f"{name}: distance_function")
        return _triplet(name, self, positive, negative, distance, margin, swap, reduction)


def _triplet(
    name: str,
    x: Any,
    positive: Operand,
    negative: Operand,
    distance: Callable[[Any, Any], Any],
    margin: float,
    swap: bool,
    reduction: Reduction,
) -> Any:
    """`Tensor.triplet_margin_with_distance_loss` for a method called `name`."""
    check_reduction(name, reduction)
    if not (margin := number(margin, f"{name}: margin")) > 0:
        raise ValueError(f"{name}: expected margin above 0; got {margin}")
    anchor, near, far = alike(name, x, positive=positive, negative=negative)
    between = distance(anchor, far)
    if flag(swap, f"{name}: swap"):
        between = between.minimum(distance(near, far))
    return reduced(hinged(margin + distance(anchor, near) - between), reduction)


def _both(name: str, x: Any, other: Any) -> tuple[Any, Any]:
    """The two as tensors of a common float dtype and of the shape that they broadcast to."""
    given = matched(name, x, other, floating=True)
    both = [as_tensor(each, x, given[0].dtype) for each in given]
    shape = broadcast_shape(both[0].shape, both[1].shape, name=name)
    x, y = (each if each.shape == shape else each.expand(shape) for each in both)
    return x, y


def _p_distance(name: str, x: Any, y: Any, p: float, eps: float, keepdim: bool = False) -> Any:
    return p_norm(name, x - y + eps, p, -1, keepdim)
