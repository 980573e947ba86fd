"""A part of what `make kill` runs: training that is killed and started again ends with its bits."""

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from kill import killing
from kill.every_call import Course, telling
from kill.faults import FAULTS
from kill.forks import Forks
from kill.killing import Killed, Moment, at_random_moments, live
from kill.setups import SETUPS

from nn import optim

MOMENTS = dict.fromkeys(SETUPS, 1) | {"sgd": 2, "adam": 2, "lbfgs": 2}
MIDDLE = "half a write metrics"  # the call at which most of these runs die


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with Forks() as forks:
        yield forks


@pytest.fixture(scope="session")
def course(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Course:
    return Course(forks, "nadam", tmp_path_factory.mktemp("course"))


def test_every_optimiser_is_killed() -> None:
    classes = [value for value in map(vars(optim).get, optim.__all__) if isinstance(value, type)]
    assert {setup.kind for setup in SETUPS.values()} == set(classes) - {optim.Optimizer}
    assert sum(MOMENTS.values()) == 20


@pytest.mark.parametrize("name", SETUPS)
def test_a_run_killed_at_random_moments_ends_with_the_same_bits(name: str, forks: Forks) -> None:
    found = at_random_moments(name, MOMENTS[name], 0, forks)
    assert found.faults == ()
    assert found.kills == found.restarts == MOMENTS[name]


@pytest.mark.parametrize("share", range(2))
def test_a_run_that_dies_at_any_call_that_writes_ends_with_the_same_bits(
    share: int, course: Course
) -> None:
    """Those of the last save of the run, which numbers a file, is the best, and removes a file."""
    first = course.number("fsync")
    calls = [call for call in telling(course.calls) if call.number >= first and call.saves == 3]
    assert {call.name.split()[0] for call in calls} >= {
        "write",
        "half",
        "link",
        "replace",
        "unlink",
    }
    found = sum((course.died_at(call.number) for call in calls[share::2]), Killed())
    assert found.faults == ()
    assert found.while_saving == len(calls[share::2])


def test_a_run_that_dies_while_it_resumes_ends_with_the_same_bits(course: Course) -> None:
    before = course.dead(course.number("replace"))
    found = sum((course.died_at(number, before) for number in range(1, 6)), Killed())
    assert found.faults == ()


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"worker"}))
def test_a_planted_fault_is_noticed(fault: str, course: Course) -> None:
    _, noticed, call = FAULTS[fault]
    planted = ("--fault", fault)
    number = course.number(call, *planted) if call else course.number(MIDDLE)
    assert noticed in "\n".join(course.died_at(number, None, *planted).faults)


def test_a_planted_fault_is_noticed_at_a_random_moment(
    forks: Forks, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = partial(live, more=("--fault", "loader"))
    monkeypatch.setattr(killing, "live", faulty)
    found = at_random_moments("nadam", 1, 1, forks)
    assert FAULTS["loader"].noticed in "\n".join(found.faults)
    assert "make kill ARGS='1 1 nadam'" in found.faults[0]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="this system does not list its processes")
def test_a_worker_that_outlives_its_process_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(killing, "ORPHANS", 0.2)
    life = live("sgd", tmp_path, Moment(3, 0.0), ("--fault", "worker"))
    assert life.status == -signal.SIGKILL
    assert FAULTS["worker"].noticed in "\n".join(life.faults)
