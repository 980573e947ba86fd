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


def passes(clock, seconds):
    def some_time_passes():
        clock.now += seconds

    return some_time_passes


def test_a_message_of_thousands_of_fragments_is_not_slept_through(clock):
    """By TCP, 50 MB take more than 2,000 tests, and seconds if each is followed by a sleep."""
    message = request(3000, passes(clock, 1e-4))
    waiting_process().wait(message)
    assert len(message.asked) == 3000
    assert clock.sleeps == []


def test_who_waits_for_a_message_for_long_makes_the_shortest_pauses(clock):
    """The process that sends it may be stopped."""
    waiting_process().wait(request(100, passes(clock, 0.11)))
    assert clock.sleeps == [0] * (99 - 9)  # the first nine tests are in the first second


def test_who_waits_for_others_makes_pauses_only_after_a_while(clock):
    arrival = request(1000)
    waiting_process().wait_until(arrival.Test)
    assert len(arrival.asked) == 1000
    assert clock.sleeps == []


def test_who_waits_for_others_makes_longer_and_longer_pauses(clock):
    waiting_process().wait_until(request(200, passes(clock, 2e-3)).Test)
    assert clock.sleeps[:5] == [0] * 5
    assert clock.sleeps == sorted(clock.sleeps)
    assert clock.sleeps[-1] == processes.LONGEST_SLEEP
    assert len(clock.sleeps) == 199
