"""One process does something else in a training: one line says what each is at, and where."""

import platform
from pathlib import Path

import pytest
from mpi.launching import launch

from nn.distributed.endings import APART

PROGRAM = Path(__file__).with_name("out_of_step.py")
LINES = PROGRAM.read_text().splitlines()
HOST = platform.node()


def at(text: str) -> str:
    """The line of the program that has this text."""
    (number,) = (number for number, line in enumerate(LINES, 1) if text in line)
    return f"(out_of_step.py:{number})"


EPOCH = f"the beginning of epoch {{}} of a DataLoader {at('in enumerate(batches)')}"
PASS = f"the gradients of SGD in backward pass {{}}, of a batch of 32 rows {at('.backward()')}"
APART_FROM = f"rank 1 of 3 on {HOST} is at {{}}, ranks 0 and 2 on {HOST} are at {{}}: {{}}"


@pytest.mark.parametrize(
    ("way", "other", "usual"),
    [
        ("breaks", EPOCH.format(2), PASS.format(2)),
        ("goes_on", EPOCH.format(3), "the end of the program"),
        ("reports", f"the beginning of a Report {at('nn.training.Report')}", EPOCH.format(1)),
        ("saves", f"saving snapshot.npz {at('nn.training.Snapshot')}", EPOCH.format(2)),
        (
            "freezes",
            "a new list of the parameters of SGD, some of which were frozen, added or cast "
            + at(".backward()"),
            PASS.format(1),
        ),
    ],
)
def test_what_each_process_is_at(way, other, usual):
    run = launch(PROGRAM, 3, way, 1, limit=30)
    line = APART_FROM.format(other, usual, f"expected the same of all; {APART}; all processes end")
    assert run.ours == [f"nn.distributed: {line}"]
    assert run.status > 0
    assert run.seconds < 10
    assert run.left == []


def test_what_each_process_has():
    run = launch(PROGRAM, 2, "batch_size", 0, limit=30)
    assert run.ours == [
        f"nn.distributed: at {EPOCH.format(1)}, rank 0 of 2 on {HOST} has 6 batches of 16 rows, "
        f"rank 1 on {HOST} has 3 batches of 32 rows: expected the same of all; give all the same "
        "batch_size= and drop_last=; all processes end"
    ]
    assert run.status > 0


def test_what_all_do_wrong_is_told_once():
    run = launch("import nn\nnn.distributed.data_parallel(nn.Linear(1, 1), 5)", 3, limit=30)
    said = "TypeError: DistributedOptimizer: expected an optimiser; got 5"
    assert run.err.splitlines().count(said) == 1
    assert run.err.count("Traceback") == 1
    assert len(run.ours) == 1
    assert said in run.ours[0]
