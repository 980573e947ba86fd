"""Samplers: in which order, and how often, a DataLoader serves the samples of a data set.

A sampler is any iterable of ints with a length; each `iter()` of it is one epoch.  A random one
that has `state_dict` and `load_state_dict` continues after a resume with the orders that an
uninterrupted run has.

seed=, in all of these: an int; a np.random.Generator to draw from (also a BitGenerator or a
SeedSequence); or None: what is drawn follows from `Tensor.manual_seed`.
"""

from collections.abc import Iterable, Iterator, Sized
from itertools import islice
from typing import Any

import numpy as np

from tinygrad_lite import Tensor, arguments

from .dataset import as_indices, has
from .seeding import State, Stream


class SequentialSampler:
    """0, 1, 2, ... up to the length of `data_source`."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = _sized(data_source, "SequentialSampler")

    def __iter__(self) -> Iterator[int]:
        """The numbers of all samples."""
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.data_source)


class _RandomSampler:
    """What random samplers share: a stream of random numbers, and its state."""

    def __init__(self, seed: Any) -> None:
        self._stream = Stream(seed, f"{type(self).__name__}: seed")

    def state_dict(self) -> dict[str, Any]:
        """The state of the random numbers."""
        return {"generator": self._stream.state()}

    def load_state_dict(self, state_dict: Any) -> None:
        """Continue with the orders that followed when `state_dict` was taken.

        Errors: ValueError if this is no such state; then nothing has changed.
        """
        where = f"{type(self).__name__}: load_state_dict"
        if not isinstance(state_dict, dict) or set(state_dict) != {"generator"}:
            got = arguments.shown(state_dict)
            raise ValueError(f'{where}: expected a dict with "generator"; got {got}')
        self._stream.load(self._stream.checked(state_dict["generator"], where))


class RandomSampler(_RandomSampler):
    """The samples of `data_source` in a random order, a new one for every epoch.

    replacement: draw each sample from all, so that one may come twice and another not at all.
    num_samples: the number of samples in an epoch; None for as many as there are.  Without
        replacement, more than there are means that a new order begins when one is through.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        seed: Any = None,
    ) -> None:
        super().__init__(seed)
        self.data_source = _sized(data_source, "RandomSampler")
        self.replacement = arguments.flag(replacement, "RandomSampler: replacement")
        self._chosen = num_samples
        if num_samples is not None:
            self._chosen = arguments.integer(num_samples, "RandomSampler: num_samples", least=1)

    @property
    def num_samples(self) -> int:
        """The number of samples in an epoch."""
        return len(self.data_source) if self._chosen is None else self._chosen

    def __iter__(self) -> Iterator[int]:
        """The numbers of the samples of one epoch."""
        rows, wanted = len(self.data_source), self.num_samples
        if not rows and wanted:
            raise ValueError(f"RandomSampler: {wanted} samples cannot be drawn from no data")
        random = self._stream.epoch()
        if self.replacement:
            yield from random.integers(rows, size=wanted).tolist() if wanted else ()
            return
        for start in range(0, wanted, max(rows, 1)):
            yield from random.permutation(rows)[: wanted - start].tolist()

    def __len__(self) -> int:
        """The number of samples in an epoch."""
        return self.num_samples


class SubsetRandomSampler(_RandomSampler):
    """The samples with the numbers `indices` in a random order, a new one for every epoch."""

    def __init__(self, indices: Any, seed: Any = None) -> None:
        super().__init__(seed)
        self.indices = as_indices(indices, "SubsetRandomSampler: indices")

    def __iter__(self) -> Iterator[int]:
        """The numbers of the samples of one epoch."""
        order = self._stream.epoch().permutation(len(self.indices))
        yield from self.indices[order].tolist()

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.indices)


class WeightedRandomSampler(_RandomSampler):
    """Samples drawn in proportion to weights: rare classes as often as common ones.

    weights: one for each sample, (N,), 0 or more; their sum does not matter.
    num_samples: the number of samples in an epoch.
    replacement: with False, no sample comes twice in an epoch.
    """

    def __init__(
        self, weights: Any, num_samples: int, replacement: bool = True, seed: Any = None
    ) -> None:
        super().__init__(seed)
        name = "WeightedRandomSampler: weights"
        if not has(weights, "__iter__"):
            raise arguments.wrong(name, "numbers, (N,)", weights)
        if hasattr(weights, "__array__"):
            given = weights.data if isinstance(weights, Tensor) else np.asarray(weights)
        else:
            given = np.array([arguments.number(weight, name) for weight in weights])
        if given.ndim != 1 or given.dtype.kind not in "biuf":
            raise arguments.wrong(name, "numbers, (N,)", weights)
        self.weights = given.astype(np.float64)
        self.num_samples = arguments.integer(
            num_samples, "WeightedRandomSampler: num_samples", least=1
        )
        self.replacement = arguments.flag(replacement, "WeightedRandomSampler: replacement")
        largest = self.weights.max(initial=0.0)
        if not (np.isfinite(self.weights).all() and self.weights.min(initial=0.0) >= 0 < largest):
            raise ValueError(
                "WeightedRandomSampler: weights: expected numbers of 0 or more, at least one of "
                "them above 0, none of them inf or nan"
            )
        possible = int(np.count_nonzero(self.weights))
        if not self.replacement and possible < self.num_samples:
            raise ValueError(
                f"WeightedRandomSampler: num_samples: only {possible} weights are above 0; got "
                f"{self.num_samples}, with replacement=False"
            )

    def __iter__(self) -> Iterator[int]:
        """The numbers of the samples of one epoch."""
        share = self.weights / self.weights.max()  # first, so that the sum is finite
        share /= share.sum()
        random = self._stream.epoch()
        chosen = random.choice(len(share), self.num_samples, self.replacement, share)
        yield from chosen.tolist()

    def __len__(self) -> int:
        """The number of samples in an epoch."""
        return self.num_samples


class BatchSampler:
    """The numbers that `sampler` gives in lists of `batch_size`; the last has the rest.

    drop_last: leave out the last list if it is shorter.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool = False) -> None:
        if not has(sampler, "__iter__"):
            raise arguments.wrong("BatchSampler: sampler", "an iterable of integers", sampler)
        self.sampler = sampler
        self.batch_size = arguments.integer(batch_size, "BatchSampler: batch_size", least=1)
        self.drop_last = arguments.flag(drop_last, "BatchSampler: drop_last")

    def __iter__(self) -> Iterator[list[int]]:
        """The batches of one epoch."""
        numbers = iter(self.sampler)
        while batch := list(islice(numbers, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return whole + bool(rest and not self.drop_last)

    def state_dict(self) -> dict[str, Any]:
        """The state of the sampler, if it has one."""
        return {"sampler": sampler_state(self.sampler)}

    def load_state_dict(self, state_dict: Any) -> None:
        """Load the state of the sampler.

        Errors: ValueError if this is no such state; then nothing has changed.
        """
        where = "BatchSampler: load_state_dict"
        if not isinstance(state_dict, dict) or set(state_dict) != {"sampler"}:
            got = arguments.shown(state_dict)
            raise ValueError(f'{where}: expected a dict with "sampler"; got {got}')
        load_sampler(self.sampler, state_dict["sampler"], where)


def sampler_state(sampler: Any) -> State:
    """The state of a sampler; None if it has none."""
    if not hasattr(sampler, "state_dict") or not hasattr(sampler, "load_state_dict"):
        return None
    state: State = sampler.state_dict()
    return state


def load_sampler(sampler: Any, state: Any, where: str) -> None:
    """Load what `sampler_state` gave, into a sampler that has a state exactly if that one had."""
    has_one = hasattr(sampler, "state_dict") and hasattr(sampler, "load_state_dict")
    if has_one != (state is not None):
        name = type(sampler).__name__
        has = "has a state, which is missing" if has_one else "has no state; got one"
        raise ValueError(f"{where}: the sampler, a {name}, {has}")
    if has_one:
        sampler.load_state_dict(state)


def _sized(data: Any, caller: str) -> Any:
    if not has(data, "__len__"):
        raise arguments.wrong(f"{caller}: data_source", "data with a length", data)
    return data
