"""What one op cost, sums of such costs, and tables of them as text and as HTML."""

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from os.path import basename, dirname, join
from typing import Literal, overload

from ...files import printable
from ..outline.terminal import for_terminal

By = Literal["op", "module", "line"]

OUTSIDE = "outside ops"  # NumPy, Python and the engine: all that is in no operation
CELL = re.compile(r"<ipython-input-(\d+)-\w+>")
UP_TO = "up to "  # before the line that ended such a time
WIDTH = 100  # columns of a table
MOST_ROWS = 40  # in a table; the others are one line
NOT_KNOWN = {"module": "outside modules", "line": "unknown line"}


@dataclass(slots=True, eq=False)
class Cost:
    """What one op, or several together, cost.

    op, module, line    the name of the op, the path of the Module that called it, "file:line"
    calls               of its forward
    forward, backward   seconds
    outside             seconds in no op: NumPy, Python, the engine, the update of an optimiser
    forward_flops, backward_flops
                        floating-point operations, by the counts in `work.py`
    unknown             calls whose operations are not known: Functions of your own, and ops of
                        which the graph does not tell a shape
    kept                bytes of memory kept for the backward pass, shared memory once
    parameters          bytes of parameters among what it reads in the backward pass; these exist
                        anyway, so they are no part of `kept`
    moved               bytes that had to be read and written, at least: every input and result
                        once, forward and backward; views move nothing
    """

    op: str = ""
    module: str = ""
    line: str = ""
    calls: int = 0
    forward: float = 0.0
    backward: float = 0.0
    outside: float = 0.0
    forward_flops: int = 0
    backward_flops: int = 0
    unknown: int = 0
    kept: int = 0
    parameters: int = 0
    moved: int = 0

    @property
    def seconds(self) -> float:
        """All of its time."""
        return self.forward + self.backward + self.outside

    @property
    def flops(self) -> int:
        """Floating-point operations, forward and backward."""
        return self.forward_flops + self.backward_flops

    def add(self, other: "Cost") -> None:
        """Add the numbers of another one."""
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True, eq=False)
class NodeCost(Cost):
    """What one node of a graph cost.

    rule    floating-point operations of its rule; None if unknown
    """

    rule: int | None = None


NUMBERS = tuple(field.name for field in fields(Cost) if field.name not in ("op", "module", "line"))


def summed(rows: Iterable[Cost], by: By) -> list[Cost]:
    """The rows that agree in `by`, added up; the largest first."""
    found: dict[str, Cost] = {}
    for row in rows:
        key = getattr(row, by)
        if key not in found:
            found[key] = Cost(**{by: key})
        found[key].add(row)
    return sorted(found.values(), key=lambda row: (-row.seconds, -row.flops, getattr(row, by)))


class Table(Sequence[Cost]):
    """Rows by op, Module or source line, the largest first, and their total.

    It prints as a table of at most 100 columns, and is HTML in a notebook.

    by       what the rows are
    total    the sum of all rows
    timed    whether there are times; if not, there is no column for them
    notes    sentences below the table
    """

    def __init__(self, rows: Iterable[Cost], by: By, timed: bool, notes: Sequence[str]) -> None:
        self.by: By = by
        self.rows = summed(rows, by)
        self.timed, self.notes = timed, tuple(notes)
        self.total = Cost(op="total", module="total", line="total")
        for row in self.rows:
            self.total.add(row)
        paths = {row.line.removeprefix(UP_TO).rpartition(":")[0] for row in self.rows}
        counts = Counter(map(basename, paths))
        self._ambiguous = {name for name, count in counts.items() if count > 1}

    @overload
    def __getitem__(self, index: int) -> Cost: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Cost]: ...
    def __getitem__(self, index: int | slice) -> Cost | Sequence[Cost]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Cost]:
        return iter(self.rows)

    def __str__(self) -> str:
        head, *body = self._cells()
        widths = [max(len(line[i]) for line in (head, *body)) for i in range(len(head))]
        room = WIDTH - sum(widths[1:]) - 2 * len(widths[1:])
        widths[0] = min(widths[0], max(room, 8))
        lines = []
        for cells in (head, *body):
            name = _shortened(cells[0], widths[0]).ljust(widths[0])
            numbers = (c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))
            lines.append("  ".join((name, *numbers)).rstrip())
        rule = "-" * max(map(len, lines))
        lines = [lines[0], rule, *lines[1:-1], rule, lines[-1]]
        return for_terminal("\n".join([*lines, *self.notes]))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *body = self._cells()
        rows = []
        for number, cells in enumerate((head, *body)):
            tag = "th" if number in (0, len(body)) else "td"
            first, *others = (html.escape(cell) for cell in cells)
            numbers = "".join(f'<{tag} style="text-align:right">{cell}</{tag}>' for cell in others)
            rows.append(f'<tr><{tag} style="text-align:left">{first}</{tag}>{numbers}</tr>')
        notes = "".join(f"<div>{html.escape(note)}</div>" for note in self.notes)
        return f"<table>{''.join(rows)}</table>{notes}"

    def _cells(self) -> list[list[str]]:
        """The head, the rows and the total, as text."""
        times = ["time", "share", "forward", "backward"] if self.timed else []
        flops = ["FLOP"] if self.timed else ["FLOP fwd", "FLOP bwd"]
        head = [self.by, "calls", *times, *flops, "kept", "moved"]
        shown = self.rows[:MOST_ROWS]
        rest = self.rows[MOST_ROWS:]
        lines = [self._line(row, self._name(row)) for row in shown]
        if rest:
            others = Cost()
            for row in rest:
                others.add(row)
            lines.append(self._line(others, f"{len(rest)} others"))
        return [head, *lines, self._line(self.total, "total")]

    def _name(self, row: Cost) -> str:
        name: str = getattr(row, self.by)
        if self.by == "line" and ":" in name:
            before = UP_TO if name.startswith(UP_TO) else ""
            path, _, number = name.removeprefix(before).rpartition(":")
            short = CELL.sub(r"In [\1]", basename(path))
            if short in self._ambiguous:
                short = join(basename(dirname(path)), short)
            name = f"{before}{short}:{number}"
        return printable(name) or NOT_KNOWN.get(self.by, "")

    def _line(self, row: Cost, name: str) -> list[str]:
        cells = [name, f"{row.calls:,}" if row.calls else ""]
        if self.timed:
            share = row.seconds / self.total.seconds if self.total.seconds else 0.0
            cells += [time_text(row.seconds), f"{share:.1%}"]
            cells += [time_text(row.forward), time_text(row.backward)]
            cells.append(_flops(row.flops, row))
        else:
            cells += [_flops(row.forward_flops, row), _flops(row.backward_flops, row)]
        return [*cells, bytes_text(row.kept), bytes_text(row.moved)]


def _flops(count: int, row: Cost) -> str:
    if not row.unknown:
        return count_text(count)
    return f">{count_text(count)}" if count else "?"


def _shortened(text: str, width: int) -> str:
    """The end of a text that is too long, which is what tells paths apart."""
    before = UP_TO if text.startswith(UP_TO) else ""
    rest, room = text.removeprefix(before), width - len(before)
    return text if len(text) <= width else f"{before}...{rest[len(rest) - room + 3 :]}"


def time_text(seconds: float) -> str:
    """Three digits with a unit: "12.3 ms"; empty for 0."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= 0.9995 * scale:
            return f"{_three_digits(seconds / scale)} {unit}"
    return f"{_three_digits(seconds * 1e6)} us" if seconds else ""


def count_text(count: int) -> str:
    """Three digits with k, M, G or T for thousands; empty for 0."""
    return _scaled(count, ("", " k", " M", " G", " T", " P")) if count else ""


def bytes_text(count: int) -> str:
    """Three digits with a unit: "1.5 MB" for 1,500,000 bytes; empty for 0."""
    return _scaled(count, (" B", " kB", " MB", " GB", " TB", " PB")) if count else ""


def _scaled(count: float, units: Sequence[str]) -> str:
    if count < 1000:
        return f"{count}{units[0]}"
    for unit in units[1:-1]:
        count /= 1000
        if count < 999.5:
            return f"{_three_digits(count)}{unit}"
    return f"{_three_digits(count / 1000)}{units[-1]}"


def _three_digits(value: float) -> str:
    return f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f}"
