"""The gradients of one optimiser's parameters, exchanged in each backward pass."""

import weakref
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_lite import Tensor, TrainingWarning, warn

from .._processes import Fact, Part, Processes, checksum, current
from ..data.parts import beside, cut_alike, facts_of
from ..optim import Optimizer
from .buckets import Array, Bucket, buckets_of
from .comparing import are_due, changed, compare, options_of
from .passes import passes_here
from .processes import Announcement, MPIProcesses
from .statistics import RunningStatistics, write
from .transfers import Channels, FreeTransfer, Transfer, channels_of

ALIKE = "no option may follow from what one process has alone, such as the loss of its rows"

# The exchange of each optimiser, while there is the optimiser.
exchanges: "weakref.WeakKeyDictionary[Optimizer, Gradients]" = weakref.WeakKeyDictionary()

# How many of them were made: as many in all processes, in the same order.
_made: "weakref.WeakKeyDictionary[Processes, int]" = weakref.WeakKeyDictionary()


class Gradients:
    """After each backward pass, every `.grad` is the mean over the whole batch, in all processes.

    A bucket is sent as soon as the pass has finished all its gradients, and those before it.  What
    is sent is the `.grad` itself, with what former passes left in it: that was the same in all
    processes, and so it is its own mean.

    It ends with the optimiser; who goes on with the parameters gets a warning.

    passes: how many backward passes there were, also those that reached none of the parameters.
    stepped: how many at the last step.
    exchanged: how many passes were exchanged.
    """

    def __init__(self, optimizer: Optimizer, layers: list[Any], bucket_bytes: int) -> None:
        self.optimizer, self.kind = weakref.ref(optimizer), type(optimizer).__name__
        self.processes = current()
        self.number = _made[self.processes] = _made.get(self.processes, 0) + 1
        self.channels: Channels | None = None
        if isinstance(self.processes, MPIProcesses):
            self.channels = channels_of(self.processes)
        self.statistics = RunningStatistics(layers)
        self.bucket_bytes, self.passes, self.stepped = bucket_bytes, 0, 0
        self.running = self.ending = self.looked = False
        self.next = 0  # the bucket that is sent next
        self.part: Part | None = None  # of the pass that runs
        self.announcement: Announcement | None = None
        self.transfer: Transfer | None = None
        self.options, self.exchanged = options_of(optimizer.param_groups), 0
        self._lay_out([*reversed(optimizer.params)])
        self.observer = passes_here()
        self.observer.exchanges += (self,)
        weakref.finalize(optimizer, self._end).atexit = False

    def _end(self) -> None:
        """The optimiser is gone: let its parameters and layers go too."""
        self.observer.leave(self)
        self.observer.note_the_end(self.name, self.tensors, self.processes)
        if self.channels is not None:
            self.channels.in_use = False
        self._lay_out([])
        self.statistics = RunningStatistics([])

    @property
    def name(self) -> str:
        """The optimiser, as lines call it; of several, which one."""
        made = _made[self.processes]
        return self.kind if made == 1 else f"{self.kind} (optimiser {self.number} of {made})"

    # Which gradients travel in which bucket

    def _lay_out(self, tensors: list[Tensor]) -> None:
        self.tensors = [tensor for tensor in tensors if tensor.requires_grad]
        self.dtypes = [tensor.dtype for tensor in self.tensors]
        arrays = [tensor.data for tensor in (*self.tensors, *self.averaged())]
        forms = [(array.shape, array.dtype) for array in arrays]
        self.buckets = buckets_of(forms, self.bucket_bytes)
        self.layout = zlib.crc32(repr(self.buckets).encode())
        self.bucket_of = {
            id(self.tensors[member.position]): number
            for number, bucket in enumerate(self.buckets)
            for member in bucket.members
            if member.position < len(self.tensors)
        }

    def averaged(self) -> list[Tensor]:
        """What travels beside the gradients."""
        return self.statistics.tensors

    def _look(self) -> None:
        """Lay out anew if parameters were added, frozen or cast since the last pass."""
        self.looked, optimizer = True, self.optimizer()
        if optimizer is None:
            return
        tensors = [one for one in reversed(optimizer.params) if one.requires_grad]
        same = len(tensors) == len(self.tensors)
        for one, other, dtype in zip(tensors, self.tensors, self.dtypes, strict=False):
            same = same and one is other and one.dtype == dtype
        if not same:
            self._lay_out(tensors)
            arrays = [one.data for one in tensors]
            self.processes.agree(
                f"a new list of the parameters of {self.name}, some of which were frozen, added or "
                "cast",
                checksum(arrays),
                lambda: facts_of("parameter", arrays, "change them alike in all processes"),
            )

    # A backward pass

    def leaf_done(self, node: Any) -> None:
        """A gradient is final: send what is complete with it."""
        if current() is not self.processes:  # in a block of alone()
            return
        if not self.looked:
            self._look()
        leaf = id(node.holder())
        bucket = self.bucket_of.get(leaf)
        if bucket is None:
            return
        if not self.running or leaf in self.done:
            self._begin()
        self.done.add(leaf)
        self.missing[bucket] -= 1
        self._progress()

    def backward_ends(self) -> None:
        """Send the rest, of which no mean of another exchange may have taken the place."""
        self.ending = self.running and current() is self.processes
        if self.ending:
            self.running = False
            if self.announcement is not None:
                self._compare()
            if self.sends():
                self.send_all()

    def backward_done(self) -> None:
        """Wait, and let each parameter have the mean."""
        if current() is not self.processes:
            return
        self.passes += self.counts()
        self.looked = False
        if self.ending:
            self.ending = False
            self.complete()
            self.transfer = self.part = None  # with what they hold
            if self.channels is not None:
                self.channels.processes.unfinished.end(self)

    def _compare(self) -> None:
        """Once in a while, see that all processes have the same weights."""
        self.exchanged += 1
        if self.tensors and are_due(self.exchanged):
            compare(self.name, self.exchanged, self.tensors, self.processes)

    def options_now(self) -> list[str]:
        """The optimiser's options."""
        optimizer = self.optimizer()
        return [] if optimizer is None else options_of(optimizer.param_groups)

    def step_begins(self) -> None:
        """The optimiser is about to use the gradients: RuntimeError if no pass has made them."""
        if current() is not self.processes:
            return
        if self.passes == self.stepped:
            raise RuntimeError(
                f"{self.name}.step: expected gradients from a backward() that was exchanged between"
                " the processes; there was none since the last step: call DistributedOptimizer in "
                "the thread that trains, and backward() before each step()"
            )
        self.stepped = self.passes

    def has(self, leaf: Tensor) -> bool:
        """Whether the gradient of this leaf is exchanged."""
        return id(leaf) in self.bucket_of

    def _begin(self) -> None:
        """The first of the gradients is there, or of those of a pass after one that raised."""
        lost, part = self.running and self.announcement is not None, self.processes.part
        if lost and (self.next or part is not self.part):
            what = "are those of another batch" if part is not self.part else "are sent in part"
            raise RuntimeError(
                f"{self.name}: the last backward pass raised an error in this process, and the "
                f"gradients that others wait for {what}; expected the program to end after it"
            )
        self.running, self.ending, self.done, self.next = True, False, set[int](), 0
        self.missing = [
            sum(member.position < len(self.tensors) for member in bucket.members)
            for bucket in self.buckets
        ]
        if not lost:
            self.announcement = self.transfer = None
            self.part = part
            self._warn_of_other_parts()
            self.prepare(part)
        if self.channels is not None and self.announcement is not None:
            self.channels.processes.unfinished.begin_in_pass(self, self.announcement.what)

    def _warn_of_other_parts(self) -> None:
        """Warn if a loss may be one of two batches, of which this process has other shares."""
        part = self.part
        for other in () if part is None else beside(part):
            if part is not None and not cut_alike(part, other) and self.processes.leads:
                warn(
                    f"two loops over parts go on together, of batches of {other.total} and "
                    f"{part.total} rows, which are not cut alike into {part.parts} parts: all "
                    "gradients count as those of the second; expected drop_last=True, and a "
                    f"batch_size that {part.parts} divides",
                    TrainingWarning,
                )

    def counts(self) -> bool:
        """Whether all processes make this pass."""
        return True

    def prepare(self, part: Part | None) -> None:
        """Say what this process is about to send, and prepare for it."""
        self.weight = 1.0 if part is None else part.weight
        if self.channels is not None:
            self.announce(part)
            divisor = self.processes.size if part is None else part.parts
            self.transfer = FreeTransfer(self.channels, divisor)

    def announce(self, part: Part | None) -> None:
        """Say that the exchange of this pass begins, and how: for parts of a batch, or not."""
        assert self.channels is not None
        where = "" if part is None else f", of a batch of {part.total} rows"
        options = self.options_now()
        self.announcement = self.channels.processes.announce(
            f"the gradients of {self.name} in backward pass {self.passes + 1}{where}",
            zlib.crc32(changed(options, self.options).encode(), self.agreed()),
            lambda: [*(Fact(each, ALIKE) for each in options), *self.facts()],
        )

    def agreed(self) -> int:
        """A checksum of what must be the same in all processes."""
        return self.layout

    def facts(self) -> Iterator[Fact]:
        """What that is."""
        yield Fact(f"gradients of {len(self.tensors)} parameters")
        for tensor in self.tensors:
            yield Fact(f"a gradient as {tensor.dtype} {tensor.shape}")

    def _progress(self) -> None:
        """Once all processes are at this pass, start what is complete."""
        if self.announcement is None or self.transfer is None or not self.announcement.test():
            return
        while self.next < len(self.buckets) and not self.missing[self.next]:
            self.send_next()
        self.transfer.progress()

    def send_next(self) -> None:
        """Send the next bucket."""
        assert isinstance(self.transfer, FreeTransfer)
        self.transfer.send(self.message())

    def sends(self) -> bool:
        """Whether the gradients of this pass go anywhere."""
        return self.transfer is not None  # there are others

    def send_all(self) -> None:
        """Send all that was not sent."""
        if self.announcement is not None:
            self.announcement.wait()
        while self.next < len(self.buckets):
            self.send_next()

    def message(self) -> Array:
        """This process's arrays of the next bucket."""
        bucket, statistics = self.buckets[self.next], self.averaged()
        self.next += 1
        arrays, unchanged = [], set[int]()
        for position, *_ in bucket.members:
            number = position - len(self.tensors)
            if number < 0:
                arrays.append(self._gradient(self.tensors[position]))
                continue
            arrays.append(statistics[number].data)
            if self.statistics.is_unchanged(number):
                unchanged.add(position)
        message = self.memory(bucket)
        bucket.pack(arrays, self.weight, message, unchanged)
        return message

    def memory(self, bucket: Bucket) -> Array:
        """Where the message of the bucket is written."""
        return bucket.new()

    def _gradient(self, tensor: Tensor) -> Array | None:
        gradient = tensor.grad
        if gradient is None:
            return None
        if gradient.requires_grad:
            raise RuntimeError(
                f"{self.name}: a .grad with a graph (create_graph=True) cannot be exchanged between"
                " processes; expected tinygrad_lite.grad for gradients that are not for a step"
            )
        return gradient.data

    def complete(self) -> None:
        """The pass is over: let each parameter have the mean."""
        if self.transfer is not None:
            self.store(self.transfer.finish())
            self.statistics.remember()

    def store(self, means: list[Array]) -> None:
        """Write the means into the gradients, and into the running statistics."""
        statistics, found = self.averaged(), dict[int, Array]()
        for bucket, mean in zip(self.buckets, means, strict=True):
            found.update(bucket.unpack(mean))
        for position, tensor in enumerate(self.tensors):
            mean_of_it, gradient = found.get(position), tensor.grad
            if mean_of_it is None:
                tensor.grad = None
            elif gradient is None:
                tensor.grad = Tensor.from_array(mean_of_it.astype(tensor.dtype))
            else:
                with np.errstate(over="ignore"):  # of float16
                    np.copyto(gradient.data, mean_of_it, casting="same_kind")
                gradient.mark_changed()
        for number, tensor in enumerate(statistics):
            if (mean_of_it := found.get(len(self.tensors) + number)) is not None:
                write(tensor, mean_of_it)
            elif not self.statistics.is_unchanged(number):  # by rows that count nothing
                write(tensor, self.statistics.before[number])
