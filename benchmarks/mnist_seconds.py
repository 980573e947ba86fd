"""Seconds from process start to a network that reads 97.87 % of MNIST's test images.

Whole processes in turn: examples/mnist_mlp.py, and the same network and recipe in PyTorch
(mnist_torch.py). Both train the same number of steps and print their accuracy.
"""

import os
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from pairing import THREADS, Row, Skipped, compared

ROOT = Path(__file__).parents[1]
TARGET = 97.87
SEEDS = 5
OURS, PEER = "ours", "PyTorch"
PROGRAMS = {
    OURS: (ROOT / "examples/mnist_mlp.py", "--quiet", "--target", "0"),
    PEER: (ROOT / "benchmarks/mnist_torch.py",),
}


def folder() -> Path:
    """Where MNIST lies."""
    for place in (os.environ.get("TINYGRAD_LITE_DATA"), ROOT.parent / "shared/mnist"):
        if place and (Path(place) / "train-images-idx3-ubyte.gz").exists():
            return Path(place)
    raise Skipped("MNIST is not here; TINYGRAD_LITE_DATA names the folder of its four files")


def train(name: str, *options: str) -> tuple[float, float]:
    """Run one program to its end: its seconds, and the accuracy in per cent."""
    script, *arguments = PROGRAMS[name]
    threads = {name: str(THREADS) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(script), *arguments, *options],
        capture_output=True,
        text=True,
        env=os.environ | threads,
    )
    seconds = time.perf_counter() - began
    found = re.search(r"test accuracy ([\d.]+) %.* of 10000\)", done.stdout)
    if done.returncode or not found:
        raise RuntimeError(f"{script.name} broke: {done.stdout}{done.stderr}")
    return seconds, float(found[1])


def run(quick: bool) -> tuple[list[Row], list[str]]:
    """The rows of the table, and what else is to be said."""
    options = ["--data", str(folder())]
    if not find_spec("torch"):
        raise Skipped("PyTorch is not installed")
    if quick:
        options += ["--epochs", "1", "--batch-size", "2750"]  # 20 steps
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    notes = []
    for seed in range(1 if quick else SEEDS):
        accuracies = {}
        for name in PROGRAMS:
            seconds, accuracies[name] = train(name, "--seed", str(seed), *options)
            times[name].append(seconds)
            if not quick and accuracies[name] < TARGET:
                notes.append(f"{name} with seed {seed} stays below {TARGET} %")
        notes.append(
            f"seed {seed}: "
            + ", ".join(
                f"{name} {accuracies[name]:.2f} % in {times[name][-1]:.2f} s" for name in PROGRAMS
            )
        )
    return [compared("MNIST, process start to end", times, OURS, PEER, 0.7)], notes
