"""The form that every workload has; `make bench-quick` runs them."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pairing
import pytest
import run

FOLDER = Path(run.__file__).parent
PROGRAMS = {"mnist_torch"}  # a whole process, for mnist_seconds
MODULES = sorted(path.stem for path in (FOLDER / "workloads").glob("*.py"))


def test_every_file_is_a_workload_that_runs() -> None:
    assert set(MODULES) == {*run.WORKLOADS, *PROGRAMS}
    assert len(run.WORKLOADS) == len(set(run.WORKLOADS))


@pytest.mark.parametrize("name", run.WORKLOADS)
def test_a_workload_has_a_title_and_one_entrance(name: str) -> None:
    # None of the peers is installed where the tests run: a workload imports them only inside.
    workload = import_module(f"workloads.{name}")
    title = workload.__doc__.partition("\n")[0]
    assert title.endswith(".")
    assert len(title) <= 100
    assert list(inspect.signature(workload.run).parameters) == ["settings"]


@pytest.mark.parametrize("name", MODULES)
def test_a_side_takes_thirty_lines_at_most(name: str) -> None:
    source = (FOLDER / "workloads" / f"{name}.py").read_text()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
            assert len([line for line in lines if line.strip()]) <= 30, node.name


@pytest.mark.parametrize("name", run.WORKLOADS)
def test_ours_is_written_as_users_write_it(name: str) -> None:
    if name == "graph_order":  # is about the inside
        return
    source = (FOLDER / "workloads" / f"{name}.py").read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tinygrad_lite"):
            assert node.module == "tinygrad_lite"
            assert {alias.name for alias in node.names} <= {"Tensor", "capture"}
    assert not re.search(r"\w\._[a-z]", source)


def test_the_peers_are_pinned_and_named_in_the_results() -> None:
    lines = (FOLDER / "requirements.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert set(run.PACKAGES) <= set(pins)
    makefile = (FOLDER.parent / "Makefile").read_text()
    assert f"TORCH ?= torch=={pins['torch']}\n" in makefile


def test_two_threads_are_said_to_every_library(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(pairing.os, "environ", {})
    monkeypatch.setattr(pairing.os, "sched_getaffinity", lambda _: {5, 3, 9, 1}, raising=False)
    monkeypatch.setattr(
        pairing.os, "sched_setaffinity", lambda _, cores: asked.append(list(cores)), raising=False
    )
    pairing.hold_to_threads(2)
    assert asked == [[1, 3]]
    assert set(pairing.os.environ.values()) == {"2"}
    assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TINYGRAD_LITE_THREADS"} <= set(
        pairing.os.environ
    )
