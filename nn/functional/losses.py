"""Losses.  `size_average` and `reduce`, PyTorch's former spelling of reduction, must be None."""

from collections.abc import Callable
from typing import Any, Literal

from tinygrad_lite import Tensor

from ..layers._inputs import Input, as_tensor, reduction_of
from ..layers.losses import Reduction
from ..layers.losses_with_layers import linear_cross_entropy as linear_cross_entropy

# Classes


def cross_entropy(
    input: Input,
    target: Input,
    weight: Input | None = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log(softmax(input)) of the true class, or of probabilities: `Tensor.cross_entropy`."""
    reduction = reduction_of("cross_entropy", reduction, size_average, reduce)
    x = as_tensor(input, "cross_entropy")
    return x.cross_entropy(target, reduction, label_smoothing, weight, ignore_index)


def nll_loss(
    input: Input,
    target: Input,
    weight: Input | None = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """-input of the true class, for log-probabilities: `Tensor.nll_loss`."""
    reduction = reduction_of("nll_loss", reduction, size_average, reduce)
    x = as_tensor(input, "nll_loss")
    return x.nll_loss(target, weight, ignore_index, reduction)


def multi_margin_loss(
    input: Input,
    target: Input,
    p: int = 1,
    margin: float = 1.0,
    weight: Input | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Sum over other k of max(0, margin - x[t] + x[k])^p / C: `Tensor.multi_margin_loss`."""
    reduction = reduction_of("multi_margin_loss", reduction, size_average, reduce)
    x = as_tensor(input, "multi_margin_loss")
    return x.multi_margin_loss(target, p, margin, weight, reduction)


def multilabel_margin_loss(
    input: Input,
    target: Input,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Margins between true and other classes: `Tensor.multilabel_margin_loss`."""
    reduction = reduction_of("multilabel_margin_loss", reduction, size_average, reduce)
    x = as_tensor(input, "multilabel_margin_loss")
    return x.multilabel_margin_loss(target, reduction)


# Probabilities


def binary_cross_entropy(
    input: Input,
    target: Input,
    weight: Input | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """-t log(p) - (1 - t) log(1 - p), for probabilities p: `Tensor.binary_crossentropy`."""
    reduction = reduction_of("binary_cross_entropy", reduction, size_average, reduce)
    x = as_tensor(input, "binary_cross_entropy")
    return x.binary_crossentropy(target, reduction, weight)


def binary_cross_entropy_with_logits(
    input: Input,
    target: Input,
    weight: Input | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
    pos_weight: Input | None = None,
) -> Tensor:
    """binary_cross_entropy of sigmoid(input): `Tensor.binary_crossentropy_logits`."""
    reduction = reduction_of("binary_cross_entropy_with_logits", reduction, size_average, reduce)
    x = as_tensor(input, "binary_cross_entropy_with_logits")
    return x.binary_crossentropy_logits(target, reduction, pos_weight, weight)


def multilabel_soft_margin_loss(
    input: Input,
    target: Input,
    weight: Input | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """The mean over classes of the former: `Tensor.multilabel_soft_margin_loss`."""
    reduction = reduction_of("multilabel_soft_margin_loss", reduction, size_average, reduce)
    x = as_tensor(input, "multilabel_soft_margin_loss")
    return x.multilabel_soft_margin_loss(target, weight, reduction)


def soft_margin_loss(
    input: Input,
    target: Input,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """log(1 + exp(-target input)), for targets 1 and -1: `Tensor.soft_margin_loss`."""
    reduction = reduction_of("soft_margin_loss", reduction, size_average, reduce)
    x = as_tensor(input, "soft_margin_loss")
    return x.soft_margin_loss(target, reduction)


def kl_div(
    input: Input,
    target: Input,
    size_average: None = None,
    reduce: None = None,
    reduction: Literal["mean", "sum", "none", "batchmean"] = "mean",
    log_target: bool = False,
) -> Tensor:
    """target (log(target) - input), for log-probabilities: `Tensor.kl_div`."""
    reduction = reduction_of("kl_div", reduction, size_average, reduce, "batchmean")
    x = as_tensor(input, "kl_div")
    return x.kl_div(target, reduction, log_target)


def poisson_nll_loss(
    input: Input,
    target: Input,
    log_input: bool = True,
    full: bool = False,
    size_average: None = None,
    eps: float = 1e-8,
    reduce: None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """exp(input) - target input, for the logarithm of a rate: `Tensor.poisson_nll_loss`."""
    reduction = reduction_of("poisson_nll_loss", reduction, size_average, reduce)
    x = as_tensor(input, "poisson_nll_loss")
    return x.poisson_nll_loss(target, log_input, full, eps, reduction)


def gaussian_nll_loss(
    input: Input,
    target: Input,
    var: Input | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> Tensor:
    """(log(var) + (input - target)^2 / var) / 2: `Tensor.gaussian_nll_loss`."""
    x = as_tensor(input, "gaussian_nll_loss")
    return x.gaussian_nll_loss(target, var, full, eps, reduction)


# Numbers


def mse_loss(
    input: Input,
    target: Input,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
    weight: Input | None = None,
) -> Tensor:
    """(input - target)^2: `Tensor.mse_loss`."""
    reduction = reduction_of("mse_loss", reduction, size_average, reduce)
    x = as_tensor(input, "mse_loss")
    return x.mse_loss(target, reduction, weight)


def l1_loss(
    input: Input,
    target: Input,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
    weight: Input | None = None,
) -> Tensor:
    """|input - target|: `Tensor.l1_loss`."""
    reduction = reduction_of("l1_loss", reduction, size_average, reduce)
    x = as_tensor(input, "l1_loss")
    return x.l1_loss(target, reduction, weight)


def huber_loss(
    input: Input,
    target: Input,
    reduction: Reduction = "mean",
    delta: float = 1.0,
    weight: Input | None = None,
) -> Tensor:
    """d^2 / 2 near 0, else delta (|d| - delta / 2), d = input - target: `Tensor.huber_loss`."""
    x = as_tensor(input, "huber_loss")
    return x.huber_loss(target, reduction, delta, weight)


def smooth_l1_loss(
    input: Input,
    target: Input,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
    beta: float = 1.0,
) -> Tensor:
    """huber_loss with delta = beta, divided by beta: `Tensor.smooth_l1_loss`."""
    reduction = reduction_of("smooth_l1_loss", reduction, size_average, reduce)
    x = as_tensor(input, "smooth_l1_loss")
    return x.smooth_l1_loss(target, reduction, beta)


# Distances


def hinge_embedding_loss(
    input: Input,
    target: Input,
    margin: float = 1.0,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """input where target is 1, max(0, margin - input) where -1: `Tensor.hinge_embedding_loss`."""
    reduction = reduction_of("hinge_embedding_loss", reduction, size_average, reduce)
    x = as_tensor(input, "hinge_embedding_loss")
    return x.hinge_embedding_loss(target, margin, reduction)


def margin_ranking_loss(
    input1: Input,
    input2: Input,
    target: Input,
    margin: float = 0,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """max(0, margin - target (input1 - input2)): `Tensor.margin_ranking_loss`."""
    reduction = reduction_of("margin_ranking_loss", reduction, size_average, reduce)
    x = as_tensor(input1, "margin_ranking_loss")
    return x.margin_ranking_loss(input2, target, margin, reduction)


def cosine_embedding_loss(
    input1: Input,
    input2: Input,
    target: Input,
    margin: float = 0,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """1 - cosine where the target is 1, max(0, cosine - margin) where -1: the Tensor's method."""
    reduction = reduction_of("cosine_embedding_loss", reduction, size_average, reduce)
    x = as_tensor(input1, "cosine_embedding_loss")
    return x.cosine_embedding_loss(input2, target, margin, reduction)


def triplet_margin_loss(
    anchor: Input,
    positive: Input,
    negative: Input,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """max(0, margin + |anchor - positive| - |anchor - negative|): `Tensor.triplet_margin_loss`."""
    reduction = reduction_of("triplet_margin_loss", reduction, size_average, reduce)
    x = as_tensor(anchor, "triplet_margin_loss")
    return x.triplet_margin_loss(positive, negative, margin, p, eps, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Input,
    positive: Input,
    negative: Input,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:
    """triplet_margin_loss of any distance: `Tensor.triplet_margin_with_distance_loss`."""
    x = as_tensor(anchor, "triplet_margin_with_distance_loss")
    return x.triplet_margin_with_distance_loss(
        positive,
        negative,
        distance_function=distance_function,
        margin=margin,
        swap=swap,
        reduction=reduction,
    )
