"""Averages of weights over a training run, which often test better than the last weights.

    average = AveragedModel(model, avg_fn=get_ema_avg_fn(0.999))
    for ...:
        optimizer.step()
        average.update_parameters(model)
    test(average.eval())

Sources: B. Polyak and A. Juditsky, Acceleration of stochastic approximation by averaging, 1992;
P. Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, UAI 2018.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import partial
from typing import Any, TypeAlias

from tinygrad_lite import Tensor, arguments, no_grad, recorded

from .._processes import current
from ..layers import BatchNorm1d, BatchNorm2d, BatchNorm3d
from ..module import Module

# The average, the newest value, and of how many values it is the average -> the next average
Average: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
# The same for lists of tensors, in place
Averages: TypeAlias = Callable[[list[Tensor], list[Tensor], Tensor], None]


class AveragedModel(Module):
    """A copy of a model, `module`, whose parameters are averages of that model's.

    avg_fn        how: `get_ema_avg_fn(decay)`, `get_swa_avg_fn()` (the default: the plain mean of
                  all updates), or your own
    multi_avg_fn  the same for all tensors at once, in place, instead of avg_fn
    use_buffers   whether buffers of floats are averaged too; otherwise, and those of integers, they
                  are the model's newest

    The first update copies the model.  `n_averaged` counts the updates; with `module` it is the
    state, under PyTorch's names.  An average of float16 parameters loses digits at every update:
    cast it, `AveragedModel(model).float()`.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        *,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        if not isinstance(model, Module):
            raise arguments.wrong("AveragedModel: model", "a Module", model)
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: expected avg_fn or multi_avg_fn; got both")
        for name, function in (("avg_fn", avg_fn), ("multi_avg_fn", multi_avg_fn)):
            if function is not None:
                arguments.function(function, f"AveragedModel: {name}")
        self.module = deepcopy(model)
        self.multi_avg_fn = multi_avg_fn or partial(_for_each, avg_fn or get_swa_avg_fn())
        self.use_buffers = arguments.flag(use_buffers, "AveragedModel: use_buffers")
        self.register_buffer("n_averaged", Tensor(0))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The result of the averaged model."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's parameters, as they are now, into the average.

        With `nn.distributed` and chunks, a batch comes in several parts: then this does nothing
        until the last one, as the optimiser's step.

        Errors, before anything is written: ValueError for another model than the one that was
        copied.
        """
        if current().chunks and current().midway:
            return
        own, others = _tensors(self.module), _tensors(model)
        if [each.shape for each, _ in own] != [each.shape for each, _ in others]:
            raise ValueError(
                "update_parameters: expected the model that was copied; got one whose parameters "
                "and buffers have other shapes"
            )
        averages: list[Tensor] = []
        values: list[Tensor] = []
        count = recorded.number_of(self.n_averaged.data)
        with no_grad():
            for (average, is_buffer), (value, _) in zip(own, others, strict=True):
                skipped = is_buffer and not self.use_buffers
                if skipped or average.dtype.kind != "f" or not count:
                    average.copy_(value)
                else:
                    averages.append(average)
                    values.append(value)
            if averages:
                self.multi_avg_fn(averages, values, self.n_averaged)
            self.n_averaged.add_(1)


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The exponential average: decay * average + (1 - decay) * value."""
    return partial(_exponential, arguments.probability(decay, "get_ema_avg_fn: decay"))


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """`get_ema_avg_fn`, for all tensors at once."""
    return partial(_for_each, get_ema_avg_fn(decay))


def get_swa_avg_fn() -> Average:
    """The mean of all values: average + (value - average) / (count + 1)."""
    return _mean


def get_swa_multi_avg_fn() -> Averages:
    """`get_swa_avg_fn`, for all tensors at once."""
    return partial(_for_each, _mean)


def update_bn(loader: Iterable[Any], model: Module) -> None:
    """Compute the running averages of all BatchNorm layers anew, as the mean over these batches.

    Those of the model do not belong to averaged weights.

    loader: the batches, each an input of the model, or a tuple or list that begins with one

    Errors: ValueError for a loader of `nn.distributed.shard`, with which each of several processes
    would get averages of its own.
    """
    modules = [(module, module.training) for module in model.modules()]
    kinds = BatchNorm1d | BatchNorm2d | BatchNorm3d
    layers = [(layer, layer.momentum) for layer, _ in modules if isinstance(layer, kinds)]
    if not layers:
        return
    for layer, _ in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the mean over all batches
    try:
        model.train()
        with no_grad():
            part = current().part
            for batch in loader:
                if current().part is not part:
                    raise ValueError(
                        "update_bn: expected a loader of whole batches, the same in all processes; "
                        "got one of nn.distributed.shard: pass the one from before"
                    )
                model(batch[0] if isinstance(batch, tuple | list) else batch)
    finally:
        for layer, momentum in layers:
            layer.momentum = momentum
        for module, training in modules:
            module.training = training


def _exponential(decay: float, average: Tensor, value: Tensor, count: Tensor) -> Tensor:
    return average.lerp(value.cast(average.dtype), 1.0 - decay)


def _mean(average: Tensor, value: Tensor, count: Tensor) -> Tensor:
    return average.lerp(value.cast(average.dtype), 1.0 / (recorded.number_of(count.data) + 1))


def _for_each(
    formula: Average, averages: list[Tensor], values: list[Tensor], count: Tensor
) -> None:
    for average, value in zip(averages, values, strict=True):
        average.copy_(formula(average, value, count))


def _tensors(model: Module) -> list[tuple[Tensor, bool]]:
    """The parameters and buffers, outside the graph, and whether each is a buffer."""
    parameters = [(each.detach(), False) for each in model.parameters()]
    return parameters + [(each.detach(), True) for each in model.buffers()]
