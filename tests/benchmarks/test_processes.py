"""The benchmark of several processes: its model of messages, and its table."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "processes"


def loaded(name: str):
    spec = importlib.util.spec_from_file_location(f"processes_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_model_of_messages_by_hand():
    network = loaded("network")
    # 8 processes: 6 messages one after the other, or 14; 7/4 of 1000 bytes at 2 ns each.
    assert network.free_order(1000, 8, 1e-5, 2e-9) == pytest.approx(6e-5 + 3.5e-6)
    assert network.fixed_order(1000, 8, 1e-5, 2e-9) == pytest.approx(14e-5 + 3.5e-6)
    # The time of a step on 2 processes is half of that on one, and what the messages take.
    assert network.speed_up(0.1, 1000, 2, 1e-5, 2e-9) == pytest.approx(0.1 / (0.05 + 2.2e-5))


def test_alpha_and_beta_are_found_in_times_that_follow_the_model():
    times = {size: 2e-5 + 3e-9 * size for size in (8, 1000, 100_000, 4_000_000)}
    np.testing.assert_allclose(loaded("network").fitted(times), (2e-5, 3e-9), rtol=1e-6)


def test_the_table_has_ratios_within_rounds(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER.parent)
    main = loaded("__main__")
    sides = main.sides("gpt", 3)
    found = {side: [1.0, 10.0, 100.0] for side in sides} | {"two": [2.0, 17.0, 210.0]}
    (row,) = [row for row in main.rows("gpt", found) if row[1:3] == ["two", "one"]]
    assert row == ["gpt", "two", "one", "17", "10", "2.00", "1.70 to 2.10", ">= 1.8"]
    assert {side for pair in main.RATIOS for side in pair[:2]} == set(sides)
    assert sys.executable in sides["one"][0]
