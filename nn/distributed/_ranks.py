"""How the processes of a sweep share the trainings: one leads, the others follow.

Each has at most one training at a time, in a child process.  All calls of MPI are made here, by the
thread that called `sweep`; whoever waits looks at its child and its messages, and sleeps for a
growing time between.
"""

import pickle
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from tinygrad_lite import files, generator

from ..training.interrupts import Stop, Stopped
from ._child import GRACE, Child
from ._schedule import Schedule, Task
from ._trainings import Outcome
from .processes import MPIProcesses

SHORTEST, LONGEST = 1e-3, 0.05  # seconds between two looks


class Listener(Protocol):
    """What is told of a sweep's course, by the leading process."""

    def begins(self, task: Task) -> None:
        """A training begins."""

    def printed(self, number: int, text: bytes) -> None:
        """A training printed something."""

    def ended(self, task: Task, outcome: Outcome, again: Task | None) -> None:
        """A training ended; perhaps it begins again."""


class Runner:
    """The training of this process."""

    def __init__(
        self, fn: bytes, options: Sequence[Mapping[str, Any]], processes: MPIProcesses
    ) -> None:
        self.fn, self.options = fn, options
        self.rank, self.host = processes.rank, processes.host
        self.state = generator.get_state()
        self.child: Child | None = None
        self.number = -1
        self.not_started = ""

    def begin(self, task: Task) -> None:
        """Start it."""
        self.number = task.number
        try:
            options = self.options[task.number]
            self.child = Child(self.fn, options, self.state, task.attempt > 0)
        except OSError as error:
            reason = error.strerror or str(error)
            self.not_started = f"its process cannot be started: {files.printable(reason)}"

    def look(self) -> tuple[bytes, Outcome | None]:
        """What it printed since the last look, and its outcome once it has ended."""
        printed, outcome = b"", None
        if self.child is not None:
            printed, outcome = self.child.look()
        elif self.not_started:
            outcome = Outcome("died", {}, self.not_started)
        if outcome is not None:
            outcome = outcome.on(self.rank, self.host)
            self.close()
        return printed, outcome

    def stop(self, number: int) -> None:
        """Let it get this signal, if it has not got one."""
        if self.child is not None and not self.child.told:
            self.child.send_signal(number)

    def close(self) -> None:
        """End it."""
        self.not_started = ""
        if self.child is not None:
            self.child.close()
            self.child = None


class Messages:
    """Messages between the processes, which wait for nobody."""

    def __init__(self, processes: MPIProcesses) -> None:
        self.mpi, self.payload = processes.mpi, processes.payload
        self.tag = 1 + processes.number % 30_000  # of this sweep, not an earlier one
        self.sent: list[tuple[Any, bytes]] = []  # kept until they have left

    def send(self, rank: int, *message: Any) -> None:
        """Send something to a process."""
        data = pickle.dumps(message)
        request = self.payload.Isend([data, self.mpi.BYTE], rank, self.tag)
        self.sent.append((request, data))

    def received(self) -> Iterator[tuple[int, Any]]:
        """What has arrived: from which process, and what."""
        self.sent = [(request, data) for request, data in self.sent if not request.Test()]
        status = self.mpi.Status()
        while (message := self.payload.Improbe(tag=self.tag, status=status)) is not None:
            data = bytearray(status.Get_count(self.mpi.BYTE))
            rank = status.Get_source()
            message.Recv([data, self.mpi.BYTE])
            yield rank, pickle.loads(data)

    def wait_for(self, word: str, ranks: set[int]) -> None:
        """Wait until these processes have sent this word, or for as long as a training may take."""
        until = time.monotonic() + GRACE + 1
        while ranks and time.monotonic() < until:
            for rank, message in self.received():
                if message[0] == word:
                    ranks.discard(rank)
            time.sleep(SHORTEST)

    def flush(self) -> None:
        """Wait until all that was sent has left; or a second, if nobody takes it."""
        until = time.monotonic() + 1
        while self.sent and time.monotonic() < until:
            self.sent = [(request, data) for request, data in self.sent if not request.Test()]
            time.sleep(SHORTEST)


class Pause:
    """A sleep that gets longer while nothing happens."""

    def __init__(self) -> None:
        self.seconds = SHORTEST

    def after(self, happened: bool) -> None:
        """Sleep; shortly, if something happened."""
        self.seconds = SHORTEST if happened else min(self.seconds * 1.3, LONGEST)
        time.sleep(self.seconds)


def lead(processes: MPIProcesses, runner: Runner, schedule: Schedule, listener: Listener) -> int:
    """Hand out the trainings, and take part, until all have ended.

    Returns the number of a signal that came; 0 if none did.
    """
    messages, pause, stopped = Messages(processes), Pause(), 0
    others = {*range(1, processes.size)}

    def ended(rank: int, outcome: Outcome) -> None:
        task = schedule.running[rank]
        listener.ended(task, outcome, schedule.ended(rank, outcome))

    with Stop() as stop:
        try:
            while not schedule.idle:
                happened, asked = False, stop.noted
                for rank, message in messages.received():
                    happened = True
                    match message:
                        case "printed", bytes(text):
                            listener.printed(schedule.running[rank].number, text)
                        case "ended", Outcome() as its:
                            ended(rank, its)
                        case "stop", int(number):
                            asked = number
                        case ("left",):
                            others.discard(rank)
                            raise Stopped
                text, outcome = runner.look()
                if text:
                    listener.printed(runner.number, text)
                if outcome is not None:
                    ended(0, outcome)
                if asked and not stopped:
                    stopped = asked
                    schedule.stop()
                    runner.stop(stopped)
                    for rank in range(1, processes.size):
                        messages.send(rank, "stop", stopped)
                for rank in range(processes.size):
                    if (task := schedule.next_for(rank)) is not None:
                        listener.begins(task)
                        if rank:
                            messages.send(rank, "run", task)
                        else:
                            runner.begin(task)
                pause.after(happened or bool(text) or outcome is not None)
            for rank in range(1, processes.size):
                messages.send(rank, "leave", stopped)
        except BaseException:  # such as a second Ctrl-C: nobody must wait for this process
            runner.close()
            for rank in range(1, processes.size):
                messages.send(rank, "abandon", stopped or signal.SIGINT)
            # The first process that ends takes all others along, and their trainings would go on.
            messages.wait_for("left", others)
            raise
        finally:
            runner.close()
            messages.flush()
        return stopped or stop.noted


def follow(processes: MPIProcesses, runner: Runner) -> int:
    """Train what the leading process hands out, until it says that the sweep has ended.

    Returns the number of a signal that came, here or elsewhere; 0 if none did.
    """
    messages, pause, said, abandoned = Messages(processes), Pause(), False, False
    with Stop() as stop:
        try:
            while True:
                happened = False
                for _, message in messages.received():
                    happened = True
                    match message:
                        case "run", Task() as task:
                            runner.begin(task)
                        case "stop", int(number):
                            runner.stop(number)
                        case "leave", int(number):
                            return number or stop.noted
                        case "abandon", int(number):
                            abandoned = True
                            raise Stopped(number)
                text, outcome = runner.look()
                if text:
                    messages.send(0, "printed", text)
                if outcome is not None:
                    messages.send(0, "ended", outcome)
                if stop.noted and not said:
                    messages.send(0, "stop", stop.noted)
                    said = True
                pause.after(happened or bool(text) or outcome is not None)
        except BaseException:
            runner.close()
            messages.send(0, "left")
            if not abandoned:
                messages.wait_for("abandon", {0})
            raise
        finally:
            runner.close()
            messages.flush()
