"""Which of several processes this is.  By default it is the only one; `nn.distributed` sets others.

Whatever prints, writes files or serves batches asks `current()`.  Nothing here knows of MPI.
"""

import os
import platform
import weakref
import zlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import recorded

# What launchers set in each process that they start.  Its rank, by what speaks PMI, PMIx or PALS;
# the number of processes, by Hydra (MPICH, Intel MPI), Open MPI, MVAPICH, and Slurm's srun; and its
# number among those on its machine.
RANKS = ("PMI_RANK", "PMIX_RANK", "PALS_RANKID")
SIZES = (
    *("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "MPI_LOCALNRANKS"),
    "SLURM_STEP_NUM_TASKS",
)
LOCAL_RANKS = (
    *("MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_RANK"),
    "SLURM_LOCALID",
)


class Fact(NamedTuple):
    """One of the things that must be the same in all processes.

    has: what this one has, as it stands after 'rank 1 has'.
    fix: what to do where others have something else.
    """

    has: str
    fix: str = ""


Facts = Callable[[], Iterable[Fact]]


class Batch:
    """A batch that comes in parts: one object for all of its parts in this process."""


class Part:
    """A part of a batch: what one process computes at a time.

    number, parts: which part of how many it is, in the order of the rows.
    rows: how many rows of the batch it has.  0: it has a copy of the first one, and counts nothing;
        a process of which the batch has no row gets this, so that all take the same steps.
    total: the number of rows of the whole batch.
    last: whether no other part of the batch follows in this process.
    batch: which batch it is of.
    """

    def __init__(
        self,
        number: int,
        parts: int,
        rows: int,
        total: int,
        last: bool,
        batch: Batch | None = None,
    ) -> None:
        self.number, self.parts, self.rows, self.total = number, parts, rows, total
        self.last = last
        self.batch = Batch() if batch is None else batch

    @property
    def fields(self) -> tuple[int, ...]:
        """All but the batch: parts of two batches are equal if these are."""
        return self.number, self.parts, self.rows, self.total, self.last

    def __eq__(self, other: object) -> bool:
        return self.fields == other.fields if isinstance(other, Part) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fields)

    def __repr__(self) -> str:
        return "Part({}, {}, rows={}, total={}, last={})".format(*self.fields)

    @property
    def weight(self) -> float:
        """The factor of its mean over rows in the mean of all parts: 1 if they are equally long."""
        return self.rows * self.parts / self.total


class Follower(Protocol):
    """What wants to know which part the loop over a batch has."""

    def part_begins(self, part: Part) -> None:
        """The loop body is about to run on this part, or goes on with it after an inner loop."""


class Exchange(Protocol):
    """What lets an optimiser have the gradients of all processes."""

    def step_begins(self) -> None:
        """The optimiser is about to use its gradients: RuntimeError if they are of one alone."""


class Processes:
    """This process alone: the base class, whose methods have nobody to exchange with.

    rank, size: the number of this process, and of all.
    host: the name of the machine.
    chunks: into how many parts each batch is cut, for any number of processes; None: one for each.
    followers: who is told when the loop gets another part.
    asks_to_stop: whether this process got a signal to stop.
    restarted: whether this training of a sweep died, and was started again: its Report resumes.
    stops: whether one of the processes asked, as all of them learnt in the same exchange.
    """

    def __init__(self) -> None:
        self.rank, self.size, self.host = 0, 1, platform.node()
        self.chunks: int | None = None
        self.followers: weakref.WeakSet[Follower] = weakref.WeakSet()
        self._part: Part | None = None
        self.asks_to_stop = self.stops = self.restarted = False

    @property
    def part(self) -> Part | None:
        """What the loop over a batch has at the moment; None if it is not served in parts."""
        return self._part

    @part.setter
    def part(self, part: Part | None) -> None:
        self._part = part
        if part is not None:
            for follower in [*self.followers]:
                follower.part_begins(part)

    @property
    def midway(self) -> bool:
        """Whether that is a part after which others of the batch follow in this process.

        A captured step that asks for it has one recording if so, and another one if not.
        """
        return bool(recorded.required(_is_midway, self))

    @property
    def leads(self) -> bool:
        """Whether this is the process that prints and writes files."""
        return self.rank == 0

    @property
    def parts(self) -> int:
        """The number of parts of each batch."""
        return self.chunks or self.size

    # Each of these is called by all processes, in the same order.  `what` says what for: it is
    # compared, and a process that does something else ends all of them, with one line.

    def agree(self, what: str, value: int = 0, facts: Facts = tuple) -> None:
        """See that all processes are here, with the same value, a 32-bit checksum for example.

        facts: what the value stands for, as many in all processes; asked for if values differ.
        """
        self.stops = self.asks_to_stop

    def broadcast(self, what: str, content: bytes | None) -> bytes:
        """What the leading process gives; the others give None."""
        assert content is not None
        return content

    def gather(self, what: str, content: bytes) -> list[bytes]:
        """What each process gives, by rank, in all processes."""
        return [content]

    def sum(self, what: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of what all processes give, added in the order of their ranks."""
        return values

    def fails(self, reason: str) -> bool:
        """Say that this process ends before the others, which end then too.

        Whether it has to print the reason itself: not if that is done, or another one was first.
        """
        return True


alone = Processes()
_current = alone


def current() -> Processes:
    """This process among those that train together."""
    return _current


def enter(processes: Processes) -> None:
    """Make these the processes that train together."""
    global _current
    _current = processes


def sizes() -> list[int]:
    """The numbers of processes that launchers state."""
    texts = [os.environ.get(name, "") for name in SIZES]
    return [int(text) for text in texts if text.isdecimal()]


def is_launched() -> bool:
    """Whether a launcher says that it started this program, be it in one process only."""
    return bool(sizes()) or any(name in os.environ for name in RANKS)


def follows(names: tuple[str, ...] = RANKS) -> bool:
    """Whether a launcher says that this process is not the first; LOCAL_RANKS: on its machine."""
    ranks = [os.environ[name] for name in names if name in os.environ]
    if not ranks:  # srun without PMI; Slurm sets this in a batch script too, so it is none of RANKS
        ranks = [os.environ.get("SLURM_PROCID", "0")]
    return any(rank != "0" for rank in ranks)


def trainings_apart() -> int:
    """How many trainings a launcher's processes make, each alone, without saying so: 1 if none."""
    return max(sizes(), default=1) if _current is alone else 1


def checksum(arrays: Iterable[NDArray[Any]], found: int = 0) -> int:
    """CRC-32 of the values of arrays, for `agree`; found: that of what comes before them."""
    for array in arrays:
        found = zlib.crc32(np.ascontiguousarray(array).tobytes(), found)
    return found


def _is_midway(processes: Processes) -> bool:
    return processes.part is not None and not processes.part.last
