"""BatchNorm with the mean and the variance of the whole batch, of which each process has a part."""

from typing import Any, ClassVar

import numpy as np

from tinygrad_lite import Function, Tensor, arguments, no_grad, ops, recorded

from .._processes import current
from ..layers import BatchNorm1d, BatchNorm2d, BatchNorm3d
from ..layers._inputs import Input
from .buckets import Array
from .processes import MPIProcesses
from .statistics import write

CHUNKS = (
    "SyncBatchNorm computes with all rows of a batch at once, and with chunks each part is computed"
    " alone; expected BatchNorm, or no chunks"
)


class SyncBatchNorm(BatchNorm2d):
    """`BatchNorm2d` over the batch of all processes.  x: (N, C, ...), the rows of this process.

        model = nn.distributed.SyncBatchNorm.convert_sync_batchnorm(model)

    In training, mean and var are those of the channel in the rows of all processes, and the running
    ones are updated with these, so that they are the same in all processes.  For that, all
    processes call the layer equally often: in each call they exchange three numbers for each
    channel, and two in its backward pass.  In evaluation nothing is exchanged, and in one process
    alone it is BatchNorm.

    The gradients are those of one process that has the whole batch, if the loss is a mean over its
    rows.

    process_group: None; all processes take part.  The other options are those of `BatchNorm2d`.

    Errors: ValueError if there are chunks, whose results no other part may change; RuntimeError for
    a second derivative.

    Source: C. Peng et al., MegDet: A Large Mini-Batch Object Detector, CVPR 2018.
    """

    sizes: ClassVar[tuple[str, ...]] = ("", ", L", ", H, W", ", D, H, W")

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: None = None,
        **options: Any,
    ) -> None:
        if process_group is not None:
            expected = "None, for all processes"
            raise arguments.wrong("SyncBatchNorm: process_group", expected, process_group)
        super().__init__(num_features, eps, momentum, affine, track_running_stats, **options)

    def forward(self, x: Input) -> Tensor:
        """The normalised rows of this process."""
        if self.training and current().chunks:
            raise ValueError(CHUNKS)
        if not self.training or current().size == 1:
            return super().forward(x)
        x = x if isinstance(x, Tensor) else Tensor.from_array(x)
        if not 2 <= x.ndim <= 5 or x.shape[1] != self.num_features:
            raise ValueError(f"expected (N, {self.num_features}, ...); got {x.shape}")
        dtype = np.result_type(x.dtype if self.weight is None else self.weight.dtype, np.float32)
        wide = x.cast(dtype)
        mean, var, count = BatchStatistics.apply(wide)
        scale = (var + self.eps).rsqrt().cast(dtype)
        factor = scale if self.weight is None else scale * self.weight.cast(dtype)
        bias = None if self.bias is None else self.bias.cast(dtype)
        y: Tensor = ops.ChannelAffine.apply(wide, mean.cast(dtype), factor, bias)
        if self.track_running_stats:
            self._track(mean.data, var.data, count.data)
        return y.cast(x.dtype)

    def _track(self, mean: Array, var: Array, count: Array) -> None:
        """Move the running averages, with the variance of correction 1."""
        running_mean, running_var, seen = self._running()
        momentum: Any = self.momentum
        if momentum is None:  # the average over all batches
            momentum = 1 / (seen.data + 1)
        with no_grad(), np.errstate(all="ignore"):
            for running, value in ((running_mean, mean), (running_var, var * count / (count - 1))):
                write(running, (1 - momentum) * running.data + momentum * value)
        write(seen, seen.data + 1)

    def _running(self) -> tuple[Tensor, Tensor, Tensor]:
        found = self.running_mean, self.running_var, self.num_batches_tracked
        mean, var, seen = found
        assert mean is not None
        assert var is not None
        assert seen is not None
        return mean, var, seen

    @classmethod
    def convert_sync_batchnorm(cls, module: Any, process_group: None = None) -> Any:
        """Make each BatchNorm layer in a module a SyncBatchNorm; returns the module.

        The layers stay the objects that they are, with their parameters and buffers.  Those of
        classes that were derived from BatchNorm are left as they are.
        """
        if process_group is not None:
            expected = "None, for all processes"
            raise arguments.wrong("convert_sync_batchnorm: process_group", expected, process_group)
        for each in module.modules():
            if type(each) in (BatchNorm1d, BatchNorm2d, BatchNorm3d):
                each.__class__ = cls
        return module


class BatchStatistics(Function):
    """The mean, the variance (correction 0) and the number of elements of each channel, (C,).

    They are those of the rows x: (N, C, ...) of all processes, in float64.  With w the weight of
    this process's part, and G the sum over all of w times the gradient that reaches a result,

        dx = (G of mean + 2 (x - mean) G of var) / (w count)

    since the exchange of gradients multiplies what comes from here by w.
    """

    saves = "both"
    fresh = True

    def forward(self, x: Any) -> Any:
        """Compute the sums here, and merge those of all."""
        return merged(x)

    def backward(self, g: Any, y: Any, x: Any) -> Any:
        """Add what reached the statistics in all processes."""
        of_mean, of_var, _ = g
        mean, _, count = y
        if any(isinstance(one, Tensor) for one in g):
            raise RuntimeError(
                "SyncBatchNorm: expected no create_graph: it has one derivative only"
            )
        zeros = np.zeros_like(mean)
        of_mean, of_var = (zeros if one is None else one for one in (of_mean, of_var))
        level, slope = added(of_mean, of_var, count)
        mean, level, slope = (one.astype(x.dtype) for one in (mean, level, slope))
        return (ops.ChannelAffine.apply(x, mean, slope, level),)


@recorded.each_time
def merged(x: Array) -> tuple[Array, Array, Array]:
    """Mean, variance and count of each channel over all processes, merged in their order.

    Source: T. Chan, G. Golub and R. LeVeque, Updating Formulae and a Pairwise Algorithm for
    Computing Sample Variances, 1979.
    """
    processes = current()
    channels = x.shape[1]
    own = np.zeros((3, channels))
    part = processes.part
    if x.size and (part is None or part.rows):
        axes = (0, *range(2, x.ndim))
        count = x.size // channels
        mean = np.add.reduce(x, axes, np.float64) / count
        less = x - mean.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - 2))
        rest = np.add.reduce(less, axes, np.float64) / count  # what rounding the mean has left
        squares = np.add.reduce(less * less, axes, np.float64)
        own[0], own[1], own[2] = count, mean, squares - count * rest * rest
    found = exchanged(f"the statistics of a SyncBatchNorm of {channels} channels", own)
    total, mean, squares = np.zeros(channels), np.zeros(channels), np.zeros(channels)
    for count, other, more in found:
        if not count.any():
            continue
        total = total + count
        change = other - mean
        mean = mean + change * (count / total)
        squares = squares + more + change * change * (count * (total - count) / total)
    if (total <= 1).any():
        raise ValueError(
            "expected more than one value for each channel in training; the batch of all processes "
            f"has {int(total[0])}"
        )
    return mean, squares / total, total


@recorded.each_time
def added(of_mean: Array, of_var: Array, count: Array) -> tuple[Array, Array]:
    """G of mean / (w count), and 2 G of var / (w count)."""
    part = current().part
    weight = 1.0 if part is None else part.weight
    own = np.stack([of_mean, of_var]) * weight if weight else np.zeros((2, len(count)))
    found = exchanged(f"the gradients of a SyncBatchNorm of {len(count)} channels", own)
    level, slope = np.zeros_like(count), np.zeros_like(count)
    for other, more in found:
        level, slope = level + other, slope + more
    if not weight:  # of rows that count nothing
        return np.zeros_like(count), np.zeros_like(count)
    return level / (weight * count), 2 * slope / (weight * count)


def exchanged(what: str, own: Array) -> Array:
    """What each process has, by rank."""
    processes = current()
    assert isinstance(processes, MPIProcesses)
    return processes.gather_arrays(what, own)
