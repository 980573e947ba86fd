"""The pool of threads: what comes out, what it leaves behind, and that no size changes a bit."""

import contextvars
import gc
import os
import re
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from tinygrad_lite import Tensor, grad, parallel
from tinygrad_lite.arrays import products, threads
from tinygrad_lite.arrays.float_errors import restore, silence

SIZES = (1, 2, 3, 8)
AFFINITY = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


@pytest.fixture(params=SIZES)
def pool(request, monkeypatch):
    pool = threads.Pool(request.param)
    monkeypatch.setattr(threads, "_pool", pool)
    return pool


@pytest.fixture
def pair(monkeypatch):
    pool = threads.Pool(2)
    monkeypatch.setattr(threads, "_pool", pool)
    return pool


def blas_threads() -> list[int]:
    return [library.get_num_threads() for library in threads._blas_libraries()]


def run_python(program: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def both_at_work():
    """A task for two chunks that ends only when another thread has begun the other chunk."""
    meeting = threading.Barrier(2, timeout=120)
    return lambda chunk: meeting.wait() is not None and threading.current_thread()


def test_results_come_in_the_order_of_the_chunks(pool) -> None:
    chunks = list(range(100))
    assert threads.parallel(lambda n: n * n, chunks) == [n * n for n in chunks]
    assert threads.parallel(lambda n: n * n, [7]) == [49]
    assert threads.parallel(lambda n: n * n, []) == []


def test_a_task_of_ones_own_on_the_pool(pair) -> None:
    assert len(set(parallel(both_at_work(), (0, 1)))) == 2


def test_threads_run_side_by_side(pair) -> None:
    one, other = threads.parallel(both_at_work(), (0, 1))
    assert one is not other
    assert threading.main_thread() in (one, other)


def test_an_exception_comes_out_and_the_pool_lives_on(pool) -> None:
    def fail(n):
        if n == 3:
            raise KeyError("three")
        return n

    for multiplies in (False, True):
        with pytest.raises(KeyError, match="three"):
            threads.parallel(fail, range(10), multiplies)
    assert threads.parallel(str, range(10)) == [*"0123456789"]


def test_an_exception_of_a_helper_comes_out(pair) -> None:
    meet = both_at_work()

    def fail(chunk):
        if meet(chunk) is not threading.main_thread():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        threads.parallel(fail, (0, 1))
    threads.parallel(both_at_work(), (0, 1))  # and the helper still serves


def test_the_caller_waits_for_helpers_when_it_fails_itself(pair) -> None:
    meet, ended = both_at_work(), []

    def fail(chunk):
        if meet(chunk) is threading.main_thread():
            raise KeyboardInterrupt
        time.sleep(0.05)
        ended.append(chunk)

    with pytest.raises(KeyboardInterrupt):
        threads.parallel(fail, (0, 1))
    assert len(ended) == 1


def test_nested_chunks_run_where_they_are(pool) -> None:
    def outer(n):
        here = threading.current_thread()
        assert set(threads.parallel(lambda _: threading.current_thread(), range(5))) == {here}
        return sum(threads.parallel(lambda m: n * m, range(4), multiplies=True))

    assert threads.parallel(outer, range(6), multiplies=True) == [6 * n for n in range(6)]


def test_two_user_threads_at_once(pool) -> None:
    found = {}

    def use(name):
        x = np.arange(1000.0) + name
        for _ in range(50):
            sums = threads.parallel(lambda n: float((x * n).sum()), range(8), multiplies=True)
        found[name] = sums

    before = blas_threads()
    users = [threading.Thread(target=use, args=(name,)) for name in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    for name in range(4):
        assert found[name] == [float(((np.arange(1000.0) + name) * n).sum()) for n in range(8)]
    assert blas_threads() == before


def test_blas_is_held_to_one_thread_and_let_go(pool) -> None:
    before = blas_threads()
    seen = threads.parallel(lambda _: blas_threads(), range(3), multiplies=True)
    assert seen == [[1] * len(before)] * 3
    assert blas_threads() == before
    with pytest.raises(ZeroDivisionError):
        threads.parallel(lambda _: 1 / 0, range(3), multiplies=True)
    assert blas_threads() == before
    with threads.blas_held:
        threads.parallel(str, range(3), multiplies=True)
        assert blas_threads() == [1] * len(before)  # the first one in holds it
    assert blas_threads() == before


def test_context_holds_in_every_thread(pair) -> None:
    """NumPy's error state lies in the context: no warning (an error in tests) may leak."""
    variable = contextvars.ContextVar("variable")
    token, mine = silence(), variable.set("mine")
    meet = both_at_work()

    def divide(chunk):
        meet(chunk)
        return np.float32(1) / np.zeros(10, np.float32), variable.get()

    try:
        for quotient, found in threads.parallel(divide, (0, 1)):
            assert np.isinf(quotient).all()
            assert found == "mine"
    finally:
        variable.reset(mine)
        restore(token)


def test_nothing_is_kept_alive(pool) -> None:
    gc.disable()
    try:
        for fails in (False, True):
            array = np.ones(10)
            chunks = [array[:5], array[5:]]

            def work(chunk, array=array, fails=fails):
                if fails:
                    raise KeyError
                return array + chunk[0]

            gone = weakref.ref(array)
            try:
                threads.parallel(work, chunks)
            except KeyError:
                assert fails
            del array, chunks, work
            assert gone() is None
    finally:
        gc.enable()


def test_importing_starts_nothing() -> None:
    program = """
import sys, threading
import tinygrad_lite, nn
from tinygrad_lite import Tensor, grad
from tinygrad_lite.arrays import products, threads
assert threading.active_count() == 1 and threads._pool is None
assert "threadpoolctl" not in sys.modules and "concurrent.futures" not in sys.modules
threads.parallel(str, range(4))
assert threading.active_count() == 3, threading.enumerate()
"""
    done = run_python(program, TINYGRAD_LITE_THREADS="3")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_pool_of_one_starts_no_thread() -> None:
    program = """
import threading
from tinygrad_lite import Tensor, grad
from tinygrad_lite.arrays import products, threads
assert threads.parallel(str, range(4), multiplies=True) == [*"0123"]
assert threading.active_count() == 1
"""
    done = run_python(program, TINYGRAD_LITE_THREADS="1")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "wrong",
    [
        "0",
        "-2",
        "two",
        "1.5",
        "1000000000",
        "1025",
        "1e3",
        "0x4",
        "1_0",
        "+4",
        "4 4",
        "٤",
        "²",
        "nan",
    ],
)
def test_a_wrong_size(wrong, monkeypatch) -> None:
    monkeypatch.setenv("TINYGRAD_LITE_THREADS", wrong)
    monkeypatch.setattr(threads, "_pool", None)
    before = threading.active_count()
    expected = (
        f"TINYGRAD_LITE_THREADS: expected a number of threads from 1 to 1024; got {wrong!r}; leave "
        "it unset to get one for each core"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        threads.parallel(str, range(2))
    assert threading.active_count() == before


def test_a_wrong_size_is_one_line_however_long_it_is(monkeypatch) -> None:
    for wrong in ("9" * 6000, "one\ntwo" * 100):
        monkeypatch.setenv("TINYGRAD_LITE_THREADS", wrong)
        with pytest.raises(ValueError, match=r"^TINYGRAD_LITE_THREADS: expected ") as caught:
            threads.size_from_environment()
        assert len(str(caught.value)) < 200
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", ["4", " 4 ", "04", "\t4\n"])
def test_a_size_may_have_spaces_around_it(given, monkeypatch) -> None:
    monkeypatch.setenv("TINYGRAD_LITE_THREADS", given)
    assert threads.size_from_environment() == 4


@pytest.mark.parametrize("refused", [1, 2, 4])
@pytest.mark.parametrize("kind", [RuntimeError, MemoryError])
def test_a_pool_that_cannot_start_leaves_no_threads_and_the_caller_works(
    refused, kind, monkeypatch
) -> None:
    start, calls = threading.Thread.start, []

    def fail(thread) -> None:
        calls.append(thread)
        if len(calls) == refused:
            raise kind("can't start new thread")
        start(thread)

    monkeypatch.setenv("TINYGRAD_LITE_THREADS", "5")
    monkeypatch.setattr(threads, "_pool", None)
    before, blas = threading.enumerate(), blas_threads()
    monkeypatch.setattr(threading.Thread, "start", fail)
    here = threading.current_thread()
    for multiplies in (False, True):
        work = threads.parallel(lambda n: (n * n, threading.current_thread()), range(9), multiplies)
        assert work == [(n * n, here) for n in range(9)]
    assert len(calls) == refused  # it is not tried again and again
    assert threading.enumerate() == before
    assert blas_threads() == blas


def test_ctrl_c_while_a_pool_starts_leaves_no_threads(monkeypatch) -> None:
    start, calls = threading.Thread.start, []

    def fail(thread) -> None:
        calls.append(thread)
        if len(calls) == 3:
            raise KeyboardInterrupt
        start(thread)

    monkeypatch.setenv("TINYGRAD_LITE_THREADS", "4")
    monkeypatch.setattr(threads, "_pool", None)
    before = threading.enumerate()
    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(KeyboardInterrupt):
        threads.parallel(str, range(4))
    assert threading.enumerate() == before
    assert threads._making.lock.acquire(blocking=False)
    threads._making.lock.release()
    assert threads.parallel(str, range(4)) == [*"0123"]  # the next one starts it after all
    assert len(threading.enumerate()) == len(before) + 3


@pytest.mark.parametrize("failing", [1, 2])
def test_a_blas_limit_that_fails_half_way_is_lifted(failing, monkeypatch) -> None:
    class Library:
        number = 4

        def get_num_threads(self):
            return self.number

        def set_num_threads(self, number):
            nonlocal calls
            self.number = number
            calls += 1
            if calls == failing:
                raise KeyboardInterrupt

    calls, held = 0, threads._OneBlasThread()
    held.libraries = [Library(), Library()]
    with pytest.raises(KeyboardInterrupt), held:
        pass
    assert [library.number for library in held.libraries] == [4, 4]
    with held:
        assert [library.number for library in held.libraries] == [1, 1]
    assert [library.number for library in held.libraries] == [4, 4]
    assert held.entered == 0
    with pytest.raises(KeyboardInterrupt), held:
        calls = 0  # it fails where the limit is lifted
    assert [library.number for library in held.libraries] == [4, 4]
    assert held.entered == 0


def test_ctrl_c_in_the_caller_waits_for_the_chunks_that_are_being_written(pair) -> None:
    """The helper still writes; and the caller is interrupted where it waits for it."""
    ended, waits, begun, blas = [], threading.Event(), threading.Event(), blas_threads()

    def work(chunk):
        if threading.current_thread() is threading.main_thread():
            begun.wait(120)
            return
        begun.set()
        waits.wait(120)
        time.sleep(0.05)
        ended.append(blas_threads())

    def interrupt() -> None:
        begun.wait(120)
        time.sleep(0.05)  # until the main thread waits
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        waits.set()

    other = threading.Thread(target=interrupt)
    other.start()
    with pytest.raises(KeyboardInterrupt):
        threads.parallel(work, (0, 1), multiplies=True)
    assert ended == [[1] * len(blas)]
    other.join()
    assert blas_threads() == blas
    assert not threads._inside.get()
    assert len(set(threads.parallel(both_at_work(), (0, 1)))) == 2


def test_the_size_by_default_is_the_number_of_cores_we_may_use(monkeypatch) -> None:
    for empty in ("", " "):
        monkeypatch.setenv("TINYGRAD_LITE_THREADS", empty)
        assert threads.size_from_environment() == len(os.sched_getaffinity(0))
    monkeypatch.setenv("TINYGRAD_LITE_THREADS", "5")
    assert threads.size_from_environment() == 5
    monkeypatch.delenv("TINYGRAD_LITE_THREADS")
    monkeypatch.delattr(os, "sched_getaffinity")
    assert threads.size_from_environment() == os.cpu_count()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_works() -> None:
    """It forks in the middle of another thread's job, which holds BLAS and every lock there is."""
    program = """
import os, threading, time
import numpy as np
from tinygrad_lite import Tensor, grad
from tinygrad_lite.arrays import products, threads
def blas():
    return [library.get_num_threads() for library in threads._blas_libraries()]
before = blas()
entered, go_on = threading.Event(), threading.Event()
def task(chunk):
    entered.set()
    go_on.wait()
    return blas()
user = threading.Thread(target=lambda: threads.parallel(task, range(3), multiplies=True))
user.start()
entered.wait()
with threads._making.lock, threads.blas_held.lock:
    child = os.fork()
    if child == 0:
        assert blas() == before
        x = np.ones((300, 300), np.float32)
        sums = threads.parallel(lambda n: float((x @ x).sum()) * n, range(4), multiplies=True)
        assert sums == [300.0**3 * n for n in range(4)]
        assert threading.active_count() == 3 and blas() == before
        os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
go_on.set()
user.join()
assert blas() == before
"""
    done = run_python(program, TINYGRAD_LITE_THREADS="3", OPENBLAS_NUM_THREADS="2")
    assert (done.returncode, done.stderr) == (0, "")


def test_after_the_pool_has_multiplied_products_leave_blas_threads_alone(pool, monkeypatch) -> None:
    a, b = (np.random.default_rng(n).standard_normal((300, 320), np.float32) for n in (0, 1))
    monkeypatch.setattr(threads, "blas_held", threads._OneBlasThread())
    monkeypatch.setattr(products, "blas_held", threads.blas_held)
    counts = []
    enter = threads._OneBlasThread.__enter__
    monkeypatch.setattr(
        threads._OneBlasThread, "__enter__", lambda self: counts.append(1) or enter(self)
    )
    monkeypatch.setattr(threads._OneBlasThread, "used", property(lambda self: False))
    expected = products.multiply(a, b.T)
    assert not counts
    monkeypatch.setattr(threads._OneBlasThread, "used", True)
    for left, right in ((a, b.T), (a.T, b), (a[:200], b.T), (b, a[:200].T)):
        np.testing.assert_allclose(products.multiply(left, right), left @ right, 1e-4, 1e-4)
    np.testing.assert_allclose(products.multiply(np.ones(300, "f4"), a), a.sum(0), 1e-4, 1e-4)
    assert len(counts) == 5
    large = np.concatenate([a] * 3)
    np.testing.assert_allclose(products.multiply(large, b.T)[:300], expected, 1e-4, 1e-4)
    np.testing.assert_allclose(products.multiply(a, large.T)[:, :300], a @ a.T, 1e-4, 1e-4)
    assert products.multiply(a[:2], b[:2].T).shape == (2, 2)
    assert len(counts) == 7


def test_a_large_matrix_times_a_stack_after_the_pool_has_multiplied(pair, monkeypatch) -> None:
    monkeypatch.setattr(products, "ALONE", 1)
    monkeypatch.setattr(products, "LARGE", 1)
    with threads.blas_held:
        pass
    random = np.random.default_rng(0)
    a = Tensor(random.standard_normal((7, 5)), requires_grad=True)
    b = Tensor(random.standard_normal((2, 5, 3)), requires_grad=True)
    g = random.standard_normal((2, 7, 3))
    by_a, by_b = grad(a @ b, [a, b], g)
    np.testing.assert_allclose(by_a.data, np.einsum("sik,sjk->ij", g, b.data))
    np.testing.assert_allclose(by_b.data, np.einsum("ij,sik->sjk", a.data, g))


def program() -> dict[str, np.ndarray]:
    """What every operation gives that uses the pool, and its gradients."""
    random = np.random.default_rng(0)

    def parameter(*shape, dtype=np.float32):
        values = random.standard_normal(shape).astype(dtype)
        return Tensor(values, requires_grad=True)

    x, found = parameter(32, 8, 40, 40), {}
    for name, weight, options in (
        ("conv", parameter(8, 8, 3, 3), {"padding": 1}),
        ("strided", parameter(12, 8, 3, 3), {"stride": 2}),
        ("groups", parameter(8, 4, 3, 3), {"groups": 2}),
        ("depthwise", parameter(8, 1, 3, 3), {"groups": 8, "padding": 1}),
        ("depthwise strided", parameter(16, 1, 3, 3), {"groups": 8, "stride": 2}),
    ):
        bias = parameter(len(weight))
        y = x.conv2d(weight, bias, **options)
        back = grad(y, [x, weight, bias], random.standard_normal(y.shape).astype(np.float32))
        found |= {f"{name} {n}": t.numpy() for n, t in enumerate((y, *back))}
    weight = parameter(8, 4, 3, 3)
    y = x.conv_transpose2d(weight, stride=2)
    back = grad(y, [x, weight], random.standard_normal(y.shape).astype(np.float32))
    found |= {f"transposed {n}": t.numpy() for n, t in enumerate((y, *back))}
    for name, pool in (
        ("max", lambda t: t.max_pool2d(2)),
        ("max overlapping", lambda t: t.max_pool2d(3, 2, padding=1)),
        ("mean", lambda t: t.avg_pool2d(3, 2)),
        ("relu", lambda t: t.relu()),
        ("product", lambda t: t.reshape(-1, 1600) @ t.reshape(-1, 1600).T),
    ):
        y = pool(x)
        (back,) = grad(y, [x], random.standard_normal(y.shape).astype(np.float32))
        found |= {name: y.numpy(), f"{name} back": back.numpy()}
    return found


def test_the_same_bits_come_out_for_any_size(monkeypatch) -> None:
    results = []
    for size in SIZES:
        monkeypatch.setattr(threads, "_pool", threads.Pool(size))
        results.append(program())
    first, *others = results
    for name, array in first.items():
        for size, other in zip(SIZES[1:], others, strict=True):
            assert np.array_equal(array, other[name]), (name, size)


def test_large_arrays_give_what_small_ones_do(pair) -> None:
    """The pool has its own path through relu and its gradient, which inf and nan take too."""
    x = np.random.default_rng(0).standard_normal((64, 300, 80)).astype(np.float32)
    x[::7, ::5] = [np.nan, np.inf, -np.inf, 0.0] * 20
    g = np.full_like(x, np.inf)
    for array in (x, x.transpose(2, 0, 1), x[:, ::-1]):
        t = Tensor(array, requires_grad=True)
        y = t.relu()
        (back,) = grad(y, [t], g.reshape(array.shape))
        assert np.array_equal(y.numpy(), np.maximum(array, 0), equal_nan=True)
        slope = np.where(np.isnan(array), np.nan, np.where(array > 0, np.inf, 0))
        assert np.array_equal(back.numpy(), slope, equal_nan=True)


@pytest.mark.skipif(len(AFFINITY) < 2, reason="needs two cores, and Linux to tell them apart")
def test_helpers_keep_off_the_core_of_the_caller(pair) -> None:
    caller, before = threading.get_ident(), os.sched_getaffinity(0)
    allowed: dict[bool, set[int]] = {}
    meet = threading.Barrier(2)

    def look(_: int) -> None:
        meet.wait(120)
        allowed[threading.get_ident() == caller] = os.sched_getaffinity(0)

    try:
        for core in sorted(before)[:2]:
            os.sched_setaffinity(0, {core})
            threads.parallel(look, [0, 1])
            assert allowed == {True: {core}, False: before - {core}}
    finally:
        os.sched_setaffinity(0, before)
