"""The members of the vote on MNIST, trained by a sweep: the same weights as of one process."""

import sys
from pathlib import Path

import numpy as np
import pytest
from made_data import idx
from mpi.launching import ROOT, launch

PROGRAM = ROOT / "examples" / "mnist_record.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A small set of MNIST's form."""
    folder = tmp_path_factory.mktemp("mnist")
    for part, count in (("train", 72), ("t10k", 20)):
        draw = np.random.default_rng(count)
        images = draw.integers(0, 256, (count, 28, 28), np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


@pytest.fixture(scope="module")
def options(data) -> list[object]:
    return ["--data", data, "--epochs", 1, "--batch-size", 23, "--target", 0]


@pytest.fixture(scope="module")
def alone(options, tmp_path_factory) -> tuple[str, Path]:
    """The last line and the folder of a run in one process."""
    out = tmp_path_factory.mktemp("alone")
    run = launch(PROGRAM, 1, *options, "--out", out, launcher=[sys.executable], check=True)
    return last(run), out


def last(run) -> str:
    """The result, without the time that it took."""
    return run.out.splitlines()[-1].partition(" in ")[0]


def test_members_that_a_sweep_trains_vote_as_those_of_one_process(options, alone, tmp_path):
    said, folder = alone
    assert said.startswith("MNIST: test accuracy ")
    run = launch(PROGRAM, 2, *options, "--distributed", "--out", tmp_path, check=True)
    assert last(run) == said
    assert [line.partition(" in ")[0] for line in run.out.splitlines() if " of 3: " in line] == [
        f"{done} of 3: train={name}: finished"
        for done, name in enumerate(sorted("abc", key=ended(run)), 1)
    ]
    assert run.out.count("test accuracy") == 1
    for name in "abc":
        weights = "weights.safetensors"
        assert (tmp_path / name / weights).read_bytes() == (folder / name / weights).read_bytes()
        assert (
            f"held-out images wrong by {name} alone"
            in (tmp_path / f"{'abc'.index(name) + 1}.log").read_text()
        )
    assert (tmp_path / "mistakes.png").exists()
    again = launch(PROGRAM, 1, *options, "--distributed", "--resume", "--out", tmp_path, check=True)
    assert last(again) == said
    assert f"resuming in {tmp_path}: 3 of 3 are finished" in again.out


def ended(run):
    """Where the line about the end of a member stands."""
    return lambda name: run.out.index(f": train={name}: finished")
