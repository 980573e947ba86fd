"""Which process gets which training: decisions, as a table of what happens and what follows."""

import random

import pytest

from nn.distributed._schedule import Schedule, Task
from nn.distributed._trainings import Outcome

GOOD = Outcome("finished", {"result": 1})
BAD = Outcome("failed", {}, "ValueError: no")
DEAD = Outcome("died", {}, "killed")


def test_whoever_is_free_gets_the_next_one():
    schedule = Schedule(3, {}, restarts=0)
    assert [schedule.next_for(rank) for rank in (0, 1, 0)] == [Task(0), Task(1), None]
    assert schedule.ended(1, GOOD) is None
    assert schedule.next_for(1) == Task(2)
    assert not schedule.idle
    schedule.ended(0, GOOD)
    schedule.ended(1, BAD)
    assert schedule.next_for(0) is None
    assert schedule.idle
    assert schedule.outcomes == {0: GOOD, 1: GOOD, 2: BAD}
    assert set(schedule.finished) == {0, 1}


def test_what_died_begins_again_behind_the_others():
    schedule = Schedule(2, {}, restarts=2)
    order = []
    while (task := schedule.next_for(0)) is not None:
        order.append(task)
        schedule.ended(0, DEAD if task.number == 0 and task.attempt < 2 else GOOD)
    assert order == [Task(0), Task(1), Task(0, 1), Task(0, 2)]
    assert schedule.outcomes == {0: GOOD, 1: GOOD}


@pytest.mark.parametrize(("restarts", "reason"), [(0, "killed"), (1, "killed (attempt 2 of 2)")])
def test_what_dies_too_often_has_failed(restarts, reason):
    schedule = Schedule(1, {}, restarts)
    for attempt in range(restarts + 1):
        assert schedule.next_for(3) == Task(0, attempt)
        schedule.ended(3, DEAD)
    assert schedule.outcomes == {0: Outcome("failed", {}, reason)}


def test_an_error_is_not_tried_again():
    schedule = Schedule(1, {}, restarts=5)
    schedule.next_for(0)
    assert schedule.ended(0, BAD) is None
    assert schedule.idle


def test_what_is_finished_is_not_begun():
    schedule = Schedule(3, {1: GOOD}, restarts=0)
    assert [schedule.next_for(rank) for rank in range(3)] == [Task(0), Task(2), None]


def test_a_sweep_that_stops_keeps_what_was_finished_before():
    schedule = Schedule(5, {}, restarts=3)
    for rank in range(4):
        schedule.next_for(rank)
    schedule.ended(0, GOOD)
    schedule.stop()
    assert schedule.next_for(0) is None
    for rank, outcome in ((1, GOOD), (2, DEAD), (3, BAD)):
        assert not schedule.idle
        assert schedule.ended(rank, outcome) is None
    assert schedule.idle
    assert schedule.outcomes == {0: GOOD, 3: BAD}


def test_whatever_happens_each_training_ends_once():
    """Random courses: every number has one outcome, and is begun at most restarts + 1 times."""
    for seed in range(200):
        draw = random.Random(seed)
        count, ranks, restarts = draw.randrange(8), draw.randrange(1, 5), draw.randrange(3)
        schedule, begun = Schedule(count, {}, restarts), []
        while not schedule.idle:
            begun += [task for rank in range(ranks) if (task := schedule.next_for(rank))]
            assert len(schedule.running) <= ranks
            rank = draw.choice(list(schedule.running))
            schedule.ended(rank, draw.choice((GOOD, BAD, DEAD)))
        assert sorted(schedule.outcomes) == list(range(count))
        assert len(begun) == len(set(begun))
        assert {task.attempt for task in begun} <= set(range(restarts + 1))
        assert all(each.kind != "died" for each in schedule.outcomes.values())
