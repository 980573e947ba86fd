"""What workers of a DataLoader, threads and processes, have in common: a number, and calls."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

LOOK = 1.0  # seconds between two checks whether a silent worker is alive
GRACE = 5.0  # seconds that a worker has to finish its last task


class WorkerInfo(NamedTuple):
    """One of several workers: `id` is its number from 0, `num_workers` how many there are."""

    id: int
    num_workers: int


_here: ContextVar[WorkerInfo | None] = ContextVar("_here", default=None)


def get_worker_info() -> WorkerInfo | None:
    """The worker that calls this, from a Dataset, a transform or a worker_init_fn; else None."""
    return _here.get()


class Calls:
    """The calls of one worker: `initialise` with its number once, `fetch` for each task."""

    def __init__(
        self,
        info: WorkerInfo,
        fetch: Callable[[Any], Any],
        initialise: Callable[[int], Any] | None,
    ) -> None:
        self.info, self.fetch, self.initialise = info, fetch, initialise

    def answer(
        self, message: Any, read: Callable[[Any], Any] | None = None
    ) -> tuple[Any, BaseException | None]:
        """The result of one task, or the error that came instead; `read` unpacks the task."""
        _here.set(self.info)
        try:
            if self.initialise is not None:
                self.initialise(self.info.id)
                self.initialise = None
            return self.fetch(message if read is None else read(message)), None
        except BaseException as error:  # whatever it is, the caller must see it
            return None, error
