"""Footprint: import time, peak memory of the MLP run, installed size."""

import compileall
import io
import os
import resource
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from pairing import Settings, Skipped, Stepper, in_a_process
from results import Fact, Outcome, compared
from workloads import mlp_step, mnist_seconds

ROOT = Path(__file__).parents[2]
BROUGHT = ("graphviz", "threadpoolctl")  # by `pip install tinygrad-lite`, beside NumPy
ALLOWED = 5.0  # MB beside NumPy
STEPS = 100  # of the MLP
MEMORY_ROUNDS = 5


@contextmanager
def as_installed() -> Iterator[Path]:
    """A folder with our two packages as pip installs them: with byte code."""
    with tempfile.TemporaryDirectory() as folder:
        for package in ("tinygrad_lite", "nn"):
            without = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, Path(folder, package), ignore=without)
        compileall.compile_dir(folder, quiet=2)
        yield Path(folder)


def import_seconds(package: str, folder: Path) -> float:
    """The time of one import statement in a new process."""
    clock = "time.perf_counter()"
    program = f"import time; began = {clock}; import {package}; print({clock} - began)"
    command = [sys.executable, "-c", program]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    return float(done.stdout)


def import_times(settings: Settings, folder: Path) -> Outcome:
    """`import tinygrad_lite` beside the imports of its peers."""
    ours, targets = "tinygrad_lite", {"numpy": (1.3,), "torch": (), "jax": ()}
    names = [name for name in targets if not settings.peers or name in settings.peers]
    names = [ours, *filter(find_spec, names)]
    for name in names:  # byte code and the system's cache
        import_seconds(name, folder)
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(settings.rounds):
        for name in names:
            times[name].append(import_seconds(name, folder))
    return Outcome([compared("import", times, ours, n, targets[n]) for n in names[1:]])


def peak_memory() -> float:
    """The most this process ever held, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count what the parent held when it started us
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def peak_of_steps(make: Callable[[], Stepper], steps: int) -> float:
    """The peak memory after some steps of a side."""
    step, _ = make()
    for _ in range(steps):
        step()
    return peak_memory()


def peak_of_program(script: Path, arguments: Sequence[str]) -> float:
    """The peak memory of a whole program."""
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.parent))
    with redirect_stdout(io.StringIO()), suppress(SystemExit):
        runpy.run_path(str(script), run_name="__main__")
    return peak_memory()


def peaks(settings: Settings) -> Outcome:
    """Peak memory of the MLP's steps, and of the whole MNIST program, beside PyTorch's."""
    if not find_spec("torch") or (settings.peers and "torch" not in settings.peers):
        return Outcome()
    sides = {"ours": mlp_step.ours, "PyTorch": mlp_step.pytorch}
    runs = {
        f"peak memory, {STEPS} MLP steps": {
            name: (peak_of_steps, partial(make, 128), STEPS) for name, make in sides.items()
        }
    }
    outcome = Outcome()
    try:
        options = mnist_seconds.options(settings.quick)
        runs["peak memory, MNIST program"] = {
            name: (peak_of_program, script, (*arguments, *options))
            for name, (script, *arguments) in mnist_seconds.PROGRAMS.items()
            if name in sides
        }
    except Skipped as reason:
        outcome.notes.append(f"peak memory of the MNIST program: {reason}")
    for what, calls in runs.items():
        found: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(min(settings.rounds, MEMORY_ROUNDS)):
            for name, call in calls.items():
                found[name].append(in_a_process(*call))
        outcome.rows.append(compared(what, found, "ours", "PyTorch", (0.5,), "MB"))
    return outcome


def size_of(distribution: str) -> float:
    """The files of an installed distribution, byte code too, in MB."""
    files = metadata.files(distribution) or []
    return sum(file.stat().st_size for f in files if (file := Path(f.locate())).is_file()) / 1e6


def installed_size(folder: Path) -> Fact:
    """What `pip install tinygrad-lite` brings, without its extras."""
    ours = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    numpy = size_of("numpy")
    others = sum(size_of(name) for name in BROUGHT)
    text = (
        f"installed size: NumPy {numpy:.1f} MB and {ours + others:.1f} MB more "
        f"({ours:.1f} of it our own, {others:.1f} {' and '.join(BROUGHT)})"
    )
    if find_spec("torch"):
        text += f"; PyTorch alone {size_of('torch'):.0f} MB"
    return Fact(text, f"NumPy + {ALLOWED:g} MB", ours + others <= ALLOWED)


def run(settings: Settings) -> Outcome:
    with as_installed() as folder:
        outcome = import_times(settings, folder)
        outcome.facts.append(installed_size(folder))
    outcome.add(peaks(settings))
    return outcome
