"""Timing side by side: every side in turn, again and again, and the ratio within each round.

A machine is quick one second and slow the next, so two times taken apart say little. Sides that
alternate in one run share its moods, and the ratio of each round tells them apart from the code.
"""

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

PAUSE = 0.1  # seconds before each block: BLAS threads that another block left spin for a while
ROUNDS = 30
GENERATIONS = 6  # of processes
THREADS = 2
TOLERANCE = 1e-4  # largest difference between two sides' results, relative to the largest value


class Skipped(Exception):  # no error: the reason is printed
    """A workload cannot run here."""


@dataclass
class Row:
    """One comparison: `ours` took `ratio` times as long as `peer`, with the quartiles."""

    workload: str
    ours: str
    peer: str
    ours_seconds: float
    peer_seconds: float
    ratio: float
    quartiles: tuple[float, float]
    rounds: int
    target: float | None = None


def compared(
    workload: str,
    times: Mapping[str, list[float]],
    ours: str,
    peer: str,
    target: float | None = None,
) -> Row:
    """The row of two sides, from the times that `alternate` returned."""
    ratios = [a / b for a, b in zip(times[ours], times[peer], strict=True)]
    low, middle, high = statistics.quantiles(ratios * (2 if len(ratios) == 1 else 1), n=4)
    medians = statistics.median(times[ours]), statistics.median(times[peer])
    return Row(workload, ours, peer, *medians, middle, (low, high), len(ratios), target)


def alternate(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """The seconds that each side answers, in turn: A B C A B C ..."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, block in sides.items():
            times[name].append(block())
    return times


def timed_block(step: Callable[[], Any], steps: int) -> float:
    """Seconds for one step: a pause, one step untimed, then `steps` of them."""
    time.sleep(PAUSE)
    step()
    began = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - began) / steps


@contextmanager
def workers(sides: Mapping[str, Callable[[], Any]]):
    """A process for each side, by name; `ask(name, steps)` runs a block, 0 steps give the result.

    A side is a function that returns an object with step(), one training step, and result(), a
    list of arrays. It runs in the worker, so that no two sides share a thread pool or a heap.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(THREADS)
    context = multiprocessing.get_context("spawn")
    pipes = {}
    processes = []
    for name, make in sides.items():
        pipes[name], theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, make), daemon=True)
        process.start()
        theirs.close()
        processes.append(process)

    def ask(name: str, steps: int) -> Any:
        pipes[name].send(steps)
        try:
            return pipes[name].recv()
        except EOFError:
            raise RuntimeError(f"the side {name!r} broke; its traceback is above") from None

    try:
        yield ask
    finally:
        for pipe in pipes.values():
            pipe.close()
        for process in processes:
            process.join()


def _work(pipe: Any, make: Callable[[], Any]) -> None:
    # As in a program that has loaded a data set: freeing a large array once tells glibc to keep
    # freed memory. Until then it goes back to the system and every step pays for new pages: that
    # made the plain NumPy step 1.5 times, and ours by formula twice, as long (3034 page faults).
    np.empty(30 * 2**20, np.uint8)
    side = make()
    while True:
        try:
            steps = pipe.recv()
        except EOFError:
            return
        pipe.send(timed_block(side.step, steps) if steps else side.result())


def compare_sides(
    sides: Mapping[str, Callable[[], Any]], rounds: int, steps: int
) -> dict[str, list[float]]:
    """Let every side do a few steps, demand the same result of all, and then time them.

    Where its arrays come to lie decides up to a tenth of a side's speed for as long as its process
    lives, so the rounds are shared among several generations of processes.
    """
    times: dict[str, list[float]] = {name: [] for name in sides}
    generations = min(GENERATIONS, rounds)
    for _ in range(generations):
        with workers(sides) as ask:
            first, *others = sides
            for name in sides:
                ask(name, 3)
            expected = ask(first, 0)
            for name in others:
                demand_close(name, ask(name, 0), first, expected)
            blocks = {name: lambda name=name: ask(name, steps) for name in sides}
            for name, found in alternate(blocks, rounds // generations).items():
                times[name] += found
    return times


def demand_close(name: str, result: list[Any], other: str, expected: list[Any]) -> None:
    """Raise unless two sides came to the same numbers."""
    for position, (a, b) in enumerate(zip(result, expected, strict=True)):
        apart = float(np.abs(a - b).max() / np.abs(b).max())
        if not apart <= TOLERANCE:
            raise RuntimeError(
                f"array {position} of {name!r} differs from that of {other!r} by {apart:.1e} "
                f"of its largest value; at most {TOLERANCE} is allowed"
            )
