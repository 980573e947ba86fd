"""trace_nan: the op that made the first inf or nan, where, from what, and what to do about it."""

import inspect
from typing import Any

import numpy as np
import pytest
from show.nan_cases import CASES, Case

from tinygrad_lite import keep_values, trace_nan

WARNS = "ignore:(.*all scores along|.*no degree of freedom|the loss is)"


def marked_line(build: Any) -> str:
    """The "file:line" of the line marked `# here`."""
    lines, start = inspect.getsourcelines(build)
    (offset,) = (number for number, line in enumerate(lines) if line.endswith("# here\n"))
    return f"nan_cases.py:{start + offset}"


def check(case: Case, result: Any) -> None:
    assert result.found
    assert (result.op, result.direction, result.index) == (case.op, case.direction, case.index)
    np.testing.assert_array_equal(result.number, case.number)
    assert case.repair in result.repair


@pytest.mark.filterwarnings(WARNS)
@pytest.mark.parametrize("name", CASES)
def test_of_a_kept_graph_all_is_known(name: str) -> None:
    case = CASES[name]
    with keep_values():
        loss, leaves = case.build()
    before = [leaf.grad for leaf in leaves]
    result = trace_nan(loss)
    check(case, result)
    assert result.line is not None
    assert result.line.endswith(marked_line(case.build))
    assert result.known_from is None
    assert [leaf.grad for leaf in leaves] == before == [None] * len(leaves)
    with keep_values():
        loss, leaves = case.build()
        loss.backward()
    del leaves
    assert repr(trace_nan(loss)) == repr(result)


@pytest.mark.filterwarnings(WARNS)
@pytest.mark.parametrize("name", CASES)
def test_of_a_live_graph_the_saved_arrays_show_it(name: str) -> None:
    case = CASES[name]
    loss, leaves = case.build()
    result = trace_nan(loss)
    assert result.line is None
    assert all(leaf.grad is None for leaf in leaves)
    if case.live:
        check_live(case, result)
    else:
        assert "is the first op known to have" in result.headline
        assert "earlier ones are unknown" in result.known_from
        assert "keep_values" in result.repair


def check_live(case: Case, result: Any) -> None:
    assert (result.op, result.direction, result.index) == (case.op, case.direction, case.index)
    np.testing.assert_array_equal(result.number, case.number)
    assert case.repair in result.repair


@pytest.mark.filterwarnings(WARNS)
@pytest.mark.parametrize("name", CASES)
def test_of_a_released_graph_it_says_what_to_do(name: str) -> None:
    loss, leaves = CASES[name].build()
    loss.backward()
    result = trace_nan(loss)
    assert result.found
    assert result.direction == CASES[name].direction
    assert result.op is None
    assert "before backward, or call inside `with keep_values():`" in result.known_from
    del leaves
