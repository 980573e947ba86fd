"""Gradients that are the same bits for any number of processes: chunks=K."""

from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary, ref

from tinygrad_lite import Tensor, TrainingWarning, warn

from .._processes import Batch, Fact, Part, checksum, current
from ..data.parts import cut, facts_of
from ..optim import Optimizer
from .buckets import Array, Bucket
from .comparing import changed
from .gradients import Gradients
from .ordered import OrderedSum
from .statistics import RunningStatistics
from .transfers import OrderedTransfer

SEEN = 16  # elements of each weight by which a change between two parts of a batch is seen


class Accumulation:
    """What is known of a batch while its parts are computed.

    began: the gradients that the batch began with; statistics: the running ones.
    sums: those of each of the buckets; added: what each part adds to the running statistics.
    newest: the number of the part that the loop got last; computed: of those that had their pass.
    options, weights: of the optimiser in the first of these passes; a few elements of each weight.
    """

    def __init__(
        self,
        newest: int,
        tensors: Sequence[Tensor],
        layers: Sequence[Any],
        buckets: Sequence[Bucket],
    ) -> None:
        self.newest, self.computed = newest, list[int]()
        self.options, self.weights = list[str](), b""
        self.began = [(tensor, tensor.grad) for tensor in tensors]
        self.statistics = RunningStatistics(layers)
        self.added: list[Array] = []
        self.fill(buckets)

    def fill(self, buckets: Sequence[Bucket]) -> None:
        """Begin a sum for each of these buckets."""
        self.buckets, self.sums = buckets, [OrderedSum() for _ in buckets]

    def goes_on(self, number: int) -> None:
        """If this is another part, it begins as the first one did."""
        if self.newest in self.computed and number != self.newest:
            for tensor, gradient in self.began:
                tensor.grad = gradient
            self.statistics.restore()
        self.newest = number


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
        # Of the batches that loops have at the moment: of several if one is in another's body.
        self.batches: WeakKeyDictionary[Batch, Accumulation] = WeakKeyDictionary()
        self.batch: Accumulation | None = None  # that of the pass that runs
        self.stepped_in: ref[Batch] | None = None  # the batch of the last step
        self.whole = False  # whether the last pass was outside of such a loop
        self.processes.followers.add(self)

    def averaged(self) -> list[Tensor]:
        """Running statistics are not averaged, but updated by one part after the other."""
        return []

    def part_begins(self, part: Part) -> None:
        """The loop gets a part; or it goes on with one, after a loop in its body."""
        batch = self.batches.get(part.batch)
        if batch is not None:
            batch.goes_on(part.number)
        elif (optimizer := self.optimizer()) is not None:  # it was not dropped
            params, layers = optimizer.params, self.statistics.layers  # also the frozen ones
            batch = Accumulation(part.number, params, layers, self.buckets)
            self.batches[part.batch] = batch

    def counts(self) -> bool:
        """Whether all processes make this pass: each may have another number of parts."""
        return not self.processes.midway

    def prepare(self, part: Part | None) -> None:
        """Begin with the gradients of a part; with the last one, say that the exchange begins."""
        self.batch = None if part is None else self.batches.get(part.batch)
        self.whole = part is None
        self.midway = self.processes.midway
        if part is None:
            super().prepare(None)
            return
        if self.batch is None:
            raise RuntimeError(
                f"{self.name}: with chunks, expected DistributedOptimizer before the loop over the "
                "parts of a batch; it was called in the body"
            )
        if part.number in self.batch.computed:
            raise RuntimeError(
                f"{self.name}: with chunks, expected one backward pass for each part of a batch; "
                "got a second one: add the losses, and call backward once"
            )
        if self.batch.buckets is not self.buckets:  # laid out anew since the batch began
            if self.batch.computed:
                raise RuntimeError(
                    f"{self.name}: parameters were added or frozen between two parts of a batch; "
                    "expected that between two batches"
                )
            self.batch.fill(self.buckets)
        self._check_that_nothing_changes()
        if not self.midway:
            self._check_that_none_is_missing(part)
            self._warn_of_steps(part)
        self.weight = part.weight
        if self.channels is not None and not self.midway:
            self.announce(part)
            self.transfer = OrderedTransfer(self.channels, part.parts, min(part.parts, part.total))

    def step_begins(self) -> None:
        """RuntimeError also if the gradients are those of a batch that was not cut into parts."""
        super().step_begins()
        if self.whole and current() is self.processes:
            raise RuntimeError(
                f"{self.name}.step: with chunks, expected a backward() in a loop over shard(loader)"
                " or parts(...); the last one was outside of it, with a whole batch: loop over the "
                "loader that data_parallel returns"
            )
        if (part := self.processes.part) is not None:
            self.stepped_in = ref(part.batch)

    def _check_that_nothing_changes(self) -> None:
        """Raise if options or weights change between two parts of a batch, which is one step."""
        assert self.batch is not None
        now = self.options_now()
        weights = b"".join([each.data.flat[:SEEN].tobytes() for each in self.tensors])
        if not self.batch.computed:
            self.batch.options, self.batch.weights = now, weights
        elif weights != self.batch.weights:
            raise RuntimeError(
                f"{self.name}: with chunks, expected the weights that the part before had, since "
                "the parts of a batch are one step; the body of the loop changes them: expected "
                "that only where not nn.distributed.start().midway"
            )
        elif different := changed(now, self.batch.options):
            before = changed(self.batch.options, now).removeprefix(" with ")
            raise RuntimeError(
                f"{self.name}: with chunks, expected {before}, as in the part before, since the "
                f"parts of a batch are one step; got{different.removeprefix(' with')}: count steps "
                "by whole batches, as report.taken does, and not by the loop"
            )

    def _check_that_none_is_missing(self, part: Part) -> None:
        """Raise, before anything is sent, if a part before the last one had no pass."""
        assert self.batch is not None
        first = cut(part.parts, self.processes.size, self.processes.rank).start
        for number in range(first, part.number):
            if number not in self.batch.computed:
                raise RuntimeError(
                    f"{self.name}: with chunks, expected a backward pass for each part of a batch; "
                    f"part {number} of {part.parts} had none"
                )

    def _warn_of_steps(self, part: Part) -> None:
        """Warn if another optimiser has stepped in this batch, as it does in its last part only."""
        for other in self.observer.exchanges:
            if not isinstance(other, OrderedGradients) or other.stepped_in is None:
                continue
            if other.stepped_in() is part.batch and self.processes.leads:
                warn(
                    f"with chunks, {other.name} steps before a backward pass of {self.name}; a "
                    "loss that depends on both would be of other weights in the last part, which "
                    "depends on the number of processes: expected all passes before the first step",
                    TrainingWarning,
                )

    def agreed(self) -> int:
        """The layout, and the running statistics that the batch began with."""
        return checksum(self._statistics(), self.layout)

    def facts(self) -> Iterator[Fact]:
        """The same in words."""
        yield from super().facts()
        fix = "evaluate in model.eval(), or in all processes alike"
        yield from facts_of("running statistics", self._statistics(), fix)

    def _statistics(self) -> list[Array]:
        return [] if self.batch is None else self.batch.statistics.before

    def sends(self) -> bool:
        """Also if there are no others, to the sum of a batch."""
        return self.batch is not None or super().sends()

    def send_next(self) -> None:
        """Add the next bucket of this part; with the last one, send the sums."""
        if self.batch is None:
            super().send_next()
            return
        number, message = self.next, self.message()
        if self.part is not None and self.part.rows:
            self.batch.sums[number].add(self.part.number, 1, message)
        if isinstance(self.transfer, OrderedTransfer):
            self.transfer.send(self.batch.sums[number], self.buckets[number])

    def memory(self, bucket: Bucket) -> Array:
        """That of a message whose sum is elsewhere by now, if there is one."""
        number = self.next - 1
        spare = [] if self.batch is None else self.batch.sums[number].spare
        return spare.pop() if spare else bucket.new()

    def complete(self) -> None:
        """The pass is over: take the gradients away; after the last part, let all have the mean."""
        batch, part = self.batch, self.part
        if batch is None or part is None:
            super().complete()
            return
        batch.computed.append(part.number)
        if part.rows:
            batch.added.append(batch.statistics.added())
        if self.midway:
            for tensor in self.tensors:
                tensor.grad = None
            return
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
        self.batch = None
