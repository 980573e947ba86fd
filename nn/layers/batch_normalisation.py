"""Normalisation of each channel, with running averages: over a batch, or over each of its samples.

The formulas are functions with PyTorch's arguments, which the layers call with their parameters.
Running averages are written in place and outside the graph, once the result is there.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_lite import Tensor, arguments, is_grad_enabled, ops, warn

from .. import init
from .._evaluation import look, mode_was_set
from ..module import Module
from ._inputs import Input, as_tensor, float_dtype, in_single, with_channels

# The errors for a mean of one number, over a batch and over each sample.
_SINGLE = (
    "expected more than one value for each channel in training; got {}; leave out a last batch of "
    "one, with DataLoader(..., drop_last=True), or call eval() first",
    "expected more than one element for each channel of a sample; got {}, where all results would "
    "be 0",
)


def batch_norm(
    x: Input,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, for each channel; see `BatchNorm2d`.

    x: (N, C, ...), the other tensors: (C,).  In training mean and var are those of the batch, and
    the running ones, if given, are updated in place; otherwise they are the running ones.
    """
    own = arguments.flag(training, "batch_norm: training")
    given = running_mean, running_var, weight, bias
    return _by_channel("batch_norm", x, given, own, momentum, eps, each_sample=False)


def instance_norm(
    x: Input,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, for each channel of a sample.

    x: (N, C, ...), the other tensors: (C,); see `InstanceNorm2d`.  With use_input_stats mean and
    var are those of x, and the running ones, if given, are updated in place with the averages over
    the samples; otherwise they are the running ones.
    """
    own = arguments.flag(use_input_stats, "instance_norm: use_input_stats")
    given = running_mean, running_var, weight, bias
    return _by_channel("instance_norm", x, given, own, momentum, eps, each_sample=True)


def _by_channel(
    name: str,
    x: Input,
    given: tuple[Tensor | None, ...],
    own: bool,
    momentum: float,
    eps: float,
    each_sample: bool,
) -> Tensor:
    """Both functions: `own` says whether mean and var are those of x, of each sample or of all.

    given: running_mean, running_var, weight, bias
    """
    keys = "running_mean", "running_var", "weight", "bias"
    x = with_channels(name, x, dict(zip(keys, given, strict=True)))
    running_mean, running_var, weight, bias = given
    if (running_mean is None) != (running_var is None):
        raise ValueError(f"{name}: expected both running_mean and running_var, or neither")
    eps = arguments.not_negative(eps, f"{name}: eps")
    if x.dtype == np.float16:
        given = running_mean, running_var, in_single(weight), in_single(bias)
        wide = _by_channel(name, in_single(x), given, own, momentum, eps, each_sample)
        return wide.cast(np.float16)
    if not own:
        return _by_running(name, x, running_mean, running_var, weight, bias, eps)
    n, channels = x.shape[:2]
    count = x.numel() // max(n * channels if each_sample else channels, 1)
    if count == 1:
        raise ValueError(f"{name}: {_SINGLE[each_sample].format(x.shape)}")
    y: Tensor
    if each_sample:
        y, mean, var = ops.GroupNorm.apply(x, weight, bias, eps=eps, groups=max(channels, 1))
    else:
        y, mean, var = ops.BatchNorm.apply(x, weight, bias, eps=eps)
    if x.numel():
        with np.errstate(all="ignore"):  # inf and nan are written silently
            means = [each.data.mean(0) if each_sample else each.data for each in (mean, var)]
            _update(running_mean, means[0], momentum)
            _update(running_var, means[1] * (count / (count - 1)), momentum)
    return y


def _by_running(
    name: str,
    x: Tensor,
    mean: Tensor | None,
    var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    """The formula with running averages: these are constants, and may change after the call."""
    if mean is None or var is None:
        raise ValueError(f"{name}: expected running_mean and running_var outside of training")
    scale: Any = 1.0 / np.sqrt(as_tensor(var).data.astype(np.float64) + eps)
    scale = scale.astype(x.dtype)
    factor = scale if weight is None else weight * scale
    centre = as_tensor(mean).data.astype(x.dtype)
    y: Tensor = ops.ChannelAffine.apply(x, centre, factor, bias)
    return y


def _update(running: Tensor | None, value: NDArray[Any], momentum: Any) -> None:
    """running = (1 - momentum) running + momentum value, in place.

    momentum: a number, of Python or of NumPy; its dtype does not count.
    """
    if running is not None:
        running = as_tensor(running)
        kept, added = 1 - momentum, momentum
        if hasattr(momentum, "dtype"):
            kept, added = kept.astype(running.dtype), added.astype(value.dtype)
        _write(running, kept * running.data + added * value)


def _write(buffer: Tensor, value: Any) -> None:
    """Write into a buffer: the graph notices the change, and does not record it."""
    np.copyto(buffer.data, value, casting="same_kind")
    buffer.mark_changed()


class _ChannelNorm(Module):
    """Parameters and running averages of the layers below, and the options that they share."""

    sizes: ClassVar[tuple[str, ...]]  # how the axes after the channels are called in errors

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        dtype: DTypeLike | None,
        bias: bool,
    ) -> None:
        name = type(self).__name__
        self.num_features = n = arguments.integer(num_features, f"{name}: num_features", least=0)
        self.eps = arguments.not_negative(eps, f"{name}: eps")
        self.momentum = (
            momentum if momentum is None else arguments.number(momentum, f"{name}: momentum")
        )
        dtype = float_dtype(dtype, name)
        self.affine = arguments.flag(affine, f"{name}: affine")
        self.track_running_stats = arguments.flag(
            track_running_stats, f"{name}: track_running_stats"
        )
        biased = arguments.flag(bias, f"{name}: bias")
        self.weight = init.ones(n, dtype=dtype) if affine else None
        self.bias = init.zeros(n, dtype=dtype) if affine and biased else None
        tracked = track_running_stats
        self.running_mean: Tensor | None
        self.running_var: Tensor | None
        self.num_batches_tracked: Tensor | None
        self.register_buffer("running_mean", Tensor.zeros(n, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", Tensor.ones(n, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", Tensor(0) if tracked else None)

    def reset_running_stats(self) -> None:
        """Forget all batches: the running mean becomes 0, and the running variance 1."""
        starts = (self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)
        for buffer, start in starts:
            if buffer is not None:
                _write(buffer, start)
        if self.training:
            mode_was_set(self, True)  # they are computed anew, perhaps under no_grad

    def _averages(self) -> tuple[Tensor | None, Tensor | None]:
        """The running averages to use or to update."""
        if self.training and not self.track_running_stats:
            return None, None
        return self.running_mean, self.running_var

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_ChannelNorm):
    """BatchNorm1d, 2d and 3d, which differ in the shapes that they take."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: DTypeLike | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias)

    def forward(self, x: Input) -> Tensor:
        x = as_tensor(x)
        shapes = [f"(N, {self.num_features}{size})" for size in self.sizes]
        if x.ndim not in [shape.count(",") + 1 for shape in shapes] or (
            x.shape[1] != self.num_features
        ):
            raise ValueError(f"expected {' or '.join(shapes)}; got {x.shape}")
        mean, var = self._averages()
        momentum: Any = self.momentum
        seen = self.num_batches_tracked if self.training and self.track_running_stats else None
        if momentum is None:  # the average over all batches
            momentum = 0.0 if seen is None else 1 / (seen.data + 1)
        own = self.training or (mean is None and var is None)
        if seen is not None and not is_grad_enabled():
            look(self, "normalises by the batch and moves its averages")
        y = batch_norm(x, mean, var, self.weight, self.bias, own, momentum, self.eps)
        if seen is not None:
            _write(seen, seen.data + 1)
        return y


class BatchNorm1d(_BatchNorm):
    """`BatchNorm2d` of vectors, (N, C), or of sequences, (N, C, L)."""

    sizes = ("", ", L")


class BatchNorm2d(_BatchNorm):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, for each channel.  x: (N, C, H, W).

    In training, mean and var are those of the channel in the whole batch, var with correction 0;
    in evaluation, their running averages.  weight, initialised to ones, and bias, initialised to
    zeros: (num_features,).

    running_mean, running_var: after each call in training (1 - momentum) times themselves plus
    momentum times the mean, and the variance with correction 1, of the batch.  They and
    num_batches_tracked are buffers: part of the state, and not trained.

    momentum: None for the average over all batches so far.  affine: False for no weight and no
    bias; bias: False for no bias.  track_running_stats: False for no running averages; then
    evaluation uses the batch too.  A batch with one value for each channel is an error in training.

    x is cast to the dtype of the weight as in `Linear`.

    Source: S. Ioffe and C. Szegedy, Batch Normalization, ICML 2015.
    """

    sizes: ClassVar[tuple[str, ...]] = (", H, W",)


class BatchNorm3d(_BatchNorm):
    """`BatchNorm2d` of volumes, (N, C, D, H, W)."""

    sizes = (", D, H, W",)


class _InstanceNorm(_ChannelNorm):
    """InstanceNorm1d, 2d and 3d, which differ in the shapes that they take."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        dtype: DTypeLike | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias)

    def forward(self, x: Input) -> Tensor:
        x = as_tensor(x)
        shapes = [f"({batch}{self.num_features}{self.sizes[0]})" for batch in ("N, ", "")]
        axes = shapes[0].count(",") + 1
        if x.ndim not in (axes, axes - 1):
            raise ValueError(f"expected {' or '.join(shapes)}; got {x.shape}")
        if x.shape[1 - axes] != self.num_features:
            if self.affine or self.track_running_stats:
                raise ValueError(f"expected {' or '.join(shapes)}; got {x.shape}")
            warn(f"{type(self).__name__}: expected {' or '.join(shapes)}; got {x.shape}")
        mean, var = self._averages()
        own = self.training or (mean is None and var is None)
        batch = x if x.ndim == axes else x.unsqueeze(0)
        momentum = self.momentum or 0.0
        y = instance_norm(batch, mean, var, self.weight, self.bias, own, momentum, self.eps)
        return y if x.ndim == axes else y.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """`InstanceNorm2d` of sequences, (N, C, L), or of one, (C, L)."""

    sizes = (", L",)


class InstanceNorm2d(_InstanceNorm):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, for each channel of each sample.

    x: (N, C, H, W), or one sample, (C, H, W).  mean and var are those of the channel of a sample,
    var with correction 0.  By default there are no parameters and no running averages: the options
    are those of `BatchNorm2d`.

    track_running_stats: True to keep running averages of mean and var (with correction 1), averaged
    over the samples too, for evaluation.

    Source: D. Ulyanov et al., Instance Normalization, 2016.
    """

    sizes = (", H, W",)


class InstanceNorm3d(_InstanceNorm):
    """`InstanceNorm2d` of volumes, (N, C, D, H, W) or (C, D, H, W)."""

    sizes = (", D, H, W",)
