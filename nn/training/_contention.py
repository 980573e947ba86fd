"""Whether other programs compete with the threads of BLAS for the cores."""

import os
import time

from ._environment import blas_libraries, threads_variable

try:
    import resource
except ImportError:  # Windows does not count interruptions
    resource = None  # type: ignore[assignment]

SECONDS = 1.0  # between two checks
IN_A_ROW = 3  # checks that find the cores busy, before the advice
# A thread that computes is interrupted a few times a second on a quiet machine, and as often as the
# scheduler lets another program run on a busy one.
INTERRUPTIONS = 60  # per second of computing, in all threads together
SHARE = 0.85  # of the time that the threads of BLAS could have computed; idle ones wait busily


class Contention:
    """Checks, about once a second, whether the program is kept from its cores.

    Several threads of BLAS share one product and wait for the last of them.  Where another program
    runs on one of the cores, all wait for it, and one thread alone would be quicker.  The signs:
    the kernel interrupts the threads often, and they get less time than they ask for.

    `advice` gives one line about it, once; None otherwise.
    """

    def __init__(self) -> None:
        self.since = self._now()
        self.found = 0  # checks in a row
        self.done = resource is None or (os.cpu_count() or 1) == 1

    def advice(self) -> str | None:
        """What to do if the cores are busy, once, as soon as that is certain."""
        if self.done or time.perf_counter() - self.since[0] < SECONDS:
            return None
        before, self.since = self.since, self._now()
        wall, busy, interruptions = (
            now - then for now, then in zip(self.since, before, strict=True)
        )
        if interruptions < INTERRUPTIONS * busy:  # most checks end here
            self.found = 0
            return None
        threads, setting = _threads_of_blas()
        if threads == 1:
            self.done = True
            return None
        could = wall * min(threads, os.cpu_count() or 1)
        self.found = self.found + 1 if busy < SHARE * could else 0
        if self.found < IN_A_ROW:
            return None
        self.done = True
        return (
            f"other programs use these cores, and {threads} threads of BLAS wait for each other: "
            f"{setting}=1 may be faster (and gives other last bits)"
        )

    def _now(self) -> tuple[float, float, float]:
        """Seconds on the clock, seconds of computing in all threads, and interruptions."""
        interruptions = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw if resource else 0
        return time.perf_counter(), time.process_time(), interruptions


def _threads_of_blas() -> tuple[int, str]:
    """The number of threads that matrix products use, and the variable that sets it."""
    found = blas_libraries()
    if not found:
        return 1, ""
    largest = max(found, key=lambda library: library["num_threads"])
    return largest["num_threads"], threads_variable(largest)
