"""How one process ends, and all others with it: within seconds, and with one line about why.

Three ways lead there:

- A process dies: the watcher sees it.
- A process raises an error that nobody catches: it tells the watcher, prints its traceback if it
  is the first, and the watcher prints the line.
- The processes do not do the same: all of them learn it in the same exchange, and rank 0 prints.

A process that fails, or is out of step, has a moment to clean up, and is then ended whatever it
does.  The others end at once, mostly by mpiexec.

Before `start` has returned, `arrivals` tells of a process that ends, and mpiexec of one that is
killed.

What is not ours: if a machine is gone, all processes end, but mpiexec may wait for its own
connection to it.  After an os._exit(0) on another machine than that of rank 0, or where the system
is not Linux, the status of mpiexec itself may be 0.  And before `start` has returned, processes see
only those of their own machine: for one that ends on another one, they wait.
"""

import errno
import json
import os
import queue
import secrets
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from inspect import currentframe
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NamedTuple

from tinygrad_lite import files

from .._processes import Fact
from ..training._output import complain
from ..training.interrupts import Stopped
from .addresses import TO_CONNECT, addresses, first_to_answer
from .watcher import PREFIX, Connection

TO_BE_GRANTED = 5.0  # for an answer of the watcher
MOST = 1000  # characters of a reason
TO_CLEAN_UP = 1.0  # before a process is ended whatever it does

OURS = "nn.", "tinygrad_lite.", "contextlib"  # beginnings of modules
APART = (
    "look for a break, continue, return or `if` that one process takes alone; what only one is to "
    "do stands in `with nn.distributed.alone():`"
)


class Endings:
    """This process's side of the watcher, and what happens when Python ends.

    name: of this process, as a line shows it.
    ending: whether the end of all has come.
    """

    def __init__(self, rank: int, size: int, host: str) -> None:
        self.rank, self.name = rank, f"rank {rank} of {size} on {host}"
        self.ending = False
        self.process = os.getpid()
        self.connection: Connection | None = None
        self.answers: queue.SimpleQueue[bool | None] = queue.SimpleQueue()
        self.speaks_if_lost = False
        self.mpi_error: type[BaseException] | tuple[()] = ()
        self.usual_hook = sys.excepthook
        sys.excepthook = self.show

    def connect(self, found: dict[str, Any], mine: bool) -> bool:
        """Connect to the watcher: `mine` if it is on this machine.  Whether that succeeded."""
        places = ["127.0.0.1"] if mine else found["addresses"]
        message = {"token": found["token"], "rank": self.rank}
        if mine and found["holder"] and (number := to_mpiexec()) is not None:
            with suppress(OSError), unix_socket() as stream:
                stream.settimeout(TO_CONNECT)
                stream.connect(found["holder"].encode())
                socket.send_fds(stream, [json.dumps(message).encode()], [number])
        self.connection = first_to_answer(places, found["port"], message)
        return self.connection is not None

    def listen(self) -> None:
        """From now on, a thread reads what the watcher says."""
        assert self.connection
        self.connection.stream.setblocking(True)
        os.register_at_fork(after_in_child=self.in_child)
        threading.Thread(target=self.hear, name="nn.distributed", daemon=True).start()

    def hear(self) -> None:
        """Read what the watcher says, until it ends."""
        connection = self.connection
        assert connection
        while True:
            try:
                messages = connection.receive()
            except OSError as error:
                if error.errno in (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH):
                    self.lost()
                messages = None
            if messages is None:  # somebody ended the watcher, and all go on without it
                self.connection = None
                connection.stream.close()
                self.answers.put(None)
                return
            for message in messages:
                if "granted" in message:
                    self.answers.put(bool(message["granted"]))
                elif "end" in message and not self.ending:
                    self.end_soon()
                    self.end_now(1)

    def lost(self) -> None:
        """The machine of rank 0 is gone."""
        if self.speaks_if_lost and not self.ending:
            self.connection = None
            self.say(
                f"{self.name} cannot reach rank 0 any more: its machine or the network is gone"
            )
        self.end_soon()
        self.end_now(1)

    def in_child(self) -> None:
        """In a forked child: the connection ends with the process that it belongs to."""
        if self.connection:
            self.connection.stream.close()
            self.connection = None
        if (number := to_mpiexec()) is not None:
            os.close(number)
        os.environ.pop("PMI_FD", None)  # in a child of this one, the number may be another file's

    def end_soon(self) -> None:
        """End this process in a moment, whatever it does until then."""
        self.ending = True
        if hasattr(signal, "setitimer") and signal.getsignal(signal.SIGALRM) == signal.SIG_DFL:
            signal.setitimer(signal.ITIMER_REAL, 2 * TO_CLEAN_UP)  # while Python cannot run threads
        timer = threading.Timer(TO_CLEAN_UP, os._exit, [1])
        timer.daemon = True
        timer.start()

    def fails(self, why: str, follows: bool = False) -> bool | None:
        """Tell the watcher that this process ends early.

        follows: whether that may come from what another process has met with.

        Whether it may print more about that: if no other one has failed before.  Then call
        `printed`.  None if there is no watcher.
        """
        if self.ending:
            return False
        if not self.connection:
            return None
        self.connection.send(fails=why, follows=follows)
        try:
            return self.answers.get(timeout=TO_BE_GRANTED)
        except queue.Empty:
            return None

    def printed(self) -> None:
        """Tell the watcher that its line may follow."""
        if self.connection:
            self.connection.send(printed=True)
        self.end_soon()

    def say(self, line: str) -> None:
        """Print the line in place of the watcher, which prints none any more."""
        if self.connection:
            self.connection.send(said=True)
        complain(f"{PREFIX}{line}; all processes end")

    def show(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """In place of sys.excepthook: an error that nobody caught ends all processes."""
        if os.getpid() != self.process:
            self.usual_hook(kind, error, trace)
            return
        by_mpi = issubclass(kind, self.mpi_error)
        follows = by_mpi or (isinstance(error, Stopped) and error.elsewhere)
        self.tell(reason_of(error, by_mpi), error.with_traceback(trace), follows)

    def tell(self, why: str, error: BaseException | None = None, follows: bool = False) -> None:
        """Have all processes end for this reason, which one line says.

        error: is shown before that, unless another process has failed before.
        """
        why = files.printable(why, MOST)
        granted = self.fails(why, follows)
        if error is not None and granted is not False:
            self.usual_hook(type(error), error, error.__traceback__)
        if granted is None:
            self.say(f"{self.name}: {why}")
        self.printed()

    def goodbye(self) -> None:
        """Tell the watcher that this process does not die, but ends."""
        connection = self.connection  # which the thread that reads it may take away
        if connection:
            connection.send(bye=True)
            connection.stream.detach()  # open until the process is gone, without a warning

    def close(self) -> None:
        """Do without the watcher, which not all processes can reach."""
        if self.connection:
            self.connection.send(stop=True)
            self.connection.stream.close()
            self.connection = None

    def end_now(self, status: int) -> None:
        """End this process, and print only what it has printed already."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(status)


def reason_of(error: BaseException, by_mpi: bool = False) -> str:
    """The first line of what an error says; of one of MPI the last, which says what it met with."""
    name = type(error).__name__
    try:
        lines = f"{name}: {error}".rstrip(": \n").split("\n")
        return f"{name}: {lines[-1]}" if by_mpi and lines[1:] else lines[0]
    except Exception:  # its class has a __str__ that fails
        return name


def started_watcher(
    hosts: Sequence[str], local: dict[int, int], alone: bool
) -> dict[str, Any] | None:
    """Start the watcher, and give what one has to know to connect to it; None if it fails.

    hosts: of all processes.  local: the process numbers of those on this machine, by rank.  alone:
    whether these are all of them.
    """
    try:
        if alone:
            listener = socket.create_server(("127.0.0.1", 0), backlog=len(hosts))
        elif socket.has_dualstack_ipv6():
            family = socket.AF_INET6
            listener = socket.create_server(
                ("", 0), family=family, dualstack_ipv6=True, backlog=len(hosts)
            )
        else:
            listener = socket.create_server(("", 0), backlog=len(hosts))
        token = secrets.token_hex(16)
        given: dict[str, Any] = {"hosts": [*hosts], "processes": local, "token": token}
        with listener, unix_socket() if sys.platform == "linux" else nullcontext() as holder:
            inherited = [listener.fileno()]
            name = ""
            if holder is not None:
                holder.bind("")  # to a name that the kernel chooses
                name = holder.getsockname().decode()
                inherited.append(holder.fileno())
                given["holder"] = holder.fileno()
            watcher = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("watcher.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=inherited,
                start_new_session=True,
            )
            assert watcher.stdin
            with watcher.stdin:
                text = json.dumps({**given, "listener": listener.fileno()})
                watcher.stdin.write(text.encode() + b"\n")
            port = listener.getsockname()[1]
    except OSError:
        return None
    watcher.returncode = 0  # nobody waits for it: it ends after this process
    reached = [] if alone else addresses()
    return {"token": token, "port": port, "addresses": reached, "holder": name}


def to_mpiexec() -> int | None:
    """The socket PMI_FD, by which mpiexec of MPICH sees an end; None if there is none."""
    with suppress(KeyError, ValueError, OSError):
        number = int(os.environ["PMI_FD"])
        if stat.S_ISSOCK(os.fstat(number).st_mode):  # the variable may be inherited, and it not
            return number
    return None


def unix_socket() -> socket.socket:
    """For file descriptors, in single messages."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)


class Doing(NamedTuple):
    """What a process is at, the value that it has there, what that stands for, and its line."""

    what: str
    value: int = 0
    facts: Sequence[Fact] = ()
    line: str = ""


def disagreement(hosts: Sequence[str], doing: Sequence[Doing]) -> str:
    """What the processes do that should do the same, the fewest first."""
    by_value = len({each.what for each in doing}) == 1
    keys: Iterable[object] = [each.value if by_value else each.what for each in doing]
    fix = APART
    if by_value:
        fix = ""
        for facts in zip(*(each.facts for each in doing), strict=False):
            if len({has for has, _ in facts}) > 1:
                keys, fix = [has for has, _ in facts], facts[0][1]
                break
    groups: dict[object, list[int]] = {}
    for rank, key in enumerate(keys):
        groups.setdefault(key, []).append(rank)
    found: list[str] = []
    for key, ranks in sorted(groups.items(), key=lambda group: len(group[1])):
        who = named(ranks, hosts, first=not found)
        verbs = ("has", "have") if by_value else ("is at", "are at")
        line = "" if by_value else doing[ranks[0]].line
        found.append(f"{who} {verbs[len(ranks) > 1]} {files.printable(key)}{line}")
    where = f"at {files.printable(doing[0].what)}{doing[0].line}, " if by_value else ""
    return f"{where}{', '.join(found)}: expected the same of all{fix and '; '}{fix}"


def doing_here(what: str, value: int, facts: Iterable[Fact]) -> bytes:
    """What this process is doing, as JSON."""
    return json.dumps(Doing(what, value, [*facts], line_of_program())).encode()


def line_of_program() -> str:
    """The line of the program that led here, ' (train.py:12)'; nothing when it has ended."""
    frame: FrameType | None = currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith(OURS):
        frame = frame.f_back
    return f" ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})" if frame else ""


def named(ranks: Sequence[int], hosts: Sequence[str], first: bool) -> str:
    """Ranks and where they are: 'ranks 0 to 2 and 5 of 8 on a and b'."""
    runs: list[list[int]] = []
    for rank in ranks:
        if runs and runs[-1][-1] == rank - 1:
            runs[-1].append(rank)
        else:
            runs.append([rank])
    texts = []
    for run in runs:
        texts += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else [str(rank) for rank in run]
    word = "rank" if len(ranks) == 1 else "ranks"
    size = f" of {len(hosts)}" if first else ""
    places = [*dict.fromkeys(hosts[rank] for rank in ranks)]
    return f"{word} {listed(texts)}{size} on {listed(places)}"


def listed(texts: Sequence[str], most: int = 6) -> str:
    """'a', 'a and b', 'a, b and c'; of very many, the first ones."""
    if len(texts) > most:
        texts = [*texts[: most - 1], f"{len(texts) - most + 1} others"]
    return " and ".join(part for part in (", ".join(texts[:-1]), texts[-1]) if part)
