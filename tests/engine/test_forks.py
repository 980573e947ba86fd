"""A forked child never waits for a thread that only its parent has.

Each test forks while another thread holds a lock, or is at work; an alarm ends a child that waits.
"""

import ast
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from many_threads import many_switches

import tinygrad_lite
from tinygrad_lite import Tensor, checkpoint, no_grad, parallel
from tinygrad_lite.arrays import generator, threads
from tinygrad_lite.engine import backward, hooks
from tinygrad_lite.engine.memory import changes
from tinygrad_lite.show.picture import dot

ROOT = Path(tinygrad_lite.__file__).parents[1]

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # fork beside threads
]


def in_a_child(work: Callable[[], Any]) -> None:
    """Run `work` in a forked child; it must end by itself, without an exception."""
    child = os.fork()
    if not child:
        status = 1
        try:
            signal.alarm(120)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def run_python(program: str) -> None:
    """Run a program that must end without an error."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        env=os.environ | {"PYTHONPATH": str(ROOT), "TINYGRAD_LITE_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")


@contextmanager
def held_by_another_thread(*locks: Any) -> Any:
    """Each lock is held by a thread that waits."""
    ready, free = threading.Barrier(len(locks) + 1), threading.Event()

    def hold(lock: Any) -> None:
        with lock:
            ready.wait(120)
            free.wait(120)

    others = [threading.Thread(target=hold, args=(lock,)) for lock in locks]
    for other in others:
        other.start()
    ready.wait(120)
    try:
        yield
    finally:
        free.set()
        for other in others:
            other.join()


def write_in_place() -> None:
    x = Tensor([1.0])
    noted = x.data
    x += 1.0
    assert noted.tolist() == [2.0]
    y = Tensor([1.0, 2.0], requires_grad=True) * 2.0
    loss = (y * y).sum()
    y += 1.0
    with pytest.raises(RuntimeError, match="changed it in place"):
        loss.backward()


def add_gradients() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    for _ in range(2):
        checkpoint(lambda t: t * t, x.reshape(2)).sum().backward()
    assert x.grad.tolist() == [4.0, 8.0]


def add_hooks() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda g: g * 3.0)
    x.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def use_the_pool() -> None:
    a = np.ones((300, 300), np.float32)
    sums = threads.parallel(lambda n: float((a @ a).sum()) * n, range(4), multiplies=True)
    assert sums == [300.0**3 * n for n in range(4)]
    assert parallel(str, range(3)) == [*"012"]


@pytest.mark.parametrize(
    ("lock", "work"),
    [
        (lambda: changes.lock, write_in_place),
        (lambda: backward._accumulating.lock, add_gradients),
        (lambda: hooks._adding.lock, add_hooks),
        (lambda: threads._making.lock, use_the_pool),
        (lambda: threads.blas_held.lock, use_the_pool),
    ],
    ids=["memory", "gradients", "hooks", "pool", "BLAS"],
)
def test_a_lock_that_is_held_at_the_fork(lock, work, monkeypatch) -> None:
    monkeypatch.setattr(threads, "_pool", None)
    with held_by_another_thread(lock()):
        in_a_child(work)
    work()


def test_a_picture_that_is_drawn_at_the_fork(monkeypatch) -> None:
    drawing, free = threading.Event(), threading.Event()

    class Graph:
        def __init__(self, string: str) -> None:
            self.waits = "second" not in string

        def draw(self, **_: Any) -> bytes:
            if self.waits:
                drawing.set()
                free.wait(120)
            return b"<svg/>"

    monkeypatch.setitem(sys.modules, "pygraphviz", SimpleNamespace(AGraph=Graph))
    monkeypatch.setattr(dot.shutil, "which", lambda _: None)
    other = threading.Thread(target=dot.render, args=("digraph {}", "svg"))
    other.start()
    drawing.wait(120)
    try:
        in_a_child(lambda: dot.render("digraph second {}", "svg"))
    finally:
        free.set()
        other.join()


@pytest.mark.parametrize("seeded", [True, False])
def test_numbers_that_are_drawn_at_the_fork(seeded, monkeypatch) -> None:
    """NumPy holds a lock of the generator; the child draws what the parent would have drawn."""
    monkeypatch.setattr(generator, "_shared", None)
    if seeded:
        Tensor.manual_seed(3)
    Tensor.rand(2)
    state = generator.current().bit_generator.state
    expected = np.random.Generator(np.random.PCG64(0))
    expected.bit_generator.state = state
    numbers = expected.random(4, np.float32)

    def draw() -> None:
        np.testing.assert_array_equal(Tensor.rand(4).data, numbers)
        Tensor.manual_seed(5)
        Tensor.randn(3).dropout(0.5)

    with held_by_another_thread(generator.current().bit_generator.lock):
        in_a_child(draw)
    np.testing.assert_array_equal(Tensor.rand(4).data, numbers)


def test_numbers_of_a_checkpoint_in_which_the_child_is_forked() -> None:
    Tensor.manual_seed(0)
    with generator.repeatable():
        lock = generator.current().bit_generator.lock
        with held_by_another_thread(lock):
            in_a_child(lambda: Tensor.rand(3))


def test_a_child_forked_inside_a_chunk_leaves_the_limit_of_blas_alone(monkeypatch) -> None:
    """The child is forked by the thread that holds the limit, and lets it go there too."""
    monkeypatch.setattr(threads, "_pool", threads.Pool(2))
    before = [library.get_num_threads() for library in threads._blas_libraries()]

    def go_on() -> None:
        assert [library.get_num_threads() for library in threads._blas_libraries()] == before
        held.__exit__(None, None, None)
        held.__exit__(None, None, None)
        with held:
            assert {library.get_num_threads() for library in threads._blas_libraries()} == {1}
        assert [library.get_num_threads() for library in threads._blas_libraries()] == before
        use_the_pool()

    held = threads.blas_held
    with held:
        in_a_child(go_on)
    assert [library.get_num_threads() for library in threads._blas_libraries()] == before


@pytest.mark.parametrize(
    ("module", "use"),
    [
        ("numpy.random", "Tensor.rand(3)"),
        ("threadpoolctl", "parallel(str, range(3), multiplies=True)"),
        ("tinygrad_lite.derivatives", "tinygrad_lite.grad"),
    ],
)
def test_a_module_that_is_imported_at_the_fork(module, use) -> None:
    """Python has a lock for each module; the fork waits until the import is done."""
    program = f"""
import os, signal, sys, threading, time
import tinygrad_lite
from tinygrad_lite import Tensor
from tinygrad_lite.arrays.threads import parallel
class Slow:
    @staticmethod
    def find_spec(name, path, target=None):
        if name == {module!r}:
            begun.set()
            time.sleep(0.2)
begun = threading.Event()
sys.meta_path.insert(0, Slow)
def work():
    {use}
other = threading.Thread(target=work)
other.start()
assert begun.wait(120)
child = os.fork()
if not child:
    signal.alarm(120)
    work()
    os._exit(7)
other.join()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""
    run_python(program)


@pytest.mark.parametrize("where", ["caller", "helper"])
@pytest.mark.parametrize("fails", [False, True])
def test_a_task_that_forks_and_returns_in_the_child(where, fails) -> None:
    """The child has no helpers to wait for, or is one."""
    program = f"""
import os, signal, threading
from tinygrad_lite import parallel
meeting, parent = threading.Barrier(2), os.getpid()
def task(chunk):
    meeting.wait(120)
    if (threading.current_thread() is threading.main_thread()) == {where == "caller"}:
        child = os.fork()
        if not child:
            signal.alarm(120)
            if {fails}:
                raise KeyError
            return "child"
        children.append(child)
    return "parent"
children = []
try:
    found = parallel(task, (0, 1))
except RuntimeError as error:
    assert "a task forked this process; end it there with os._exit" in str(error), error
    os._exit(0 if os.getpid() != parent else 3)
except KeyError:
    os._exit(0 if os.getpid() != parent else 4)
assert os.getpid() == parent
assert found == ["parent", "parent"]
status = os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1])
assert status == {0 if where == "caller" else 1}, status
assert parallel(str, range(3)) == [*"012"]
"""
    run_python(program)


def test_a_child_forked_at_any_moment_while_other_threads_train(monkeypatch) -> None:
    monkeypatch.setattr(threads, "_pool", threads.Pool(3))
    stop = threading.Event()
    leaf = Tensor(np.ones(3), requires_grad=True)

    def train() -> None:
        while not stop.is_set():
            x = leaf * Tensor.rand(3)
            x += 1.0
            noted = x.data
            with no_grad():
                x *= 2.0
            del noted
            leaf.register_hook(lambda g: None).remove()
            checkpoint(lambda t: t.dropout(0.5) * t, leaf).sum().backward()
            parallel(lambda n: n, range(3))

    def everything() -> None:
        for work in (write_in_place, add_gradients, add_hooks, use_the_pool):
            work()
        Tensor.rand(3)
        with no_grad:
            Tensor.randn(3).dropout(0.5)

    others = [threading.Thread(target=train) for _ in range(3)]
    try:
        with many_switches():
            for other in others:
                other.start()
            for _ in range(10):
                in_a_child(everything)
    finally:
        stop.set()
        for other in others:
            other.join()


def slopes(values: list[float]) -> list[float]:
    """What a worker of multiprocessing does."""
    x = Tensor(values, requires_grad=True)
    (x * x).sum().backward()
    use_the_pool()
    return x.grad.tolist()


def test_workers_of_multiprocessing_that_are_forked(monkeypatch) -> None:
    monkeypatch.setattr(threads, "_pool", threads.Pool(2))
    use_the_pool()
    with (
        held_by_another_thread(changes.lock, threads.blas_held.lock),
        multiprocessing.get_context("fork").Pool(2) as pool,
    ):
        found = pool.map_async(slopes, [[1.0, 2.0], [3.0]]).get(120)
    assert found == [[2.0, 4.0], [6.0]]


def test_workers_of_multiprocessing_that_are_spawned(tmp_path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        """
import multiprocessing
import numpy as np
from tinygrad_lite import Tensor, no_grad, parallel
from tinygrad_lite.show.picture import dot


def work(weights):
    weights.requires_grad = True
    (weights * weights).sum().backward()
    return weights.grad, parallel(str, range(4))


if __name__ == "__main__":
    parallel(str, range(4))
    with no_grad, multiprocessing.get_context("spawn").Pool(1) as pool:
        gradient, digits = pool.apply_async(work, (Tensor([1.0, 2.0]),)).get(120)
    assert gradient.tolist() == [2.0, 4.0] and digits == [*"0123"]
"""
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TINYGRAD_LITE_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_lock_of_ours_is_made_anew_in_a_child() -> None:
    """No other module makes a lock, or uses what holds one inside."""
    kinds = {"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Barrier", "Event"}
    kinds |= {"Queue", "LifoQueue", "PriorityQueue", "cached_property"}
    kinds |= {"ThreadPoolExecutor", "ProcessPoolExecutor"}
    found = set()
    for package in ("tinygrad_lite", "nn"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Name | ast.Attribute):
                    name = node.id if isinstance(node, ast.Name) else node.attr
                    if name in kinds:
                        found.add((str(path.relative_to(ROOT)), name))
    assert found == {
        ("tinygrad_lite/arrays/locks.py", "RLock"),
        ("tinygrad_lite/arrays/threads.py", "Lock"),  # of one job, which the child does not see
        ("nn/training/progress.py", "RLock"),  # of one live line, which the child does not draw
        ("nn/training/metrics/_event_files.py", "Event"),  # a message, and no lock
    }
