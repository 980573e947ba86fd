"""Losses that hold the last layer of a classifier: a loss with weights of its own."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_lite import Tensor, arguments, recorded

from ..module import Module
from ._inputs import Input, as_tensor, float_dtype, optional, reduction_of, with_dtype
from .containers import ModuleList, Sequential
from .linear import Linear
from .losses import Reduction, Weight


def linear_cross_entropy(
    input: Input,
    linear_weight: Tensor,
    target: Input,
    *,
    linear_bias: Tensor | None = None,
    weight: Weight = None,
    reduction: Reduction = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: None = None,
) -> Tensor:
    """cross_entropy of input @ linear_weight.T + linear_bias: that of `nn.LinearCrossEntropyLoss`.

    linear_weight: (C, ..., in), linear_bias: (C, ...).
    """
    name = "linear_cross_entropy"
    if options is not None:
        raise arguments.wrong(f"{name}: options", "None", options)
    x, linear_weight = as_tensor(input, name), as_tensor(linear_weight, name)
    if linear_weight.ndim < 2:
        raise ValueError(
            f"{name}: expected linear_weight as (C, ..., in); got {linear_weight.shape}"
        )
    *shape, in_features = linear_weight.shape
    if x.ndim not in (1, 2) or (x.ndim == 1 and len(shape) > 1) or x.shape[-1] != in_features:
        unbatched = "" if len(shape) > 1 else f" or ({in_features},)"
        raise ValueError(f"{name}: expected (N, {in_features}){unbatched}; got {x.shape}")
    linear_bias = None if linear_bias is None else as_tensor(linear_bias, name)
    if linear_bias is not None and linear_bias.shape != (*shape,):
        raise ValueError(
            f"{name}: expected a linear_bias of shape {(*shape,)}; got {linear_bias.shape}"
        )
    flat = None if linear_bias is None else linear_bias.reshape(-1)
    scores = x.linear(linear_weight.reshape(-1, in_features), flat, transposed=True)
    ignored = -100 if ignore_index is None else ignore_index
    return scores.reshape(*x.shape[:-1], *shape).cross_entropy(
        target, reduction, label_smoothing, weight, ignored
    )


class LinearCrossEntropyLoss(Module):
    """CrossEntropyLoss of the scores of a Linear, held in `linear`: (num_classes * ..., in).

    input: (N, in) or (in,).  target: labels (N, *out_features) or (*out_features,), or
    probabilities (N, num_classes, *out_features), floats; for each of out_features there are
    scores of their own.

    weight, ignore_index (None: every label counts but -100), label_smoothing, reduction: as in
    CrossEntropyLoss.  options, which divide PyTorch's computation, must be None.
    """

    weight: Tensor | None

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: Sequence[int] = (),
        bias: bool = False,
        dtype: DTypeLike | None = None,
        reduction: Reduction = "mean",
        weight: Weight = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: None = None,
    ) -> None:
        name = "LinearCrossEntropyLoss"
        if options is not None:
            raise arguments.wrong(f"{name}: options", "None", options)
        dtype = float_dtype(dtype, name)
        self.reduction = reduction_of(name, reduction)
        self.num_classes = arguments.integer(num_classes, f"{name}: num_classes", least=1)
        self.out_features = arguments.sizes(out_features, f"{name}: out_features", least=1)
        if ignore_index is not None:
            ignore_index = arguments.integer(ignore_index, f"{name}: ignore_index")
        self.ignore_index = ignore_index
        self.label_smoothing = arguments.probability(label_smoothing, f"{name}: label_smoothing")
        self.register_buffer("weight", optional(weight, f"{name}: weight"))
        in_features = arguments.integer(in_features, f"{name}: in_features", least=1)
        biased = arguments.flag(bias, f"{name}: bias")
        scores = prod(self.out_features, start=self.num_classes)
        self.linear = Linear(in_features, scores, bias=biased, dtype=dtype)

    def forward(self, input: Input, target: Input) -> Tensor:
        weight, bias = self.linear.weight, self.linear.bias
        shape = (self.num_classes, *self.out_features)
        return linear_cross_entropy(
            with_dtype(input, weight.dtype),
            weight.reshape(*shape, weight.shape[1]),
            target,
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.weight.shape[1]}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}"
        )


class LogProbability(NamedTuple):
    """What AdaptiveLogSoftmaxWithLoss returns.

    output  the log-probability of each sample's label: (N,) or ()
    loss    the mean of -output: ()
    """

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-probabilities of many classes, the frequent ones first, by a tree of two levels.

        output, loss = layer(input, target)

    input: (N, in_features) or (in_features,); target: labels (N,) or (), by falling frequency.

    `head` has a score for each of the first cutoffs[0] classes, and one for each cluster of
    further classes: cutoffs[i] to cutoffs[i + 1] - 1, the last up to n_classes - 1.  `tail[i]`, two
    Linears without biases over in_features // div_value^(i + 1) numbers, has the scores inside a
    cluster.  Only the clusters of the labels are computed.

    Source: E. Grave et al., Efficient softmax approximation for GPUs, ICML 2017.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        dtype: DTypeLike | None = None,
    ) -> None:
        name = type(self).__name__
        dtype = float_dtype(dtype, name)
        self.in_features = arguments.integer(in_features, f"{name}: in_features", least=1)
        self.n_classes = arguments.integer(n_classes, f"{name}: n_classes", least=2)
        given = arguments.sizes(cutoffs, f"{name}: cutoffs")
        self.cutoffs = [*given, self.n_classes]
        if not given or not all(low < high for low, high in pairwise((0, *self.cutoffs))):
            raise ValueError(
                f"{name}: cutoffs: expected increasing integers from 1 to {n_classes - 1}; "
                f"got {given}"
            )
        self.div_value = arguments.number(div_value, f"{name}: div_value")
        self.shortlist_size, self.n_clusters = self.cutoffs[0], len(given)
        biased = arguments.flag(head_bias, f"{name}: head_bias")
        scores = self.shortlist_size + self.n_clusters
        self.head = Linear(self.in_features, scores, bias=biased, dtype=dtype)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            width = int(self.in_features // self.div_value ** (i + 1))
            if width < 1:
                raise ValueError(
                    f"{name}: div_value: {div_value} leaves no features of {in_features} for "
                    f"cluster {i}"
                )
            self.tail.append(
                Sequential(
                    Linear(self.in_features, width, bias=False, dtype=dtype),
                    Linear(width, high - low, bias=False, dtype=dtype),
                )
            )

    def forward(self, input_: Input, target_: Input) -> LogProbability:
        x = with_dtype(input_, self.head.weight.dtype)
        target = as_tensor(np.asarray(target_) if np.isscalar(target_) else target_).numpy()
        recorded.leaves(
            "which clusters AdaptiveLogSoftmaxWithLoss computes depends on labels", target
        )
        if x.shape != (*target.shape, self.in_features) or target.ndim > 1:
            raise ValueError(
                f"expected (N, {self.in_features}) and labels (N,), or one sample and (); "
                f"got {x.shape} and {target.shape}"
            )
        rows, labels = x.reshape(-1, self.in_features), target.reshape(-1)
        if labels.dtype.kind not in "iu" or not np.all((labels >= 0) & (labels < self.n_classes)):
            raise ValueError(f"expected integers from 0 to {self.n_classes - 1} as labels")
        # Cluster 0 is the first cutoffs[0] classes, which the head has scores for.
        cluster = np.searchsorted(self.cutoffs, labels, side="right")
        positions = np.where(cluster, self.shortlist_size + cluster - 1, labels)
        output = _log_probability(self.head(rows), positions)
        for i, part in enumerate(self.tail, start=1):
            (members,) = np.nonzero(cluster == i)
            if members.size:
                inside = labels[members] - self.cutoffs[i - 1]
                output = output.index_add(0, members, _log_probability(part(rows[members]), inside))
        output = output.reshape(target.shape)
        return LogProbability(output, -output.mean())

    def log_prob(self, input: Input) -> Tensor:
        """The log-probabilities of all classes: (N, in_features) -> (N, n_classes)."""
        x = with_dtype(input, self.head.weight.dtype)
        head = self.head(x).log_softmax(1)
        parts = [head[:, : self.shortlist_size]]
        for i, part in enumerate(self.tail, start=self.shortlist_size):
            parts.append(part(x).log_softmax(1) + head[:, i : i + 1])
        return parts[0].cat(*parts[1:], axis=1)

    def predict(self, input: Input) -> Tensor:
        """The most probable class of each sample: (N, in_features) -> (N,)."""
        return self.log_prob(input).argmax(1)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.n_classes}, cutoffs={self.cutoffs[:-1]}"


def _log_probability(scores: Tensor, labels: Input) -> Tensor:
    return -scores.cross_entropy(labels, "none", ignore_index=None)
