"""What the processes say when they end, and who says it, without MPI."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

import nn.distributed
from nn._processes import RANKS, SIZES
from nn.distributed import endings, processes, watcher
from nn.distributed.addresses import addresses, first_to_answer, machine

HOSTS = ["a", "a", "b", "b"]


@pytest.mark.parametrize(
    ("doing", "line"),
    [
        (
            [("step 5", 0), ("step 5", 0), ("step 5", 0), ("the end of the program", 0)],
            "rank 3 of 4 on b is at the end of the program, ranks 0 to 2 on a and b are at step 5: "
            f"expected the same of all; {endings.APART}",
        ),
        (
            [("step 5", 0), ("step 6", 0), ("step 5", 0), ("step 6", 0)],
            "ranks 0 and 2 of 4 on a and b are at step 5, ranks 1 and 3 on a and b are at step 6: "
            f"expected the same of all; {endings.APART}",
        ),
        (
            [("order", 8), ("order", 8), ("order", 7), ("order", 8)],
            "at order, rank 2 of 4 on b has 7, ranks 0, 1 and 3 on a and b have 8: "
            "expected the same of all",
        ),
        (
            [("order", 8), ("order", 7), ("order", 6), ("step 5", 0)],
            "rank 3 of 4 on b is at step 5, ranks 0 to 2 on a and b are at order: "
            f"expected the same of all; {endings.APART}",
        ),
    ],
)
def test_a_line_says_what_each_group_of_processes_does(doing, line):
    assert endings.disagreement(HOSTS, [endings.Doing(*each) for each in doing]) == line


def test_a_line_about_very_many_processes_is_short():
    hosts = [f"node{rank // 8}" for rank in range(2048)]
    doing = [endings.Doing("step 5" if rank % 2 else "step 6") for rank in range(2048)]
    line = endings.disagreement(hosts, doing)
    assert "ranks 0, 2, 4, 6, 8 and 1019 others of 2048 on node0, node1" in line
    assert len(line) < 400


def test_a_reason_is_the_first_line_of_an_error():
    class Mute(Exception):
        def __str__(self):
            raise LookupError("no text")

    assert endings.reason_of(ValueError("one\ntwo")) == "ValueError: one"
    assert endings.reason_of(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert endings.reason_of(Mute()) == "Mute"


def test_addresses_are_those_that_others_can_use():
    found = addresses()
    assert len(found) == len(set(found))
    for each in found:
        family = socket.AF_INET6 if ":" in each else socket.AF_INET
        socket.inet_pton(family, each)
        assert not each.startswith(("127.", "fe80:"))
    assert machine() == machine()


def test_without_a_launcher_a_program_is_alone(monkeypatch):
    for name in (*SIZES, *RANKS):
        monkeypatch.delenv(name, raising=False)
    assert nn.distributed.start().size == 1
    monkeypatch.setenv("PMI_SIZE", "1")
    assert nn.distributed.start().size == 1


def test_several_processes_need_mpi4py(monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r"several .* need mpi4py .* pip install 'tinygrad-lite"):
        nn.distributed.start()


@pytest.mark.parametrize(
    ("error", "reason"),
    [(ImportError(), "ImportError"), (RuntimeError("no library:\na, b"), "no library:")],
)
def test_why_mpi_is_missing_is_one_line(monkeypatch, error, reason):
    def refused(name):
        raise error

    monkeypatch.setattr(processes, "import_module", refused)
    monkeypatch.setenv("PMI_SIZE", "2")
    with pytest.raises(ImportError, match=rf"\({reason}\)$"):
        nn.distributed.start()


class Watched:
    """The watcher as a program, and what it says to processes that are threads of this one."""

    def __init__(
        self,
        size: int,
        late: int = 0,
        holder: socket.socket | None = None,
        processes: dict[int, int] | None = None,
    ) -> None:
        """late: how many of these are not connected yet.  processes: their numbers, by rank."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.place = listener.getsockname()
        self.program = subprocess.Popen(
            [sys.executable, "-I", "-S", watcher.__file__],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[each.fileno() for each in (listener, holder) if each],
            text=True,
        )
        hosts = HOSTS[:size]
        given = {"hosts": hosts, "token": "t", "listener": listener.fileno()}
        given["processes"] = processes or {}
        if holder:
            given["holder"] = holder.fileno()
        self.program.stdin.write(json.dumps(given) + "\n")
        self.program.stdin.close()
        self.program.stdin = None
        listener.close()
        self.all = [self.connected(rank=rank, token="t") for rank in range(size - late)]

    def connected(self, **message):
        connection = watcher.Connection(socket.create_connection(self.place))
        connection.send(**message)
        return connection

    def end(self) -> str:
        _, err = self.program.communicate(timeout=30)
        assert self.program.returncode == 0
        return err

    def __enter__(self):
        assert [each.receive() for each in self.all] == [[{"welcome": True}]] * len(self.all)
        return self

    def __exit__(self, *error):
        for each in self.all:
            each.stream.close()
        self.program.kill()
        self.program.communicate()


def test_the_watcher_is_silent_if_all_say_goodbye():
    with Watched(2) as watched:
        for each in watched.all:
            each.send(bye=True)
            each.stream.close()
        assert watched.end() == ""


def test_a_connection_that_closes_without_a_goodbye_is_a_death():
    with Watched(3) as watched:
        watched.all[1].send(bye=True)
        watched.all[1].stream.close()
        watched.all[2].stream.close()
        assert watched.all[0].receive() == [{"end": True}]
        watched.all[0].stream.close()
        line = "rank 2 of 3 on b died: it was killed, or crashed; all processes end"
        assert watched.end() == f"nn.distributed: {line}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="no unnamed sockets here")
def test_what_mpiexec_sees_an_end_by_is_held_until_then():
    """And what strangers give is not held."""
    read, write = os.pipe()
    with endings.unix_socket() as holder, endings.unix_socket() as stream:
        holder.bind("")
        with Watched(2, late=1, holder=holder) as watched:
            stream.connect(holder.getsockname())
            for token in ("u", "t"):
                message = json.dumps({"rank": 1, "token": token}).encode()
                socket.send_fds(stream, [message], [write])
            os.close(write)
            watched.all.append(watched.connected(rank=1, token="t"))
            assert watched.all[1].receive() == [{"welcome": True}]
            os.set_blocking(read, False)
            with pytest.raises(BlockingIOError):  # somebody has the other end
                os.read(read, 1)
            os.set_blocking(read, True)
            watched.all[1].stream.close()
            assert os.read(read, 1) == b""
            assert watched.all[0].receive() == [{"end": True}]
            watched.all[0].stream.close()
            assert watched.end().startswith("nn.distributed: rank 1 of 2 on a died: ")
    os.close(read)


@pytest.mark.skipif(sys.platform != "linux", reason="no unnamed sockets here")
@pytest.mark.parametrize(("status", "held"), [(0, True), (3, False)])
def test_status_0_without_a_goodbye_is_not_seen_first_while_another_fails(status, held):
    read, write = os.pipe()
    program = subprocess.Popen(
        [sys.executable, "-ISc", f"import os; input(); os._exit({status})"], stdin=subprocess.PIPE
    )
    with endings.unix_socket() as holder, endings.unix_socket() as stream, program:
        holder.bind("")
        with Watched(2, late=1, holder=holder, processes={1: program.pid}) as watched:
            stream.connect(holder.getsockname())
            socket.send_fds(stream, [b'{"rank": 1, "token": "t"}'], [write])
            os.close(write)
            watched.all.append(watched.connected(rank=1, token="t"))
            assert watched.all[1].receive() == [{"welcome": True}]
            watched.all[0].send(fails="ValueError: no")
            assert watched.all[0].receive() == [{"granted": True}]
            program.stdin.write(b"\n")
            program.stdin.flush()
            os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
            watched.all[1].stream.close()
            watched.all[0].send(printed=True)
            assert watched.all[0].receive() == [{"end": True}]
            os.set_blocking(read, False)
            with pytest.raises(BlockingIOError) if held else nullcontext():
                assert os.read(read, 1) == b""
            watched.all[0].stream.close()
            watched.end()
            assert os.read(read, 1) == b""
    os.close(read)


def test_whoever_floods_the_watcher_with_datagrams_does_not_hold_it_up(monkeypatch):
    """And what a process gave may come after its connection."""
    messages = [b'{"rank": 1, "token": "t"}', *10 * [b"x"]]
    read, write = os.pipe()
    given = [write]

    def one(holder, most, files):
        return messages.pop(0), [given.pop()] if given else [], 0, None

    monkeypatch.setattr(socket, "recv_fds", one)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        members = [watcher.Member(rank, 2, "a") for rank in range(2)]
        program = watcher.Watcher(listener, members, "t")
        members[1].connected = True
        program.hold(listener)
        program.selector.close()
    assert len(messages) == 10
    assert members[1].held == write
    os.close(read)
    os.close(write)


def test_a_child_closes_what_mpiexec_sees_an_end_by_and_its_child_closes_nothing(monkeypatch):
    child = object.__new__(endings.Endings)
    child.connection = None
    end, other_end = socket.socketpair()
    with other_end:
        monkeypatch.setenv("PMI_FD", str(end.fileno()))
        child.in_child()
        assert other_end.recv(1) == b""
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(end.fileno())
        number = end.detach()
        os.dup2(other_end.fileno(), number)  # another socket gets the number
        child.in_child()
        os.close(number)


def test_a_file_with_the_number_that_an_inherited_variable_names_is_left_alone(monkeypatch):
    child = object.__new__(endings.Endings)
    child.connection = None
    read, write = os.pipe()
    monkeypatch.setenv("PMI_FD", str(read))
    child.in_child()
    os.close(read)
    os.close(write)


def test_the_first_that_fails_may_print_and_the_line_follows():
    with Watched(3) as watched:
        watched.all[1].send(fails="ValueError: no")
        assert watched.all[1].receive() == [{"granted": True}]
        watched.all[0].send(fails="ValueError: neither")
        assert watched.all[0].receive() == [{"granted": False}]
        watched.all[1].send(printed=True)
        for each in watched.all:
            assert each.receive() == [{"end": True}]
            each.stream.close()
        line = "rank 1 of 3 on a: ValueError: no; all processes end"
        assert watched.end() == f"nn.distributed: {line}\n"


def test_a_death_comes_before_the_errors_of_mpi_that_it_causes():
    with Watched(3) as watched:
        watched.all[1].send(fails="Exception: MPI_ERR_OTHER", follows=True)
        time.sleep(0.1)
        watched.all[2].stream.close()
        assert watched.all[1].receive() == [{"end": True}]
        for each in watched.all:
            each.stream.close()
        assert watched.end().startswith("nn.distributed: rank 2 of 3 on b died: ")


STRANGE = [
    b'{"rank": 1, "token": "u"}',
    b'{"rank": "1", "token": "t"}',
    b'{"rank": true, "token": "t"}',
    b'{"rank": -1, "token": "t"}',
    b'{"rank": 2, "token": "t"}',
    b'{"rank": 1, "token": "\xc3\xa9"}',
    b'{"rank": 1}',
    b"{}",
    b"7",
    b"GET / HTTP/1.1\r",
    b"\xff",
    b"[" * 3000,
    b"x" * 100_000,  # without an end
]


@pytest.mark.parametrize("message", STRANGE, ids=lambda message: message[:24].decode("latin1"))
def test_whoever_is_no_process_is_not_heard(message):
    with Watched(2, late=1) as watched:
        with socket.create_connection(watched.place) as stranger:
            stranger.settimeout(20)
            with suppress(ConnectionError):  # it was closed with bytes that nobody had read
                stranger.sendall(message + b"\n" * (len(message) < 100_000))
                assert stranger.recv(1) == b""
        watched.all.append(watched.connected(rank=1, token="t"))
        assert watched.all[1].receive() == [{"welcome": True}]
        for each in watched.all:
            each.send(bye=True)
        assert watched.end() == ""


def test_very_many_that_say_nothing_keep_nobody_out():
    with Watched(2, late=1) as watched:
        silent = [socket.create_connection(watched.place) for _ in range(watcher.STRANGERS + 20)]
        watched.all.append(watched.connected(rank=1, token="t"))
        assert watched.all[1].receive() == [{"welcome": True}]
        for each in silent:  # once all are there, nobody else is waited for
            each.settimeout(20)
            with each, suppress(ConnectionError):
                assert each.recv(1) == b""
        with pytest.raises(ConnectionError):
            socket.create_connection(watched.place)
        for each in watched.all:
            each.send(bye=True)
        assert watched.end() == ""


def test_a_process_that_connects_to_two_addresses_is_there_once():
    """The one that it does not go on with is no death."""
    with Watched(3, late=2) as watched:
        first, second = (watched.connected(rank=1, token="t") for _ in range(2))
        assert first.receive() == [{"welcome": True}]
        assert second.receive() is None
        second.stream.close()
        watched.all += [first, watched.connected(rank=2, token="t")]
        assert watched.all[2].receive() == [{"welcome": True}]
        for each in watched.all:
            each.send(bye=True)
        assert watched.end() == ""


def test_a_process_connects_to_the_address_that_answers():
    def answers(listener):
        stream, _ = listener.accept()
        with stream:
            connection = watcher.Connection(stream)
            assert connection.receive() == [{"token": "t"}]
            connection.send(welcome=True)
            stream.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answers, args=[listener])
        thread.start()
        port = listener.getsockname()[1]
        places = ["127.0.0.9", "::1", "127.0.0.1", "not an address"]
        connection = first_to_answer(places, port, {"token": "t"})
        assert connection
        assert connection.stream.getpeername()[0] == "127.0.0.1"
        connection.stream.close()
        thread.join()
    assert first_to_answer(["127.0.0.1"], port, {}) is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")
def test_how_a_process_ended_is_read_before_anybody_waits_for_it():
    program = subprocess.Popen([sys.executable, "-c", "import os; os._exit(3)"])
    member = watcher.Member(0, 1, "a")
    member.number, member.process = program.pid, os.pidfd_open(program.pid)
    try:
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
        assert (
            watcher.how_it_ended(watcher.exit_code(member))
            == "ended without a goodbye, with status 3"
        )
    finally:
        os.close(member.process)
        program.wait()
