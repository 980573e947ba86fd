"""One large operation in chunks, which a pool of threads works through in parallel.

NumPy releases Python's lock while it computes, so threads do run in parallel.  The pool has as
many threads as the environment variable TINYGRAD_LITE_THREADS says, one of them the caller's; by
default as many as there are cores that this process may use.  They start with the first operation
that is large enough, wait asleep, and belong to one process: a forked child has its own.  If the
system refuses to start them, none is left, and the caller's thread works alone.

The chunks never depend on the size of the pool, and a sum over them is added up in their order, so
results are bit-identical for any size of the pool.
"""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar, copy_context
from functools import cache
from types import TracebackType
from typing import Any, TypeVar

from .arguments import flag, function, wrong
from .locks import ProcessLock, imported, in_forked_child
from .recorded import recorder

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")

SETTING = "TINYGRAD_LITE_THREADS"
MOST = 1024  # threads: no machine that runs NumPy gains from more

# How many bytes a thread works on at a time, so that they stay in the cache; smaller chunks cost
# more calls into NumPy, each of which has to wait for Python's lock.
CHUNK = 1 << 21

# Whether this thread is working on a chunk: a `parallel` inside it then runs in this thread alone.
_inside: ContextVar[bool] = ContextVar("inside a chunk", default=False)


def parallel(
    task: Callable[[Chunk], Result], chunks: Sequence[Chunk], multiplies: bool = False
) -> list[Result]:
    """[task(chunk) for chunk in chunks], by all threads of the pool.

    multiplies  the task multiplies matrices: BLAS, which would start its own threads, is held
                to one thread meanwhile
    If a task raises, no further chunk is begun, and the exception is raised here once all threads
    have stopped.  Each thread works in a copy of the caller's context, so that what is set
    there (NumPy's error state, no_grad) holds in it too.
    """
    function(task, "parallel: task")
    if not isinstance(chunks, Sequence):
        raise wrong("parallel: chunks", "a list", chunks)
    if _inside.get():
        return [task(chunk) for chunk in chunks]
    if flag(multiplies, "parallel: multiplies"):
        with blas_held:
            return parallel(task, chunks)
    recording = recorder.get()
    if recording is not None and len(chunks) > 1:
        recording.shares_work()
    if recording is not None or len(chunks) < 2:
        return [task(chunk) for chunk in chunks]
    return _the_pool().run(task, chunks)


def slices(array: Any, nbytes: int = CHUNK) -> list[slice]:
    """The first axis of an array cut into slices of about `nbytes` each."""
    length = max(1, nbytes * len(array) // max(array.nbytes, 1))
    return [slice(start, start + length) for start in range(0, len(array), length)]


class Pool:
    """Threads that wait for jobs; `size` counts the caller's, so one less is started."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        self.jobs: Any = imported("queue").SimpleQueue()  # of jobs; None ends a thread
        helpers: list[threading.Thread] = []
        try:
            for number in range(1, size):
                name = f"tinygrad_lite {number}"
                helper = threading.Thread(target=self._serve, name=name, daemon=True)
                helper.start()
                helpers.append(helper)
        except BaseException as error:
            for _ in helpers:
                self.jobs.put(None)
            for helper in helpers:
                helper.join()
            self.size = 1
            if not isinstance(error, (RuntimeError, MemoryError)):  # what the system refuses
                raise

    def run(self, task: Callable[[Chunk], Result], chunks: Sequence[Chunk]) -> list[Result]:
        """[task(chunk) for chunk in chunks]; see `parallel`.

        A queue hands the chunks out, since concurrent.futures takes far longer to start a job.  A
        sleeping thread is slow to wake up too: only work that takes much longer gains from it.
        """
        job = _Job(task, chunks)
        try:
            try:
                for _ in range(min(self.size, len(chunks)) - 1):
                    self.jobs.put(job)
                _inside.set(True)
                job.work()
            finally:
                _inside.set(False)
                job.end()
            if job.forked:
                raise RuntimeError(
                    "parallel: a task forked this process; end it there with os._exit, for the "
                    "other chunks are the parent's"
                )
            if job.error is not None:
                raise job.error
            return job.results
        finally:
            job.forget()

    def _serve(self) -> None:
        """Wait for jobs, and avoid the core of the thread that submits one.

        Linux tends to wake a thread on the core of the thread that wakes it, which goes on running
        there, and is slow to move one of them to another core.
        """
        avoided = None
        while True:
            job = self.jobs.get()
            if job is None:
                return
            if job.core != avoided and len(self.cores) > 1:
                avoided = job.core
                with suppress(OSError):  # cores may have been taken from this process meanwhile
                    os.sched_setaffinity(0, self.cores - {avoided})
            job.help()
            del job  # nothing is kept alive while this waits


class _Job:
    """Chunks that several threads take one after the other.

    The caller waits for chunks that are being worked on, never for a thread to wake up: if it has
    done all of them itself, a helper that wakes up late finds no work, and keeps nothing alive.
    """

    __slots__ = (
        *("busy", "chunks", "context", "core", "error", "forks"),
        *("idle", "lock", "results", "taken", "task"),
    )

    def __init__(self, task: Callable[[Any], Any], chunks: Sequence[Any]) -> None:
        self.task: Any = task
        self.chunks = chunks
        self.results: list[Any] = [None] * len(chunks)
        self.context: Any = copy_context()
        self.context.run(_inside.set, True)
        self.core = _current_core()()  # on which the caller runs
        self.lock = threading.Lock()
        self.taken = 0  # the number of chunks that have been begun
        self.busy = 0  # the number of helpers that work on one
        self.idle: Any = None  # held until the last of them is done, if the caller waits for it
        self.error: BaseException | None = None
        self.forks = _forks

    @property
    def forked(self) -> bool:
        """Whether a task has forked, and this is the child: the helpers are the parent's."""
        return self.forks != _forks

    def work(self) -> None:
        """Take chunks until there are none."""
        while not self.forked:
            with self.lock:
                number = self.taken
                if number >= len(self.chunks):
                    return
                self.taken = number + 1
            self.results[number] = self.task(self.chunks[number])

    def help(self) -> None:
        """`work`, in another thread than the caller's."""
        with self.lock:
            if self.taken >= len(self.chunks):
                return
            self.busy += 1
            context = self.context.copy()
        try:
            context.run(self.work)
        except BaseException as error:  # whatever it is, the caller must see it
            if self.forked:
                raise
            with self.lock:
                self.taken = len(self.chunks)
                if self.error is None:
                    self.error = error
        finally:
            del context
            if self.forked:  # this thread is all of the child, and has nobody to return to
                os._exit(1)
            with self.lock:
                self.busy -= 1
                if not self.busy and self.idle is not None:
                    self.idle.release()

    def end(self) -> None:
        """Hand out no more chunks, and wait for the helpers."""
        if self.forked:
            return
        with self.lock:
            self.taken = len(self.chunks)
            if self.busy:
                self.idle = threading.Lock()
                self.idle.acquire()
        if self.idle is not None:
            try:
                self.idle.acquire()
            except BaseException:  # Ctrl-C: the arrays are still written to; a second one leaves
                self.idle.acquire()
                raise

    def forget(self) -> None:
        """Keep nothing alive for a helper that has not woken up yet, nor in an error's frames."""
        self.task = self.context = self.error = None
        self.chunks = ()
        self.results = []


class _OneBlasThread(ProcessLock):
    """A context in which BLAS computes with one thread, entered by any number of threads.

    The limit holds for the whole process: the first to enter sets it, the last to leave lifts it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.entered = 0
        self.libraries: list[Any] | None = None  # found when first needed: it is slow
        self.before: list[tuple[Any, int]] = []  # the libraries, with their numbers of threads

    @property
    def used(self) -> bool:
        """Whether anything has entered so far."""
        return self.libraries is not None

    def __enter__(self) -> None:
        counted = False
        try:
            with self.lock:
                self.entered += 1
                counted = True
                if self.entered == 1:
                    if self.libraries is None:
                        self.libraries = _blas_libraries()
                    self.before = [(one, one.get_num_threads()) for one in self.libraries]
                    for library in self.libraries:
                        library.set_num_threads(1)
        except BaseException:  # Ctrl-C too: nobody calls __exit__ then
            if counted:
                self.__exit__(None, None, None)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self.lock:
            if self.entered:  # not in a child that was forked inside
                self.entered -= 1
            if not self.entered:
                try:
                    self._lift()
                except BaseException:  # Ctrl-C
                    self._lift()
                    raise

    def _lift(self) -> None:
        for library, number in self.before:
            library.set_num_threads(number)
        self.before = []

    def after_fork(self) -> None:
        """In a forked child nobody has entered, whatever the parent's other threads were doing."""
        self.entered = 0
        self._lift()


def _blas_libraries() -> list[Any]:
    """The controllers of the libraries that multiply matrices."""
    controller = imported("threadpoolctl").ThreadpoolController()
    return list(controller.select(user_api="blas").lib_controllers)


@cache
def _current_core() -> Callable[[], int | None]:
    """A function that returns the core on which its caller runs; None except on Linux."""
    found: Callable[[], int | None]
    try:
        found = imported("ctypes").PyDLL(None).sched_getcpu
        return found
    except (AttributeError, OSError, TypeError):
        return lambda: None


def size_from_environment() -> int:
    """The number of threads in the pool; ValueError if the setting is no sensible one."""
    given = os.environ.get(SETTING, "").strip()
    if not given:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    digits = given.lstrip("0")
    plain = given.isascii() and given.isdigit() and 0 < len(digits) <= len(str(MOST))
    if not plain or int(digits) > MOST:
        got = repr(given) if len(given) <= 40 else f"{given[:40]!r}..."
        raise ValueError(
            f"{SETTING}: expected a number of threads from 1 to {MOST}; got {got}; leave it "
            "unset to get one for each core"
        )
    return int(digits)


_pool: Pool | None = None
_forks = 0  # of which this process is the child
_making = ProcessLock()
blas_held = _OneBlasThread()


def _the_pool() -> Pool:
    """The pool of this process, made when it is first needed."""
    global _pool
    if _pool is None:
        with _making.lock:
            if _pool is None:
                _pool = Pool(size_from_environment())
    return _pool


@in_forked_child
def _after_fork() -> None:
    """In a forked child, its parent's threads are not there."""
    global _pool, _forks
    _pool = None
    _forks += 1
    blas_held.after_fork()
