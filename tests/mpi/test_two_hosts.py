"""The same on two hosts: network namespaces with names of their own, where these can be made."""

import sys
import time
from pathlib import Path

import pytest
from mpi.hosts import two_hosts
from mpi.launching import Started, launch, mpiexec
from mpi.test_processes import EXCHANGES

from nn.distributed.endings import APART

PROGRAM = Path(__file__).with_name("ending.py")
LINE = PROGRAM.read_text().splitlines().index('    processes.agree(f"step {step}")') + 1
WAYS = [
    ("is_killed", 1, "rank 1 of 4 on second died: it was killed, or crashed; all processes end"),
    (
        *("is_killed", 0),
        "rank 0 of 4 on first was killed by SIGKILL, by somebody or for lack of memory; "
        "all processes end",
    ),
    ("raises", 3, "rank 3 of 4 on second: ValueError: no such thing; all processes end"),
    (
        *("returns", 1),
        "rank 1 of 4 on second is at the end of the program, ranks 0, 2 and 3 on first and second "
        f"are at step 5 (ending.py:{LINE}): expected the same of all; {APART}; all processes end",
    ),
]
UNREACHABLE = """
    import nn
    from nn.distributed import endings

    endings.addresses = lambda: ["10.213.77.99"]  # which nobody has
    processes = nn.distributed.start()
    processes.agree("here")
"""


@pytest.fixture
def hosts(tmp_path):
    with two_hosts(tmp_path) as hosts:
        yield hosts


def test_processes_on_two_hosts_get_what_the_others_gave(hosts):
    run = launch(EXCHANGES, 4, launcher=hosts.launcher(mpiexec(), 4, sys.executable), check=True)
    assert sorted(run.out.splitlines()) == [f"{rank} 4" for rank in range(4)]


def test_what_is_sent_goes_over_the_cable(hosts):
    """Not by memory that both hosts have in common, as MPI may find out that they do."""
    program = """
        import nn

        nn.distributed.start().gather("much", bytes(1_000_000))
    """
    before = hosts.sent()
    launch(program, 2, launcher=hosts.launcher(mpiexec(), 2, sys.executable), check=True)
    assert hosts.sent() - before > 1_000_000


@pytest.mark.parametrize(("way", "chosen", "line"), WAYS)
def test_one_process_ends_all_on_both_hosts(hosts, way, chosen, line):
    launcher = hosts.launcher(mpiexec(), 4, sys.executable)
    run = launch(PROGRAM, 4, way, chosen, launcher=launcher, limit=30)
    assert run.ours == [f"nn.distributed: {line}"]
    assert run.status not in (0, -9)
    assert run.left == []
    assert run.seconds < 10


def test_a_host_that_is_gone_ends_all(hosts):
    """mpiexec itself may wait for longer, for the connection of its own to that host."""
    launcher = hosts.launcher(mpiexec(), 4, sys.executable)
    with Started(PROGRAM, 4, "waits", 0, launcher=launcher) as run:
        for _ in range(4):
            assert run.process.stdout.readline().startswith("started")
        began = time.monotonic()
        hosts.cut()
        while any(sys.executable in command.split()[:1] for _, command in run.processes()):
            assert time.monotonic() - began < 15
            time.sleep(0.05)
        took = time.monotonic() - began
        run.kill()
        found = run.end()
    assert len(found.ours) == 1, found.err
    assert found.ours[0].endswith(
        "on second cannot be reached any more: its machine or the network is gone; "
        "all processes end"
    )
    assert took < 12


def test_if_the_watcher_cannot_be_reached_that_is_said_once_and_all_go_on(hosts):
    run = launch(UNREACHABLE, 2, launcher=hosts.launcher(mpiexec(), 2, sys.executable))
    assert run.status == 0
    assert run.err.splitlines() == [
        "nn.distributed: rank 1 of 2 on second cannot connect to rank 0 on first: if a process "
        "dies, only mpiexec will say so"
    ]
