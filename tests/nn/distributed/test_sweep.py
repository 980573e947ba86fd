"""A sweep in one process: a loop, with results, files and a table."""

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import nn
from nn import training
from nn._processes import current
from nn.distributed import _child
from nn.distributed._table import as_text, columns
from nn.distributed._trainings import described, in_words, trainings
from tinygrad_lite import Tensor

sweep = nn.distributed.sweep


def square(x: float, sign: int = 1) -> float:
    return sign * x * x


def without_times(rows):
    return [{k: v for k, v in row.items() if k not in ("seconds", "host")} for row in rows]


# What it trains with


def test_a_dict_of_lists_is_a_grid_whose_last_name_changes_fastest():
    assert trainings({"a": [1, 2], "b": range(2)}) == [
        {"a": 1, "b": 0}, {"a": 1, "b": 1}, {"a": 2, "b": 0}, {"a": 2, "b": 1}
    ]  # fmt: skip


def test_a_list_of_dicts_is_taken_as_it_is():
    assert trainings([{"a": 1}, {"b": 2}, {}]) == [{"a": 1}, {"b": 2}, {}]


def test_numpys_numbers_become_pythons():
    (found,) = trainings({"lr": np.logspace(-1, -1, 1)})
    assert type(found["lr"]) is float
    assert type(trainings([{"n": np.int64(3)}])[0]["n"]) is int


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (3, "sweep: options: expected a list of dicts, or a dict of lists; got 3"),
        ("lr", "sweep: options: expected a list of dicts, or a dict of lists; got 'lr'"),
        ([3], "sweep: options: expected a list of dicts, or a dict of lists; got 3"),
        ({"lr": 0.1}, "sweep: options: lr: expected a list of values; got 0.1"),
        ({"lr": "0.1"}, "sweep: options: lr: expected a list of values; got '0.1'"),
        ([{3: 4}], "sweep: options: a name: expected text; got 3"),
        ([{"x": object()}], "sweep: options: x: expected a number, text, None, or a list or dict"),
        ([{"x": 1, "y": 2}], "sweep: fn cannot be called with x=1, y=2: got an unexpected keyword"),
        ([{}], "sweep: fn cannot be called with : missing a required argument: 'x'"),
    ],
)
def test_wrong_options_are_one_line_before_anything_runs(options, said):
    with pytest.raises(TypeError) as caught:
        sweep(square, options)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_other_arguments_are_checked():
    with pytest.raises(TypeError, match="sweep: fn: "):
        sweep(3, [{}])
    with pytest.raises(ValueError, match="sweep: restarts: "):
        sweep(square, [{"x": 1}], restarts=-1)
    with pytest.raises(TypeError, match="sweep: quiet: "):
        sweep(square, [{"x": 1}], quiet="yes")


def test_options_in_words_and_as_json():
    each = {"lr": 0.1, "optimizer": nn.optim.SGD, "sizes": (3, 4), "name": None, "wide": True}
    assert in_words(each) == "lr=0.1, optimizer=SGD, sizes=(3, 4), name=None, wide=True"
    assert described(each) == {
        **{"lr": 0.1, "optimizer": "SGD", "sizes": [3, 4], "name": None, "wide": True}
    }


# Results


def test_the_rows_have_options_then_results_in_order():
    rows = sweep(square, {"x": [1.5, 2.0], "sign": [1, -1]}, quiet=True)
    assert [list(row)[:3] for row in rows] == [["x", "sign", "result"]] * 4
    assert [row["result"] for row in rows] == [2.25, -2.25, 4.0, -4.0]
    assert [row["rank"] for row in rows] == [0] * 4
    assert rows[0]["host"] == current().host


def test_nothing_to_do():
    assert sweep(square, [], quiet=True) == []
    assert sweep(square, {"x": []}, quiet=True) == []


@pytest.mark.parametrize(
    ("returned", "found"),
    [
        (3, {"result": 3}),
        (Tensor([2.5]), {"result": 2.5}),
        (np.float32(0.5), {"result": 0.5}),
        (np.array(4), {"result": 4}),
        ({"a": Tensor(1.0), "b": [np.int64(1), (2, None)]}, {"a": 1.0, "b": [1, [2, None]]}),
        ({"text": "x", "flag": np.bool_(True)}, {"text": "x", "flag": True}),
        ({}, {}),
        (None, {}),
    ],
)
def test_tensors_and_numpys_scalars_are_numbers(returned, found):
    (row,) = sweep(lambda: returned, [{}], quiet=True)
    assert {k: v for k, v in row.items() if k not in ("seconds", "rank", "host")} == found
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("returned", "got"),
    [
        ("good", "got 'good'"),
        ([1, 2], "got "),
        ({"a": np.zeros(2)}, "got "),
        (Tensor.zeros(2), "got "),
        ({"a": object()}, "got "),
        ({3: 4}, "got "),
        (1j, "got 1j"),
    ],
)
def test_anything_else_fails_with_its_reason(returned, got, capsys):
    (row,) = sweep(lambda: returned, [{}], quiet=True)
    assert "result" not in row
    assert row["failed"].startswith("TypeError: sweep: what fn returned")
    assert got in row["failed"]


def test_one_that_raises_does_not_end_the_others(capsys):
    def train(x):
        if x == 1:
            raise ValueError("no\nway")
        if x == 2:
            sys.exit("given up")
        return x

    rows = sweep(train, {"x": range(4)}, restarts=3)
    assert [row.get("failed") for row in rows] == [
        None, r"ValueError: no\nway", "it ended with status 1", None
    ]  # fmt: skip
    said = capsys.readouterr()
    assert r"2 of 4: x=1: failed: ValueError: no\nway in 0.0 s" in said.out.splitlines()
    assert "given up" in said.err
    assert said.err.count("Traceback") == 1  # not tried again


def test_for_lack_of_memory_it_is_started_again_and_resumes(capsys):
    seen = []

    def train(x):
        seen.append((x, current().restarted))
        if len(seen) < 3:
            raise MemoryError("too large")
        return x

    (row,) = sweep(train, [{"x": 1}], restarts=2)
    assert seen == [(1, False), (1, True), (1, True)]
    assert row["result"] == 1
    assert not current().restarted
    assert "x=1: MemoryError: too large; it is started again" in capsys.readouterr().out
    (row,) = sweep(lambda: train(0), [{}], quiet=True)
    seen.clear()
    (row,) = sweep(train, [{"x": 1}], restarts=1, quiet=True)
    assert row["failed"] == "MemoryError: too large (attempt 2 of 2)"


def test_each_training_begins_with_the_same_draws_and_the_program_goes_on():
    Tensor.manual_seed(3)
    first = Tensor.rand(1).item()
    then = Tensor.rand(1).item()
    Tensor.manual_seed(3)
    Tensor.rand(1)
    rows = sweep(lambda n: Tensor.rand(n)[0], {"n": [1, 2, 3]}, quiet=True)
    assert [row["result"] for row in rows] == [then] * 3
    assert Tensor.rand(1).item() == then != first


def test_a_report_of_a_training_that_was_started_again_resumes(tmp_path):
    steps = []

    def train():
        weight = nn.Parameter(np.zeros(1))
        with training.Report(epochs=1, steps=4, rows=4, out=tmp_path, quiet=True) as report:
            report.resume(weight=weight)
            for _ in range(report.taken, 4):
                weight.data += 1
                report.step(1)
                steps.append(report.taken)
                report.save()
                if len(steps) == 2:
                    raise MemoryError
        return weight

    (row,) = sweep(train, [{}], quiet=True)
    assert steps == [1, 2, 3, 4]
    assert row["result"] == 4


# The folder


def test_the_files(tmp_path, capsys):
    def train(x):
        if x == 2:
            raise ValueError("no")
        return {"y": x / 3, "list": [1, 2], "z": math.nan}

    rows = sweep(train, {"x": [1, 2]}, out=tmp_path / "new")
    with open(tmp_path / "new" / "results.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [*table[0]] == ["x", "y", "list", "z", "seconds", "rank", "host", "failed"]
    assert float(table[0]["y"]) == 1 / 3
    assert json.loads(table[0]["list"]) == [1, 2]
    assert table[1]["failed"] == "ValueError: no"
    assert table[1]["y"] == ""
    state = json.loads((tmp_path / "new" / "sweep.json").read_text())
    assert state["options"] == [{"x": 1}, {"x": 2}]
    assert list(state["finished"]) == ["0"]
    assert rows[0]["y"] == 1 / 3
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"kept in {tmp_path / 'new'}: sweep.json, results.csv"
    )


def test_the_same_sweep_goes_on_where_it_was(tmp_path, capsys):
    seen = []

    def train(x):
        seen.append(x)
        if x == 1 and len(seen) < 4:
            raise ValueError("once")
        return x / 7

    first = sweep(train, {"x": range(3)}, out=tmp_path)
    assert "failed" in first[1]
    capsys.readouterr()
    again = sweep(train, {"x": range(3)}, out=tmp_path)
    assert seen == [0, 1, 2, 1]
    assert [row["result"] for row in again] == [0, 1 / 7, 2 / 7]
    assert again[0] == first[0]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"resuming in {tmp_path}: 2 of 3 are finished"
    assert lines[1].startswith("3 of 3: x=1: result 0.1429 in ")
    assert sweep(train, {"x": range(3)}, out=tmp_path, quiet=True) == again
    assert len(seen) == 4
    sweep(train, {"x": range(3)}, out=tmp_path, resume=False, quiet=True)
    assert seen[4:] == [0, 1, 2]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"x": [1, 3]}, "training 2 of the sweep there has x=2; this one has x=3"),
        ({"x": [1]}, "the sweep there has 2 trainings; this one has 1"),
    ],
)
def test_another_sweep_in_that_folder_is_one_line(tmp_path, capsys, other, said):
    sweep(square, {"x": [1, 2]}, out=tmp_path, quiet=True)
    with pytest.raises(SystemExit) as caught:
        sweep(square, other, out=tmp_path, quiet=True)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"{tmp_path}/sweep.json: {said}; use another folder, or resume=False"
    rows = sweep(square, {"x": [1, 2]}, out=tmp_path, quiet=True)  # nothing was lost, or locked
    assert [row["result"] for row in rows] == [1, 4]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"options": [], "finished": {"3": []}}', b"[" * 9999]
)
def test_a_file_that_no_sweep_wrote_is_one_line(tmp_path, capsys, content):
    (tmp_path / "sweep.json").write_bytes(content)
    with pytest.raises(SystemExit) as caught:
        sweep(square, {"x": [1]}, out=tmp_path)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "this was not written by sweep; remove it, or use another folder" in line
    assert (tmp_path / "sweep.json").read_bytes() == content


def test_nan_among_the_options_is_the_same_option(tmp_path):
    for _ in range(2):
        rows = sweep(lambda x: 1, {"x": [math.nan]}, out=tmp_path, quiet=True)
    assert rows[0]["result"] == 1


def test_two_sweeps_in_one_folder_are_refused(tmp_path, capsys):
    def train():
        sweep(square, {"x": [1]}, out=tmp_path)

    (row,) = sweep(train, [{}], out=tmp_path, quiet=True)
    assert row["failed"] == "it ended with status 2"
    assert "another run is writing there" in capsys.readouterr().err


# The table


def test_numbers_end_below_each_other_and_failures_come_last():
    options = [{"lr": 0.1, "name": "a"}, {"lr": 10.0}]
    rows = [
        {"lr": 0.1, "name": "a", "loss": 1 / 3, "seconds": 1.0, "rank": 0, "host": "h"},
        {"lr": 10.0, "seconds": 20.5, "rank": 12, "host": "h", "failed": "x" * 200},
    ]
    names = columns(options, rows)
    assert names == ["lr", "name", "loss", "seconds", "rank", "host", "failed"]
    first, second, third = as_text(names, rows)
    assert first == " lr  name      loss  seconds  rank  host  failed"
    assert second == "0.1  a     0.333333        1     0  h"
    assert third.startswith(f" 10{21 * ' '}20.5    12  h     xxx")
    assert len(third) < 160


def test_what_fn_returns_under_one_of_our_names_stays():
    (row,) = sweep(lambda: {"seconds": -1.0, "rank": "best"}, [{}], quiet=True)
    assert (row["seconds"], row["rank"]) == (-1.0, "best")


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_a_report_took_ends_the_sweep(tmp_path, capsys, number):
    """The training returns the result of its half; that is not kept, and no further one begins."""
    seen = []

    def train(x):
        seen.append(x)
        with training.Report(epochs=1, steps=3, rows=3, quiet=True) as report:
            try:
                for step in range(3):
                    if x == 1 and step == 1:
                        signal.raise_signal(number)
                    report.step(1)
            except KeyboardInterrupt as stop:
                report.stopped(stop)
            return report.taken

    with pytest.raises(training.Stopped) as caught:
        sweep(train, {"x": range(3)}, out=tmp_path)
    assert caught.value.number == number
    assert seen == [0, 1]
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == f"the sweep was stopped; 1 of 3 trainings are finished, and kept in {tmp_path}"
    rows = sweep(lambda x: -1, {"x": range(3)}, out=tmp_path, quiet=True)
    assert [row["result"] for row in rows] == [3, -1, -1]


def test_ctrl_c_without_a_report(tmp_path):
    def train(x):
        if x:
            signal.raise_signal(signal.SIGINT)
        return x

    with pytest.raises(KeyboardInterrupt):
        sweep(train, {"x": range(3)}, out=tmp_path, quiet=True)
    assert list(json.loads((tmp_path / "sweep.json").read_text())["finished"]) == ["0"]
    assert signal.set_wakeup_fd(-1) == -1


# A process of its own


def ended(fn, options, **more):
    """The outcome of a child, and what it printed."""
    child = _child.Child(_child.pickled(fn, [options]), options, _state(), False, **more)
    printed, outcome, deadline = b"", None, time.monotonic() + 60
    try:
        while outcome is None and time.monotonic() < deadline:
            time.sleep(0.01)
            more_printed, outcome = child.look()
            printed += more_printed
    finally:
        child.close()
    return outcome, printed


def _state():
    from tinygrad_lite import generator

    return generator.get_state()


def test_a_child_returns_what_the_loop_does():
    from statistics import mean

    outcome, printed = ended(mean, {"data": [1, 2, 4.5]})
    assert (outcome.kind, outcome.result, printed) == ("finished", {"result": 2.5}, b"")


@pytest.mark.parametrize(
    ("fn", "options", "reason"),
    [
        (os._exit, {"status": 3}, "its process ended with status 3"),
        (os.abort, {}, "its process was killed by SIGABRT"),
    ],
)
def test_a_child_that_dies_says_how(fn, options, reason):
    outcome, _ = ended(fn, options)
    assert (outcome.kind, outcome.reason) == ("died", reason)


def test_a_function_that_no_new_process_can_have_is_one_line():
    with pytest.raises(
        TypeError, match=r"^sweep: each training has a process of its own, to which"
    ):
        _child.pickled(lambda: 1, [{}])
    with pytest.raises(TypeError, match="needs besides by functools"):
        _child.pickled(square, [{"x": lambda: 1}])


def test_what_a_launcher_sets_is_removed():
    ours = {"PMI_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "0", "SLURM_PROCID": "3"}
    other = {"PATH": "x", "SLURM_JOB_ID": "4", "OMP_NUM_THREADS": "2"}
    assert _child.without_launcher({**ours, **other}) == other


def test_without_mpiexec_nothing_of_mpi_is_imported():
    program = "import sys, nn; nn.distributed.sweep(max, []); print('mpi4py' in sys.modules)"
    root = Path(nn.__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True
    )
    assert run.stdout.split() == ["False"]
