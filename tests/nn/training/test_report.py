"""Report: lines, records, signals, files, and what a run that goes on says."""

import copy
import re
import signal
import sys

import numpy as np
import pytest
from terminal import screen, terminal

import nn
from nn import training
from nn._processes import RANKS, SIZES
from nn.training import Metrics, Report, Stopped, _launched
from tinygrad_lite import Tensor

OPTIONS = {"epochs": 2, "steps": 2, "rows": 6, "unit": "words"}


@pytest.fixture(autouse=True)
def usual_signals():
    """Ctrl-C raises, also where the tests run behind `&`."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def without_times(line: str) -> str:
    return re.sub(r"[\d.]+k? words/s", "N words/s", line)


def timeless(records):
    return [{k: v for k, v in each.items() if "second" not in k} for each in records]


def steps(report, numbers):
    """Steps of 4 and 2 rows in turn."""
    for number in numbers:
        report.step(4 if number % 2 else 2, loss=number / 2, accuracy=0.25)


def whole(report):
    steps(report, [1, 2])
    report.epoch(held_out_accuracy=0.5)
    steps(report, [3, 4])
    report.epoch(held_out_accuracy=0.75)


def test_lines_of_epochs_have_means_over_rows(capsys):
    with Report(**OPTIONS, name="text") as report:
        whole(report)
        report.say("said")
        report.result("result")
    out, err = capsys.readouterr()
    assert [without_times(line) for line in out.splitlines()] == [
        # (4 * 0.5 + 2 * 1) / 6, (4 * 1.5 + 2 * 2) / 6
        "text epoch 1/2: loss 0.6667, accuracy 25.00 %, held out 50.00 %, N words/s",
        "text epoch 2/2: loss 1.6667, accuracy 25.00 %, held out 75.00 %, N words/s",
        "said",
        "result",
    ]
    assert err == ""


def test_quiet_prints_the_result_only(capsys):
    with Report(**OPTIONS, quiet=True) as report:
        whole(report)
        report.say("said")
        report.result("result")
    assert capsys.readouterr() == ("result\n", "")


def test_records_hold_means_over_the_last_steps_and_over_epochs():
    with Report(**OPTIONS, every=2, quiet=True) as report:
        whole(report)
        assert timeless(report.metrics.records("step")) == [
            {"kind": "step", "step": 2, "epoch": 1.0, "loss": 0.75, "accuracy": 0.25},
            {"kind": "step", "step": 4, "epoch": 2.0, "loss": 1.75, "accuracy": 0.25},
        ]
        first, _ = report.metrics.records("epoch")
        assert first.keys() >= {"seconds", "words_per_second"}
        assert timeless([first]) == [
            {
                **{"kind": "epoch", "epoch": 1, "step": 2, "loss": 4 / 6},
                **{"accuracy": 0.25, "held_out_accuracy": 0.5},
            }
        ]


def test_on_a_terminal_a_live_line_has_means_over_the_last_steps(monkeypatch):
    monkeypatch.setattr(training.progress, "INTERVAL", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    with terminal() as (stream, read), monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        with Report(**OPTIONS, every=2) as report:
            whole(report)
            report.result("result")
        written = read(stream)
    assert "loss 0.7500, accuracy 25.00 % |" in written
    assert [line.split(":")[0] for line in screen(written)] == [
        *("epoch 1/2", "epoch 2/2", "result", "")
    ]


@pytest.mark.parametrize("value", [Tensor(0.5), Tensor([0.5]), np.float32(0.5), np.array(0.5)])
def test_values_may_be_tensors_and_arrays_of_one(value):
    with Report(**OPTIONS, every=1, quiet=True) as report:
        report.step(2, loss=value)
        assert report.metrics.records("step")[0]["loss"] == 0.5


def test_a_count_is_told_as_one(capsys):
    with Report(**OPTIONS) as report:
        report.epoch(held_out_errors=15, held_out_accuracy=1)
    assert "epoch 1/2: held out errors 15, held out 100.00 %, " in capsys.readouterr().out


@pytest.mark.parametrize("value", ["0.5", None, Tensor([1.0, 2.0]), [1.0], np.ones(2)])
def test_other_values_are_refused_and_change_nothing(value):
    with Report(**OPTIONS, quiet=True) as report:
        with pytest.raises(TypeError, match=r"^Report: loss: expected a number; got"):
            report.step(2, loss=value)
        assert (report.taken, report.seen, report.totals) == (0, 0, {})
        with pytest.raises(TypeError, match=r"^Report: loss: expected a number; got"):
            report.epoch(loss=value)
        assert report.finished == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"epochs": 1.5}, "Report: epochs: expected an integer; got 1.5"),
        ({"rows": -1}, "Report: rows: expected an integer of 0 or more; got -1"),
        ({"every": 0}, "Report: every: expected an integer of 1 or more; got 0"),
        ({"quiet": None}, "Report: quiet: expected True or False; got None"),
    ],
)
def test_a_wrong_argument_is_named(options, said):
    with pytest.raises((TypeError, ValueError)) as caught:
        Report(**(OPTIONS | options))
    assert str(caught.value) == said


def test_nan_and_inf_are_told(capsys):
    with Report(epochs=1, steps=1, rows=1) as report:
        report.step(1, loss=float("nan"), scale=float("inf"))
        report.epoch()
    assert capsys.readouterr().out.startswith("epoch 1/1: loss nan, scale inf, ")


# Signals.


def test_a_signal_stops_after_the_step_or_the_epoch(capsys):
    with Report(**OPTIONS) as report:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Stopped) as stop:
            steps(report, [1])
        assert report.taken == 1
        report.stopped(stop.value, "the best weights are kept")
        assert report.status(1.0, 0.0) == 143
    out, err = capsys.readouterr()
    assert (out, err) == ("stopped after 1 of 4 steps; the best weights are kept\n", "")
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(("score", "status"), [(None, 0), (90.0, 0), (89.9, 1)])
def test_the_status_is_that_of_the_score(capsys, score, status):
    with Report(**OPTIONS) as report:
        assert report.status(score, 90, " %") == status
    said = "that is below the target of 90 %, so the status is 1\n"
    assert capsys.readouterr().err == said * status


@pytest.mark.parametrize(("error", "said"), [
    (None, ""), (0.01, ""), (0.2, "above the target of 0.01"),
    (float("nan"), "not a number, where the target is 0.01"),
])  # fmt: skip
def test_the_status_of_an_error_is_1_above_the_target(capsys, error, said):
    with Report(**OPTIONS) as report:
        assert report.status(error, 0.01, lower_is_better=True) == bool(said)
    assert capsys.readouterr().err == (f"that is {said}, so the status is 1\n" if said else "")


def test_nan_misses_every_target(capsys):
    with Report(**OPTIONS) as report:
        assert report.status(float("nan"), 0.0, " %") == 1
    assert "not a number, where the target is 0 %" in capsys.readouterr().err


# Files, and going on.


def train(out, *, resume=False, stop_after=None, name="report"):
    """A small training in a folder: the lines it said, and the records."""
    model = nn.Linear(2, 1)
    sgd = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    X = np.arange(12, dtype=np.float32).reshape(6, 2) / 12
    loader = nn.data.DataLoader(X, X.sum(1, keepdims=True), batch_size=2, shuffle=True, seed=0)
    lines = []
    with Report(epochs=3, steps=3, rows=6, out=out, resume=resume, every=2, kept=()) as report:
        report.say = lines.append
        values = report.resume({"lr": 0.1}, model=model, sgd=sgd, loader=loader)
        assert (values is None) == (not lines or "no snapshot" in lines[0])
        try:
            for _ in range(loader.epoch, 3):
                for x, y in loader:
                    loss = ((model(x) - y) ** 2).mean()
                    sgd.zero_grad()
                    loss.backward()
                    sgd.step()
                    if report.taken + 1 == stop_after:
                        signal.raise_signal(signal.SIGINT)
                    report.step(len(x), loss=loss.item())
                report.epoch(weight=model.weight.numpy()[0, 0])
                report.save(extra=1)
        except KeyboardInterrupt as stop:
            report.stopped(stop, extra=1)
        report.result("end")
    return lines, Metrics.read(out / "metrics.jsonl").records()


def quiet_training(folder, capsys, **options):
    Tensor.manual_seed(0)
    found = train(folder, **options)
    capsys.readouterr()
    return found


@pytest.mark.parametrize("stop_after", [1, 3, 4, 8, 9])
def test_a_run_that_was_stopped_goes_on_to_the_same_lines_and_records(capsys, tmp_path, stop_after):
    lines, records = quiet_training(tmp_path / "whole", capsys)
    first, _ = quiet_training(tmp_path / "out", capsys, stop_after=stop_after)
    Tensor.manual_seed(7)
    second, found = train(tmp_path / "out", resume=True)
    assert f"stopped after {stop_after} of 9 steps" in first
    assert second[0] == f"resuming in {tmp_path / 'out'} after step {stop_after} of 9"
    assert timeless(found) == timeless(records)
    epochs = [line for line in first + second if line.startswith("epoch")]
    expected = [line for line in lines if line.startswith("epoch")]
    assert [line.rpartition(",")[0] for line in epochs] == [
        line.rpartition(",")[0] for line in expected
    ]


def test_without_resume_nothing_of_the_earlier_run_stays(capsys, tmp_path):
    out = tmp_path / "out"
    quiet_training(out, capsys, stop_after=5)
    (out / "notes.txt").write_text("mine")
    lines, records = quiet_training(out, capsys)
    assert len([each for each in records if each["kind"] == "epoch"]) == 3
    assert not any("going on" in line for line in lines)
    assert (out / "notes.txt").read_text() == "mine"


def test_resume_without_a_snapshot_begins(capsys, tmp_path):
    lines, _ = quiet_training(tmp_path / "out", capsys, resume=True)
    assert lines[0] == (f"there is no snapshot in {tmp_path / 'out'}: starting with the first step")


def test_another_config_is_told_and_options_that_change_no_number_are_not(capsys, tmp_path):
    weight = Tensor([1.0])
    for config, resume in (({"lr": 1, "out": "a"}, False), ({"lr": 2, "out": "b"}, True)):
        with Report(**OPTIONS, out=tmp_path, resume=resume, quiet=True, kept=()) as report:
            if resume:
                with pytest.warns(UserWarning, match=r": config[^,]*: lr 1 -> 2$"):
                    report.resume(config, weight=weight)
            else:
                report.resume(config, weight=weight)
                report.save()


@pytest.mark.parametrize(
    "change",
    [
        {"counts": [1, 2, 3]},
        {"counts": [1, 2, 3, -1]},
        {"counts": [1, 2, 3, True]},
        {"seconds": float("nan")},
        {"seconds": "1"},
        {"totals": {"loss": [1.0]}},
        {"totals": {"loss": ["a", 1]}},
        {"recent": {"loss": []}},
        {"recent": [1.0]},
        {"more": 1},
    ],
)
def test_a_hostile_state_is_refused_and_changes_nothing(change):
    with Report(**OPTIONS, quiet=True) as report:
        steps(report, [1, 2])
        before = copy.deepcopy({k: v for k, v in report.state_dict().items() if k != "seconds"})
        with pytest.raises(ValueError, match=r"^Report\.load_state_dict: "):
            report.load_state_dict(report.state_dict() | change)
        after = {k: v for k, v in report.state_dict().items() if k != "seconds"}
        assert after == before
    with Report(**OPTIONS, quiet=True) as report, pytest.raises(ValueError, match="expected what"):
        report.load_state_dict(5)


def test_without_a_folder_files_are_not_written():
    with Report(**OPTIONS, quiet=True) as report:
        report.keep("weights", lambda path: pytest.fail("written"))
        assert report.resume(model=nn.Linear(1, 1)) is None
        report.save()


def test_a_text_is_kept_whole_or_not_at_all(capsys, tmp_path):
    with Report(**OPTIONS, out=tmp_path, kept=["sample.txt"]) as report:
        report.keep("sample.txt", "naïve\n")
        assert (tmp_path / "sample.txt").read_bytes() == b"na\xc3\xafve\n"
        with pytest.raises(UnicodeEncodeError):
            report.keep("sample.txt", "\ud800")
        report.result("done")
    assert (tmp_path / "sample.txt").read_bytes() == b"na\xc3\xafve\n"
    assert "sample.txt" in capsys.readouterr().out


# Best.


def test_the_best_weights_are_restored_and_of_equals_the_first():
    model = nn.Linear(1, 1, bias=False)
    best = training.Best(model)
    assert not best.restore()
    assert best.words == "the weights as they are now"
    kept = []
    for value, score in ((1.0, 0.5), (2.0, 0.9), (3.0, 0.9), (4.0, float("nan")), (5.0, 0.1)):
        model.weight.data[...] = value
        kept.append(best.update(score))
    assert kept == [True, True, False, False, False]
    assert best.words == "the best weights so far"
    assert best.restore()
    assert model.weight.numpy().item() == 2.0


def test_a_first_score_that_is_not_a_number_keeps_weights_too():
    best = training.Best(nn.Linear(1, 1))
    assert best.update(float("nan"))
    assert best.update(-5)


def test_the_state_of_best_is_that_of_its_model(tmp_path):
    model = nn.Linear(2, 1)
    best = training.Best(model)
    best.update(3)
    snapshot = training.Snapshot(tmp_path / "a.safetensors", model=model, best=best)
    snapshot.save()
    expected = best.weights["weight"].numpy().copy()
    best.update(4)
    best.weights["weight"].data[...] = 9
    snapshot.resume()
    assert best.score == 3.0
    assert (best.weights["weight"].numpy() == expected).all()
    for state in (
        {},
        {"score": float("nan"), "weights": {}},
        {"score": 1.0, "weights": {}},
        {"score": 1.0, "weights": {"weight": np.ones((2, 1)), "bias": np.ones(1)}},
        {"score": None, "weights": {"weight": np.ones(1)}},
        {"score": "1", "weights": {}},
    ):
        with pytest.raises(ValueError, match=r"^Best\.load_state_dict: "):
            best.load_state_dict(state)
        assert best.score == 3.0


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"PMI_SIZE": "4", "PMI_RANK": "0"},
            "mpiexec or srun started 4 processes",
        ),
        ({"PMI_SIZE": "4", "PMI_RANK": "3"}, ""),
        ({"PMI_SIZE": "1", "PMI_RANK": "0"}, ""),
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "4"}, ""),  # a batch step
        ({"SLURM_STEP_NUM_TASKS": "2", "PMIX_RANK": "0"}, "mpiexec or srun started 2 processes"),
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}, "mpiexec or srun started 2 processes"),
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"}, ""),  # srun without PMI
        ({"PMI_SIZE": "2", "PMI_RANK": "0", "SLURM_PROCID": "1"}, "mpiexec or srun started 2 proc"),
    ],
)
def test_processes_that_do_not_know_of_each_other_are_told(
    capsys, monkeypatch, tmp_path, variables, said
):
    for name in (*SIZES, *RANKS, "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    _launched._say_once.cache_clear()
    for _ in range(2):
        Report(**OPTIONS).close()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == bool(said)
    assert "".join(lines).startswith(said)
    with nn.distributed.alone():
        Report(**OPTIONS).close()
    assert capsys.readouterr().err == ""
    with Report(**OPTIONS, out=tmp_path / variables.get("PMI_RANK", ""), kept=()):
        assert "--out" not in capsys.readouterr().err  # a folder of its own
