import json

import overhead
import pytest

from tinygrad_lite import Tensor

GROWTH = 1.1
PROGRAMS = overhead.programs()


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_work_for_small_operations_has_not_grown(name: str) -> None:
    recorded = overhead.record()
    if not recorded:
        pytest.skip(f"benchmarks/overhead.json has no record for Python {overhead.PYTHON}")
    for what, number in overhead.count(PROGRAMS[name]).items():
        assert number <= GROWTH * recorded[name][what], (
            f"{name} takes {number} {what}, recorded are {recorded[name][what]}; make it less, or "
            "say in the commit what it is worth and run python benchmarks/overhead.py --write"
        )


@pytest.mark.parametrize("name", PROGRAMS)
def test_two_counts_are_equal(name: str) -> None:
    first = overhead.count(PROGRAMS[name])
    assert first == overhead.count(PROGRAMS[name])
    assert all(first.values())


def test_one_more_operation_is_seen() -> None:
    x = Tensor(1.0, requires_grad=True)
    one, two = overhead.count(lambda: x * x), overhead.count(lambda: x * x * x)
    assert two["instructions"] == 2 * one["instructions"] > 0


def test_there_is_a_record_for_the_oldest_python() -> None:
    records = json.loads(overhead.RECORD.read_text())
    assert set(records["3.11"]) == set(PROGRAMS)
