"""Examples run inside the tests' own process, which takes a fraction of a start of Python."""

import importlib
import json
import signal
import sys
from pathlib import Path
from types import ModuleType

import pytest

from nn import training

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name: str) -> ModuleType:
    """The example as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        return importlib.import_module(name)


def status_of(module: ModuleType, *arguments: object) -> int:
    """Call `main` with these arguments; its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{module.__name__}.py", *map(str, arguments)])
        return module.main()


def without_pictures(patch: pytest.MonkeyPatch, module: ModuleType, *drawers: str) -> None:
    """Draw nothing, since matplotlib takes longer than a tiny training."""
    patch.setattr(training, "curves", lambda metrics, path: path.touch())
    for name in drawers:
        patch.setattr(module, name, lambda *arguments: arguments[-1].touch())


def interrupted(patch: pytest.MonkeyPatch, step: int) -> None:
    """From now on, Ctrl-C comes during this step of a Report."""
    original = training.Report.step

    def stepped(report, *arguments, **values) -> None:
        if report.taken + 1 == step:
            signal.raise_signal(signal.SIGINT)
        original(report, *arguments, **values)

    patch.setattr(training.Report, "step", stepped)


def resumes_to_the_same_bits(
    module: ModuleType, folder: Path, steps: list[int], *arguments: object
) -> None:
    """A run stopped in each of these steps, and resumed, has the same weights and records."""
    status_of(module, *arguments, "--out", folder / "whole")
    for step in steps:
        with pytest.MonkeyPatch.context() as patch:
            interrupted(patch, step)
            status_of(module, *arguments, "--out", folder / "parts", "--resume")
    status_of(module, *arguments, "--out", folder / "parts", "--resume")
    whole, parts = (
        (folder / each / "weights.safetensors").read_bytes() for each in ("whole", "parts")
    )
    assert whole == parts
    whole_records, records = (
        [
            {name: value for name, value in json.loads(line).items() if "second" not in name}
            for line in (folder / each / "metrics.jsonl").read_text().splitlines()
        ]
        for each in ("whole", "parts")
    )
    assert whole_records == records
