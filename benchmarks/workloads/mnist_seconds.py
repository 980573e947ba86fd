"""Seconds from process start to a network that reads 97.87 % of MNIST's test images.

Whole processes in turn: examples/mnist_mlp.py, and the same network and recipe in PyTorch
(mnist_torch.py). All train the same number of steps and print their accuracy. The example computes
its loss by formula, with the value of the penalty, unless it is told `--library`: then it leaves
the penalty to the optimiser, as the program in PyTorch does.
"""

import os
import re
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from pairing import Settings, Skipped
from results import Outcome, compared

ROOT = Path(__file__).parents[2]
TARGET = 97.87  # per cent
PROGRAMS = {
    "ours": (ROOT / "examples/mnist_mlp.py", "--quiet", "--target", "0"),
    "ours, --library": (ROOT / "examples/mnist_mlp.py", "--quiet", "--target", "0", "--library"),
    "PyTorch": (Path(__file__).with_name("mnist_torch.py"),),
}


def options(quick: bool) -> list[str]:
    """What both programs are told."""
    for folder in (os.environ.get("TINYGRAD_LITE_DATA"), ROOT.parent / "shared/mnist"):
        if folder and (Path(folder) / "train-images-idx3-ubyte.gz").exists():
            small = ["--epochs", "1", "--batch-size", "2750"] if quick else []  # 20 steps
            return ["--data", str(folder), *small]
    raise Skipped("MNIST is not here; TINYGRAD_LITE_DATA names the folder of its four files")


def train(name: str, arguments: list[str]) -> tuple[float, float]:
    """Run one program to its end: its seconds, and the accuracy in per cent."""
    script, *fixed = PROGRAMS[name]
    began = time.perf_counter()
    command = [sys.executable, str(script), *fixed, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    found = re.search(r"test accuracy ([\d.]+) %.* of 10000\)", done.stdout)
    if done.returncode or not found:
        raise RuntimeError(f"{script.name} broke: {done.stdout}{done.stderr}")
    return seconds, float(found[1])


def run(settings: Settings) -> Outcome:
    arguments = options(settings.quick)
    if not find_spec("torch"):
        raise Skipped("PyTorch is not here")
    if settings.peers and "torch" not in settings.peers:
        return Outcome()
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    accuracies: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for seed in range(settings.rounds):
        for name in PROGRAMS:
            seconds, accuracy = train(name, ["--seed", str(seed), *arguments])
            times[name].append(seconds)
            accuracies[name].append(accuracy)
    notes = [
        f"{name}: {statistics.median(found):.2f} % in the median over the seeds, "
        f"{min(found):.2f} % at least; {sum(a < TARGET for a in found)} of {len(found)} stay below "
        f"{TARGET} %"
        for name, found in accuracies.items()
    ]
    rows = [
        compared(f"process start to end: {ours}", times, ours, "PyTorch", (0.7, 0.6))
        for ours in PROGRAMS
        if ours != "PyTorch"
    ]
    return Outcome(rows, notes=[] if settings.quick else notes)
