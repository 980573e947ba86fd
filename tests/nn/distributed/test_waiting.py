"""How a process waits for the others: awake at first, and then asleep for most of the time."""

from types import SimpleNamespace

import pytest

from nn.distributed import processes


@pytest.fixture(name="clock")
def clock_that_only_sleep_moves(monkeypatch):
    clock = SimpleNamespace(now=100.0, sleeps=[])
    clock.monotonic = lambda: clock.now

    def sleep(seconds):
        clock.sleeps.append(seconds)
        clock.now += seconds

    clock.sleep = sleep
    monkeypatch.setattr(processes, "time", clock)
    monkeypatch.setattr(processes, "let_others_run", lambda: None)
    return clock


def wait_for_test_number(number, before_each=lambda: None):
    """Wait until a test, which sees nothing `number - 1` times; how often it was asked."""
    asked = []

    def arrived():
        before_each()
        asked.append(1)
        return len(asked) == number

    announced = SimpleNamespace(test=lambda: None)
    waiting = SimpleNamespace(tested=lambda test: test(), open=[announced])
    processes.MPIProcesses.wait_until(waiting, arrived)
    return len(asked)


def test_a_message_of_a_thousand_fragments_is_not_slept_through(clock):
    assert wait_for_test_number(1000) == 1000
    assert clock.sleeps == []


def test_who_waits_for_long_sleeps_between_two_tests(clock):
    def ten_milliseconds_pass():
        clock.now += 0.01

    wait_for_test_number(200, ten_milliseconds_pass)
    assert len(clock.sleeps) == 200 - 1 - 1  # the first test is before 0.02 s
    assert clock.sleeps == sorted(clock.sleeps)
    assert clock.sleeps[-1] == processes.LONGEST_SLEEP
