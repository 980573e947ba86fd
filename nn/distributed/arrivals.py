"""Before MPI begins, the processes that mpiexec started on one machine wait for each other.

MPI waits for all processes when it begins, in C, where Python does not run.  If one of them ends
before that, mpiexec of MPICH does not notice (only a signal that kills it), and the others would
wait for ever.  So they wait here, until each is seen to be here too.  A process that is slow is
waited for.

Nothing of this is needed where another launcher is at work, which notices the end of a process.
"""

import os
import platform
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from ..training._output import complain
from .endings import named
from .watcher import PREFIX, stat

LAUNCHER = b"hydra_pmi_proxy"  # what mpiexec of MPICH starts on each machine: the parent of all
PROCESSES = Path("/proc")
PAUSE = 0.01  # seconds between two looks at who is here
TO_LOOK = 0.25  # seconds between two looks at who has ended
CERTAIN = 1.0  # seconds for which a process is missing before the others end
TO_SPEAK = 15.0  # seconds until a line says whom they wait for
OR_ALL = "; if one has imported mpi4py.MPI itself: expected all or none to do so before start()"


@contextmanager
def all_here() -> Iterator[None]:
    """Wait until all processes of this machine are here; in the block, the others can see this one.

    If one of them has ended, all processes of this launcher end, with a line.
    """
    launcher = None if "mpi4py.MPI" in sys.modules else _launcher()
    try:
        count = int(os.environ["MPI_LOCALNRANKS"])
        number = int(os.environ["MPI_LOCALRANKID"])
    except (KeyError, ValueError):
        launcher = None
    if launcher is None:
        yield
        return
    with socket.socket(socket.AF_UNIX) as here:
        try:
            here.bind(_name(launcher, number))
            here.listen(count)
        except OSError:  # a program that one of these processes started: MPI has an error for it
            pass
        else:
            _wait(launcher, number, count)
        try:
            yield
        except ImportError:
            time.sleep(CERTAIN / 2)  # until the others have seen this process
            raise
        here.detach()  # open until this process is gone, so that none that it starts waits here


def _wait(launcher: int, number: int, count: int) -> None:
    """Wait until all processes of this launcher are here."""
    began = looked = time.monotonic()
    missing_since, spoke = None, False
    others = {*range(count)} - {number}
    while absent := {other for other in others if not _is_here(launcher, other)}:
        now = time.monotonic()
        first = absent.issuperset(range(number))  # of those that are here: it speaks for them
        if now - looked >= TO_LOOK:
            looked, left = now, _left(launcher)
            if left is None or len(left) >= count:
                missing_since = None
            elif missing_since is None:
                missing_since = now
            elif first and now - missing_since >= CERTAIN:
                gone = {*range(count)} - {*left}
                exact = len(gone) + len(left) == count and None not in left
                _end(_named(gone, count) if exact else f"a process on {platform.node()}")
        if first and not spoke and now - began >= TO_SPEAK:
            spoke = True
            complain(f"{PREFIX}start() waits for {_named(absent, count)}{OR_ALL}")
        time.sleep(PAUSE)


def _end(who: str) -> NoReturn:
    """End all: mpiexec ends them if one is killed."""
    complain(f"{PREFIX}{who} ended before start(), where others wait; all processes end")
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit(1)


def _named(numbers: set[int], count: int) -> str:
    """Processes of this machine, by their rank if all are on it."""
    host = platform.node()
    if os.environ.get("PMI_SIZE") == str(count):
        return named(sorted(numbers), [host] * count, True)
    return f"{len(numbers)} of the {count} processes on {host}"


def _name(launcher: int, number: int) -> str:
    """The address by which a process is seen; it is in no folder, and vanishes with the process."""
    return f"\0nn.distributed {launcher} {number}"


def _is_here(launcher: int, number: int) -> bool:
    with socket.socket(socket.AF_UNIX) as stream:
        stream.setblocking(False)
        try:
            stream.connect(_name(launcher, number))
        except BlockingIOError:  # many look at it
            return True
        except OSError:
            return False
    return True


def _launcher() -> int | None:
    """The process that started all those of this machine; None if it is of another kind."""
    process = os.getppid()
    with suppress(OSError, ValueError):
        while process > 1:
            name, _, parent, *_ = stat(process)
            if name == LAUNCHER:
                return process
            process = int(parent)
    return None


def _left(launcher: int) -> list[int | None] | None:
    """The numbers of the processes that have not ended, None for one that does not show its own.

    None if that cannot be told.
    """
    found: list[int | None] = []
    try:
        children = (PROCESSES / f"{launcher}/task/{launcher}/children").read_text().split()
    except OSError:
        return None
    for child in children:
        with suppress(OSError, ValueError):
            if stat(int(child))[1] not in (b"Z", b"X"):
                found.append(_number(int(child)))
    return found


def _number(process: int) -> int | None:
    """What the launcher set in a process: its number among those of this machine."""
    with suppress(OSError, ValueError):
        for each in (PROCESSES / f"{process}/environ").read_bytes().split(b"\0"):
            name, _, value = each.partition(b"=")
            if name == b"MPI_LOCALRANKID":
                return int(value)
    return None
