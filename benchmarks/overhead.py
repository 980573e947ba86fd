"""The work that Python does for small operations, counted: a guard that no machine's mood moves.

    python benchmarks/overhead.py           # what it is now, beside the record
    python benchmarks/overhead.py --write   # make that the record

Counted are the bytecode instructions executed in tinygrad_lite and nn, and the functions of C that
they call. tests/benchmarks/test_overhead.py fails when one has grown by more than a tenth. Counts
are the same on every machine, but each Python has its own instructions, so each has a record.
"""

import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import nn
from tinygrad_lite import Tensor, files

RECORD = Path(__file__).with_name("overhead.json")
PYTHON = ".".join(platform.python_version_tuple()[:2])
OURS = tuple(str(Path(package.__file__).parent) for package in (nn, sys.modules["tinygrad_lite"]))


def scalar_chain() -> None:
    """A hundred multiplications and additions, forward and backward."""
    y, w, b = (Tensor(v, requires_grad=True) for v in (0.25, -1.0, 1.0))
    for _ in range(50):
        y = y * w + b
    y.backward()


def tiny_mlp() -> Callable[[], None]:
    """Forward and backward of 2-16-16-1 with tanh."""
    model = nn.Sequential(
        *(nn.Linear(2, 16), Tensor.tanh, nn.Linear(16, 16), Tensor.tanh, nn.Linear(16, 1))
    )
    x, y = Tensor.zeros(32, 2), Tensor.zeros(32, 1)

    def step() -> None:
        (model(x) - y).square().mean().backward()

    return step


def classifier_step() -> Callable[[], None]:
    """A training step: ReLU, cross entropy, Adam."""
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    optimiser = nn.optim.Adam(nn.state.get_parameters(model))
    x, y = np.zeros((5, 4), np.float32), np.zeros(5, np.int64)

    def step() -> None:
        loss = model(Tensor(x)).cross_entropy(y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def programs() -> dict[str, Callable[[], None]]:
    """What is counted, by name."""
    return {
        "scalar chain": scalar_chain,
        "tiny MLP": tiny_mlp(),
        "classifier step": classifier_step(),
    }


def count(program: Callable[[], None]) -> dict[str, int]:
    """Instructions and calls of C functions in our files, in a run of a program.

    The least of two runs: in one of a few, a backward pass looks at more.
    """
    program()  # what is made once and kept
    one, two = _count(program), _count(program)
    return {what: min(one[what], two[what]) for what in one}


def _count(program: Callable[[], None]) -> dict[str, int]:
    found = {"instructions": 0, "calls of C": 0}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if event == "call":
            if not frame.f_code.co_filename.startswith(OURS):
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            found["instructions"] += 1
        return trace

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "c_call" and frame.f_code.co_filename.startswith(OURS):
            found["calls of C"] += 1

    before = sys.gettrace(), sys.getprofile()
    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        program()
    finally:
        sys.setprofile(before[1])
        sys.settrace(before[0])
    return found


def record() -> dict[str, dict[str, int]]:
    """The record for this Python; empty where there is none."""
    return json.loads(RECORD.read_text()).get(PYTHON, {})


def main() -> None:
    """Print the counts beside the record, or make them the record."""
    now, before = {name: count(program) for name, program in programs().items()}, record()
    for name, counts in now.items():
        for what, number in counts.items():
            known = before.get(name, {}).get(what)
            print(f"{name}: {number:,} {what}" + (f", recorded {known:,}" if known else ""))
    if "--write" in sys.argv[1:]:
        whole = json.loads(RECORD.read_text()) | {PYTHON: now}
        with files.replacing(RECORD) as file:
            file.write((json.dumps(whole, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
