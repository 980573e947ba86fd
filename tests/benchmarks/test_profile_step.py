"""The table of where a step goes, as its user gets it."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_parts_of_a_step_add_up_to_the_whole():
    done = subprocess.run(
        [sys.executable, "benchmarks/profile_step.py", "tiny_mlp", "--steps", "20"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^(.+?) +([\d.]+) us +([\d.]+) calls$", done.stdout, re.MULTILINE)
    assert len(rows) == len(done.stdout.splitlines())
    calls = {name: float(number) for name, _, number in rows}
    assert calls["Linear forward"] == calls["Linear backward"] == 3
    assert calls["Tanh forward"] == calls["Tanh backward"] == 2
    whole, *parts = (float(microseconds) for _, microseconds, _ in rows)
    assert rows[0][0] == "the whole step"
    assert abs(whole - sum(parts)) <= 0.1 * len(rows)  # each rounded to a tenth
    assert parts == sorted(parts, reverse=True)
