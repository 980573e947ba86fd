"""Processes that would come to weights of their own end, with a line that says by what."""

import platform
import re
from pathlib import Path

import pytest
from mpi.launching import launch

PROGRAM = Path(__file__).with_name("drifting.py")
HOST = re.escape(platform.node())
NUMBER = r"-?[\d.e-]+"
WEIGHTS = f"rank 1 has {NUMBER} where rank 0 has {NUMBER}; expected all to change them alike.*"


@pytest.mark.parametrize(
    ("way", "line"),
    [
        (
            "learning_rate",
            r"at the gradients of SGD in backward pass 2, of a batch of 8 rows "
            r"\(drifting.py:\d+\), "
            rf"rank 0 of 2 on {HOST} has lr={NUMBER}, rank 1 on {HOST} has lr={NUMBER}: expected "
            "the same of all; no option may follow from what one process has alone, such as the "
            "loss of its rows",
        ),
        (
            "counts_parts",
            rf"rank 0 of 2 on {HOST}: RuntimeError: SGD: with chunks, expected lr=0\.1, as in the "
            r"part before, since the parts of a batch are one step; got lr=0\.05: count steps by "
            "whole batches, as report.taken does, and not by the loop",
        ),
        (
            "regulariser",
            rf"rank \d of 2 on {HOST}: RuntimeError: the weights of SGD are not the same in all "
            rf"processes: {WEIGHTS}",
        ),
    ],
)
def test_weights_of_their_own(way, line):
    run = launch(PROGRAM, 2, way, limit=30)
    assert run.status > 0
    assert len(run.ours) == 1, run.err
    assert re.fullmatch(f"nn.distributed: {line}; all processes end", run.ours[0]), run.err
    assert "ended\n" not in run.out
    assert run.left == []


def test_a_schedule_that_all_have_is_right():
    assert launch(PROGRAM, 2, "none", check=True).out == "ended\n" * 2
