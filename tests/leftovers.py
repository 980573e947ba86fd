"""What tests of workers share: how they run, and what they leave behind, counted."""

import gc
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nn.data.workers import Workers

PROC = Path("/proc/self/fd")
with_fork = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # fork beside threads
]
both = pytest.mark.parametrize("threads", [True, False], ids=["threads", "processes"])


def fetched(fetch: Callable[[Any], Any], tasks: Any, number: int = 2, **options: Any) -> list[Any]:
    with Workers(fetch, number, **options) as workers:
        return list(workers.results(tasks))


def standing() -> tuple[int, int, int]:
    """How many threads but those of the pool, child processes and open files this process has."""
    threads = [each for each in threading.enumerate() if "tinygrad_lite" not in each.name]
    files = len(list(PROC.iterdir())) if PROC.exists() else 0
    return len(threads), len(multiprocessing.active_children()), files


def more_than(before: tuple[int, int, int]) -> dict[str, int]:
    """How many more there are now; there are fewer where something of an earlier test has ended."""
    names = ("threads", "processes", "files")
    more = (now - then for now, then in zip(standing(), before, strict=True))
    return {name: count for name, count in zip(names, more, strict=True) if count > 0}


@contextmanager
def nothing_is_left() -> Iterator[None]:
    """The block starts its processes by fork, and leaves none of them."""
    method = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("fork", force=True)
    before = standing()
    try:
        yield
        deadline = time.monotonic() + 60  # what ends may take its time on a busy machine
        while (left := more_than(before)) and time.monotonic() < deadline:
            gc.collect()  # pytest keeps the frames of an error in a circle
            time.sleep(0.01)
        assert left == {}
    finally:
        multiprocessing.set_start_method(method, force=True)
