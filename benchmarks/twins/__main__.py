"""Run examples beside their twins, the same programs in PyTorch, and print a table.

    python benchmarks/twins [NAME...] [--seeds 0 1 2] [--capture] [--quick] [--out FILE]

A twin has the name of the example.  Ours and the twin run in turn, seed by seed, each in a process
of its own, with the threads that it takes by itself.  The seconds are those of the last lines, from
the beginning of main() on; the ratio is ours / PyTorch's for a seed, and the table shows its
median.  An example that has no twin may be named too.

--quick runs one epoch of each twin, and judges nothing: so that they cannot rot.
"""

import argparse
import ast
import datetime
import os
import platform
import re
import runpy
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from tinygrad_lite import files

TWINS = Path(__file__).resolve().parent
sys.path.append(str(TWINS.parent))
from results import aligned  # noqa: E402

ROOT = TWINS.parents[1]
EXAMPLES = ROOT / "examples"
LAST_LINE = re.compile(r"(?P<data>[^:]+): (?P<figure>.+?),? in (?P<seconds>\d+\.\d) s")
NUMBER = re.compile(r"(\d+(?:\.\d+)?)")
HEADER = (
    *("example", "lines", "target", "ours", "PyTorch"),
    *("seconds, ours", "PyTorch", "ratio"),
)


class Broke(Exception):  # what its last lines were
    """A program did not end with a last line of the usual form."""


@dataclass
class Ended:
    """What the last line of a run said."""

    data: str
    figure: str
    seconds: float
    status: int = 0


@dataclass
class Row:
    """An example, and its runs: one of each side for each seed."""

    name: str
    ours: list[Ended] = field(default_factory=list)
    peer: list[Ended] = field(default_factory=list)

    def cells(self) -> list[str]:
        source = (EXAMPLES / f"{self.name}.py").read_text(encoding="utf-8")
        missed = sum(run.status != 0 for run in self.ours)
        return [
            self.name,
            str(len(source.splitlines())),
            target_of(source),
            in_words(self.ours) + (f"; MISSED by {missed}" if missed else ""),
            in_words(self.peer),
            *(f"{median(side):.1f}" if side else "-" for side in (self.ours, self.peer)),
            f"{ratio(self.ours, self.peer):.2f}" if self.peer else "-",
        ]


def last_line(name: str, printed: str, status: int) -> Ended:
    """The last line, read.  Errors: Broke."""
    lines = printed.strip().splitlines()
    found = LAST_LINE.fullmatch(lines[-1]) if lines else None
    if found is None or status not in (0, 1):
        raise Broke(f"{name}: status {status}, ended with: {lines[-1] if lines else 'nothing'}")
    return Ended(found["data"], found["figure"], float(found["seconds"]), status)


def in_words(runs: Sequence[Ended]) -> str:
    """The figures of all seeds, with the words that they share told once."""
    if not runs:
        return "-"
    figures = [NUMBER.split(f"{run.data}: {run.figure}") for run in runs]
    if len({tuple(figure[::2]) for figure in figures}) > 1:  # the words differ
        return "; ".join("".join(figure) for figure in figures)
    columns = zip(*figures, strict=True)
    return "".join(column[0] if len(set(column)) == 1 else ", ".join(column) for column in columns)


def median(runs: Sequence[Ended]) -> float:
    """Of the seconds."""
    return statistics.median(run.seconds for run in runs)


def ratio(ours: Sequence[Ended], peer: Sequence[Ended]) -> float:
    """The median of ours / the peer's, seed by seed."""
    return statistics.median(
        a.seconds / max(b.seconds, 0.1) for a, b in zip(ours, peer, strict=True)
    )


def target_of(source: str) -> str:
    """The constant TARGET of an example; a dash if it has none."""
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "TARGET":
            return ast.unparse(statement.value)
    return "-"


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of a Markdown table of these rows."""
    return aligned(HEADER, *(row.cells() for row in rows))


def run(script: Path, *options: str) -> Ended:
    """Run a program, which prints on our stderr what it prints before its last line."""
    print(f"--- {script.relative_to(ROOT)} {' '.join(options)}", file=sys.stderr, flush=True)
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, script, *options],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    print(done.stdout, end="", file=sys.stderr, flush=True)
    return last_line(script.stem, done.stdout, done.returncode)


def quick_options(name: str) -> list[str]:
    """The options of the small round in CI that the twin has too, and one epoch."""
    rounds: dict[str, str] = runpy.run_path(str(ROOT / ".ci" / "examples"))["ROUNDS"]
    twin, words, kept = (TWINS / f"{name}.py").read_text(encoding="utf-8"), rounds[name].split(), []
    for number, word in enumerate(words):
        if word.startswith("--") and word != "--epochs" and f'"{word}"' in twin:
            following = words[number + 1 : number + 2]
            kept += [word, *(each for each in following if not each.startswith("--"))]
    return [*kept, "--epochs", "1"]


def main() -> int:
    """Run them; status 1 if one broke or ours missed its target."""
    twins = sorted(path.stem for path in TWINS.glob("*.py") if not path.name.startswith("_"))
    examples = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.name[0] != "_")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="all that have a twin by default")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="0 by default")
    parser.add_argument("--capture", action="store_true", help="ours with --capture where it can")
    parser.add_argument("--quick", action="store_true", help="one epoch of each twin, for CI")
    parser.add_argument("--out", type=Path, help="write the table into this file too")
    args = parser.parse_args()
    names = [name.removesuffix(".py") for name in args.names] or twins
    if unknown := sorted(set(names) - set(examples)):
        parser.error(f"no example {', '.join(unknown)}; there are {', '.join(examples)}")

    load, began = os.getloadavg()[0], time.perf_counter()
    rows, broken = [Row(name) for name in names], []
    for row in rows:
        script, twin = EXAMPLES / f"{row.name}.py", TWINS / f"{row.name}.py"
        captures = args.capture and "capture=False" in script.read_text(encoding="utf-8")
        try:
            if args.quick:
                row.peer.append(run(twin, *quick_options(row.name)))
                continue
            for seed in map(str, args.seeds):
                row.ours.append(run(script, "--seed", seed, *(["--capture"] if captures else [])))
                if twin.exists():
                    row.peer.append(run(twin, "--seed", seed))
        except Broke as error:
            broken.append(str(error))
            print(f"BROKEN: {error}", file=sys.stderr)
    if args.quick:
        print(f"{len(rows)} twins ran in {time.perf_counter() - began:.0f} s, {len(broken)} broke")
        return int(bool(broken))
    whole = [row for row in rows if row.ours and len(row.peer) in (0, len(row.ours))]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "numpy"))
    lines = [
        *table(whole),
        "",
        f"{datetime.date.today()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{versions}; seeds {', '.join(map(str, args.seeds))}; load average before: {load:.2f}",
        *(f"BROKEN: {error}" for error in broken),
    ]
    print("\n".join(lines))
    if args.out:
        with files.replacing(args.out, "--out") as file:
            file.write(("\n".join(lines) + "\n").encode())
    return int(bool(broken) or any(end.status for row in rows for end in row.ours))


if __name__ == "__main__":
    sys.exit(main())
