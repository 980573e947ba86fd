"""What `plots.curves` shows: the numbers of records, sorted into panels."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_lite import arguments, files

from ..metrics._records import Record, Records

POINTS = 2000  # of a curve; more are averaged
LARGEST = 1e100  # that is drawn: matplotlib computes with multiples
FEW = 40  # points in a panel, all of which lie inside
# Quantities that share a panel, by the first or last word of a name.
QUANTITIES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "acc": "accuracy",
    "perplexity": "perplexity",
    "ppl": "perplexity",
    "lr": "learning rate",
    "learning_rate": "learning rate",
}
ORDER = ("loss", "accuracy", "perplexity", "learning rate")  # of the panels; then the others
LOGARITHMIC = ("loss", "perplexity")
PERCENT = ("accuracy", "precision", "recall", "f1")
PREFIX = re.compile(r"(train|training|held_out|val|valid|validation|test|dev|eval)[_/. ]")
# Left out unless named: clocks and counters.
ASIDE = re.compile(r"(.*[_/. ])?(seconds|time)|.*_per_second|epoch|step")


class Curve(NamedTuple):
    """Points, and their label in the legend."""

    label: str
    x: np.ndarray
    y: np.ndarray


class Panel(NamedTuple):
    """The curves of one quantity, and its axis."""

    title: str
    curves: list[Curve]
    percent: bool
    logarithmic: bool

    def ends(self) -> tuple[float, float]:
        """The lowest and the highest value."""
        whole = np.concatenate([curve.y for curve in self.curves])
        return float(np.nanmin(whole)), float(np.nanmax(whole))

    def limits(self) -> tuple[float, float]:
        """Ends for an axis of percents, where the first few of many steps may lie outside."""
        low, high = self.ends()
        whole = np.concatenate([curve.y for curve in self.curves])
        if len(whole) > FEW:
            few = [curve.y for curve in self.curves if 10 * len(curve.y) < len(whole)]
            lowest = [float(np.nanmin(y)) for y in few]
            low = min([max(low, float(np.nanpercentile(whole, 3))), *lowest])
        room = max(0.08 * (high - low), 0.2)
        return low - room, min(high + room, 100.2)


def panels(records: Records, names: Iterable[str] | None) -> tuple[str, list[Panel]]:
    """The name of the horizontal axis, and a panel for each quantity in the records.

    names: the values to take; None takes all but clocks and counters.
    """
    found = records.records()
    axis = next((name for name in ("step", "epoch") if _has(found, name)), "record")
    curves = _curves(found, axis)
    if names is not None:
        curves = _chosen(curves, names)
    else:
        curves = {key: curve for key, curve in curves.items() if not ASIDE.fullmatch(key[1])}
    quantities: dict[str, list[Curve]] = {}
    for (kind, name), (x, y) in curves.items():
        quantity, rest = _quantity(name)
        if np.isfinite(y).any():
            label = ", ".join([each for each in (rest, kind) if each])
            quantities.setdefault(quantity, []).append(Curve(label, *_thinned(x, y)))
    first = [each for each in ORDER if each in quantities]
    others = [each for each in quantities if each not in ORDER]
    return axis, [_panel(title, quantities[title]) for title in (*first, *others)]


def _panel(title: str, curves: list[Curve]) -> Panel:
    """A panel, with its shares as percents."""
    whole = np.concatenate([curve.y for curve in curves])
    low, high = np.nanmin(whole), np.nanmax(whole)
    percent = title in PERCENT and 0 <= low <= high <= 1
    if percent:
        curves = [Curve(label, x, 100 * y) for label, x, y in curves]
    return Panel(
        title, curves, percent, title in LOGARITHMIC and bool(1e-100 < low <= high < 1e100)
    )


def _curves(
    records: Sequence[Record], axis: str
) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """The points of each kind and name.  A record without the axis has that of the last one."""
    points: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    position: float = 0
    for number, record in enumerate(records, 1):
        given = number if axis == "record" else record.get(axis)
        position = float(given) if given is not None and _is_number(given) else position
        for name, value in record.items():
            if name != axis and (_is_number(value) or value is None):
                x, y = points.setdefault((record["kind"], name), ([], []))
                x.append(position)
                y.append(math.nan if value is None or abs(value) > LARGEST else value)
    return {key: (np.array(x, float), np.array(y, float)) for key, (x, y) in points.items()}


def _has(records: Sequence[Record], name: str) -> bool:
    """Whether a record has a number of this name."""
    return any(_is_number(record.get(name)) for record in records)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _chosen(curves: dict[tuple[str, str], Any], names: Iterable[str]) -> dict[tuple[str, str], Any]:
    """The curves of these names."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise arguments.wrong("curves: names", "a list of names", names)
    wanted, known = list(names), {name for _, name in curves}
    for name in wanted:
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise ValueError(
                f"curves: names: no record has numbers called {arguments.shown(name)}; there are "
                f"{files.printable(there)}"
            )
    return {key: curve for key, curve in curves.items() if key[1] in wanted}


def _quantity(name: str) -> tuple[str, str]:
    """The quantity that a name is about, and the words around it: train_loss is loss, train."""
    for word, quantity in QUANTITIES.items():
        found = re.fullmatch(rf"(?:(.*)[_/. ])?{word}(?:[_/. ](.*))?", name)
        if found and not (found[1] and found[2]):
            return quantity, _words(found[1] or found[2] or "")
    found = PREFIX.match(name)
    rest = found[1] if found else ""
    return _words(name[found.end() :] if found else name), _words(rest)


def _words(name: str) -> str:
    return name.replace("_", " ").strip()


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most POINTS points: the means of so many neighbours, without those that are nan."""
    each = math.ceil(len(x) / POINTS)
    if each <= 1:
        return x, y
    starts = np.arange(0, len(x), each)
    known = np.isfinite(y)
    counts = np.add.reduceat(known.astype(float), starts)
    sums = np.add.reduceat(np.where(known, y, 0), starts)
    positions = np.add.reduceat(x, starts) / np.diff([*starts, len(x)])
    return positions, np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
