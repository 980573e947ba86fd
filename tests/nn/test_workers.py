"""Threads and processes that fetch ahead: order, bounds, errors, every way to end, nothing left."""

import gc
import multiprocessing
import os
import random
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
from threadpoolctl import threadpool_info

import nn
from nn.data import get_worker_info
from nn.data.workers import Workers
from tinygrad_lite import Tensor, is_grad_enabled, no_grad, parallel

ROOT = Path(nn.__file__).parents[1]
PROC = Path("/proc/self/fd")

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # fork beside threads
]
both = pytest.mark.parametrize("threads", [True, False], ids=["threads", "processes"])


def standing() -> tuple[int, int, int]:
    """How many threads but those of the pool, child processes and open files this process has."""
    threads = [each for each in threading.enumerate() if "tinygrad_lite" not in each.name]
    files = len(list(PROC.iterdir())) if PROC.exists() else 0
    return len(threads), len(multiprocessing.active_children()), files


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    method = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("fork", force=True)
    before = standing()
    try:
        yield
        if standing() != before:  # pytest keeps the frames of an error in a circle
            gc.collect()
        assert standing() == before
    finally:
        multiprocessing.set_start_method(method, force=True)


def fetched(fetch: Callable[[Any], Any], tasks: Any, number: int = 2, **options: Any) -> list[Any]:
    with Workers(fetch, number, **options) as workers:
        return list(workers.results(tasks))


def slow_first(task: int) -> int:
    time.sleep(0.03 if task % 3 == 0 else 0.0)
    return task * task


@both
@pytest.mark.parametrize(("number", "ahead"), [(1, 1), (2, 2), (3, 1), (5, 3)])
def test_results_come_in_the_order_of_the_tasks(threads, number, ahead) -> None:
    found = fetched(slow_first, range(8), number, threads=threads, ahead=ahead)
    assert found == [0, 1, 4, 9, 16, 25, 36, 49]


@both
def test_the_work_is_done_elsewhere_and_shared_out(threads) -> None:
    def where(_: int) -> tuple[int, int, Any]:
        return os.getpid(), threading.get_ident(), get_worker_info()

    found = fetched(where, range(6), 3, threads=threads)
    assert [info for *_, info in found] == [(0, 3), (1, 3), (2, 3)] * 2
    assert found[0][2]._fields == ("id", "num_workers")
    assert len(set(found)) == 3
    assert {pid == os.getpid() for pid, *_ in found} == {threads}
    assert threading.get_ident() not in {thread for _, thread, _ in found} or not threads
    assert get_worker_info() is None


@both
@pytest.mark.parametrize(("number", "ahead"), [(1, 1), (2, 3)])
def test_only_so_many_tasks_are_taken_ahead(threads, number, ahead) -> None:
    taken = 0

    def tasks() -> Iterator[int]:
        nonlocal taken
        for taken in range(1, 21):
            assert threading.current_thread() is threading.main_thread()
            yield taken

    with Workers(abs, number, threads=threads, ahead=ahead) as workers:
        for delivered, _ in enumerate(workers.results(tasks()), 1):
            assert taken == min(20, delivered + number * ahead)
    assert taken == 20


@both
def test_without_tasks_nothing_is_started(threads) -> None:
    before = standing()
    with Workers(abs, 2, threads=threads) as workers:
        assert list(workers.results([])) == []
        assert standing() == before
        assert list(workers.results([-7])) == [7]  # one task needs one worker
        assert sum(standing()[:2]) == sum(before[:2]) + 1


ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(20000, dtype=np.float32).reshape(100, 200)),
    np.arange(40000, dtype=np.int64)[::-2],
    np.broadcast_to(np.float32(3), (50, 40)),
    np.array(5, np.uint8),
    np.empty((0, 3), np.float16),
    np.arange(9000, dtype=">i4"),
    np.array([("a", 1.5)], dtype=[("name", "U3"), ("x", "f8")]),
    np.array(["words", "of text"]),
]


def array(number: int) -> np.ndarray:
    return ARRAYS[number]


def test_arrays_arrive_as_they_were_and_are_ones_own() -> None:
    found = fetched(array, range(len(ARRAYS)))
    for got, sent in zip(found, ARRAYS, strict=True):
        assert got.dtype == sent.dtype
        np.testing.assert_array_equal(got, sent, strict=True)
        assert got.flags.writeable
    assert found[1].flags.f_contiguous


def test_other_results_arrive_too() -> None:
    def mixed(n: int) -> dict[str, Any]:
        return {
            "x": Tensor(np.full((40, 40), n, np.float32)),
            "text": "a",
            "more": [1, (2.5, None)],
        }

    one, other = fetched(mixed, [1, 2])
    assert one["x"].tolist() == [[1.0] * 40] * 40
    assert other["x"].dtype == np.float32
    assert (one["text"], one["more"]) == ("a", [1, (2.5, None)])


def test_a_result_is_sent_as_it_was_when_it_was_given() -> None:
    """Though its memory is used again for the next one, which begins before it is read."""
    memory = np.empty(500_000, np.float32)

    def refilled(n: int) -> np.ndarray:
        memory[:] = n
        return memory

    for n, result in enumerate(fetched(refilled, range(12), 2, ahead=3)):
        assert (result == n).all()


def test_large_tasks_and_large_results_do_not_wait_for_each_other() -> None:
    tasks = (np.full(400_000, n) for n in range(8))
    found = fetched(np.negative, tasks, 2, ahead=2)
    assert [(int(each[0]), len(each)) for each in found] == [(-n, 400_000) for n in range(8)]


# Settings of a worker


@both
def test_initialise_comes_first_in_each_worker_and_once(threads) -> None:
    seen = threading.local()

    def initialise(number: int) -> None:
        assert not hasattr(seen, "number")
        assert get_worker_info() == (number, 2)
        seen.number = number

    found = fetched(lambda _: seen.number, range(6), threads=threads, initialise=initialise)
    assert found == [0, 1, 0, 1, 0, 1]


def draws(_: int) -> tuple[Any, ...]:
    return random.random(), np.random.rand(), Tensor.rand(1).item()  # noqa: NPY002


def test_each_process_has_random_numbers_of_its_own_that_follow_from_the_seed() -> None:
    one = fetched(draws, range(6), 3, seed=np.random.SeedSequence(7))
    assert fetched(draws, range(6), 3, seed=np.random.SeedSequence(7)) == one
    assert len({number for numbers in one for number in numbers}) == 18
    child = np.random.SeedSequence(7).spawn(2)[1]  # of worker 1
    expected = np.random.RandomState(child.generate_state(12)[4:8])
    assert one[1][1] == expected.rand()
    fresh = [fetched(draws, range(2)) for _ in range(2)]
    assert len({number for found in fresh for numbers in found for number in numbers}) == 12


def test_threads_leave_the_random_numbers_of_the_program_alone() -> None:
    Tensor.manual_seed(3)
    expected = Tensor.rand(1).item()
    Tensor.manual_seed(3)
    seed = np.random.SeedSequence(7)
    (found,) = fetched(lambda _: Tensor.rand(1).item(), [0], threads=True, seed=seed)
    assert found == expected


def test_a_process_computes_with_one_thread() -> None:
    parallel(str, range(4))

    def threads_of_it(_: int) -> tuple[Any, ...]:
        a = np.ones((300, 300), np.float32)
        here = {threading.get_ident()}
        inside = set(parallel(lambda _: threading.get_ident(), range(4), multiplies=True))
        blas = {each["num_threads"] for each in threadpool_info()}
        return blas, inside == here, float((a @ a).sum())

    assert fetched(threads_of_it, range(2)) == [({1}, True, 300.0**3)] * 2


def test_signals_of_the_program_are_not_handled_in_a_process() -> None:
    names = [signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2]

    def handlers(_: int) -> tuple[Any, ...]:
        return [signal.getsignal(name) for name in names], signal.pthread_sigmask(0, [])

    given = [signal.SIG_DFL, signal.default_int_handler, signal.SIG_DFL, print, signal.SIG_IGN]
    before = [signal.signal(*each) for each in zip(names, given, strict=True)]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:
        ((found, blocked),) = fetched(handlers, [0], 1)
    finally:
        for each in zip(names, before, strict=True):
            signal.signal(*each)
    default, ignored = signal.SIG_DFL, signal.SIG_IGN
    assert found == [ignored, ignored, ignored, default, ignored]
    assert blocked == mask == signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_threads_have_the_settings_of_the_caller() -> None:
    def settings(_: int) -> tuple[bool, str]:
        return is_grad_enabled(), np.geterr()["over"]

    with Workers(settings, 1, threads=True) as workers:
        with no_grad, np.errstate(over="raise"):
            assert list(workers.results([0])) == [(False, "raise")]
        assert list(workers.results([0])) == [(True, np.geterr()["over"])]


# Errors


class TwoArguments(Exception):
    def __init__(self, row: int, reason: str) -> None:
        super().__init__(f"row {row}: {reason}")
        self.row = row


class Prefixed(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(f"no image {name}")


class Unsendable(Exception):
    def __reduce__(self) -> Any:
        raise OSError("not me")


def raising(error: BaseException) -> Callable[[int], int]:
    def fetch(task: int) -> int:
        if task == 3:
            raise error
        return task

    return fetch


@both
@pytest.mark.parametrize(
    "error",
    [
        ValueError("row 7: not an image"),
        KeyError("label"),
        FileNotFoundError(2, "No such file or directory", "a.png"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        TwoArguments(7, "damaged"),
        Prefixed("a.png"),
        Unsendable("lost"),
        SystemExit(3),
        KeyboardInterrupt("here"),
        MemoryError("8 TiB"),
        TimeoutError("the server"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_raised_in_the_caller_as_it_is(threads, error) -> None:
    found: list[int] = []
    with (
        pytest.raises(type(error)) as caught,
        Workers(raising(error), 2, threads=threads) as workers,
    ):
        found.extend(workers.results(range(8)))
    assert found == [0, 1, 2]
    assert type(caught.value) is type(error)
    assert str(caught.value) == str(error)
    assert caught.value.__dict__ == error.__dict__
    if threads:
        assert caught.value is error
        assert caught.traceback[-1].name == "fetch"
    else:
        text = str(caught.value.__cause__)
        assert text.startswith("in worker 1, pid ")
        assert "in fetch\n    raise error" in text


@both
def test_what_came_before_an_error_is_delivered_and_nothing_after_it(threads) -> None:
    found = []
    with Workers(raising(ValueError("bad")), 2, threads=threads) as workers:
        results = workers.results(range(8))
        with pytest.raises(ValueError, match=r"^bad$"):
            found.extend(results)
        assert found == [0, 1, 2]
        assert list(results) == []
        assert list(workers.results([4, 5])) == [4, 5]  # new workers


def test_the_causes_of_an_error_are_told() -> None:
    def fetch(_: int) -> None:
        try:
            {}["label"]
        except KeyError as error:
            raise ValueError("row 3") from error

    with pytest.raises(ValueError, match=r"^row 3$") as caught:
        fetched(fetch, [0])
    text = str(caught.value.__cause__)
    assert "KeyError: 'label'" in text
    assert "direct cause" in text


def test_an_error_that_cannot_be_pickled_is_told_by_type_and_text() -> None:
    class Local(Exception):
        pass

    for error in (Local("lost"), ValueError(threading.Lock())):
        with pytest.raises(RuntimeError) as caught:
            fetched(raising(error), range(4), 2)
        name = type(error).__name__
        text = str(error)
        assert str(caught.value).startswith("DataLoader: worker 1, pid ")
        assert f"{name}: {text}" in str(caught.value)
        assert "raise error" in str(caught.value.__cause__)


@both
def test_a_stop_iteration_does_not_end_the_loop_without_a_word(threads) -> None:
    with pytest.raises(RuntimeError) as caught:
        fetched(raising(StopIteration()), range(8), 2, threads=threads)
    assert str(caught.value) == (
        "DataLoader: worker 1: a StopIteration came out of the dataset, collate_fn or transform"
    )
    assert type(caught.value.__cause__) is StopIteration


@both
def test_an_error_of_initialise(threads) -> None:
    def initialise(number: int) -> None:
        raise OSError(f"no file for worker {number}")

    with pytest.raises(OSError, match=r"^no file for worker 0$"):
        fetched(abs, range(4), threads=threads, initialise=initialise)


@both
def test_an_error_of_the_tasks(threads) -> None:
    def tasks() -> Iterator[int]:
        yield from range(5)
        raise IndexError("the sampler")

    with pytest.raises(IndexError, match="the sampler"):
        fetched(abs, tasks(), threads=threads)


def test_a_result_that_cannot_be_pickled() -> None:
    def generator(n: int) -> Any:
        return (n for _ in range(n))

    with pytest.raises(TypeError) as caught:
        fetched(generator, [1])
    assert str(caught.value) == (
        "DataLoader: what a worker gives cannot be sent between processes: cannot pickle "
        "'generator' object; let it be arrays, numbers and text, or pass threads=True"
    )
    assert [list(each) for each in fetched(generator, [1, 2], threads=True)] == [[1], [2, 2]]


def test_a_task_that_cannot_be_pickled() -> None:
    with pytest.raises(TypeError, match=r"^DataLoader: what the sampler gives cannot be sent"):
        fetched(id, [threading.Lock()])


# Workers that end, or do not answer


def wait_for(event: Callable[[], Any], seconds: float = 20.0) -> None:
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
        assert time.monotonic() - begun < 10
    assert str(caught.value) == f"DataLoader: worker 1 (pid {pid}) {told}"


@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_a_worker_that_is_killed_at_work_is_noticed_at_once(seconds) -> None:
    def fetch(task: int) -> None:
        if task == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    begun = time.monotonic()
    with pytest.raises(RuntimeError, match="killed by SIGKILL"):
        fetched(fetch, range(4), timeout=seconds)
    assert time.monotonic() - begun < 3


def test_a_worker_that_leaves() -> None:
    with pytest.raises(
        RuntimeError, match=r"^DataLoader: worker 0 \(pid \d+\) ended with status 5"
    ):
        fetched(lambda _: os._exit(5), range(4))


def test_a_killed_worker_is_noticed_though_a_child_of_it_lives() -> None:
    def fetch(_: int) -> None:
        if not os.fork():
            time.sleep(3)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)

    begun = time.monotonic()
    with pytest.raises(RuntimeError, match="killed by SIGKILL"):
        fetched(fetch, [0])
    assert time.monotonic() - begun < 2.5


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
    assert 0.3 <= time.monotonic() - begun < 3
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


# Used again and again


@both
def test_workers_stay_for_the_next_results(threads) -> None:
    def who(task: int) -> tuple[int, int, int]:
        return task, os.getpid(), threading.get_ident()

    with Workers(who, 2, threads=threads) as workers:
        first = list(workers.results(range(5)))
        left = workers.results(range(10, 1000))
        assert next(left)[0] == 10
        assert workers.busy
        with pytest.raises(RuntimeError, match="busy with another iterator"):
            next(workers.results([0]))
        left.close()
        assert not workers.busy
        last = list(workers.results(range(5)))
    assert last == first
    assert list(map(who, [0])) != first[:1]


@both
def test_an_error_in_what_was_left_is_dropped_with_it(threads) -> None:
    with Workers(raising(ValueError("bad")), 2, threads=threads) as workers:
        left = workers.results(range(8))
        next(left)  # 3 is under way
        left.close()
        assert list(workers.results([4, 5])) == [4, 5]


def test_closing_is_for_now() -> None:
    workers = Workers(lambda _: os.getpid(), 1)
    workers.close()
    one = list(workers.results([0, 0]))
    workers.close()
    workers.close()
    other = list(workers.results([0, 0]))
    workers.close()
    assert len({*one, *other}) == 2


# Inside of each other, and beside


def test_workers_inside_of_workers() -> None:
    def nested(n: int) -> list[int]:
        return fetched(lambda k: k * n, range(3))

    expected = [[0, 0, 0], [0, 1, 2], [0, 2, 4]]
    assert fetched(nested, range(3)) == expected
    assert fetched(nested, range(3), threads=True) == expected


def test_in_a_daemonic_process_the_way_out_is_named() -> None:
    answers = multiprocessing.SimpleQueue()

    def work() -> None:
        try:
            fetched(abs, [1])
        except RuntimeError as error:
            answers.put((str(error), fetched(abs, [-1], threads=True)))

    process = multiprocessing.Process(target=work, daemon=True)
    process.start()
    found = answers.get()
    process.join()
    answers.close()
    assert found == (
        "DataLoader: num_workers: a daemonic process, as those of a multiprocessing.Pool, may not "
        "start processes; pass threads=True or num_workers=0",
        [1],
    )


@both
def test_several_at_once_and_from_other_threads(threads) -> None:
    found: dict[int, list[int]] = {}

    def run(k: int) -> None:
        found[k] = fetched(lambda n: n * k, range(20), 2, threads=threads)

    runs = [threading.Thread(target=run, args=(k,)) for k in range(4)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert found == {k: [n * k for n in range(20)] for k in range(4)}
    with Workers(abs, 2, threads=threads) as one, Workers(abs, 2, threads=threads) as other:
        pairs = zip(one.results(range(9)), other.results(range(9)), strict=True)
        assert list(pairs) == [(n, n) for n in range(9)]


@both
def test_a_child_that_is_forked_meanwhile(threads) -> None:
    """It disturbs nothing, cannot go on with its parent's iterator, and may start another one."""
    with Workers(abs, 2, threads=threads) as workers:
        results = workers.results(range(10))
        assert next(results) == 0
        child = os.fork()
        if not child:
            status = 1
            try:
                signal.alarm(60)
                with pytest.raises(RuntimeError, match="belongs to the process that forked"):
                    next(results)
                assert list(workers.results([-3])) == [3]
                workers.close()
                del results
                gc.collect()
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert list(results) == [*range(1, 10)]


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
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
    shared = Path("/dev/shm")
    before = set(shared.iterdir()) if shared.exists() else set()
    with program("time.sleep(60)", slow=slow) as started:
        pids = pids_of(started)
        assert len(pids) == 2
        assert all(map(alive, pids))
        started.kill()
        wait_for(lambda: not any(map(alive, pids)), 10)
        assert started.stderr.read() == ""
    assert not shared.exists() or set(shared.iterdir()) <= before


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
        wait_for(lambda: not any(map(alive, pids)), 10)


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
