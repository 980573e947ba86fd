"""Several threads at once, between which Python changes as often as it can.

So whatever may go wrong between two steps of one thread does go wrong.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

THREADS = 8


@contextmanager
def many_switches() -> Iterator[None]:
    """Python changes threads after every microsecond inside."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def at_once(work: Callable[[int], Any], number: int = THREADS) -> list[Any]:
    """work(0), work(1), ... each in a thread of its own; an exception of one is raised here."""
    results: list[Any] = [None] * number
    errors: list[BaseException] = []
    start = threading.Barrier(number)

    def run(index: int) -> None:
        try:
            start.wait(120)
            results[index] = work(index)
        except BaseException as error:
            errors.append(error)

    running = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(300)
        assert not thread.is_alive()
    if errors:
        raise errors[0]
    return results
