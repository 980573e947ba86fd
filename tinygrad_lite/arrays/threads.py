"""One large operation in pieces, spread over a pool of threads.

NumPy lets go of Python's lock while it computes, so threads do run side by side.  The pool has as
many threads as the environment variable TINYGRAD_LITE_THREADS says, one of them the caller's; by
default as many as there are cores that this process may use.  They start with the first operation
that is large enough, wait asleep, and belong to one process: a forked child has its own.

What the pieces are never depends on the size of the pool, and a sum over them is added up in their
order, so results are the same bits for any size of it.
"""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar, copy_context
from functools import cache
from types import TracebackType
from typing import Any, TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")

SETTING = "TINYGRAD_LITE_THREADS"

# How many bytes a thread works on at a time, so that they stay in the cache; smaller pieces cost
# more calls into NumPy, each of which has to wait for Python's lock.
PIECE = 1 << 21

# Whether this is a piece's work already: what it spreads in its turn, it does itself.
_inside: ContextVar[bool] = ContextVar("inside a piece", default=False)


def spread(
    task: Callable[[Piece], Result], pieces: Sequence[Piece], multiplies: bool = False
) -> list[Result]:
    """[task(piece) for piece in pieces], the pieces spread over the pool.

    multiplies  the task multiplies matrices: BLAS, which would start threads of its own, is held
                to one thread meanwhile
    An exception of a task comes out here, when no thread works on a piece any more; those that
    were not begun are left.  Each thread works in a copy of the caller's context, so that
    what is set there (NumPy's error state, no_grad) holds in it too.
    """
    if _inside.get():
        return [task(piece) for piece in pieces]
    if multiplies:
        with blas_held:
            return spread(task, pieces)
    if len(pieces) < 2:
        return [task(piece) for piece in pieces]
    return _the_pool().run(task, pieces)


def slices(array: Any) -> list[slice]:
    """The first axis of an array in slices, each of which holds about PIECE bytes."""
    length = max(1, PIECE * len(array) // max(array.nbytes, 1))
    return [slice(start, start + length) for start in range(0, len(array), length)]


class Pool:
    """Threads that wait for jobs; `size` counts the caller's, so one less is started."""

    def __init__(self, size: int) -> None:
        from queue import SimpleQueue  # here, for most programs never need a pool

        self.size = size
        self.cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        self.jobs: SimpleQueue[_Job] = SimpleQueue()
        for number in range(1, size):
            name = f"tinygrad_lite {number}"
            threading.Thread(target=self._serve, name=name, daemon=True).start()

    def run(self, task: Callable[[Piece], Result], pieces: Sequence[Piece]) -> list[Result]:
        """[task(piece) for piece in pieces]; see `spread`.

        Handing the pieces out takes 2 us, with concurrent.futures it took 60.  A sleeping thread
        needs 50 us to wake up, so what is to gain from it should take some hundred.
        """
        job = _Job(task, pieces)
        try:
            for _ in range(min(self.size, len(pieces)) - 1):
                self.jobs.put(job)
            token = _inside.set(True)
            try:
                job.work()
            finally:
                _inside.reset(token)
                job.end()
            if job.error is not None:
                raise job.error
            return job.results
        finally:
            job.forget()

    def _serve(self) -> None:
        """Wait for jobs, and keep off the core of whoever has one.

        Linux likes to wake a thread where its waker runs, which goes on running there; it takes
        milliseconds to part them.  Kept apart, Adam on ten million parameters takes 12 ms, not 16.
        """
        avoided = None
        while True:
            job = self.jobs.get()
            if job.core != avoided and len(self.cores) > 1:
                avoided = job.core
                with suppress(OSError):  # cores may have been taken from this process meanwhile
                    os.sched_setaffinity(0, self.cores - {avoided})
            job.help()
            del job  # nothing is kept alive while this waits


class _Job:
    """Pieces that several threads take one after the other.

    The caller waits for those that are being worked on, never for a thread to wake up: if it has
    done all of them by itself, a helper that comes too late finds nothing, and nothing kept alive.
    """

    __slots__ = (
        *("busy", "context", "core", "error", "idle", "lock", "pieces", "results", "taken", "task"),
    )

    def __init__(self, task: Callable[[Any], Any], pieces: Sequence[Any]) -> None:
        self.task: Any = task
        self.pieces = pieces
        self.results: list[Any] = [None] * len(pieces)
        self.context: Any = copy_context()
        self.context.run(_inside.set, True)
        self.core = _current_core()()  # which runs the caller
        self.lock = threading.Lock()
        self.taken = 0  # so many pieces have been begun
        self.busy = 0  # so many helpers work on one
        self.idle: Any = None  # held until the last of them is ready, if the caller waits for it
        self.error: BaseException | None = None

    def work(self) -> None:
        """Take pieces until there are none."""
        while True:
            with self.lock:
                number = self.taken
                if number >= len(self.pieces):
                    return
                self.taken = number + 1
            self.results[number] = self.task(self.pieces[number])

    def help(self) -> None:
        """`work`, in another thread than the caller's."""
        with self.lock:
            if self.taken >= len(self.pieces):
                return
            self.busy += 1
            context = self.context.copy()
        try:
            context.run(self.work)
        except BaseException as error:  # whatever it is, it is the caller's
            with self.lock:
                self.taken = len(self.pieces)
                if self.error is None:
                    self.error = error
        finally:
            del context
            with self.lock:
                self.busy -= 1
                if not self.busy and self.idle is not None:
                    self.idle.release()

    def end(self) -> None:
        """Give out no more pieces, and wait for the helpers."""
        with self.lock:
            self.taken = len(self.pieces)
            if self.busy:
                self.idle = threading.Lock()
                self.idle.acquire()
        if self.idle is not None:
            self.idle.acquire()

    def forget(self) -> None:
        """Keep nothing alive for a helper that has not woken up yet, nor in an error's frames."""
        self.task = self.context = self.error = None
        self.pieces = ()
        self.results = []


class _OneBlasThread:
    """A context in which BLAS computes with one thread, entered by any number of threads.

    The limit holds for the whole process: the first to enter sets it, the last to leave lifts it.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.entered = 0
        self.libraries: list[Any] | None = None  # looking for them takes milliseconds
        self.before: list[Any] = []

    @property
    def used(self) -> bool:
        """Whether anything has entered so far."""
        return self.libraries is not None

    def __enter__(self) -> None:
        with self.lock:
            if not self.entered:
                if self.libraries is None:
                    self.libraries = _blas_libraries()
                self.before = [library.get_num_threads() for library in self.libraries]
                for library in self.libraries:
                    library.set_num_threads(1)
            self.entered += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self.lock:
            self.entered -= 1
            if not self.entered:
                self._lift()

    def _lift(self) -> None:
        for library, number in zip(self.libraries or (), self.before, strict=True):
            library.set_num_threads(number)
        self.before = []

    def after_fork(self) -> None:
        """In a child nobody has entered, whatever other threads of its parent were doing."""
        self.lock = threading.Lock()
        if self.entered and self.before:
            self._lift()
        self.entered = 0


def _blas_libraries() -> list[Any]:
    """The controllers of the libraries that multiply matrices."""
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


@cache
def _current_core() -> Callable[[], int | None]:
    """What tells the core that runs the calling thread, in 0.3 us; None but on Linux."""
    from ctypes import PyDLL

    try:
        return PyDLL(None).sched_getcpu
    except (AttributeError, OSError, TypeError):
        return lambda: None


def size_from_environment() -> int:
    """How many threads the pool has."""
    given = os.environ.get(SETTING, "").strip()
    if not given:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    try:
        size = int(given)
    except ValueError:
        size = 0
    if size < 1:
        raise ValueError(f"{SETTING}: expected a number of threads from 1; got {given!r}")
    return size


_pool: Pool | None = None
_making = threading.Lock()
blas_held = _OneBlasThread()


def _the_pool() -> Pool:
    """The pool of this process, made when it is first asked for."""
    global _pool
    if _pool is None:
        with _making:
            if _pool is None:
                _pool = Pool(size_from_environment())
    return _pool


def _after_fork() -> None:
    """In a child: its parent's threads are not there, and locks may be held for ever."""
    global _pool, _making
    _pool, _making = None, threading.Lock()
    blas_held.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
