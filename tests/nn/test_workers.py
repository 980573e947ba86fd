"""Threads and processes that fetch ahead: order, bounds, settings, errors, and use again."""

import gc
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from leftovers import both, fetched, nothing_is_left, standing, with_fork
from threadpoolctl import threadpool_info

from nn.data import get_worker_info
from nn.data.workers import Workers
from tinygrad_lite import Tensor, is_grad_enabled, no_grad, parallel

pytestmark = with_fork


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with nothing_is_left():
        yield


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
