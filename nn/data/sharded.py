"""A DataLoader of one of several processes: it serves this process's parts of each batch."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import generator

from .._processes import Fact, Part, Processes, checksum, current
from .dataset import TensorDataset, without_subsets
from .epochs import Epoch
from .fetching import Task
from .loader import DataLoader
from .parts import facts_of, parts_of, seeds_of, served
from .seeding import batch_entropy

SAMPLED = 16  # rows of an epoch that must be the same in all processes, if the data are arrays


class ShardedLoader(DataLoader):
    """What `nn.distributed.shard` gives: a DataLoader with the options and position of another.

    An epoch has the order of rows and the batches that it has in one process alone.
    """

    def __init__(self, loader: DataLoader) -> None:
        self.__dict__.update(loader.__getstate__())

    def __iter__(self) -> Iterator[Any]:
        """This process's parts of each batch of an epoch, or of the rest of the loaded one."""
        with generator.outside():  # if it stands in the body of such a loop: the same for all
            epoch = self._begin()
            start = epoch.start or generator.current()
            entropy = batch_entropy(start)
        processes = current()
        if processes.size > 1:
            position = np.array([epoch.number, epoch.delivered])
            drawn = entropy, epoch.order, epoch.bounds, position
            processes.agree(
                f"the beginning of epoch {epoch.number + 1} of a DataLoader",
                checksum([*drawn, *self._sample(epoch)]),
                lambda: self._facts(epoch, entropy),
            )
        with closing(self._results(epoch)) as batches:
            yield from served(self._parts(epoch, entropy, batches, processes))
        self._end(epoch)

    def _facts(self, epoch: Epoch, entropy: Any) -> Iterator[Fact]:
        """What must be the same in all processes."""
        data = "let all read the same data, and the whole of them: shard divides the rows"
        order = (
            "give all the same seed=, shuffle= and sampler=; without seed= the order follows from "
            "Tensor's generator, from which none may draw alone"
        )
        yield Fact(f"{len(epoch.order)} rows in an epoch", data)
        sizes = [*dict.fromkeys(np.diff(epoch.bounds).tolist())]
        texts = f"{epoch.batches} batches of {' or '.join(map(str, sizes[:4]))} rows"
        yield Fact(texts, "give all the same batch_size= and drop_last=")
        yield Fact(f"{epoch.delivered} batches behind it", "let all load the same state")
        first = ", ".join(map(str, epoch.order[:8]))
        yield Fact(f"an order of the rows that begins with {first}", order)
        yield Fact(f"another order, with the checksum {checksum([epoch.order])}", order)
        yield Fact(f"draws that follow from {entropy[0]}", order)
        yield from facts_of("the first rows of array", self._sample(epoch), data)

    def _sample(self, epoch: Epoch) -> list[NDArray[Any]]:
        """A few rows of arrays, by which processes notice that they have other data."""
        if not epoch.left:
            return []
        dataset, rows = without_subsets(self.dataset, epoch.rows(epoch.delivered)[:SAMPLED])
        return [each.data for each in dataset[rows]] if type(dataset) is TensorDataset else []

    def _parts(
        self, epoch: Epoch, entropy: Any, batches: Iterator[Any], processes: Processes
    ) -> Iterator[tuple[Part, "np.random.SeedSequence", Any]]:
        """Each part, the seeds of what the loop body draws, and its rows."""
        parts = self._own(epoch, processes)
        for (number, part, _), batch in zip(parts, batches, strict=True):
            # A batch is delivered with its last part: with a part of it, no step can be taken.
            epoch.delivered += part.last
            yield part, seeds_of(entropy, epoch.number, number, 1 + part.number, 1), batch

    def _tasks(self, epoch: Epoch) -> Iterator[Task]:
        entropy = None
        if not self._fetch.is_plain and epoch.start is not None:
            entropy = batch_entropy(epoch.start)
        for number, part, rows in self._own(epoch, current()):
            # Other keys than those of whole batches and of workers, see `Epoch`.
            key = epoch.number, number, 1 + part.number
            yield epoch.rows(number)[rows], None if entropy is None else seeds_of(entropy, *key)

    def _own(self, epoch: Epoch, processes: Processes) -> Iterator[tuple[int, Part, slice]]:
        """The number of the batch, the part, and its rows, of all that is left of an epoch."""
        for number in range(epoch.delivered, epoch.batches):
            for part, rows in parts_of(len(epoch.rows(number)), processes):
                yield number, part, rows
