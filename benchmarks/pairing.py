"""Timing side by side: every side in turn, again and again, and the ratio within each round.

A machine is quick one second and slow the next, so two times taken apart say little. Sides that
alternate in one run share its moods, and the ratio of each round tells them apart from the code.
"""

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from results import Fact, Outcome, compared

PAUSE = 0.1  # seconds before each block: BLAS threads that another block left spin for a while
ROUNDS = 30
ROUNDS_OF_A_PROCESS = 5
THREADS = 2
CPU_TIME = "BENCHMARKS_CPU_TIME"  # if set, the time that the cores worked for a side is measured
CHECKED_STEPS = 3  # before the sides are compared; a captured step replays the last
COSTED = 5  # processes in which the step is timed that a capture records
RECORDING = 15  # eager steps: as long it may take
TOLERANCE = 1e-4  # largest difference between two sides' numbers, relative to the largest of them
PATIENCE = 600  # seconds for a side to answer: a compiler may take long
OWN = ("ours", "numpy")  # packages that must be here and must work; any other side may fail

# What a side is made of: one training step, which returns its loss; and the arrays that all sides
# must agree on after the same number of steps.
Stepper = tuple[Callable[[], float], Callable[[], list[Any]]]


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    make     called in a process of its own; returns the step and the result
    package  what `--peers` calls it
    targets  for the ratio ours / this side
    captured for the ratio of our captured step / this side
    floor    it does only a part of the work, so there is nothing to compare but time
    """

    name: str
    make: Callable[[], Stepper]
    package: str = "ours"
    targets: Sequence[float] = ()
    captured: Sequence[float] = ()
    floor: bool = False


@dataclass(frozen=True)
class Case:
    """Sides that do the same arithmetic on the same numbers; the first is ours."""

    what: str
    sides: Sequence[Side]
    steps: int  # in one block; so many that it takes 0.05 s or more
    tolerance: float = TOLERANCE  # of the results; the losses always agree to TOLERANCE
    captured: Callable[[], Stepper] | None = None  # ours with its step captured: the same bits


@dataclass(frozen=True)
class Settings:
    """How to measure: how often, and with which peers (all, if none is named)."""

    quick: bool = False
    rounds: int = ROUNDS
    peers: Sequence[str] = ()

    def wants(self, side: Side) -> bool:
        """Whether this side takes part."""
        if self.quick and side.package == "torch.compile":  # compiles for half a minute
            return False
        return side.package == "ours" or not self.peers or side.package in self.peers

    def shares(self) -> list[int]:
        """The rounds, shared among generations of processes.

        Where its arrays come to lie decides up to a tenth of a side's speed for as long as its
        process lives, so no process does all of the rounds.
        """
        count = max(1, self.rounds // ROUNDS_OF_A_PROCESS)
        return [self.rounds // count + (number < self.rounds % count) for number in range(count)]


class Skipped(Exception):  # no error: the reason is printed
    """A workload cannot run here."""


class SideBroke(Exception):  # what a process of a side told of its end
    """A side cannot be made, or its step fails."""


def hold_to_threads(count: int) -> None:
    """So many threads, on as many cores, for this process and all that it starts."""
    for library in ("OMP", "OPENBLAS", "MKL", "TINYGRAD_LITE"):
        os.environ[library + ("_THREADS" if library == "TINYGRAD_LITE" else "_NUM_THREADS")] = str(
            count
        )
    if hasattr(os, "sched_setaffinity"):  # jax has no setting; it counts the cores it may use
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def compare_all(cases: Sequence[Case], settings: Settings) -> Outcome:
    """Every case, one after the other."""
    outcome = Outcome()
    for case in cases:
        outcome.add(compare(case, settings))
    return outcome


def compare(case: Case, settings: Settings) -> Outcome:
    """Let every side do a few steps, demand the same numbers of all, and then time them in turn.

    A peer that is missing or breaks becomes a note. Errors: SideBroke if ours does, RuntimeError
    if a side comes to other numbers than ours.
    """
    ours, *peers = sides = [side for side in case.sides if settings.wants(side)]
    own = [ours]
    if case.captured is not None:
        own.append(Side("ours, captured", case.captured))
        sides.insert(1, own[1])
    if not peers:
        return Outcome()
    times: dict[Side, list[float]] = {side: [] for side in sides}
    notes: list[str] = []
    for rounds in settings.shares():
        with workers({side.name: side.make for side in times}) as ask:

            def attempt(side: Side, steps: int, ask: Any = ask) -> Any:
                try:
                    return ask(side.name, steps)
                except SideBroke as error:
                    if side.package in OWN:
                        raise
                    notes.append(f"{case.what}, {side.name}: {error}")
                    del times[side]
                    return None

            expected = attempt(ours, 0)
            for side in list(times)[1:]:
                found = attempt(side, 0)
                if side in own:
                    demand_same_bits(side.name, found, ours.name, expected)
                elif found is not None and not side.floor:
                    demand_close(side.name, found, ours.name, expected, case.tolerance)
            for _ in range(rounds):
                for side in list(times):
                    seconds = attempt(side, 1 if settings.quick else case.steps)
                    if seconds is not None:
                        times[side].append(seconds)
    by_name = {side.name: seconds for side, seconds in times.items()}
    rows = [
        compared(case.what, by_name, ours.name, side.name, side.targets)
        for side in times
        if side not in own
    ]
    if case.captured is None:
        return Outcome(rows, notes=notes)
    rows += [
        compared(f"{case.what}, captured", by_name, own[1].name, side.name, side.captured)
        for side in times
        if side is not own[1]
    ]
    return Outcome(rows, [cost_of_capture(case, settings)], notes)


def cost_of_capture(case: Case, settings: Settings) -> Fact:
    """How many eager steps the step takes longer in which it is recorded."""
    count = 1 if settings.quick else COSTED
    sides = case.sides[0].make, case.captured
    costs = [in_a_process(_steps_to_record, *sides) for _ in range(count)]
    cost = statistics.median(costs)
    text = f"{case.what}: recording takes as long as {cost:.1f} eager steps"
    return Fact(text, f"at most {RECORDING}", cost <= RECORDING)


def _steps_to_record(ours: Callable[[], Stepper], captured: Callable[[], Stepper]) -> float:
    np.empty(30 * 2**20, np.uint8)  # see _work
    step, _ = ours()
    step()
    eager = statistics.median(timed_block(step, 1) for _ in range(5))
    step, _ = captured()
    step()  # eagerly
    return timed(step, 1) / eager - 1


def in_a_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns, from a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


@contextmanager
def workers(sides: Mapping[str, Callable[[], Stepper]]) -> Iterator[Callable[[str, int], Any]]:
    """A process for each side, by name, so that no two share a thread pool or a heap.

    `ask(name, steps)` runs a block and gives the seconds of a step; with 0 it runs a few steps and
    gives their losses and the result.
    """
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
        with suppress(OSError):  # it broke before it was asked; what it had to say lies ready
            pipes[name].send(steps)
        try:
            if not pipes[name].poll(PATIENCE):
                raise SideBroke(f"no answer in {PATIENCE} s")
            failure, answer = pipes[name].recv()
        except (EOFError, OSError):
            raise SideBroke("its process ended") from None
        if failure:
            raise SideBroke(failure)
        return answer

    try:
        yield ask
    finally:
        for pipe in pipes.values():
            pipe.close()
        for process in processes:
            process.join(5)
            if process.is_alive():
                process.kill()


def _work(pipe: Any, make: Callable[[], Stepper]) -> None:
    # As in a program that has loaded a data set: freeing a large array once tells glibc to keep
    # freed memory. Until then it goes back to the system and every step pays for new pages: that
    # made the plain NumPy step 1.5 times, and ours by formula twice, as long (3034 page faults).
    np.empty(30 * 2**20, np.uint8)
    try:
        step, result = make()
        while True:
            steps = pipe.recv()
            if steps:
                pipe.send(("", timed_block(step, steps)))
            else:
                losses = np.array([step() for _ in range(CHECKED_STEPS)])
                pipe.send(("", [losses, *map(np.asarray, result())]))
    except (EOFError, BrokenPipeError):  # the parent is done with this side
        return
    except ImportError as error:
        pipe.send((f"not here: {error}", None))
    except Exception as error:
        pipe.send((f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", None))


def timed_block(step: Callable[[], Any], steps: int) -> float:
    """Seconds for one step: a pause, one step untimed, then `steps` of them."""
    time.sleep(PAUSE)
    step()
    return timed(step, steps)


def timed(step: Callable[[], Any], steps: int) -> float:
    """Seconds for one of so many steps."""
    clock = time.process_time if os.environ.get(CPU_TIME) else time.perf_counter
    began = clock()
    for _ in range(steps):
        step()
    return (clock() - began) / steps


def moved(now: Sequence[Any], start: Sequence[Any]) -> list[Any]:
    """How far training took each parameter.

    This is what sides compare: beside the parameter itself, a wrong gradient times a small learning
    rate would not be seen.
    """
    return [np.asarray(a) - np.asarray(b) for a, b in zip(now, start, strict=True)]


def demand_same_bits(name: str, result: Sequence[Any], other: str, expected: Sequence[Any]) -> None:
    """Raise unless two sides came to the same losses and arrays, bit for bit."""
    for position, (a, b) in enumerate(zip(result, expected, strict=True)):
        if a.shape != b.shape or a.tobytes() != b.tobytes():
            what = f"array {position}" if position else "the loss"
            raise RuntimeError(f"{what} of {name} has other bits than that of {other}")


def demand_close(
    name: str,
    result: Sequence[Any],
    other: str,
    expected: Sequence[Any],
    tolerance: float = TOLERANCE,
) -> None:
    """Raise unless two sides came to the same numbers: losses first, then the arrays."""
    for position, (a, b) in enumerate(zip(result, expected, strict=True)):
        what, allowed = ("the loss of", TOLERANCE)
        if position:
            what, allowed = f"array {position} of", tolerance
        if a.shape != b.shape:
            raise RuntimeError(f"{what} {name} has shape {a.shape}; that of {other} has {b.shape}")
        apart = float(np.abs(a - b).max() / (np.abs(b).max() or 1.0))
        if not apart <= allowed:
            raise RuntimeError(
                f"{what} {name} differs from that of {other} by {apart:.1e} of its largest "
                f"value; at most {allowed} is allowed"
            )
