"""Every way in which workers end: killed, too late, left early, with the program; nothing stays."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from leftovers import both, fetched, nothing_is_left, standing, with_fork

import nn
from nn.data.workers import Workers

ROOT = Path(nn.__file__).parents[1]

pytestmark = with_fork


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_is_left():
        yield


# Workers that end, or do not answer


def wait_for(event: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not event():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("size", [1, 2_000_000], ids=["before", "in the middle of a result"])
@pytest.mark.parametrize(
    ("number", "told"),
    [
        (
            signal.SIGKILL,
            "was killed by SIGKILL; if the system ran out of memory, use fewer workers or smaller "
            "batches",
        ),
        (signal.SIGUSR1, "was killed by SIGUSR1"),
    ],
)
def test_a_worker_that_is_killed(size, number, told) -> None:
    def fetch(task: int) -> Any:
        if task == 3:
            time.sleep(60)
        return os.getpid(), np.zeros(size)

    with Workers(fetch, 2) as workers:
        results = workers.results(range(8))
        next(results)
        pid = next(results)[0]
        os.kill(pid, number)
        begun = time.monotonic()
        with pytest.raises(RuntimeError) as caught:
            list(results)
        assert time.monotonic() - begun < 30
    assert str(caught.value) == f"DataLoader: worker 1 (pid {pid}) {told}"


@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_a_worker_that_is_killed_at_work_is_noticed_at_once(seconds) -> None:
    def fetch(task: int) -> None:
        if task == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RuntimeError, match="killed by SIGKILL"):
        fetched(fetch, range(4), timeout=seconds)


def test_a_worker_that_leaves() -> None:
    with pytest.raises(
        RuntimeError, match=r"^DataLoader: worker 0 \(pid \d+\) ended with status 5"
    ):
        fetched(lambda _: os._exit(5), range(4))


def test_a_killed_worker_is_noticed_though_a_child_of_it_lives() -> None:
    """The child would keep the worker's socket open."""
    reader, writer = os.pipe()

    def fetch(_: int) -> None:
        if not os.fork():
            os.close(writer)
            os.read(reader, 1)  # until the test is over
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)

    try:
        with pytest.raises(RuntimeError, match="killed by SIGKILL"):
            fetched(fetch, [0])
    finally:
        os.close(reader)
        os.close(writer)


@both
def test_timeout(threads) -> None:
    free = threading.Event()  # nobody sets that of a process

    def fetch(task: int) -> int:
        if task == 2:
            free.wait(60)
        return task

    begun, found = time.monotonic(), []
    with (
        pytest.raises(TimeoutError) as caught,
        Workers(fetch, 1, threads=threads, timeout=0.3) as workers,
    ):
        found.extend(workers.results(range(9)))
    assert found == [0, 1]
    assert 0.3 <= time.monotonic() - begun < 30
    text = str(caught.value)
    assert text.startswith("DataLoader: worker 0 ")
    assert text.endswith("gave no batch within timeout=0.3 seconds; timeout=0 waits for ever")
    free.set()
    wait_for(lambda: not any("DataLoader" in each.name for each in threading.enumerate()))


def test_what_is_slow_within_the_timeout_arrives() -> None:
    assert fetched(lambda n: time.sleep(0.15) or n, range(3), 1, timeout=5) == [0, 1, 2]


# Leaving before the end


@both
@pytest.mark.parametrize("how", ["break", "garbage", "close", "error", "never begun"])
def test_leaving_early_leaves_nothing(threads, how) -> None:
    def loader() -> Iterator[Any]:
        with Workers(lambda n: np.full(100_000, n), 3, threads=threads) as workers:
            yield from workers.results(range(1000))

    before = standing()
    results = loader()
    if how == "break":
        for each in results:
            if each[0] == 2:
                break
        results.close()
    elif how == "garbage":
        next(results)
    elif how == "close":
        next(results)
        results.close()
        assert list(results) == []
    elif how == "error":
        with pytest.raises(ZeroDivisionError):
            [1 // int(each[0]) for each in results]
    del results
    assert standing() == before


@both
def test_workers_that_nobody_closes_end_with_their_object(threads) -> None:
    before = standing()
    workers = Workers(abs, 2, threads=threads)
    assert list(workers.results(range(3))) == [0, 1, 2]
    assert standing() != before
    del workers
    assert standing() == before


def test_the_last_task_is_not_interrupted(tmp_path) -> None:
    def write(task: int) -> int:
        if task:
            time.sleep(0.3)
            (tmp_path / str(task)).write_text("whole")
        return task

    with Workers(write, 2, ahead=1) as workers:
        next(workers.results(range(2)))
        wait_for(lambda: True)
        time.sleep(0.1)  # it has begun
    assert (tmp_path / "1").read_text() == "whole"


# Programs: how they end, and the other ways to start a process


PROGRAM = """
import os, signal, sys, threading, time
import numpy as np
from multiprocessing import set_start_method
from nn.data.workers import Workers

def fetch(task):
    if {slow}:
        time.sleep({slow})
    return np.full(100_000, task), os.getpid()

if __name__ == "__main__":
    set_start_method({method!r})
    workers = Workers(fetch, 2, threads={threads})
    results = workers.results(range(10 ** 9))
    pids = {{next(results)[1] for _ in range(2)}}
    print(*pids, flush=True)
    {then}
"""


def program(then: str, threads: bool = False, method: str = "fork", slow: float = 0.0) -> Any:
    code = PROGRAM.format(then=then, threads=threads, method=method, slow=slow)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def alive(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pids_of(started: Any) -> list[int]:
    return [int(pid) for pid in started.stdout.readline().split()]


@both
def test_a_program_that_ends_with_an_iterator_under_way(threads) -> None:
    with program("pass", threads) as started:
        pids = pids_of(started)
        assert (started.wait(60), started.stderr.read()) == (0, "")
    assert threads or not any(map(alive, pids))


@pytest.mark.parametrize("moment", ["waiting", "computing"])
def test_ctrl_c_in_a_terminal_is_told_by_the_parent_alone(moment) -> None:
    then = "for _ in results: pass" if moment == "waiting" else "while True: pass"
    with program(then, slow=0.05) as started:
        pids = pids_of(started)
        time.sleep(0.1)
        os.killpg(started.pid, signal.SIGINT)
        errors = started.stderr.read()
        assert started.wait(60)
    assert errors.count("Traceback") == 1
    assert errors.endswith("KeyboardInterrupt\n")
    assert not any(map(alive, pids))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_processes_leaves_a_training_its_batches(number) -> None:
    """As a batch system and `timeout` send it: the parent ends the step, and may save."""
    then = """
    from nn.training import Stop
    with Stop() as stop:
        print("ready", flush=True)
        while not stop.number:
            next(results)
        for _ in range(10):
            next(results)
    print("saved")
"""
    with program(then.strip(), slow=0.01) as started:
        pids = pids_of(started)
        assert started.stdout.readline() == "ready\n"
        os.killpg(started.pid, number)
        assert started.stdout.read() == "saved\n"
        assert (started.wait(60), started.stderr.read()) == (0, "")
    assert not any(map(alive, pids))


def test_a_program_that_the_data_set_starts_can_be_ended() -> None:
    def fetch(_: int) -> int:
        with subprocess.Popen(["sleep", "60"]) as started:
            started.terminate()
            return started.wait(60)

    assert fetched(fetch, [0]) == [-signal.SIGTERM]


@pytest.mark.parametrize("slow", [0.0, 0.3])
def test_workers_end_when_their_parent_is_killed(slow) -> None:
    with program("time.sleep(60)", slow=slow) as started:
        pids = pids_of(started)
        assert len(pids) == 2
        assert all(map(alive, pids))
        started.kill()
        wait_for(lambda: not any(map(alive, pids)))
        assert started.stderr.read() == ""


def test_a_worker_whose_parent_is_dead_ends_though_its_task_does_not() -> None:
    from nn.data import _processes

    assert _processes.GRACE <= 5
    with program("time.sleep(60)", slow=0.2) as started:
        pids = pids_of(started)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        started.kill()
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        wait_for(lambda: not any(map(alive, pids)))


STARTED_ANEW = """
import os, signal, sys, threading
import multiprocessing
import numpy as np
from nn.data import get_worker_info
from nn.data.workers import Workers
from tinygrad_lite import Tensor


class Fetch:
    def __init__(self, scale):
        self.scale = scale

    def __call__(self, task):
        if task == "raise":
            raise Refused(3, "bad")
        if task == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return Tensor(np.full(5000, self.scale * task)), get_worker_info()


class Refused(Exception):
    def __init__(self, row, reason):
        super().__init__(f"row {row}: {reason}")


def failing(workers, tasks):
    try:
        list(workers.results(tasks))
    except Exception as error:
        return error


class Unloadable:
    def __reduce__(self):
        return os._exit, (4,)

    def __call__(self, task):
        pass


if __name__ == "__main__":
    method = sys.argv[1]
    multiprocessing.set_start_method(method)
    with Workers(Fetch(2.0), 2) as workers:
        found = list(workers.results(range(4)))
        assert [float(x[0].item()) for x, _ in found] == [0.0, 2.0, 4.0, 6.0]
        assert [info.id for _, info in found] == [0, 1, 0, 1]
        error = failing(workers, [0, "raise"])
        assert type(error) is Refused and str(error) == "row 3: bad", error
        assert "raise Refused(3" in str(error.__cause__)
    with Workers(lambda task: task, 1) as workers:
        error = failing(workers, [0])
        assert type(error) is TypeError
        assert str(error).startswith(f"DataLoader: the start method {method!r} pickles"), error
        assert str(error).endswith("at the top level of a module, or pass threads=True"), error
    with Workers(Unloadable(), 1) as workers:
        error = failing(workers, [0])
        assert "ended with status 4; with the start method" in str(error), error
    assert multiprocessing.active_children() == []
    assert threading.active_count() == 1
    left = Workers(Fetch(1.0), 1, ahead=1)
    results = left.results([1, "kill", 1])
    print(next(results)[1].id)
    try:
        next(results)
    except RuntimeError as error:
        assert "was killed by SIGKILL" in str(error), error
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_the_other_ways_to_start_a_process(method, tmp_path) -> None:
    path = tmp_path / "program.py"
    path.write_text(STARTED_ANEW)
    done = subprocess.run(
        [sys.executable, path, method],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_more_than_the_system_gives(monkeypatch) -> None:
    def refuse(_: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(multiprocessing.get_context().Process, "start", refuse)
    with pytest.raises(RuntimeError) as caught:
        fetched(abs, range(3))
    assert str(caught.value) == (
        "DataLoader: worker 0 of 2 cannot be started (Resource temporarily unavailable); use "
        "fewer: num_workers="
    )


def test_more_threads_than_the_system_gives(monkeypatch) -> None:
    def refuse(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match=r"worker 0 of 2 cannot be started .can't start new"):
        fetched(abs, range(3), threads=True)


def test_importing_costs_nothing_of_what_only_workers_need() -> None:
    code = (
        "import sys, numpy; before = set(sys.modules); import nn; "
        "print({'multiprocessing', 'socket', 'queue', 'signal', 'selectors'}"
        " & (set(sys.modules) - before))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert found.stdout == b"set()\n"
