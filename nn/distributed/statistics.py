"""The running statistics of BatchNorm layers, which each process computes from its own rows.

In the free order they are averaged over the processes, as the gradients are: each has
(1 - m) R + m s_r, so the mean has that of the s_r; one that does not use the layer in a step has R.
With chunks they are updated from one part after the other, as if one process had seen them in turn:
every part begins with the statistics that the batch began with, R, and what it adds is found from
its own,

    added = R_part - (1 - m)^calls R

calls being how often it called the layer, by num_batches_tracked; for momentum=None it is
(n + calls) R_part - n R, and is divided by the number of batches by then.

Other buffers stay as each process makes them.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_lite import Tensor

from ..layers import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .buckets import Array

LAYERS = BatchNorm1d, BatchNorm2d, BatchNorm3d


def normalising(modules: Iterable[Any]) -> list[Any]:
    """The layers among these modules that have running statistics."""
    found = [each for each in modules if isinstance(each, LAYERS)]
    return [layer for layer in found if layer.running_mean is not None]


class RunningStatistics:
    """Those of some layers, and a copy from a moment when all processes had the same."""

    def __init__(self, layers: Sequence[Any]) -> None:
        self.layers = layers
        self.before: list[Array] = []
        self.remember()

    @property
    def tensors(self) -> list[Tensor]:
        """Mean and variance of each layer."""
        return [each for one in self.layers for each in (one.running_mean, one.running_var)]

    @property
    def counts(self) -> list[Tensor]:
        """How many batches each layer has seen."""
        return [one.num_batches_tracked for one in self.layers]

    def remember(self) -> None:
        """All processes have the same now."""
        self.before = [tensor.data.copy() for tensor in (*self.tensors, *self.counts)]

    # In the free order

    def is_unchanged(self, number: int) -> bool:
        """Whether the mean or variance with this number, in `tensors`, is as it was."""
        return np.array_equal(self.tensors[number].data, self.before[number])

    # In order

    def restore(self) -> None:
        """Write back what there was before."""
        for tensor, before in zip((*self.tensors, *self.counts), self.before, strict=True):
            write(tensor, before)

    @property
    def length(self) -> int:
        """The number of elements of `added`."""
        return sum(1 + 2 * one.running_mean.numel() for one in self.layers)

    def added(self) -> Array:
        """What the part that was computed last adds: for each layer how often, mean, variance."""
        found: list[Any] = []
        for number, layer in enumerate(self.layers):
            mean, var, seen = self._of(number)
            calls = int(layer.num_batches_tracked.data) - seen
            found.append([calls])
            kept, divisor = _factors(layer, seen, calls)
            for tensor, before in ((layer.running_mean, mean), (layer.running_var, var)):
                found.append(divisor * tensor.data.astype(np.float64) - kept * before)
        return np.concatenate(found) if found else np.empty(0)

    def fold(self, parts: Iterable[Array]) -> None:
        """Update the statistics from before by what each part adds, in their order."""
        state = [self._of(number) for number in range(len(self.layers))]
        with np.errstate(all="ignore"):
            for part in parts:
                position = 0
                for number, layer in enumerate(self.layers):
                    mean, var, seen = state[number]
                    calls, size = int(part[position]), len(mean)
                    more = part[position + 1 : position + 1 + 2 * size]
                    position += 1 + 2 * size
                    if not calls:
                        continue
                    kept, divisor = _factors(layer, seen, calls)
                    mean = (kept * mean + more[:size]) / divisor
                    var = (kept * var + more[size:]) / divisor
                    state[number] = mean, var, seen + calls
        self.restore()
        for number, layer in enumerate(self.layers):
            mean, var, seen = state[number]
            if seen != self._of(number)[2]:
                write(layer.running_mean, mean)
                write(layer.running_var, var)
                write(layer.num_batches_tracked, seen)
        self.remember()

    def _of(self, number: int) -> tuple[Array, Array, int]:
        """Mean, variance and count of a layer, before."""
        mean, var = self.before[2 * number : 2 * number + 2]
        seen = self.before[2 * len(self.layers) + number]
        return mean.astype(np.float64), var.astype(np.float64), int(seen)


def write(tensor: Tensor, value: Any) -> None:
    """Write into a tensor that is not trained, as its layer does."""
    np.copyto(tensor.data, value, casting="same_kind")
    tensor.mark_changed()


def _factors(layer: Any, seen: int, calls: int) -> tuple[float, float]:
    """Statistics after some calls are (kept * those before + what was added) / divisor."""
    if layer.momentum is None:
        return float(seen), float(seen + calls)
    return (1.0 - float(layer.momentum)) ** calls, 1.0
