"""The processes are started with real sides: a spawned process must be able to import them."""

from functools import partial
from importlib import import_module

import numpy as np
import pytest
from pairing import (
    Case,
    Settings,
    Side,
    SideBroke,
    compare,
    demand_close,
    demand_same_bits,
    in_a_process,
    moved,
)
from workloads.graph_order import chain, kahn, sorting

from tinygrad_lite.engine.graph import topological_order

QUICK = Settings(quick=True, rounds=1)


def close(a: object, b: object, tolerance: float = 1e-4, loss: float = 1.0) -> None:
    demand_close("A", [np.float32(loss), np.array(a)], "B", [np.float32(1), np.array(b)], tolerance)


def test_equal_numbers_are_close() -> None:
    close([1.0, 2.0], [1.0, 2.0])
    close([0.0, 0.0], [0.0, 0.0])
    close([0.0, 2.0], [1e-4, 2.0])  # beside the largest, not beside itself


def test_other_numbers_are_refused_and_named() -> None:
    with pytest.raises(RuntimeError, match=r"array 1 of A differs from that of B by 1\.0e-03"):
        close([0.0, 1.001], [0.0, 1.0])
    with pytest.raises(RuntimeError, match=r"the loss of A differs .* at most 0\.0001"):
        close([1.0], [1.0], tolerance=0.1, loss=1.01)
    close([1.01], [1.0], tolerance=0.1)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_not_close(wrong: float) -> None:
    with np.errstate(invalid="ignore"):
        for pair in (([wrong], [1.0]), ([1.0], [wrong]), ([wrong], [wrong])):
            with pytest.raises(RuntimeError, match="differs"):
                close(*pair)


def test_another_shape_is_refused_although_it_broadcasts() -> None:
    with pytest.raises(RuntimeError, match=r"has shape \(1,\); that of B has \(2,\)"):
        close([1.0], [1.0, 1.0])


def test_another_number_of_arrays_is_refused() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        demand_close("A", [np.ones(1)], "B", [np.ones(1), np.ones(1)])


def test_movement_shows_a_wrong_gradient_that_the_parameter_hides() -> None:
    start = np.full(3, 100.0)
    right, wrong = start - 0.001, start - 0.002
    close(wrong, right)
    with pytest.raises(RuntimeError, match="differs"):
        close(moved([wrong], [start]), moved([right], [start]))


@pytest.mark.parametrize("rounds", [1, 2, 4, 5, 7, 13, 30, 31])
def test_the_generations_share_the_rounds(rounds: int) -> None:
    shares = Settings(rounds=rounds).shares()
    assert sum(shares) == rounds
    assert max(shares) - min(shares) <= 1
    assert len(shares) == max(1, rounds // 5)


def test_peers_are_chosen_by_package() -> None:
    ours, torch, compiled = (Side("a", list, p) for p in ("ours", "torch", "torch.compile"))
    only = Settings(peers=("torch",))
    assert [only.wants(side) for side in (ours, torch, compiled)] == [True, True, False]
    assert all(Settings().wants(side) for side in (ours, torch, compiled))
    assert not QUICK.wants(compiled)


def side(order, length: int = 10, package: str = "numpy") -> Side:
    return Side(order.__name__, partial(sorting, order, chain, length), package, (1000.0,))


def test_a_peer_that_is_missing_or_breaks_is_a_note() -> None:
    broken = [
        Side("missing", partial(import_module, "no_such_package"), "missing"),
        Side("broken", partial(divmod, 1, 0), "broken"),
        Side("other", partial(exec, "import os; os._exit(1)"), "other"),
    ]
    ours = side(topological_order, package="ours")
    outcome = compare(Case("order", [ours, *broken, side(kahn)], 1), QUICK)
    assert [(row.peer, row.verdict) for row in outcome.rows] == [("kahn", "<= 1000.0: met")]
    assert outcome.notes == [
        "order, missing: not here: No module named 'no_such_package'",
        "order, broken: ZeroDivisionError: integer division or modulo by zero",
        "order, other: its process ended",
    ]


def test_a_captured_step_is_measured_beside_ours_and_beside_the_peers() -> None:
    ours, captured = side(topological_order, package="ours"), partial(sorting, kahn, chain, 10)
    case = Case("order", [ours, side(kahn)], 1, captured=captured)
    outcome = compare(case, QUICK)
    assert [(row.what, row.peer) for row in outcome.rows] == [
        *(("order", "kahn"), ("order, captured", "topological_order"), ("order, captured", "kahn")),
    ]
    assert outcome.facts[0].text.startswith("order: recording takes as long as ")


def test_a_captured_step_with_other_bits_is_refused() -> None:
    start = [np.ones(3, np.float32)]
    demand_same_bits("A", start, "B", [np.ones(3, np.float32)])
    with pytest.raises(RuntimeError, match="the loss of A has other bits than that of B"):
        demand_same_bits("A", start, "B", [np.nextafter(start[0], np.float32(2))])


def test_ours_must_not_break() -> None:
    ours = Side("ours", partial(divmod, 1, 0))
    with pytest.raises(SideBroke, match="ZeroDivisionError"):
        compare(Case("order", [ours, side(kahn)], 1), QUICK)


def test_a_side_with_another_result_is_refused_before_any_timing() -> None:
    ours = side(topological_order, package="ours")
    with pytest.raises(RuntimeError, match="array 1 of kahn differs"):
        compare(Case("order", [ours, side(kahn, length=12)], 1), QUICK)


def test_a_case_without_peers_takes_no_time() -> None:
    ours = Side("ours", partial(divmod, 1, 0))
    outcome = compare(Case("order", [ours, side(kahn)], 1), Settings(peers=("torch",)))
    assert (outcome.rows, outcome.notes) == ([], [])


def test_a_call_in_a_process_of_its_own() -> None:
    assert in_a_process(divmod, 7, 2) == (3, 1)
