"""What was measured: ratios within rounds, their quartiles, and how a person reads them."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

HEADER = ("what", "peer", "ours takes", "peer takes", "ratio", "quartiles", "rounds", "target")


@dataclass
class Row:
    """One comparison: ours took `ratio` times as much as `peer`, with the quartiles."""

    what: str
    peer: str
    ours_median: float
    peer_median: float
    ratio: float
    quartiles: tuple[float, float]
    rounds: int
    targets: Sequence[float] = ()
    unit: str = "s"

    @property
    def verdict(self) -> str:
        """Each target, and whether the ratio meets it."""
        return ", ".join(
            f"<= {target}: {'met' if self.ratio <= target else 'missed'}" for target in self.targets
        )


@dataclass
class Fact:
    """One number that stands for itself, as a sentence."""

    text: str
    target: str = ""
    met: bool = True

    @property
    def verdict(self) -> str:
        """The target, and whether it is met."""
        return f"{self.target}: {'met' if self.met else 'missed'}" if self.target else ""


@dataclass
class Outcome:
    """What a workload found; the notes say what could not be compared, and why."""

    rows: list[Row] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Append what another one holds."""
        self.rows += other.rows
        self.facts += other.facts
        self.notes += other.notes


def compared(
    what: str,
    measured: Mapping[str, Sequence[float]],
    ours: str,
    peer: str,
    targets: Sequence[float] = (),
    unit: str = "s",
) -> Row:
    """The row of two sides, from what each measured in every round."""
    ratios = [a / b for a, b in zip(measured[ours], measured[peer], strict=True)]
    low, _, high = statistics.quantiles(ratios * (2 if len(ratios) == 1 else 1), n=4)
    medians = [statistics.median(measured[name]) for name in (ours, peer)]
    ratio = statistics.median(ratios)
    return Row(what, peer, *medians, ratio, (low, high), len(ratios), targets, unit)


def amount(value: float, unit: str) -> str:
    """A number as a person reads it: 3.74 ms, 28.1 us, 7.07 s, 214 MB."""
    if unit == "s":
        for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
            if value >= scale or name == "us":
                return f"{value / scale:.3g} {name}"
    return f"{value:.3g} {unit}"


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of a Markdown table of these rows."""
    return aligned(HEADER, *(_cells(row) for row in rows))


def aligned(header: Sequence[str], *rows: Sequence[str]) -> list[str]:
    """The lines of a Markdown table, which a terminal shows aligned."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]


def _cells(row: Row) -> list[str]:
    return [
        row.what,
        row.peer,
        amount(row.ours_median, row.unit),
        amount(row.peer_median, row.unit),
        f"{row.ratio:.2f}",
        f"{row.quartiles[0]:.2f} to {row.quartiles[1]:.2f}",
        str(row.rounds),
        row.verdict,
    ]
