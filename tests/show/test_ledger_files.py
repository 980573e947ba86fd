"""Files of a ledger: traces in Chromium's format, and rows as CSV; and times under keep_values."""

import csv
import json
import os
import time

import numpy as np
import pytest

import nn
from tinygrad_lite import Function, Tensor, cost, keep_values, profile
from tinygrad_lite.show.graph import keeping


def measured():
    Tensor.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    with profile() as ledger:
        loss = model(np.ones((5, 4), np.float32)).cross_entropy(np.zeros(5, np.int64))
        loss.backward()
    return ledger, loss


def test_a_trace_has_the_documented_form(tmp_path) -> None:
    ledger, _ = measured()
    ledger.save(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text("ascii"))
    assert trace["displayTimeUnit"] == "ms"
    spans = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert {event["ph"] for event in trace["traceEvents"]} == {"M", "X"}
    for event in spans:
        assert event.keys() == {"ph", "name", "cat", "ts", "dur", "pid", "tid", "args"}
        assert isinstance(event["name"], str)
        assert event["cat"] in {"forward", "backward", "module"}
        assert event["ts"] >= 0
        assert event["dur"] >= 0
        assert event["pid"] == event["tid"] == 1
        assert all(isinstance(value, str) for value in event["args"].values())
    names = [event["name"] for event in spans]
    assert names[:3] == ["Sequential", "Sequential.0", "Linear"]
    assert names[names.index("Relu backward") + 1] == "Mask"  # inside that rule
    assert {"Linear backward", "CrossEntropy backward", "Mean backward"} < set(names)
    # Of two spans one lies in the other, or they do not touch.
    open_until = []
    for event in spans:
        end = event["ts"] + event["dur"]
        while open_until and open_until[-1] <= event["ts"] + 1e-9:
            open_until.pop()
        assert not open_until or end <= open_until[-1] + 1e-6
        open_until.append(end)


def test_durations_are_microseconds(tmp_path) -> None:
    class Sleeps(Function):
        def forward(self, x):
            time.sleep(0.005)
            return x * 1.0

        def backward(self, g, y, x):
            return (g,)

    with profile() as ledger:
        Sleeps.apply(Tensor([1.0], requires_grad=True))
    ledger.save(os.fsencode(tmp_path / "trace.JSON"))
    events = json.loads((tmp_path / "trace.JSON").read_text())["traceEvents"]
    (span,) = [event for event in events if event["name"] == "Sleeps"]
    assert 5_000 <= span["dur"] == pytest.approx(ledger.by("op").total.forward * 1e6, rel=1e-3)


def test_rows_as_csv(tmp_path) -> None:
    ledger, loss = measured()
    for one in (ledger, cost(loss)):
        one.save(tmp_path / "rows.csv")
        with open(tmp_path / "rows.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        linear = [row for row in rows if row["op"] == "Linear"]
        assert [row["module"] for row in linear] == ["Sequential.0", "Sequential.2"]
        assert [row["forward_flops"] for row in linear] == ["360", "255"]
        assert sum(int(row["calls"]) for row in rows) == one.by("op").total.calls


def test_what_cannot_be_written_is_told(tmp_path) -> None:
    ledger, loss = measured()
    with pytest.raises(ValueError, match=r"Ledger.save: expected a path that ends in .json"):
        ledger.save(tmp_path / "trace.txt")
    with pytest.raises(ValueError, match="nothing was measured, so there is no trace"):
        cost(loss).save(tmp_path / "trace.json")
    with pytest.raises(FileNotFoundError, match=r"Ledger.save"):
        ledger.save(tmp_path / "missing" / "trace.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("inner", ["profile", "keep_values"])
def test_what_keep_values_copies_is_in_no_time(inner, monkeypatch) -> None:
    def slowly(value):
        time.sleep(0.01)
        return value

    for name in ("_copied", "_copied_anew"):
        monkeypatch.setattr(keeping, name, slowly)
    w = Tensor([1.0, 2.0], requires_grad=True)
    if inner == "profile":
        with keep_values(), profile() as ledger:
            w.sum().backward()
    else:
        with profile() as ledger, keep_values():
            w.sum().backward()
    assert ledger.by("op").total.seconds == pytest.approx(ledger.seconds, rel=1e-6)
    assert ledger.overhead >= 0.04  # an input, a result, a gradient, and what the rule returned
    (row,) = [row for row in ledger.by("op") if row.op == "Sum"]
    assert row.calls == 1
    assert row.forward + row.backward < 0.01
