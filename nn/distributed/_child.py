"""One training in a process of its own: its parent's side, and its own.

The process is a new interpreter, not a fork: a forked copy of a process that uses MPI shares its
connections, and the memory that network cards write to, which MPI forbids; and in a new one every
training begins in the same state, whatever its parent did before.  So the function to call is
pickled, and the program's main module is imported, as with multiprocessing's "spawn".

It does not know of MPI: open files are not inherited, and the variables are removed by which a
launcher tells a process its rank.

A pair of sockets connects the two.  The outcome goes one way, signals go the other; and if its
parent dies, the child notices at once, because the system closes the socket.  It then ends as by
SIGTERM, so that a Report saves a snapshot.
"""

import io
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import spawn
from threading import Thread, main_thread
from typing import Any

from tinygrad_lite import files, generator

from .._processes import current
from ._trainings import Outcome, called

GRACE = 5.0  # seconds to end after a result, or after the parent's death
MOST = 1 << 20  # bytes that are read at a time: a training that prints more has to wait
# How the names of variables begin that launchers set: Hydra, PMIx, Open MPI, MVAPICH, PALS.
LAUNCHERS = ("PMI_", "PMIX_", "OMPI_", "PRTE_", "MPI_LOCAL", "HYDI_", "HYDRA_", "MV2_COMM", "PALS_")
# Slurm's, which are also known to programs that need no MPI; these two make a rank.
SLURM = ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID")
# What pickle raises for what it cannot take.
UNPICKLED = (pickle.PicklingError, AttributeError, TypeError)


# The parent's side.


def pickled(fn: Callable[..., Any], options: Sequence[Mapping[str, Any]]) -> bytes:
    """The function, for `Child`; TypeError if a new process cannot have it, or its options."""
    try:
        pickle.dumps(options)
        return pickle.dumps(fn)
    except UNPICKLED as error:
        raise TypeError(
            "sweep: each training has a process of its own, to which fn or its options cannot be "
            f"sent: {error}; define functions and classes at the top level of a file, and pass "
            "what fn needs besides by functools.partial"
        ) from None


class Child:
    """A process that calls fn(**options) once.

    fn: from `pickled`.
    state: that of Tensor's random generator to begin with.
    restarted: whether this training died before.
    """

    def __init__(
        self, fn: bytes, options: Mapping[str, Any], state: dict[str, Any], restarted: bool
    ) -> None:
        self.began = time.perf_counter()
        self.outcome: Outcome | None = None
        self.ends_by = float("inf")  # when it is killed
        self.answer = b""
        self.told = False  # whether it got a signal
        prepared = spawn.get_preparation_data("training")
        del prepared["authkey"]  # which cannot be pickled
        command = spawn.get_command_line()
        self.end, other = socket.socketpair()
        with other, tempfile.TemporaryFile() as task:
            call = f"from {__name__} import serve; serve({other.fileno()})"
            pickle.dump((prepared, fn, dict(options), state, restarted), task)
            task.seek(0)
            self.process = subprocess.Popen(
                [*command[:-2], f"import sys; sys.path[:] = {sys.path!r}; {call}"],
                env=without_launcher(os.environ),
                stdin=task,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[other.fileno()],
                # A launcher's signals go to whole process groups; here they come from the parent.
                start_new_session=True,
            )
        assert self.process.stdout is not None
        self.output = self.process.stdout.fileno()
        self.end.setblocking(False)
        os.set_blocking(self.output, False)

    def look(self) -> tuple[bytes, Outcome | None]:
        """What it printed since the last look, and its outcome once it has ended."""
        code = self.process.poll()  # first: what it wrote before is there then
        most = MOST if code is None else 100 * MOST
        printed = _read(lambda: os.read(self.output, 1 << 16), most)
        self.answer += _read(lambda: self.end.recv(1 << 16), most)
        if self.outcome is None and self.answer.endswith(b"\n"):
            self.outcome = Outcome(*json.loads(self.answer))
            self.ends_by = time.perf_counter() + GRACE
        if code is None:
            if time.perf_counter() > self.ends_by:
                self.process.kill()
            return printed, None
        if self.outcome is None:
            seconds = time.perf_counter() - self.began
            self.outcome = Outcome("died", {}, _how(code), seconds)
        return printed, self.outcome

    def send_signal(self, number: int) -> None:
        """Let this signal reach it, as if it had come to the child alone."""
        self.told = True
        with suppress(OSError):  # it has ended
            self.end.send(bytes([number]))

    def close(self) -> None:
        """End it now, if it has not ended; after a first signal, at once."""
        if self.process.poll() is None and not self.told and self.outcome is None:
            self.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.end.close()
        if self.process.stdout is not None:
            self.process.stdout.close()


def without_launcher(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables without those by which a launcher tells a process which of several it is."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(LAUNCHERS) and name not in SLURM
    }


def _read(step: Callable[[], bytes], most: int) -> bytes:
    """What is there to be read, or about this many bytes of it."""
    found = bytearray()
    with suppress(OSError):  # there is no more, or the process died
        while len(found) < most and (chunk := step()):
            found += chunk
    return bytes(found)


def _how(code: int) -> str:
    """How a process ended that gave no outcome."""
    if code >= 0:
        return f"its process ended with status {code}"
    names = {each.value: each.name for each in signal.Signals}
    how = f"its process was killed by {names.get(-code, f'signal {-code}')}"
    return how + (", perhaps for lack of memory" if -code == signal.SIGKILL else "")


# The child's side.

_importing: list[bool] = []  # whether the program's main module is being imported


def check_main() -> None:
    """RuntimeError in a child whose main module would begin the sweep again."""
    if _importing:
        raise RuntimeError(
            "sweep: each training imports the program's main module, so that its call of sweep "
            'has to stand under `if __name__ == "__main__":`'
        )


def serve(descriptor: int) -> None:
    """All that the process does: the training that it finds on its standard input."""
    end = socket.socket(fileno=descriptor)
    end.set_inheritable(False)
    end.setblocking(True)
    Thread(target=_follow, args=(end,), daemon=True).start()
    with open(0, "rb", closefd=False) as task:
        prepared, fn, options, state, restarted = pickle.load(task)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # so that its parent sees what it prints
    try:
        outcome = _outcome(prepared, fn, options, state, restarted)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        outcome = Outcome("died", {}, "it was stopped by a signal")
    sys.stdout.flush()
    end.sendall(json.dumps(outcome).encode() + b"\n")


def _outcome(
    prepared: dict[str, Any],
    fn: bytes,
    options: dict[str, Any],
    state: dict[str, Any],
    restarted: bool,
) -> Outcome:
    try:
        _importing.append(True)
        spawn.prepare(prepared)
        _importing.clear()
        function = pickle.loads(fn)
    except (Exception, SystemExit) as error:  # whatever the main module raises
        traceback.print_exc()
        said = files.printable(f"{type(error).__name__}: {error}", 500)
        return Outcome("failed", {}, f"fn cannot be loaded in a process of its own: {said}")
    # The program's main module may have set another, for the time of its imports.
    if callable(signal.getsignal(signal.SIGINT)):
        signal.signal(signal.SIGINT, signal.default_int_handler)
    generator.set_state(state)
    current().restarted = restarted
    return called(function, options)


def _follow(end: socket.socket) -> None:
    """Pass on the signals that the parent sends; when it is dead, end."""
    told = False
    with suppress(OSError):
        while number := end.recv(1):
            told = True
            _signal(number[0])
    nowhere = os.open(os.devnull, os.O_WRONLY)  # nobody reads what a Report still prints
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    if not told:
        _signal(signal.SIGTERM)
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


def _signal(number: int) -> None:
    thread = main_thread().ident
    if thread is not None:
        signal.pthread_kill(thread, number)
