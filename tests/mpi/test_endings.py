"""However one process ends, all end, and one line says which, where and why."""

import platform
import re
import signal
import time
from pathlib import Path

import pytest
from mpi.launching import Run, Started, launch

from nn.distributed.endings import APART

PROGRAM = Path(__file__).with_name("ending.py")
HOST = re.escape(platform.node())
EXPECTED = f"expected the same of all(; {re.escape(APART)})?; all processes end"

WAYS = [
    ("is_killed", 4, 3, "WHO was killed by SIGKILL, by somebody or for lack of memory"),
    ("is_killed", 2, 0, "WHO was killed by SIGKILL, by somebody or for lack of memory"),
    ("is_killed", 3, 1, "WHO was killed by SIGKILL, by somebody or for lack of memory"),
    ("raises", 2, 1, "WHO: ValueError: no such thing"),
    ("raises", 3, 0, "WHO: ValueError: no such thing"),
    ("raises_in_an_exchange", 3, 2, "WHO: ValueError: no such thing"),
    ("exits_at_once", 2, 1, "WHO ended without a goodbye, with status 3"),
    ("exits_with_0", 2, 1, "WHO ended without a goodbye, with status 0"),
    ("exits_with_0", 3, 0, "WHO ended without a goodbye, with status 0"),
    ("exits_in_c_with_0", 3, 1, "WHO ended without a goodbye, with status 0"),
    ("segfaults", 2, 0, "WHO crashed by SIGSEGV"),
    ("is_terminated", 3, 1, "WHO was ended by SIGTERM"),
    ("is_asked_to_stop", 3, 1, "WHO: Stopped: by SIGTERM"),
    ("is_interrupted", 2, 1, "WHO: KeyboardInterrupt"),
    ("says_what_no_terminal_shows", 2, 1, r"WHO: ValueError: \\udcff[\\x1b]+\.\.\.[\\x1b]+"),
    ("leaves_a_child", 2, 1, "WHO ended without a goodbye, with status 3"),
]
OUT_OF_STEP = [
    (
        "exits",
        2,
        1,
        "rank 0 of 2 on HOST is at step 5, rank 1 on HOST is at the end of the program",
    ),
    (
        *("returns", 4, 0),
        "rank 0 of 4 on HOST is at the end of the program, ranks 1 to 3 on HOST are at step 5",
    ),
    ("takes_a_step_less", 2, 1, "rank 0 of 2 on HOST is at step 5, rank 1 on HOST is at step 6"),
    (
        *("takes_a_step_more", 3, 1),
        "rank 1 of 3 on HOST is at step 5, ranks 0 and 2 on HOST are at step 6",
    ),
    (
        *("gives_another_value", 3, 2),
        "at step 5, rank 2 of 3 on HOST has 7, ranks 0 and 1 on HOST have 0",
    ),
    (
        *("sends_another_length", 2, 1),
        "at sums, rank 0 of 2 on HOST has 100000, rank 1 on HOST has 50000",
    ),
]


def ended(run: Run, line: str) -> None:
    """All ended by themselves, with an exit status, this one line, and nobody left."""
    assert run.status != 0
    assert run.status != -signal.SIGKILL, "it was still there"
    assert len(run.ours) == 1, run.err
    said = re.sub(r" \(\w+\.py:\d+\)", "", run.ours[0])  # of the program
    assert re.fullmatch(f"nn.distributed: {line}", said), run.err
    assert run.left == []


@pytest.mark.parametrize(("way", "ranks", "chosen", "reason"), WAYS)
def test_one_process_ends_all(way, ranks, chosen, reason):
    run = launch(PROGRAM, ranks, way, chosen, limit=30)
    who = f"rank {chosen} of {ranks} on {HOST}"
    ended(run, f"{reason.replace('WHO', who)}; all processes end")
    shown = run.err.count("Traceback (most recent call last)")
    assert shown == any(word in reason for word in ("Error", "Interrupt", "Stopped")), run.err
    assert run.seconds < 10


@pytest.mark.parametrize(("way", "ranks", "chosen", "line"), OUT_OF_STEP)
def test_processes_that_do_not_do_the_same_end(way, ranks, chosen, line):
    run = launch(PROGRAM, ranks, way, chosen, limit=30)
    ended(run, f"{line.replace('HOST', HOST)}: {EXPECTED}")
    assert "Traceback" not in run.err
    assert run.seconds < 10


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("read_no_file", r"\[Errno 2\] No such file or directory: '/nowhere/file'"),
        ("all_read_no_file", r"\[Errno 2\] No such file or directory: '/nowhere/file'"),
        ("has_no_memory", "this needs more memory than there is"),
        ("all_are_interrupted", "stopped"),
    ],
)
def test_what_costs_a_program_one_line_costs_all_together_one(way, reason):
    run = launch(PROGRAM.with_name("failing.py"), 3, way, 1, limit=30)
    who = r"rank \d" if way.startswith("all_") else "rank 1"
    ended(run, f"{who} of 3 on {HOST}: {reason}; all processes end")
    assert "Traceback" not in run.err


def test_an_exit_status_of_one_process_is_that_of_mpiexec():
    run = launch(PROGRAM.with_name("failing.py"), 2, "misses_a_target", 1, limit=30)
    assert (run.status, run.err, run.left) == (1, "", [])


def test_an_error_is_shown_though_an_exchange_of_its_cleanup_ends_all():
    run = launch(PROGRAM, 3, "exchanges_while_it_fails", 1, limit=30)
    ended(
        run,
        rf"rank 1 of 3 on {HOST} is at closing \(while handling ValueError\), ranks 0 and 2 on "
        f"{HOST} are at step 5: {EXPECTED}",
    )
    assert "ValueError: no such thing" in run.err.splitlines()
    assert run.err.count("Traceback") == 1


def test_of_many_that_raise_the_first_speaks():
    run = launch(PROGRAM, 4, "all_raise", 0, limit=30)
    ended(run, rf"rank (\d) of 4 on {HOST}: ValueError: of rank \1; all processes end")
    assert run.err.count("Traceback") == 1


@pytest.mark.parametrize("way", ["none", "stops_for_a_while", "has_a_child_that_ends"])
def test_at_the_normal_end_nothing_is_said(way):
    """And a process that was stopped for some time was not taken for dead."""
    run = launch(PROGRAM, 3, way, 1, check=True)
    said = [f"{word} {rank}" for word in ("ended", "started") for rank in range(3)]
    assert sorted(run.out.splitlines()) == said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_mpiexec_ends_all(number):
    with Started(PROGRAM, 3, "none", 0) as run:
        for _ in range(3):
            assert run.process.stdout.readline().startswith("started")
        run.process.send_signal(number)
        began = time.monotonic()
        found = run.end(30)
        assert time.monotonic() - began < 10
    assert len(found.ours) == 1, found.err
    assert found.status != 0
    assert found.left == []


SGD = "the gradients of SGD (optimiser 1 of 2) in backward pass 3"


@pytest.mark.parametrize(
    ("way", "lost", "then"),
    [
        ("leaves", SGD, "the end of the program"),
        ("speaks", SGD, "the loss"),
        ("trains_another", SGD, "the gradients of Adam (optimiser 2 of 2) in backward pass 3"),
        ("is_interrupted_in_backward", SGD, "the end of the program"),
        ("is_interrupted", "batch 2", "batch 3"),
    ],
)
def test_who_catches_an_error_amid_an_exchange_does_not_let_the_others_wait(way, lost, then):
    run = launch(PROGRAM.with_name("catching.py"), 2, way, limit=30)
    assert run.out.startswith("caught\n")
    line = f"an error ended {lost} in this process, which then came to {then}, while others wait"
    ended(run, f"rank 0 of 2 on {HOST}: {re.escape(line)} for the rest; expected a program .*")
    assert "Traceback" not in run.err


def test_an_error_amid_an_exchange_is_shown_though_its_cleanup_exchanges():
    run = launch(PROGRAM.with_name("catching.py"), 2, "cleans_up", limit=30)
    why = "(it ended the gradients of SGD (optimiser 1 of 2) in backward pass 3, and others wait"
    line = re.escape(f"ValueError: a bad gradient {why} for the rest)")
    ended(run, f"rank 0 of 2 on {HOST}: {line}; all processes end")
    assert run.err.count("Traceback") == 1
