"""A clock that stands still while observers work, so that what they cost is in no measured time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns


class _Apart(threading.local):
    """The time that observers took for themselves in this thread, in nanoseconds."""

    nanoseconds = 0


apart = _Apart()


def now() -> int:
    """The nanoseconds of the clock."""
    return perf_counter_ns() - apart.nanoseconds


def resume(at: int) -> None:
    """Set the clock back to `at`: the time since then was an observer's own."""
    apart.nanoseconds = perf_counter_ns() - at


@contextmanager
def standing() -> Iterator[None]:
    """The clock stands still inside."""
    began = now()
    try:
        yield
    finally:
        resume(began)
