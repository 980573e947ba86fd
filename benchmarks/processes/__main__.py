"""One process against two, and against PyTorch's DistributedDataParallel, all in turn.

    python benchmarks/processes [--rounds N] [--steps N] [--quick] [convnet] [gpt]

Each process has one thread.  A round runs each side once; the ratios are those within a round, and
the table shows their medians.  The row "two alone" is what the machine gives at best: two processes
that exchange nothing, side by side, against one.  A batch is divided among the processes; with a
double batch each has as many rows as one process alone.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.append(str(FOLDER.parent))
from results import aligned  # noqa: E402

STEPS = {"convnet": 30, "gpt": 120}
ONE_THREAD = {"TINYGRAD_LITE_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
MPIEXEC = str(Path(sys.executable).parent / "mpiexec")
PATIENCE = 300  # seconds for one run


def begun(*words: str) -> "subprocess.Popen[str]":
    """A run, whose last line is its number of rows a second."""
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(FOLDER.parents[1])}
    return subprocess.Popen(words, env=environment, text=True, stdout=subprocess.PIPE)


def rate(run: "subprocess.Popen[str]") -> float:
    """The number of rows a second."""
    printed, _ = run.communicate(timeout=PATIENCE)
    if run.returncode:
        raise SystemExit(f"{run.args}: status {run.returncode}")
    return float(printed.split()[-1])


def sides(what: str, steps: int) -> "dict[str, list[list[str]]]":
    """The command lines of each side; several of one side run at the same time."""
    ours = [sys.executable, str(FOLDER / "ours.py"), what, "--steps", str(steps)]
    peer = [sys.executable, str(FOLDER / "ddp.py"), what, "--steps", str(steps)]
    two, torch = [MPIEXEC, "-n", "2", *ours], [*peer, "--processes"]
    return {
        "one": [ours],
        "one, captured": [[*ours, "--capture"]],
        "two alone": [ours, ours],
        "two": [two],
        "two, captured": [[*two, "--capture"]],
        "two, chunks=2": [[*two, "--chunks", "2"]],
        "two, chunks=4": [[*two, "--chunks", "4"]],
        "two, chunks=2, captured": [[*two, "--chunks", "2", "--capture"]],
        "two, double batch": [[*two, "--times", "2"]],
        "two, double batch, captured": [[*two, "--times", "2", "--capture"]],
        "PyTorch, one": [[*torch, "1"]],
        "PyTorch, two": [[*torch, "2"]],
        "PyTorch, two, double batch": [[*torch, "2", "--times", "2"]],
    }


RATIOS = [
    ("two alone", "one", ""),
    ("two", "one", ">= 1.8"),
    ("two, captured", "one, captured", ">= 1.8"),
    ("two, double batch", "one", ">= 1.8"),
    ("two, double batch, captured", "one, captured", ">= 1.8"),
    ("two", "PyTorch, two", ">= 1.0"),
    ("two, captured", "PyTorch, two", ">= 1.0"),
    ("two, double batch", "PyTorch, two, double batch", ">= 1.0"),
    ("two, double batch, captured", "PyTorch, two, double batch", ">= 1.0"),
    ("two, chunks=2", "two", ""),
    ("two, chunks=4", "two", ""),
    ("two, chunks=2, captured", "two, captured", ""),
    ("PyTorch, two", "PyTorch, one", ""),
]


def measured(what: str, steps: int, rounds: int) -> "dict[str, list[float]]":
    """Rows a second of each side, round by round."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for side, lines in sides(what, steps).items():
            runs = [begun(*words) for words in lines]
            found.setdefault(side, []).append(sum(rate(run) for run in runs))
    return found


def rows(what: str, found: "dict[str, list[float]]") -> "list[list[str]]":
    table = []
    for side, other, target in RATIOS:
        pairs = zip(found[side], found[other], strict=True)
        ratios = sorted(a / b for a, b in pairs)
        middle = [f"{statistics.median(each):.0f}" for each in (found[side], found[other])]
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        table.append(
            [what, side, other, *middle, f"{statistics.median(ratios):.2f}", spread, target]
        )
    return table


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="*", choices=["convnet", "gpt", []], default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--quick", action="store_true", help="one round of few steps of gpt")
    args = parser.parse_args(argv)
    header = ["what", "side", "beside", "rows/s", "beside", "ratio", "from to", "target"]
    table = []
    for what in args.what or (["gpt"] if args.quick else STEPS):
        steps = 2 if args.quick else args.steps or STEPS[what]
        table += rows(what, measured(what, steps, 1 if args.quick else args.rounds))
    for line in aligned(header, *table):
        print(line)


if __name__ == "__main__":
    main()
