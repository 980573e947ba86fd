"""What a test of workers leaves behind: threads, processes and open files, counted."""

import gc
import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROC = Path("/proc/self/fd")


def standing() -> tuple[int, int, int]:
    """How many threads but those of the pool, child processes and open files this process has."""
    threads = [each for each in threading.enumerate() if "tinygrad_lite" not in each.name]
    files = len(list(PROC.iterdir())) if PROC.exists() else 0
    return len(threads), len(multiprocessing.active_children()), files


@contextmanager
def nothing_is_left() -> Iterator[None]:
    """The block starts its processes by fork, and leaves none of them."""
    method = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("fork", force=True)
    before = standing()
    try:
        yield
        if standing() != before:  # pytest keeps the frames of an error in a circle
            gc.collect()
        assert standing() == before
    finally:
        multiprocessing.set_start_method(method, force=True)
