"""A worker of a DataLoader that is a process: the parent's side of it, and its own.

A pair of sockets connects the two.  Each side notices at once when the other ends, however it does,
because the system then closes its socket.  For that, no other process may have a copy of it: one
that is forked meanwhile closes its copy.
"""

import os
import pickle
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from ._messages import Failure, pickled, received, send, unpickled
from ._worker import GRACE, LOOK, Calls, WorkerInfo
from .seeding import seed_globals

if TYPE_CHECKING:
    import socket
    from queue import SimpleQueue

# What pickle raises for what it cannot take.
_UNPICKLED = (pickle.PicklingError, AttributeError, TypeError)

# The sockets that this process holds, and the one that a worker forked right now keeps.
_held: "set[socket.socket]" = set()
_kept: "ContextVar[socket.socket | None]" = ContextVar("_kept", default=None)


def _close_what_is_not_ours() -> None:
    """In a forked child: the sockets are its parent's, except for the one of a worker."""
    kept = _kept.get()
    for each in _held:
        if each is not kept:
            each.close()
    _held.intersection_update({kept})


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_what_is_not_ours)


# The parent's side.


class ProcessWorker:
    """A process that answers tasks in the order in which they were sent.

    Errors: TypeError if the start method of multiprocessing pickles what the worker calls, and
    that cannot be pickled; RuntimeError if the system starts no further process.
    """

    def __init__(
        self,
        info: WorkerInfo,
        fetch: Callable[[Any], Any],
        initialise: Callable[[int], Any] | None,
        seed: "np.random.SeedSequence",
    ) -> None:
        import multiprocessing
        import socket

        self.info = info
        self.answered = False
        if multiprocessing.current_process().daemon:
            raise RuntimeError(
                "DataLoader: num_workers: a daemonic process, as those of a multiprocessing.Pool, "
                "may not start processes; pass threads=True or num_workers=0"
            )
        context = multiprocessing.get_context()
        self.method = context.get_start_method()
        try:
            self.end, other = socket.socketpair()
        except OSError as error:
            raise self._not_started(error) from error
        _held.update((self.end, other))
        self.no_signal = getattr(socket, "MSG_NOSIGNAL", 0)
        self.process = context.Process(
            target=_serve, args=(other, info, fetch, initialise, seed), name=f"worker {info.id}"
        )
        try:
            self.end.settimeout(LOOK)
            other.settimeout(None)
            self._start(other)
        except BaseException as error:
            self.kill()
            if isinstance(error, OSError):
                raise self._not_started(error) from error
            if self.method != "fork" and isinstance(error, _UNPICKLED):
                raise TypeError(
                    f"DataLoader: the start method {self.method!r} pickles the dataset, "
                    f"collate_fn, transform and worker_init_fn, and one of them cannot be: "
                    f"{error}; define functions and classes at the top level of a module, or "
                    f"pass threads=True"
                ) from error
            raise
        finally:
            _close(other)

    def _start(self, other: "socket.socket") -> None:
        """Start the process, with no moment in which Ctrl-C gives it a traceback to print."""
        import signal

        if self.method == "forkserver":
            from multiprocessing import forkserver

            forkserver.ensure_running()  # now, or it and all its children would inherit the mask
        elif self.method == "spawn" and os.name == "posix":
            from multiprocessing import resource_tracker

            resource_tracker.ensure_running()  # now, since its start lifts the mask
        token = _kept.set(other)
        masked = hasattr(signal, "pthread_sigmask") and self.method != "forkserver"
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ending()) if masked else ()
        try:
            self.process.start()
        finally:
            _kept.reset(token)
            if masked:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _not_started(self, error: OSError) -> RuntimeError:
        return RuntimeError(
            f"DataLoader: worker {self.info.id} of {self.info.num_workers} cannot be started "
            f"({error.strerror or error}); use fewer: num_workers="
        )

    def send(self, task: Any) -> None:
        """Send it a task; RuntimeError if it has ended."""
        data, buffers = pickled(task, "what the sampler gives")
        try:
            send(lambda view: self.end.send(view, self.no_signal), data, buffers, self._look)
        except OSError as error:
            raise self._lost() from error

    def receive(self, seconds: float) -> tuple[Any, BaseException | None]:
        """The result of the oldest task, or the error that came instead.

        Errors: TimeoutError after so many seconds without one, unless they are 0; RuntimeError if
        the worker has ended.
        """
        from time import monotonic

        deadline = monotonic() + seconds if seconds else float("inf")
        late = False

        def look() -> None:
            nonlocal late
            self._look()
            left = deadline - monotonic()
            late = left <= 0
            self.end.settimeout(LOOK if late else min(LOOK, left))
            if late:
                raise TimeoutError(
                    f"DataLoader: worker {self.info.id} (pid {self.process.pid}) gave no batch "
                    f"within timeout={seconds:g} seconds; timeout=0 waits for ever"
                )

        try:
            if seconds:
                self.end.settimeout(min(LOOK, seconds))
            message = received(self.end, look)
        except OSError as error:
            if late:
                self.kill()
                raise
            raise self._lost() from error
        self.answered = True
        value, failure = unpickled(message)
        return value, failure and failure.rebuilt(f"worker {self.info.id}, pid {self.process.pid}")

    def _look(self) -> None:
        """BrokenPipeError if the process is gone, and something else keeps its socket open."""
        if not self.process.is_alive():
            raise BrokenPipeError

    def _lost(self) -> RuntimeError:
        """The error for a worker that ended by itself."""
        import signal

        self.process.join(LOOK)
        code, fix = self.process.exitcode, ""
        if code is None:
            how = "closed its connection"
        elif code < 0:
            names = {each.value: each.name for each in signal.Signals}
            how = f"was killed by {names.get(-code, f'signal {-code}')}"
            if names.get(-code) == "SIGKILL":
                fix = "; if the system ran out of memory, use fewer workers or smaller batches"
        else:
            how = f"ended with status {code}"
            if self.method != "fork" and not self.answered:
                fix = (
                    f"; with the start method {self.method!r} the program's loop stands under "
                    "`if __name__ == '__main__':`, and its classes and functions in a file"
                )
        return RuntimeError(
            f"DataLoader: worker {self.info.id} (pid {self.process.pid}) {how}{fix}"
        )

    def leave(self) -> None:
        """Let it end, by closing its socket."""
        _close(self.end)

    def join(self, seconds: float) -> None:
        """Wait for its end, at most this long."""
        self.process.join(seconds)

    def kill(self) -> None:
        """End it now, if it is alive."""
        _close(self.end)
        if self.process.pid is not None and self.process.is_alive():
            self.process.kill()
            self.process.join(LOOK)


def _close(end: "socket.socket") -> None:
    _held.discard(end)
    end.close()


# The worker's side.


def _serve(
    end: "socket.socket",
    info: WorkerInfo,
    fetch: Callable[[Any], Any],
    initialise: Callable[[int], Any] | None,
    seed: "np.random.SeedSequence",
) -> None:
    """All that the process does: answer tasks until its parent closes the socket.

    Two threads receive and send, so that neither side ever waits for the other with a full socket,
    and the next task begins while a result waits.
    """
    import threading
    from queue import SimpleQueue

    _leave_signals_to_the_parent()
    _kept.set(None)  # by no child of this one
    _held.add(end)
    end.settimeout(None)
    _one_thread()
    seed_globals(seed, info.id)
    tasks: SimpleQueue[Any] = SimpleQueue()
    results: SimpleQueue[Any] = SimpleQueue()
    ended: list[bool] = []
    for target in (_take, _give):
        threading.Thread(target=target, args=(end, tasks, results, ended), daemon=True).start()
    calls = Calls(info, fetch, initialise)
    while (message := tasks.get()) is not None and not ended:
        results.put(_answer(calls, message))
        del message


def _answer(calls: Calls, message: Any) -> tuple[bytes, list[bytes]]:
    """The message that answers the message of a task."""
    value, error = calls.answer(message, unpickled)
    if error is None:
        try:
            return pickled((value, None), "what a worker gives")
        except TypeError as unsent:
            error = unsent
    return pickled((None, Failure(error)), "an error")


def _take(
    end: "socket.socket", tasks: "SimpleQueue[Any]", _: "SimpleQueue[Any]", ended: list[bool]
) -> None:
    """Receive tasks until the parent has closed its socket, or is dead."""
    import signal
    from time import sleep

    try:
        while True:
            tasks.put(received(end))
    except OSError:
        ended.append(True)
        tasks.put(None)
        sleep(GRACE)  # for a last task that hangs: a dead parent cannot kill this process
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def _give(
    end: "socket.socket", _: "SimpleQueue[Any]", results: "SimpleQueue[Any]", ended: list[bool]
) -> None:
    """Send results until the parent has closed its socket, or is dead."""
    try:
        while True:
            data, buffers = results.get()
            send(end.send, data, buffers)
            del data, buffers
    except OSError:
        ended.append(True)


def _ending() -> list[int]:
    """The signals that ask a program to end."""
    import signal

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def _leave_signals_to_the_parent() -> None:
    """Ignore signals that go to all processes of a program: the parent ends its workers.

    Such signals come from Ctrl-C, a closed terminal, `timeout`, a batch system that ends a job.  A
    parent that saves before it ends may still need its batches.
    """
    import signal

    for each in signal.valid_signals():
        if callable(signal.getsignal(each)):  # a handler that belongs to the parent's program
            signal.signal(each, signal.SIG_DFL)
    for number in _ending():
        signal.signal(number, signal.SIG_IGN)
    # A handler in place of SIG_IGN, or programs that the data set starts would ignore it too.
    signal.signal(signal.SIGTERM, lambda *_: None)
    if hasattr(signal, "siginterrupt"):
        signal.siginterrupt(signal.SIGTERM, False)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ending())


def _one_thread() -> None:
    """Let BLAS and our own operations compute with one thread: the workers share the cores."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    os.environ["TINYGRAD_LITE_THREADS"] = "1"
