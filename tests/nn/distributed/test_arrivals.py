"""How processes wait for each other before MPI begins, without MPI; tests/mpi has it with MPI."""

import os
import socket
import sys
import time

import pytest

from nn.distributed import arrivals

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there")


@pytest.fixture(autouse=True)
def one_of_two(monkeypatch):
    monkeypatch.setenv("MPI_LOCALNRANKS", "2")
    monkeypatch.setenv("MPI_LOCALRANKID", "0")
    monkeypatch.delitem(sys.modules, "mpi4py.MPI", raising=False)


@pytest.fixture(name="waits")
def started_by_this_process(monkeypatch):
    """As if a launcher started this one.  Who waits, in order."""
    waits = []
    monkeypatch.setattr(arrivals, "_launcher", os.getpid)
    monkeypatch.setattr(arrivals, "_wait", lambda *given: waits.append(given))
    return waits


def test_what_a_process_starts_after_it_was_here_does_not_wait(waits):
    """Its variables are those of the process that started it."""
    with arrivals.all_here():
        assert len(waits) == 1
    with arrivals.all_here():  # as in a child: the name is taken
        assert len(waits) == 1


@pytest.mark.parametrize("why", ["no launcher", "MPI is there"])
def test_who_waits_for_nobody_makes_no_socket(monkeypatch, why):
    monkeypatch.setattr(arrivals, "_launcher", os.getpid if why == "MPI is there" else lambda: None)
    if why == "MPI is there":
        monkeypatch.setitem(sys.modules, "mpi4py.MPI", None)
    monkeypatch.setattr(socket, "socket", lambda *given: pytest.fail("a socket"))
    with arrivals.all_here():
        pass


def test_where_it_cannot_be_told_who_has_left_nobody_ends(monkeypatch, tmp_path):
    monkeypatch.setattr(arrivals, "PROCESSES", tmp_path)
    assert arrivals._left(os.getpid()) is None
    looks = iter([False] * 5 + [True])
    monkeypatch.setattr(arrivals, "_is_here", lambda *given: next(looks))
    monkeypatch.setattr(arrivals, "_end", lambda who: pytest.fail(who))
    monkeypatch.setattr(arrivals, "TO_LOOK", 0)
    monkeypatch.setattr(arrivals, "CERTAIN", 0)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    arrivals._wait(os.getpid(), 0, 2)
    assert next(looks, "all seen") == "all seen"
