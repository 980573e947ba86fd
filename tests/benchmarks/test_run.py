"""The command line, with workloads made up here."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import run
from pairing import Settings, Skipped
from results import Fact, Outcome, compared


def good(settings: Settings) -> Outcome:
    row = compared("step", {"ours": [0.001], "PyTorch": [0.002]}, "ours", "PyTorch", (0.75, 0.4))
    return Outcome([row], [Fact("grown by 0 MB", "at most 1 MB")], [f"{settings.rounds} rounds"])


def skipped(settings: Settings) -> Outcome:
    raise Skipped("MNIST is not here")


def broken(settings: Settings) -> Outcome:
    raise RuntimeError("array 1 of PyTorch differs")


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for workload in (good, skipped, broken):
        module = SimpleNamespace(__doc__=f"A {workload.__name__} one.\n\nMore.", run=workload)
        monkeypatch.setitem(sys.modules, f"workloads.{workload.__name__}", module)
    monkeypatch.setattr(run, "hold_to_threads", lambda count: None)
    monkeypatch.setenv(run.CPU_TIME, "")
    monkeypatch.setattr(run, "WORKLOADS", ("good", "skipped"))
    monkeypatch.setattr(run, "RESULTS", tmp_path / "RESULTS.md")
    return tmp_path / "RESULTS.md"


def start(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
    return run.main()


def test_a_whole_run_is_written(results, monkeypatch) -> None:
    assert start(monkeypatch) == 0
    written = results.read_text()
    assert "- targets: 2 met, 1 missed\n" in written
    assert "\n## A good one\n\n| what " in written
    assert "<= 0.75: met, <= 0.4: missed |\n\n- grown by 0 MB (at most 1 MB: met)\n" in written
    assert "\n- 30 rounds\n\n## A skipped one\n\n- skipped: MNIST is not here\n" in written


@pytest.mark.parametrize(
    "arguments",
    [
        ["good"],
        ["--rounds", "5"],
        ["--peers", "torch"],
        ["--quick"],
        ["--threads", "1"],
        ["--cpu-time"],
    ],
    ids=" ".join,
)
def test_a_part_is_only_printed(results, monkeypatch, capsys, arguments) -> None:
    assert start(monkeypatch, *arguments) == 0
    assert "rounds" in capsys.readouterr().out
    assert not results.exists()


@pytest.mark.parametrize("options", [[], ["--quick"]], ids=" ".join)
def test_a_broken_workload_is_told_and_the_others_run(
    results, monkeypatch, capsys, options
) -> None:
    monkeypatch.setattr(run, "WORKLOADS", ("broken", "good"))
    assert start(monkeypatch, *options) == 1
    out = capsys.readouterr().out
    assert "- BROKEN: RuntimeError: array 1 of PyTorch differs" in out
    assert "rounds" in out
    assert not results.exists()


def test_no_time_fails_a_quick_run(results, monkeypatch, capsys) -> None:
    assert start(monkeypatch, "--quick", "good") == 0
    assert capsys.readouterr().out == "- 1 rounds\n1 comparisons ran, 0 broke\n"


def test_an_unknown_name_is_answered_with_the_known_ones(results, monkeypatch, capsys) -> None:
    with pytest.raises(SystemExit):
        start(monkeypatch, "gpt")
    assert "no workload gpt; there are good, skipped" in capsys.readouterr().err
