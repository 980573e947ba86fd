"""Batches made ahead of time, by threads or processes.

    with Workers(fetch, 2) as workers:
        for result in workers.results(tasks):  # fetch(task) for each task, in their order
            ...

Worker number w of n gets the tasks w, w + n, w + 2 n, ..., and has at most `ahead` of them at a
time.  So results come in the order of the tasks, memory is bounded, and there is no lock.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeAlias

import numpy as np

from ._processes import ProcessWorker
from ._threads import ThreadWorker
from ._worker import GRACE, WorkerInfo


class Workers:
    """Threads or processes that call one function ahead of time.

    fetch       fetch(task) -> result; with the start methods spawn and forkserver it is pickled
    number      of workers, 1 or more
    threads     threads of this process instead of processes: nothing is pickled or copied, but
                what holds Python's lock, as most code in Python does, runs no faster
    ahead       how many tasks a worker has at most, and so how many of its results wait
    timeout     seconds to wait for one result; 0 waits for ever
    initialise  initialise(number of the worker) is called first in each worker
    seed        seeds Python's `random`, NumPy's global state and Tensor's generator in each
                process, from a sequence of its own that is spawned from this one; None takes fresh
                entropy.  Threads share these with the rest of the program, so it does nothing there

    A process computes with one thread, BLAS included.  Workers start when there is a task for them
    and stay for the next `results`, until `close()`, the end of the program or the deletion of this
    object.  Closing waits a few seconds for their last tasks; after that a process is killed, and a
    thread abandoned.  If this process is killed, its workers end by themselves.  In a forked child,
    this object starts workers of its own.
    """

    def __init__(
        self,
        fetch: Callable[[Any], Any],
        number: int,
        *,
        threads: bool = False,
        ahead: int = 2,
        timeout: float = 0.0,
        initialise: Callable[[int], Any] | None = None,
        seed: "np.random.SeedSequence | None" = None,  # quoted: np.random is slow to import
    ) -> None:
        self.fetch, self.number, self.threads = fetch, number, threads
        self.ahead, self.timeout = ahead, timeout
        self.initialise, self.seed = initialise, seed
        self.busy = False  # whether an iterator of `results` is under way
        self._owner = os.getpid()
        self._crew: list[_Worker] = []
        self._waiting: deque[_Worker] = deque()  # whose result comes next, once for each result
        self._finalizer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def results(self, tasks: Iterable[Any]) -> Generator[Any, None, None]:
        """fetch(task) for each task, in their order.

        Tasks are taken in the caller's thread, each when a worker can have it.  The iterator may be
        left before its end; what is under way is then dropped.

        Errors: what `fetch` or `initialise` raises, of the same type and with the worker's
        traceback; RuntimeError if a worker ends by itself or cannot be started, and while another
        iterator is under way; TimeoutError; TypeError for what cannot be sent to a process.  After
        an error the workers are closed.
        """
        if self._owner != os.getpid():
            self.close()
            self._owner, self.busy = os.getpid(), False
        if self.busy:
            raise RuntimeError("DataLoader: its workers are busy with another iterator")
        self.busy, owner = True, self._owner
        try:
            while self._waiting:  # results that an earlier iterator did not take
                self._waiting.popleft().receive(self.timeout)
            coming = iter(tasks)
            for turn, task in enumerate(islice(coming, self.number * self.ahead)):
                self._hand(task, self._worker(turn % self.number))
            while self._waiting:
                worker = self._waiting.popleft()
                result = [self._result(worker)]
                for task in islice(coming, 1):
                    self._hand(task, worker)
                yield result.pop()
                if owner != os.getpid():
                    raise RuntimeError(
                        "DataLoader: this iterator belongs to the process that forked this one; "
                        "start another one here"
                    )
        except GeneratorExit:
            raise
        except BaseException:
            self.close()
            raise
        finally:
            self.busy = False

    def close(self) -> None:
        """End the workers."""
        if self._finalizer is not None:
            self._finalizer()  # does nothing in another process than the owner
            self._finalizer = None
        self._crew.clear()
        self._waiting.clear()

    def _worker(self, number: int) -> "_Worker":
        """The worker of this number, started if it is not there yet."""
        if self._finalizer is None:
            from multiprocessing.util import Finalize

            # Before multiprocessing waits for its processes at the end of the program.
            self._finalizer = Finalize(self, _dismiss, (self._crew,), exitpriority=100)
        if number == len(self._crew):
            info = WorkerInfo(number, self.number)
            if self.threads:
                self._crew.append(ThreadWorker(info, self.fetch, self.initialise))
            else:
                self.seed = self.seed or np.random.SeedSequence()
                self._crew.append(ProcessWorker(info, self.fetch, self.initialise, self.seed))
        return self._crew[number]

    def _hand(self, task: Any, worker: "_Worker") -> None:
        worker.send(task)
        self._waiting.append(worker)

    def _result(self, worker: "_Worker") -> Any:
        """The next result of a worker; its error is raised here."""
        value, error = worker.receive(self.timeout)
        if error is None:
            return value
        try:
            if isinstance(error, StopIteration):  # it would end the loop silently
                raise RuntimeError(
                    f"DataLoader: worker {worker.info.id}: a StopIteration came out of the "
                    "dataset, collate_fn or transform"
                ) from error
            raise error
        finally:
            del error  # which holds this frame


_Worker: TypeAlias = ProcessWorker | ThreadWorker


def _dismiss(crew: list[_Worker]) -> None:
    """End workers; those that are still busy after a few seconds, or at Ctrl-C, are killed."""
    from time import monotonic

    deadline = monotonic() + GRACE
    try:
        for worker in crew:
            worker.leave()
        for worker in crew:
            worker.join(max(0.0, deadline - monotonic()))
    finally:
        for worker in crew:
            worker.kill()
