"""The results of a sweep as rows, as aligned text, and as CSV."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ._trainings import Outcome, shown

WIDEST = 40  # characters in a column of text; of an error, more
REASON = 100


def row(options: Mapping[str, Any], outcome: Outcome | None) -> dict[str, Any]:
    """Options, results, seconds, rank and host; and "failed", the reason why there is no result.

    A name that the function returned replaces one of ours.
    """
    if outcome is None:
        return {**options, "failed": "it has not ended"}
    ran = {"seconds": round(outcome.seconds, 3), "rank": outcome.rank, "host": outcome.host}
    later = {name: value for name, value in ran.items() if name not in outcome.result}
    reason = {"failed": outcome.reason} if outcome.kind != "finished" else {}
    return {**options, **outcome.result, **later, **reason}


def columns(options: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of all columns: those of options first, `failed` last."""
    last = ("seconds", "rank", "host", "failed")
    results = [name for each in rows for name in each if name not in last]
    names = dict.fromkeys([*(name for each in options for name in each), *results])
    return [*names, *(name for name in last if any(name in each for each in rows))]


def as_text(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Aligned lines, the first of them with the names; numbers end below each other."""
    cells = [[_cell(name, each) for name in names] for each in rows]
    lines = [list(names), *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    numbers = [
        any(name in each for each in rows)
        and all(isinstance(each.get(name, 0), int | float) for each in rows)
        for name in names
    ]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, numbers, strict=True)
        ).rstrip()
        for line in lines
    ]


def _cell(name: str, each: Mapping[str, Any]) -> str:
    if name not in each:
        return ""
    return shown(each[name], REASON if name == "failed" else WIDEST)


def as_csv(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The same with every digit, for spreadsheets and data frames."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    for each in rows:
        writer.writerow([_plain(each.get(name)) for name in names])
    return file.getvalue().encode()


def _plain(value: Any) -> Any:
    if isinstance(value, list | dict | bool):
        return json.dumps(value)
    called = getattr(value, "__qualname__", None)
    return called if isinstance(called, str) else value
