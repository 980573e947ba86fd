"""A process that ends before start() ends all, with one line; one that is slow is waited for."""

import platform
import re
import signal
import time

import pytest
from mpi.launching import Started, launch

from nn.distributed.arrivals import OR_ALL

HOST = re.escape(platform.node())
PROGRAM = """
    import os, sys, time
    import nn
    from nn.distributed import arrivals

    way, chosen = sys.argv[1], sys.argv[2].split(",")
    if os.environ["PMI_RANK"] in chosen:
        if way == "raises":
            raise ValueError("early")
        elif way == "exits":
            sys.exit(0)
        elif way == "exits_at_once":
            os._exit(3)
        elif way == "exits_late":
            time.sleep(2)
            sys.exit(0)
        elif way == "sleeps":
            time.sleep(3)
    arrivals.TO_SPEAK = float(sys.argv[3])
    if os.environ["PMI_RANK"] == "0":
        print("here", flush=True)
    nn.distributed.start()
    print("started")
"""


@pytest.mark.parametrize(
    ("way", "ranks", "chosen", "who"),
    [
        ("raises", 3, "1", "rank 1 of 3"),
        ("exits", 3, "0", "rank 0 of 3"),
        ("exits", 4, "0,1,3", "ranks 0, 1 and 3 of 4"),
        ("exits_at_once", 2, "1", "rank 1 of 2"),
        ("exits_late", 3, "2", "rank 2 of 3"),
    ],
)
def test_a_process_that_ends_before_start_ends_all(way, ranks, chosen, who):
    run = launch(PROGRAM, ranks, way, chosen, 60, limit=30)
    (line,) = run.ours
    assert line == f"nn.distributed: {who} on {platform.node()} ended before start(), where " + (
        "others wait; all processes end"
    )
    assert run.status not in (0, -signal.SIGKILL)
    assert run.seconds < 10
    assert "started" not in run.out
    assert run.left == []


def test_a_process_that_is_slow_is_waited_for():
    run = launch(PROGRAM, 3, "sleeps", "1", 60, check=True)
    assert run.out.splitlines().count("started") == 3


def test_a_line_says_for_whom_the_others_wait():
    run = launch(PROGRAM, 3, "sleeps", "0,2", 1.5)
    assert run.err == (
        f"nn.distributed: start() waits for ranks 0 and 2 of 3 on {platform.node()}{OR_ALL}\n"
    )
    assert (run.status, run.left) == (0, [])
    assert run.out.splitlines().count("started") == 3


def test_ctrl_c_ends_processes_that_wait_for_another():
    with Started(PROGRAM, 3, "sleeps", "1,2", 60) as run:
        run.until("here")
        time.sleep(0.5)
        run.process.send_signal(signal.SIGINT)
        began = time.monotonic()
        found = run.end(30)
        assert time.monotonic() - began < 5
    assert found.status != 0
    assert found.left == []
    assert "started" not in found.out
