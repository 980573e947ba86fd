"""Files of a ledger: a trace that Chromium's and Perfetto's viewers open, and its rows as CSV.

Format: Trace Event Format, https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...files import FilePath, checked_path, printable, replacing
from .costs import NUMBERS, Cost


class Span(NamedTuple):
    """Something that took time.

    kind        "forward", "backward" or "module"
    start, end  nanoseconds of the profiler's clock
    thread      the number of the thread, from 1
    """

    name: str
    kind: str
    start: int
    end: int
    thread: int
    module: str
    line: str


def save(
    path: FilePath, rows: Iterable[Cost], events: Sequence[Span], lost: int, timed: bool
) -> None:
    """Write the file that the path's ending names."""
    name = Path(checked_path(path, "Ledger.save"))
    ending = name.suffix.lower()
    if ending not in (".json", ".csv"):
        raise ValueError(
            "Ledger.save: expected a path that ends in .json for a trace, or .csv for the rows; "
            f"got {printable(path)!r}"
        )
    if ending == ".json" and not timed:
        raise ValueError(
            "Ledger.save: nothing was measured, so there is no trace; make the ledger by "
            "`with profile() as ledger:`, or write a .csv"
        )
    text = _trace(events, lost) if ending == ".json" else _csv(rows)
    with replacing(path, "Ledger.save") as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def _trace(events: Sequence[Span], lost: int) -> str:
    """The events as JSON.  Times are microseconds after the first event."""
    first = min((event.start for event in events), default=0)
    found: list[dict[str, Any]] = [
        {"ph": "M", "pid": 1, "tid": 0, "name": "process_name", "args": {"name": "tinygrad_lite"}}
    ]
    for thread in sorted({event.thread for event in events}):
        named = {"name": f"thread {thread}"}
        found.append({"ph": "M", "pid": 1, "tid": thread, "name": "thread_name", "args": named})
    # Of events that begin together, the outer one first.
    for event in sorted(events, key=lambda e: (e.start, -e.end)):
        found.append(
            {
                "ph": "X",
                "name": event.name,
                "cat": event.kind,
                "ts": (event.start - first) / 1000,
                "dur": (event.end - event.start) / 1000,
                "pid": 1,
                "tid": event.thread,
                "args": {"module": event.module, "line": event.line},
            }
        )
    other = {"events left out": lost} if lost else {}
    return json.dumps({"traceEvents": found, "displayTimeUnit": "ms", "otherData": other})


def _csv(rows: Iterable[Cost]) -> str:
    """A line for each op in each Module and line of the user's."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ("op", "module", "line", *NUMBERS)
    writer.writerow(names)
    ordered = sorted(rows, key=lambda row: (row.op, row.module, row.line))
    writer.writerows([getattr(row, name) for name in names] for row in ordered)
    return text.getvalue()
