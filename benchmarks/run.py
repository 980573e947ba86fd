"""Measure beside the peers: every workload, or those named. Writes benchmarks/RESULTS.md.

    python benchmarks/run.py [--quick] [NAME...]

--quick runs one small round of each, compares the results, and judges no time: for CI.
"""

import argparse
import datetime
import os
import platform
import sys
import time
from importlib import import_module, metadata
from pathlib import Path

from pairing import PAUSE, THREADS, Row, Skipped

WORKLOADS = ("mlp_step", "mnist_seconds", "graph_order")
RESULTS = Path(__file__).with_name("RESULTS.md")
HEADER = (
    "workload",
    "ours",
    "peer",
    "ours, s",
    "peer, s",
    "ratio",
    "quartiles",
    "rounds",
    "target",
)


def cells(row: Row) -> list[str]:
    """One line of the table."""
    low, high = row.quartiles
    verdict = ""
    if row.target is not None:
        verdict = f"<= {row.target}: {'met' if row.ratio <= row.target else 'missed'}"
    return [
        row.workload,
        row.ours,
        row.peer,
        f"{row.ours_seconds:.3g}",
        f"{row.peer_seconds:.3g}",
        f"{row.ratio:.2f}",
        f"{low:.2f} to {high:.2f}",
        str(row.rounds),
        verdict,
    ]


def table(rows: list[Row]) -> list[str]:
    """The lines of a Markdown table, which a terminal shows aligned."""
    lines = [list(HEADER), *(cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    lines.insert(1, ["-" * width for width in widths])
    return [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]


def machine() -> list[str]:
    """What it ran on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = (line for line in cpuinfo.read_text().splitlines() if line.startswith("model name"))
        model = next(named, model).partition(":")[2].strip() or model
    versions = []
    for name in ("tinygrad-lite", "numpy", "torch"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    load = ", ".join(f"{number:.2f}" for number in os.getloadavg())
    return [
        f"- {datetime.date.today()}, {model}, {os.cpu_count()} cores, {platform.platform()}",
        f"- Python {platform.python_version()}, {', '.join(versions)}; {THREADS} threads a side",
        f"- load average before: {load}",
    ]


def main() -> int:
    """Run the workloads; status 1 if one broke."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument("--quick", action="store_true", help="one small round, no time judged")
    args = parser.parse_args()
    if unknown := set(args.names) - set(WORKLOADS):
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    about, rows, notes, broken = machine(), [], [], 0
    for name in args.names or WORKLOADS:
        began = time.perf_counter()
        try:
            found, remarks = import_module(name).run(args.quick)
            rows += found
            notes += [f"- {name}: {remark}" for remark in remarks]
        except Skipped as reason:
            notes.append(f"- {name}: skipped; {reason}")
        except Exception as error:
            broken += 1
            notes.append(f"- {name}: BROKEN; {type(error).__name__}: {error}")
        print(f"{name}: {time.perf_counter() - began:.1f} s", file=sys.stderr)
    if args.quick:  # one round says nothing of speed
        lines = [*notes, f"{len(rows)} comparisons ran, {broken} workloads broke"]
        print("\n".join(lines))
        return int(broken > 0)
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench`. The sides run in turn in one run, a pause of {PAUSE} s and an",
        "untimed step before each block; the ratio is ours / peer within a round, its median and",
        "quartiles over the rounds. Below 1, ours is quicker.",
        "",
        *about,
        "",
        *table(rows),
        "",
        *notes,
    ]
    print("\n".join(lines[6:]))
    if not broken and not args.names:
        RESULTS.write_text("\n".join(lines).rstrip() + "\n")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
