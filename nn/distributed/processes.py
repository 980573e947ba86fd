"""The processes that mpiexec started together: how they find and speak to each other.

All calls of MPI are made by the thread that calls these methods.  Whoever waits tests again and
again, since MPI goes on with a message only while it is asked.  A process that waits for the others
to come at all does so without a pause at first, and then sleeps for a growing time between two
tests, so that others can use the processor.
"""

import atexit
import json
import math
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import generator

from .._processes import (
    LOCAL_RANKS,
    Facts,
    Processes,
    current,
    enter,
    follows,
    is_launched,
    sizes,
)
from .._processes import alone as the_only_one
from ..training._leading import shared
from ..training._output import complain
from .addresses import machine
from .arrivals import all_here
from .endings import Doing, Endings, disagreement, doing_here, named, reason_of, started_watcher
from .unfinished import Unfinished
from .watcher import PREFIX

if TYPE_CHECKING:
    from mpi4py import MPI

TO_DISAGREE = 1.0  # seconds after an error of MPI to learn that processes did not do the same
# Seconds after which who waits for others to come makes the shortest pauses (0.1 ms on Linux)
# between two tests, and longer ones.
AT_ONCE, AWAKE = 1e-3, 0.02
LONGEST_SLEEP = 1e-3  # seconds between two tests
# Lets another process have this core, but takes 1 us where no other one wants it.
let_others_run: Callable[[], None] = getattr(os, "sched_yield", partial(time.sleep, 0))


def start() -> Processes:
    """This process among those that train together: the same object at each call.

    Under mpiexec, or another launcher, these are the processes that it started, an `MPIProcesses`;
    all of them must call it.  From now on they have the random generator of Tensor in the same
    state, that of rank 0, and end together: if one dies, raises an error, or does not do the same
    as the others, all end within seconds, and one line says which, where and why.

    Otherwise, or if it started one process only, the program is alone, and MPI need not be there.
    A launcher is known by the variables that it sets (`SIZES`, `RANKS`); a program that imported
    mpi4py.MPI itself is asked through that.  Either all processes import it before this, or none:
    its import waits for the others, and these would wait here.

    Errors: ImportError if there are several processes and mpi4py, or an MPI library, is missing;
    RuntimeError if the launcher started several but the MPI library knows of one only, since both
    are of different kinds.
    """
    found = current()
    if found is not the_only_one or not _launched():  # `alone` enters another one
        return found
    with all_here():
        mpi = _imported()
    size = mpi.COMM_WORLD.Get_size()
    said = max(sizes(), default=1)
    if size == 1 and said > 1:
        library = mpi.Get_library_version().split("\n")[0].strip("\0 ")[:60]
        unknown = RuntimeError(
            f"nn.distributed: the launcher started {said} processes, but MPI ({library}) knows of "
            "1: expected the mpiexec that belongs to this MPI, or an mpi4py for the launcher's"
        )
        raise shared(unknown, told=follows(LOCAL_RANKS), plain=True)
    if size == 1:
        return found
    processes = MPIProcesses(mpi)
    atexit.register(processes.end)
    processes.meet()
    enter(processes)
    state = json.dumps(generator.get_state()).encode() if processes.leads else None
    state = processes.broadcast("the state of the random generator", state)
    if not processes.leads:
        generator.set_state(json.loads(state))
    return processes


@contextmanager
def alone() -> Iterator[None]:
    """In the block, this process does not belong to the others: it does as if it were the only one.

        if nn.distributed.start().leads:
            with nn.distributed.alone():
                ...  # a Report, a Snapshot or a DataLoader that the others do not have

    Otherwise it would wait for the others, and all would end since they do not do the same.
    """
    before = current()
    enter(Processes())
    try:
        yield
    finally:
        enter(before)


class MPIProcesses(Processes):
    """Several processes that speak by MPI; `start` makes it.

    payload: the communicator for what is sent beside the announcements, such as gradients, by
        operations that do not block (Iallreduce, Ialltoallv, Iallgatherv); `wait` completes them.
    unfinished: what was announced, and is not sent as a whole yet.
    """

    def __init__(self, mpi: Any) -> None:
        super().__init__()
        self.mpi = mpi
        world = mpi.COMM_WORLD
        self.rank, self.size = world.Get_rank(), world.Get_size()
        self.announcements: MPI.Intracomm = world.Dup()
        self.payload: MPI.Intracomm = world.Dup()
        self.disagreements: MPI.Intracomm = world.Dup()
        self.hosts = [self.host] * self.size
        self.number = 0  # of announcements
        self.latest = 0  # the last of them that is complete
        self.open: list[Announcement] = []
        self.unfinished = Unfinished()
        self.endings = Endings(self.rank, self.size, self.host)
        self.endings.mpi_error = mpi.Exception

    def meet(self) -> None:
        """Learn where all processes are, and have them watched."""
        mine = {"host": self.host, "machine": machine(), "process": os.getpid()}
        all_of_them = [json.loads(each) for each in self.gather("start", json.dumps(mine).encode())]
        self.hosts = [each["host"] for each in all_of_them]
        machines = [each["machine"] for each in all_of_them]
        local = {
            rank: each["process"]
            for rank, each in enumerate(all_of_them)
            if each["machine"] == machines[0]
        }
        content = None
        if self.leads:
            found = started_watcher(self.hosts, local, len(local) == self.size)
            content = json.dumps(found).encode()
        found = json.loads(self.broadcast("the watcher", content))
        connected = found is not None and self.endings.connect(found, self.rank in local)
        reached = self.gather("whether the watcher answers", b"1" if connected else b"")
        if all(reached):
            self.endings.speaks_if_lost = self.rank == next(
                (rank for rank in range(self.size) if rank not in local), None
            )
            self.endings.listen()
            return
        self.endings.close()
        if self.leads:
            lost = named([rank for rank in range(self.size) if not reached[rank]], self.hosts, True)
            complain(
                f"{PREFIX}{lost} cannot connect to rank 0 on {self.host}: if a process dies, only "
                "mpiexec will say so"
            )

    def announce(self, what: str, value: int = 0, facts: Facts = tuple) -> "Announcement":
        """Begin to see that all processes are here, with the same value; do not wait for them.

        what: what this process goes on to do, as the error shows it.
        value: anything of at most 63 bits that must be equal, such as a checksum of shapes.
        facts: what it stands for, as many in all processes; asked for if values differ.

        All processes make the same announcements in the same order.  After an error in the middle
        of an exchange there is none: all processes end, with a line about it.
        """
        if (lost := self.unfinished.lost()) is not None:
            self._end_after(lost, what)
        self.number += 1
        return Announcement(self, what, value, facts)

    @contextmanager
    def exchange(self, what: str, value: int = 0) -> Iterator[None]:
        """In the block, something is exchanged by `payload`, and all processes are there."""
        announcement = self.announce(what, value)
        self.unfinished.begin(announcement, what)
        announcement.wait()
        yield
        self.unfinished.end(announcement)  # not after an error

    def wait(self, request: "MPI.Request") -> None:
        """Wait until an operation that does not block is complete.

        All processes are in it by then, or about to come to it, and a long message by TCP takes
        thousands of tests: whoever slept between two of them would be its brake.
        """
        self.wait_until(request.Test, at_once=1.0, awake=math.inf)

    def wait_until(self, test: Any, at_once: float = AT_ONCE, awake: float = AWAKE) -> None:
        """Wait until `test()` is true, and see meanwhile that what was announced agrees.

        at_once, awake: until when, in seconds, there is no pause between two tests, or the shortest
        """
        began, pause = time.monotonic(), 1e-5
        while not self.tested(test):
            for announcement in [*self.open]:
                announcement.test()
            waited = time.monotonic() - began
            if waited < at_once:
                let_others_run()
            elif waited < awake:
                time.sleep(0)
            else:
                time.sleep(pause)
                pause = min(pause * 1.3, LONGEST_SLEEP)

    def tested(self, test: Any) -> bool:
        """`test()`; an error of MPI may come from what does not agree, which is said instead."""
        try:
            return bool(test())
        except self.mpi.Exception:
            until = time.monotonic() + TO_DISAGREE
            while self.open and time.monotonic() < until:
                for announcement in [*self.open]:
                    with suppress(self.mpi.Exception):
                        announcement.test()
                time.sleep(LONGEST_SLEEP)
            raise

    def fails(self, reason: str) -> bool:
        """Have all processes end for this reason, which one line says."""
        self.endings.tell(reason)
        return False

    def _end_after(self, lost: str, what: str) -> NoReturn:
        """An error has ended an exchange here, and this process came to another one."""
        error = sys.exc_info()[1]
        if isinstance(error, Exception):  # this exchange is in its cleanup: that hides the reason
            reason = f"{reason_of(error)} (it ended {lost}, and others wait for the rest)"
        else:
            reason = (
                f"an error ended {lost} in this process, which then came to {what}, while others "
                "wait for the rest; expected a program that does not catch such an error, and ends"
            )
        self.endings.tell(reason, error if isinstance(error, Exception) else None)
        raise SystemExit(1)

    def disagree(self, what: str, value: int, facts: Facts) -> NoReturn:
        """The processes do not do the same: all learn it from one announcement, and end."""
        error = sys.exc_info()[1]
        if isinstance(error, Exception):  # this exchange is in a `finally`: that hides the reason
            self.endings.usual_hook(type(error), error, error.__traceback__)
            what += f" (while handling {type(error).__name__})"
        mine = doing_here(what, value, facts())
        found = self._gathered(self.disagreements, mine, wait_for)
        if self.leads:
            self.endings.say(disagreement(self.hosts, [Doing(*json.loads(x)) for x in found]))
        wait_for(self.disagreements.Ibarrier())
        self.endings.goodbye()
        self.endings.end_soon()
        raise SystemExit(1)

    def end(self) -> None:
        """When Python ends: all end together, or the others end too."""
        if os.getpid() != self.endings.process:
            return
        if self.endings.ending:  # without MPI_Finalize, which waits for the others
            self.endings.end_now(1)
        try:
            self.agree("the end of the program")
            self.endings.goodbye()
        except SystemExit:
            self.endings.end_now(1)
        except BaseException as error:
            self.endings.show(type(error), error, error.__traceback__)
            self.endings.end_now(1)

    def agree(self, what: str, value: int = 0, facts: Facts = tuple) -> None:
        """See that all processes are here, with the same value, a 32-bit checksum for example."""
        self.announce(what, value, facts).wait()

    def broadcast(self, what: str, content: bytes | None) -> bytes:
        """What the leading process gives; the others give None."""
        with self.exchange(what):
            length = np.array([0 if content is None else len(content)])
            self.wait(self.payload.Ibcast(length))
            buffer = bytearray(int(length[0])) if content is None else bytearray(content)
            self.wait(self.payload.Ibcast(buffer))
        return bytes(buffer)

    def gather(self, what: str, content: bytes) -> list[bytes]:
        """What each process gives, by rank, in all processes."""
        with self.exchange(what):
            return self._gathered(self.payload, content, self.wait)

    def _gathered(self, by: "MPI.Intracomm", content: bytes, wait: Any) -> list[bytes]:
        """The same by one communicator; `wait` waits for a request."""
        lengths = np.zeros(self.size, np.int64)
        wait(by.Iallgather(np.array([len(content)]), lengths))
        ends = np.cumsum(lengths)
        buffer = bytearray(int(ends[-1]))
        places = (lengths.tolist(), (ends - lengths).tolist())
        wait(by.Iallgatherv(bytearray(content), [buffer, places, self.mpi.BYTE]))
        return [
            bytes(buffer[end - length : end]) for end, length in zip(ends, lengths, strict=True)
        ]

    def sum(self, what: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of what all processes give, added in the order of their ranks."""
        first, *others = self.gather_arrays(what, values)
        total: NDArray[np.float64] = first.copy()
        for each in others:
            total += each
        return total

    def gather_arrays(self, what: str, own: NDArray[np.float64]) -> NDArray[np.float64]:
        """Arrays of one shape, (...), of all processes, by rank: (size, ...)."""
        found = np.empty((self.size, *own.shape))
        with self.exchange(what, zlib.crc32(repr(own.shape).encode())):
            self.wait(self.payload.Iallgather(np.ascontiguousarray(own, np.float64), found))
        return found


class Announcement:
    """What a process says that it does next, until all have said the same."""

    def __init__(self, processes: MPIProcesses, what: str, value: int, facts: Facts) -> None:
        self.processes, self.what, self.value, self.facts = processes, what, value, facts
        self.number, self.complete = processes.number, False
        given = zlib.crc32(what.encode(errors="backslashreplace")), value
        self.given = np.array([*given, *(-each for each in given), processes.asks_to_stop])
        self.most = np.empty_like(self.given)  # the largest, and minus the smallest
        self.request = processes.announcements.Iallreduce(self.given, self.most, processes.mpi.MAX)
        processes.open.append(self)

    def test(self) -> bool:
        """Whether all have said the same; what did not agree ends all of them, with one line."""
        if not self.complete and self.request.Test():
            self.complete = True
            self.processes.open.remove(self)
            if not np.array_equal(self.most[:2], -self.most[2:4]):
                self.processes.disagree(self.what, self.value, self.facts)
            if self.number > self.processes.latest:
                self.processes.latest = self.number
                self.processes.stops = bool(self.most[4])
        return self.complete

    def wait(self) -> None:
        """Wait until all processes have come to the same."""
        self.processes.wait_until(self.test)


def wait_for(request: "MPI.Request") -> None:
    """Wait for an operation that nothing else is to be seen of: all processes end after it."""
    while not request.Test():
        time.sleep(LONGEST_SLEEP)


def _finalize(process: int) -> None:
    """When Python ends, as the last thing: end MPI in this process."""
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is not None and os.getpid() == process:
        mpi.Finalize()


def _launched() -> bool:
    """Whether a launcher may have started several processes."""
    if "mpi4py.MPI" in sys.modules:
        return True
    return max(found) > 1 if (found := sizes()) else is_launched()


def _imported() -> Any:
    """mpi4py.MPI, which begins to use MPI when it is imported."""
    try:
        mpi4py = import_module("mpi4py")
        if "mpi4py.MPI" not in sys.modules:
            mpi4py.rc.thread_level = "serialized"  # one thread at a time calls MPI, whichever
            mpi4py.rc.finalize = False  # it would end MPI in a forked child too, and others wait
            atexit.register(_finalize, os.getpid())
        return import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as error:  # the latter if there is no library of MPI
        reason = str(error).partition("\n")[0] or type(error).__name__
        missing = ImportError(
            "nn.distributed: several processes need mpi4py and MPI: "
            f"pip install 'tinygrad-lite[mpi]' ({reason})"
        )
        # One process on each machine says so.
        raise shared(missing, told=follows(LOCAL_RANKS), plain=True) from None
