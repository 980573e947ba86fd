"""Losses: a prediction and its target in, a number out.

Each calls the method of Tensor that it names, with the options that it holds: formulas, corners and
sources are in the docstrings there.  Prediction and target have the same shape, unless it says
otherwise; they are Tensors or arrays.

reduction              "mean", "sum" or "none": one value for each sample or element
size_average, reduce   PyTorch's former spelling of the reduction: they must be None
weight, pos_weight     a Tensor or an array, kept as a buffer, which the state lists
"""

from typing import Literal, TypeAlias

from tinygrad_lite import Tensor, arguments

from ..module import Module
from ._inputs import Input, as_tensor, optional, reduction_of

Reduction: TypeAlias = Literal["mean", "sum", "none"]
Weight: TypeAlias = Input | None

# What several losses have in common


class _Reduced(Module):
    """A loss with no other option than its reduction."""

    def __init__(
        self, size_average: None = None, reduce: None = None, reduction: Reduction = "mean"
    ) -> None:
        self.reduction = reduction_of(type(self).__name__, reduction, size_average, reduce)


class _Weighted(Module):
    """A loss with a weight for each element or class."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Weight = None,
        size_average: None = None,
        reduce: None = None,
        reduction: Reduction = "mean",
    ) -> None:
        self.reduction = reduction_of(type(self).__name__, reduction, size_average, reduce)
        self.register_buffer("weight", optional(weight, f"{type(self).__name__}: weight"))


# Classes


class CrossEntropyLoss(Module):
    """-log(softmax(input)) of the true class (`Tensor.cross_entropy`).

    input: scores (N, C), (C,) or (N, C, d1, ...).  target: labels (N,), () or (N, d1, ...), or the
    probabilities of all classes, floats of the input's shape.

    weight           (C,), the weight of each class
    ignore_index     samples with this label do not count
    label_smoothing  the share of each label that is distributed evenly over all classes
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Weight = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        name = "CrossEntropyLoss"
        self.reduction = reduction_of(name, reduction, size_average, reduce)
        self.ignore_index = arguments.integer(ignore_index, f"{name}: ignore_index")
        self.label_smoothing = arguments.probability(label_smoothing, f"{name}: label_smoothing")
        self.register_buffer("weight", optional(weight, f"{name}: weight"))

    def forward(self, input: Input, target: Input) -> Tensor:
        return as_tensor(input).cross_entropy(
            target, self.reduction, self.label_smoothing, self.weight, self.ignore_index
        )


class NLLLoss(Module):
    """-input of the true class, where input holds log-probabilities (`Tensor.nll_loss`).

    Shapes and options are those of `CrossEntropyLoss`, with labels only.
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Weight = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: Reduction = "mean",
    ) -> None:
        self.reduction = reduction_of("NLLLoss", reduction, size_average, reduce)
        self.ignore_index = arguments.integer(ignore_index, "NLLLoss: ignore_index")
        self.register_buffer("weight", optional(weight, "NLLLoss: weight"))

    def forward(self, input: Input, target: Input) -> Tensor:
        return as_tensor(input).nll_loss(target, self.weight, self.ignore_index, self.reduction)


class MultiMarginLoss(Module):
    """Sum over other classes k of max(0, margin - x[t] + x[k])^p / C (`Tensor.multi_margin_loss`).

    input: scores x, (N, C) or (C,); target: the labels t, (N,) or (); weight: (C,); p: 1 or 2.
    """

    weight: Tensor | None

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Weight = None,
        size_average: None = None,
        reduce: None = None,
        reduction: Reduction = "mean",
    ) -> None:
        self.reduction = reduction_of("MultiMarginLoss", reduction, size_average, reduce)
        self.p = arguments.integer(p, "MultiMarginLoss: p", least=1)
        if self.p > 2:
            raise ValueError(f"MultiMarginLoss: p: expected 1 or 2; got {p}")
        self.margin = arguments.number(margin, "MultiMarginLoss: margin")
        self.register_buffer("weight", optional(weight, "MultiMarginLoss: weight"))

    def forward(self, input: Input, target: Input) -> Tensor:
        return as_tensor(input).multi_margin_loss(
            target, self.p, self.margin, self.weight, self.reduction
        )


class MultiLabelMarginLoss(_Reduced):
    """Sum of max(0, 1 - x[t] + x[k]) / C over true t and other k (`Tensor.multilabel_margin_loss`).

    input: scores x, (N, C) or (C,).  target: the same shape, the true classes of each sample, then
    a -1, after which nothing counts.
    """

    def forward(self, input: Input, target: Input) -> Tensor:
        return as_tensor(input).multilabel_margin_loss(target, self.reduction)


# Probabilities


class BCELoss(_Weighted):
    """-t log(p) - (1 - t) log(1 - p), for probabilities p (`Tensor.binary_crossentropy`).

    weight: a factor of each element, broadcast to the input.
    """

    def forward(self, input: Input, target: Input) -> Tensor:
        return as_tensor(input).binary_crossentropy(target, self.reduction, self.weight)


class BCEWithLogitsLoss(Module):
    """BCELoss of sigmoid(input), without overflow (`Tensor.binary_crossentropy_logits`).

    weight, pos_weight: factors of each element, and of the term of positive targets, both
    broadcast to the input.
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Weight = None,
        size_average: None = None,
        reduce: None = None,
        reduction: Reduction = "mean",
        pos_weight: Weight = None,
    ) -> None:
        self.reduction = reduction_of("BCEWithLogitsLoss", reduction, size_average, reduce)
        self.register_buffer("weight", optional(weight, "BCEWithLogitsLoss: weight"))
        self.register_buffer("pos_weight", optional(pos_weight, "BCEWithLogitsLoss: pos_weight"))

    def forward(self, input: Input, target: Input) -> Tensor:
        return as_tensor(input).binary_crossentropy_logits(
            target, self.reduction, self.pos_weight, self.weight
        )


class MultiLabelSoftMarginLoss(_Weighted):
    """BCEWithLogitsLoss, its mean over the classes (`Tensor.multilabel_soft_margin_loss`).

    input and target: (..., C); weight: a factor of each class.
    """

    def forward(self, input: Input, target: Input) -> Tensor:
        return as_tensor(input).multilabel_soft_margin_loss(target, self.weight, self.reduction)


class SoftMarginLoss(_Reduced):
    """log(1 + exp(-target input)), for targets 1 and -1 (`Tensor.soft_margin_loss`)."""

    def forward(self, input: Input, target: Input) -> Tensor:
        return as_tensor(input).soft_margin_loss(target, self.reduction)


class KLDivLoss(Module):
    """target (log(target) - input), where input holds log-probabilities (`Tensor.kl_div`).

    reduction   also "batchmean", the sum divided by the size of axis 0: the divergence itself
    log_target  the target holds logarithms too
    """

    def __init__(
        self,
        size_average: None = None,
        reduce: None = None,
        reduction: Literal["mean", "sum", "none", "batchmean"] = "mean",
        log_target: bool = False,
    ) -> None:
        self.reduction = reduction_of("KLDivLoss", reduction, size_average, reduce, "batchmean")
        self.log_target = arguments.flag(log_target, "KLDivLoss: log_target")

    def forward(self, input: Input, target: Input) -> Tensor:
        return as_tensor(input).kl_div(target, self.reduction, self.log_target)


class PoissonNLLLoss(Module):
    """exp(input) - target input, for the logarithm of a rate (`Tensor.poisson_nll_loss`).

    log_input  False: the input is the rate itself, for input - target log(input + eps)
    full       add log(target!), by Stirling's formula, where the target is above 1
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: None = None,
        eps: float = 1e-8,
        reduce: None = None,
        reduction: Reduction = "mean",
    ) -> None:
        self.reduction = reduction_of("PoissonNLLLoss", reduction, size_average, reduce)
        self.log_input = arguments.flag(log_input, "PoissonNLLLoss: log_input")
        self.full = arguments.flag(full, "PoissonNLLLoss: full")
        self.eps = arguments.number(eps, "PoissonNLLLoss: eps")

    def forward(self, log_input: Input, target: Input) -> Tensor:
        return as_tensor(log_input).poisson_nll_loss(
            target, self.log_input, self.full, self.eps, self.reduction
        )


class GaussianNLLLoss(Module):
    """(log(var) + (input - target)^2 / var) / 2 (`Tensor.gaussian_nll_loss`).

    var: a number, or of the input's shape, with axes of size 1 or without the last axis; at least
    eps.  target: the input's shape, or with axes of size 1.  full: add log(2 pi) / 2.
    """

    def __init__(
        self, *, full: bool = False, eps: float = 1e-6, reduction: Reduction = "mean"
    ) -> None:
        self.reduction = reduction_of("GaussianNLLLoss", reduction)
        self.full = arguments.flag(full, "GaussianNLLLoss: full")
        self.eps = arguments.number(eps, "GaussianNLLLoss: eps")

    def forward(self, input: Input, target: Input, var: Input | float) -> Tensor:
        return as_tensor(input).gaussian_nll_loss(target, var, self.full, self.eps, self.reduction)


# Numbers


class MSELoss(_Reduced):
    """(input - target)^2 (`Tensor.mse_loss`)."""

    def forward(self, input: Input, target: Input) -> Tensor:
        return as_tensor(input).mse_loss(target, self.reduction)


class L1Loss(_Reduced):
    """|input - target| (`Tensor.l1_loss`)."""

    def forward(self, input: Input, target: Input) -> Tensor:
        return as_tensor(input).l1_loss(target, self.reduction)


class HuberLoss(Module):
    """d^2 / 2 for |d| <= delta, else delta (|d| - delta / 2), d = input - target.

    By `Tensor.huber_loss`.
    """

    def __init__(self, reduction: Reduction = "mean", delta: float = 1.0) -> None:
        self.reduction = reduction_of("HuberLoss", reduction)
        self.delta = arguments.number(delta, "HuberLoss: delta")

    def forward(self, input: Input, target: Input) -> Tensor:
        return as_tensor(input).huber_loss(target, self.reduction, self.delta)


class SmoothL1Loss(Module):
    """HuberLoss with delta = beta over beta; L1Loss if beta = 0 (`Tensor.smooth_l1_loss`)."""

    def __init__(
        self,
        size_average: None = None,
        reduce: None = None,
        reduction: Reduction = "mean",
        beta: float = 1.0,
    ) -> None:
        self.reduction = reduction_of("SmoothL1Loss", reduction, size_average, reduce)
        self.beta = arguments.number(beta, "SmoothL1Loss: beta")

    def forward(self, input: Input, target: Input) -> Tensor:
        return as_tensor(input).smooth_l1_loss(target, self.reduction, self.beta)
