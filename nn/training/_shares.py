"""The values of steps that several parts of a batch share: their means over the rows of all.

Sums are exact (math.fsum), so it does not matter which process computed which part.
"""

import json
import math
from collections.abc import Iterable
from itertools import chain
from typing import Any, NamedTuple

from .._processes import Part, Processes


class Value(NamedTuple):
    """The mean of a value over the rows of a step, its sum over them, and their number."""

    mean: float
    total: float
    rows: int


class Shares:
    """What this process's parts gave, until all processes put theirs together.

    Without parts, what each process gives of a step is its share.
    """

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.steps: list[list[tuple[int, dict[str, float]]]] = []  # whole ones, of this process
        self._begin()

    def _begin(self) -> None:
        self.open: list[tuple[int, dict[str, float]]] = []  # of the step under way
        self.rows = self.own = 0  # its rows in the report's units, and as the parts count them

    def add(self, rows: int, values: dict[str, float], part: Part | None) -> None:
        """Note the values of one part; one that is a copy of another row counts nothing."""
        if part is None or part.rows:
            self.open.append((rows, values))
            self.rows += rows
            self.own += 0 if part is None else part.rows

    def end_step(self, part: Part | None) -> int:
        """End a step; about how many rows it has in all processes."""
        self.steps.append(self.open)
        rows = self.rows * self.processes.size
        if part is not None:
            rows = self.rows * part.total // max(self.own, 1)
        self._begin()
        return rows

    def gathered(self, what: str) -> list[tuple[int, dict[str, Value]]]:
        """The rows and the values of each step since the last time, of all processes."""
        given = self.processes.gather(what, json.dumps(self.steps).encode())
        self.steps = []
        found: list[list[Any]] = [json.loads(each) for each in given]
        for rank, steps in enumerate(found):
            if len(steps) != len(found[0]):
                raise RuntimeError(
                    f"Report: at {what}, rank {rank} gave {len(steps)} steps since the last time, "
                    f"and rank 0 {len(found[0])}; expected report.step for each batch, in all "
                    "processes"
                )
        return [_together([*chain(*step)]) for step in zip(*found, strict=True)]


def _together(shares: list[Any]) -> tuple[int, dict[str, Value]]:
    """The rows of a step, and its values."""
    by_name: dict[str, list[tuple[float, int]]] = {}
    for rows, values in shares:
        for name, value in values.items():
            by_name.setdefault(name, []).append((value, rows))
    return sum(rows for rows, _ in shares), {name: _mean(each) for name, each in by_name.items()}


def _mean(given: list[tuple[float, int]]) -> Value:
    rows = sum(count for _, count in given)
    total = _sum(value * count for value, count in given)
    if len(given) == 1:
        mean = given[0][0]
    elif rows:
        mean = total / rows
    else:
        mean = _sum(value for value, _ in given) / len(given)
    return Value(mean, total, rows)


def _sum(values: Iterable[float]) -> float:
    values = list(values)
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # beyond the largest float, or inf - inf
        return sum(values)
