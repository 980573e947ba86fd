"""What is on its way between the processes: buckets whose sums are being exchanged.

A transfer does not block: `send` begins with a bucket, `progress` sees what has arrived, and
`finish` waits for the rest.  All processes send the buckets in the same order.
"""

from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np

from ..data.parts import cut
from .buckets import Array, Bucket
from .ordered import OrderedSum, blocks_of
from .processes import MPIProcesses


class Channels:
    """Communicators of one optimiser's gradients.

    Two of them, since a process may begin to receive one bucket before or after it sends another.

    in_use: whether this process has the optimiser.
    """

    def __init__(self, processes: MPIProcesses) -> None:
        self.processes, self.in_use = processes, True
        self.first, self.second = processes.payload.Dup(), processes.payload.Dup()

    def typed(self, array: Array) -> Any:
        """The elements of an array as MPI calls them."""
        mpi = self.processes.mpi
        return mpi.FLOAT if array.dtype == np.float32 else mpi.DOUBLE


# All that were made, in the same order in all processes.
_made: list[Channels] = []


def channels_of(processes: MPIProcesses) -> Channels:
    """Channels for one more optimiser; all processes call this.

    MPI has about 2,000 communicators.  An optimiser is dropped at different moments in different
    processes, so here they see which channels none of them uses any more.
    """
    if _made:
        in_use = bytes(each.in_use for each in _made)
        given = processes.gather("the optimisers that there are", in_use)
        for channels, uses in zip(_made, zip(*given, strict=True), strict=True):
            if not any(uses):
                channels.in_use = True
                return channels
    _made.append(Channels(processes))
    return _made[-1]


class Transfer:
    """The buckets of one backward pass."""

    def progress(self) -> None:
        """Go on with what has arrived."""
        raise NotImplementedError

    def finish(self) -> list[Array]:
        """Wait for all; the mean of each bucket."""
        raise NotImplementedError


class FreeTransfer(Transfer):
    """Sums in the order that MPI finds best, divided by a number: one message for each bucket."""

    def __init__(self, channels: Channels, divisor: int) -> None:
        self.channels, self.divisor = channels, divisor
        self.sent: list[tuple[Any, Array]] = []

    def send(self, message: Array) -> None:
        """Begin to add the next bucket of all processes; the message gets the sum."""
        mpi = self.channels.processes.mpi
        self.sent.append((self.channels.first.Iallreduce(mpi.IN_PLACE, message, mpi.SUM), message))

    def progress(self) -> None:
        """Let MPI go on."""
        for request, _ in self.sent:
            if not request.Test():
                return

    def finish(self) -> list[Array]:
        """Wait for all; the mean of each bucket."""
        for request, message in self.sent:
            self.channels.processes.wait(request)
            message /= self.divisor
        return [message for _, message in self.sent]


class OrderedTransfer(Transfer):
    """Sums along the tree of `ordered`, divided by the number of parts: two messages for a bucket.

    Each process adds one slice of the bucket: it gets the blocks of all others, and sends the sum.

    parts: how many parts a batch has; present: how many of these, the first, have rows.
    """

    def __init__(self, channels: Channels, parts: int, present: int) -> None:
        self.channels, self.parts = channels, parts
        size = channels.processes.size
        owned = [cut(parts, size, rank) for rank in range(size)]
        self.blocks = [blocks_of(min(x.start, present), min(x.stop, present)) for x in owned]
        self.received: list[tuple[Any, Array, int]] = []
        self.returned: list[tuple[Any, Array]] = []
        self.held: list[Any] = []  # what MPI still reads

    def send(self, local: OrderedSum, bucket: Bucket) -> None:
        """Send each process its slice of the blocks that this one has."""
        size, length = self.channels.processes.size, bucket.length
        cuts = _cuts(length, size)
        contents = [block.content for block in local.blocks]
        if len(contents) == 1:
            sent = contents[0]
        else:
            parts = [content[each] for each in cuts for content in contents]
            sent = np.concatenate(parts) if parts else np.empty(0, bucket.dtype)
        lengths = [len(contents) * (each.stop - each.start) for each in cuts]
        own = cuts[self.channels.processes.rank]
        counts = [len(blocks) * (own.stop - own.start) for blocks in self.blocks]
        arriving = np.empty(sum(counts), bucket.dtype)
        typed = self.channels.typed(arriving)
        request = self.channels.first.Ialltoallv(
            [sent, (lengths, _starts(lengths)), typed],
            [arriving, (counts, _starts(counts)), typed],
        )
        self.held.append((local, sent))
        self.received.append((request, arriving, length))

    def progress(self) -> None:
        """Add what has arrived, and send the sums on, bucket by bucket."""
        while len(self.returned) < len(self.received):
            if not self.received[len(self.returned)][0].Test():
                return
            self._send_on()
        for request, _ in self.returned:
            if not request.Test():
                return

    def _send_on(self) -> None:
        _, arrived, length = self.received[len(self.returned)]
        total, size = OrderedSum(), self.channels.processes.size
        cuts = _cuts(length, size)
        lengths = [each.stop - each.start for each in cuts]
        own, position = lengths[self.channels.processes.rank], 0
        for blocks in self.blocks:
            for first, number in blocks:
                total.add(first, number, arrived[position : position + own])
                position += own
        added = total.total()
        added /= self.parts
        message = np.empty(length, arrived.dtype)
        typed = self.channels.typed(message)
        request = self.channels.second.Iallgatherv(
            [added, own, typed], [message, (lengths, _starts(lengths)), typed]
        )
        self.held.append(added)
        self.returned.append((request, message))

    def gather(self, local: list[Array], length: int) -> list[Array]:
        """What each part of the batch has, in their order: vectors of this length."""
        counts = [length * sum(size for _, size in blocks) for blocks in self.blocks]
        found = np.empty((sum(counts) // max(length, 1), length))
        sent = np.concatenate([*local, np.empty(0)])
        mpi = self.channels.processes.mpi
        self.channels.processes.wait(
            self.channels.second.Iallgatherv(
                [sent, len(sent), mpi.DOUBLE], [found, (counts, _starts(counts)), mpi.DOUBLE]
            )
        )
        return [*found]

    def finish(self) -> list[Array]:
        """Wait for all; the mean of each bucket."""
        wait = self.channels.processes.wait
        while len(self.returned) < len(self.received):
            wait(self.received[len(self.returned)][0])
            self._send_on()
        for request, _ in self.returned:
            wait(request)
        return [message for _, message in self.returned]


@lru_cache(maxsize=1024)
def _cuts(length: int, size: int) -> tuple[slice, ...]:
    """The slice of each process."""
    return tuple(cut(length, size, rank) for rank in range(size))


def _starts(lengths: list[int]) -> list[int]:
    return [0, *accumulate(lengths[:-1])]
