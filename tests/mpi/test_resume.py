"""With chunks, 1 to 4 ranks end with the same bits, also if others of them have begun.

The checksum is one of the weights, the running statistics, the losses and the random state.
"""

from pathlib import Path

import pytest
from mpi.launching import launch

PROGRAM = Path(__file__).with_name("resume_program.py")


def checksum(ranks, out, *options):
    run = launch(PROGRAM, ranks, out, 0, *options, check=True)
    (line,) = [line for line in run.out.splitlines() if line.startswith("checksum")]
    return line


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return checksum(1, tmp_path_factory.mktemp("one"))


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_any_number_of_ranks_ends_with_the_same_bits(ranks, tmp_path, expected):
    assert checksum(ranks, tmp_path) == expected
    assert checksum(ranks, tmp_path / "captured", "capture") == expected


@pytest.mark.parametrize(
    ("before", "step", "after"), [(4, 3, 1), (1, 1, 4), (2, 5, 3), (3, 7, 2), (4, 9, 4)]
)
def test_another_number_of_ranks_resumes_to_the_same_bits(before, step, after, tmp_path, expected):
    launch(PROGRAM, before, tmp_path, step, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "metrics.jsonl",
        "snapshot.safetensors",
    ]
    assert checksum(after, tmp_path) == expected
