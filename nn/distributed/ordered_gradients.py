"""Gradients that are the same bits for any number of processes: chunks=K."""

import zlib
from collections.abc import Sequence
from typing import Any

from tinygrad_lite import Tensor, recorded

from .._processes import Part, is_midway
from ..data.parts import cut
from ..optim import Optimizer
from .buckets import Array
from .gradients import Gradients
from .ordered import OrderedSum
from .statistics import RunningStatistics
from .transfers import OrderedTransfer

DEEPEST = 4  # loops over batches inside each other


class Batch:
    """What is known of a batch while its parts are computed.

    part: the one that the loop body has.
    began: the gradients that the batch began with; statistics: the running ones.
    sums: those of each bucket; added: what each part adds to the running statistics.
    due: the numbers of the parts that the loop got; computed: of those that had their pass.
    """

    def __init__(
        self, part: Part, tensors: list[Tensor], layers: Sequence[Any], buckets: int
    ) -> None:
        self.part = part
        self.began = [(tensor, tensor.grad) for tensor in tensors]
        self.statistics = RunningStatistics(layers)
        self.sums = [OrderedSum() for _ in range(buckets)]
        self.added: list[Array] = []
        self.due, self.computed = [part.number], list[int]()

    def goes_on_with(self, part: Part) -> bool:
        """Whether this is the next part of it."""
        before = self.part
        alike = (before.parts, before.total) == (part.parts, part.total)
        return alike and not before.last and part.number == before.number + 1

    def begin_again(self, part: Part) -> None:
        """The next part begins as the first one did."""
        self.part = part
        self.due.append(part.number)
        for tensor, gradient in self.began:
            tensor.grad = gradient
        self.statistics.restore()


class OrderedGradients(Gradients):
    """The same for a batch that is cut into a number of parts that the processes do not change.

    A process computes several parts of a batch, one after the other.  Each begins with the
    gradients and the running statistics that the batch began with.  When its pass is over, its
    gradients are taken away; after the last, the sums of all processes are added as `ordered` says,
    and `.grad` is the mean over the batch.

    A pass outside of a loop over parts is exchanged in the free order.
    """

    def __init__(self, optimizer: Optimizer, layers: list[Any], bucket_bytes: int) -> None:
        super().__init__(optimizer, layers, bucket_bytes)
        self.batches: list[Batch] = []  # of loops inside each other, from the outside
        self.depth = -1  # the position of that whose body runs
        self.batch: Batch | None = None  # that of the pass that runs
        self.processes.followers.add(self)

    def averaged(self) -> list[Tensor]:
        """Running statistics are not averaged, but updated by one part after the other."""
        return []

    def part_begins(self, part: Part | None) -> None:
        """The loop gets a part, or its body ends; or goes on, after a loop inside it."""
        if part is None or self.optimizer() is None:
            self.depth = -1
            return
        for depth, batch in enumerate(self.batches):
            if batch.part is part:
                self.depth = depth
                return
        inner = self.depth + 1
        begun = self.batches[inner] if inner < len(self.batches) else None
        if begun is not None and begun.goes_on_with(part):
            begun.begin_again(part)
        elif part.number == cut(part.parts, self.processes.size, self.processes.rank).start:
            begun = Batch(part, self.tensors, self.statistics.layers, len(self.buckets))
        else:
            return
        self.batches = [*self.batches[:inner], begun][-DEEPEST:]
        self.depth = len(self.batches) - 1

    def counts(self) -> bool:
        """Whether all processes make this pass: each may have another number of parts."""
        return not self.processes.midway

    def prepare(self, part: Part | None) -> None:
        """Begin with the gradients of a part; with the last one, say that the exchange begins."""
        self.batch = self.batches[self.depth] if part is not None and self.depth >= 0 else None
        # A captured step has other recordings for the parts that are not the last.
        self.midway: bool = recorded.required(is_midway)
        if part is None or self.batch is None:
            super().prepare(None)
            return
        if part.number in self.batch.computed:
            raise RuntimeError(
                f"{self.name}: with chunks, expected one backward pass for each part of a batch; "
                "got a second one: add the losses, and call backward once"
            )
        if len(self.batch.sums) != len(self.buckets):
            raise RuntimeError(
                f"{self.name}: parameters were added or frozen between two parts of a batch; "
                "expected that between two batches"
            )
        self.weight = part.weight
        if self.channels is not None and not self.midway:
            self.announce()
            self.transfer = OrderedTransfer(self.channels, part.parts, min(part.parts, part.total))

    def agreed(self) -> int:
        """The layout, and the running statistics that the batch began with."""
        found = self.layout
        for array in self.batch.statistics.before if self.batch is not None else ():
            found = zlib.crc32(array.tobytes(), found)
        return found

    def send_next(self) -> None:
        """Add the next bucket of this part; with the last one, send the sums."""
        if self.batch is None:
            super().send_next()
            return
        number, message, part = self.next, self.message(), self.batch.part
        if part.rows:
            self.batch.sums[number].add(part.number, 1, message)
        if isinstance(self.transfer, OrderedTransfer):
            self.transfer.send(self.batch.sums[number], self.buckets[number])

    def complete(self) -> None:
        """The pass is over: take the gradients away; after the last part, let all have the mean."""
        batch = self.batch
        if batch is None:
            super().complete()
            return
        self.send_all()
        part = batch.part
        batch.computed.append(part.number)
        if part.rows:
            batch.added.append(batch.statistics.added())
        if self.midway:
            for tensor in self.tensors:
                tensor.grad = None
            return
        missing = [number for number in batch.due if number not in batch.computed]
        if missing:
            raise RuntimeError(
                f"{self.name}: with chunks, expected a backward pass for each part of a batch; "
                f"part {missing[0]} of {part.parts} had none"
            )
        if isinstance(self.transfer, OrderedTransfer):
            means = self.transfer.finish()
            added = self.transfer.gather(batch.added, batch.statistics.length)
        else:
            means = [each.total() for each in batch.sums]
            for mean in means:
                mean /= part.parts
            added = batch.added
        self.store(means)
        batch.statistics.fold(added)
        batch.began, batch.sums, batch.added = [], [], []
