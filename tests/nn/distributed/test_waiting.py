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


def waiting_process():
    process = object.__new__(processes.MPIProcesses)
    process.open = [SimpleNamespace(test=lambda: None)]
    process.mpi = SimpleNamespace(Exception=OSError)
    return process


def request(number, before_each=lambda: None):
    """What is complete at its test with this number, counted from 1."""
    asked = []

    def test():
        before_each()
        asked.append(1)
        return len(asked) == number

    return SimpleNamespace(Test=test, asked=asked)


def test_a_message_of_thousands_of_fragments_is_not_slept_through(clock):
    """By TCP, 50 MB take more than 2,000 tests, and seconds if each is followed by a sleep."""

    def a_millisecond_passes():
        clock.now += 1e-3

    message = request(3000, a_millisecond_passes)
    waiting_process().wait(message)
    assert len(message.asked) == 3000
    assert clock.sleeps == []


def test_who_waits_for_others_sleeps_only_after_a_while(clock):
    arrival = request(1000)
    waiting_process().wait_until(arrival.Test)
    assert len(arrival.asked) == 1000
    assert clock.sleeps == []


def test_who_waits_for_long_sleeps_between_two_tests(clock):
    def ten_milliseconds_pass():
        clock.now += 0.01

    waiting_process().wait_until(request(200, ten_milliseconds_pass).Test)
    assert len(clock.sleeps) == 200 - 1 - 1  # the first test is before 0.02 s
    assert clock.sleeps == sorted(clock.sleeps)
    assert clock.sleeps[-1] == processes.LONGEST_SLEEP
