"""no_grad and the other settings: with or without parentheses, on functions of every kind.

What a `with` in a generator means is tested on PyTorch too, in tests/parity/test_no_grad.py.
"""

import asyncio
import contextvars
import functools
import gc
import inspect
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from many_threads import at_once, many_switches

from tinygrad_lite import Observer, Tensor, is_grad_enabled, no_grad, record_source_lines
from tinygrad_lite.engine import recording

BOTH = pytest.mark.parametrize("quiet", [no_grad, no_grad()], ids=["no_grad", "no_grad()"])


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    assert is_grad_enabled()
    yield
    assert is_grad_enabled()
    assert Observer.current("recorded") is None


# With and without parentheses


def test_with_and_without_parentheses() -> None:
    w = Tensor(2.0, requires_grad=True)
    with no_grad:
        assert not (w * w).requires_grad
        with no_grad():
            assert not is_grad_enabled()
        with no_grad, no_grad:
            assert not is_grad_enabled()
        assert not is_grad_enabled()
    assert (w * w).requires_grad
    with pytest.raises(KeyError), no_grad:
        raise KeyError


def test_functions_with_and_without_parentheses() -> None:
    @no_grad
    def bare(n: int, *, step: int = 1) -> int:
        """Recursion."""
        assert not is_grad_enabled()
        return 0 if n <= 0 else step + bare(n - step, step=step)

    @no_grad()
    def called(n: int) -> int:
        assert not is_grad_enabled()
        return n

    assert bare(6, step=2) == 6
    assert called(3) == 3
    assert (bare.__name__, bare.__doc__) == ("bare", "Recursion.")
    assert list(inspect.signature(bare).parameters) == ["n", "step"]
    with pytest.raises(ZeroDivisionError):
        no_grad(lambda: 1 / 0)()


def test_what_they_are_called() -> None:
    assert repr(no_grad) == repr(no_grad()) == "no_grad"
    assert repr(record_source_lines) == "record_source_lines"
    assert "record no graph" in no_grad.__doc__


def test_methods() -> None:
    class Model:
        @no_grad
        def plain(self) -> bool:
            return is_grad_enabled()

        @no_grad
        @staticmethod
        def static() -> bool:
            return is_grad_enabled()

        @classmethod
        @no_grad()
        def of_class(cls) -> bool:
            return is_grad_enabled()

        @property
        @no_grad
        def computed(self) -> bool:
            return is_grad_enabled()

    model = Model()
    assert not model.plain()
    assert not Model.static()
    assert not model.of_class()
    assert not model.computed
    assert not no_grad(model.plain)()
    assert not no_grad(functools.partial(is_grad_enabled))()


@pytest.mark.parametrize("wrong", [3, False, "f", Tensor(1.0), classmethod(len), int, [len]])
@BOTH
def test_what_is_no_function(quiet, wrong) -> None:
    kind = type(wrong).__name__
    expected = (
        rf"^no_grad: expected a function to decorate; got {kind}; write `with no_grad:`, or "
        r"`@no_grad` right above a def$"
    )
    with pytest.raises(TypeError, match=expected):
        quiet(wrong)
    with pytest.raises(TypeError, match=r"^record_source_lines: expected a function to decorate"):
        record_source_lines(wrong)


def test_source_lines_with_and_without_parentheses() -> None:
    w = Tensor(2.0, requires_grad=True)

    def line() -> str | None:
        return (w * w)._node.line

    with record_source_lines:
        assert line().startswith(__file__)
        with record_source_lines():
            assert line().startswith(__file__)
        assert line().startswith(__file__)
    assert line() is None
    assert record_source_lines(line)().startswith(__file__)
    assert record_source_lines()(line)().startswith(__file__)


# Generators


@contextmanager
def quiet_block(quiet: Any = no_grad) -> Iterator[None]:
    with quiet:
        yield


@pytest.mark.parametrize("make", [lambda: no_grad, no_grad], ids=["no_grad", "no_grad()"])
def test_the_idiom_of_contextlib(make) -> None:
    """The mode stays on in the body of the `with` that uses it, as in PyTorch."""
    with quiet_block(make()):
        assert not is_grad_enabled()
        with quiet_block(make()):
            assert not is_grad_enabled()
        assert not is_grad_enabled()
    assert is_grad_enabled()
    with pytest.raises(KeyError), quiet_block(make()):
        raise KeyError
    assert is_grad_enabled()

    @quiet_block(make())
    def decorated() -> bool:
        return is_grad_enabled()

    assert not decorated()


def test_a_with_in_a_generator_holds_between_its_steps() -> None:
    def steps() -> Iterator[int]:
        yield 0
        with no_grad():
            yield 1
        yield 2

    assert [is_grad_enabled() for _ in steps()] == [True, False, True]


def test_a_generator_that_is_left_early_ends_its_mode_when_it_is_freed() -> None:
    def steps() -> Iterator[int]:
        with no_grad():
            yield from range(3)

    for _ in steps():
        break
    assert is_grad_enabled()


def test_interleaved_generators_end_their_own_mode() -> None:
    def steps() -> Iterator[None]:
        with no_grad():
            yield

    first, second = steps(), steps()
    next(first), next(second)
    first.close()
    assert not is_grad_enabled()  # the second one's
    second.close()
    assert is_grad_enabled()


def test_many_generators_that_end_in_the_wrong_order() -> None:
    def steps() -> Iterator[None]:
        with no_grad():
            yield

    running = [steps() for _ in range(1500)]  # more than Python's limit of recursion
    for one in running:
        next(one)
    for one in (running.pop(0), *reversed(running)):
        assert not is_grad_enabled()
        one.close()


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("end", ["close", "exhaust", "throw", "collect"])
@pytest.mark.parametrize("where", ["context", "thread"])
def test_a_generator_that_ends_elsewhere_leaves_that_context_alone(where, end, inside) -> None:
    seen = Records()

    def steps() -> Iterator[None]:
        with no_grad(), record_source_lines(), seen:
            yield

    def elsewhere(function: Any) -> None:
        if where == "context":
            contextvars.copy_context().run(function)
        else:
            thread = threading.Thread(target=function)
            thread.start()
            thread.join()

    running: Any = steps()
    elsewhere(lambda: next(running))

    def finish() -> None:
        nonlocal running
        if end == "close":
            running.close()
        elif end == "exhaust":
            assert next(running, "done") == "done"
        elif end == "throw":
            with pytest.raises(KeyError):
                running.throw(KeyError())
        running = None
        gc.collect()

    w = Tensor(2.0, requires_grad=True)
    if inside:
        with no_grad():
            finish()
            assert not is_grad_enabled()
        with record_source_lines():
            assert (w * w)._node.line is not None
    else:
        finish()
    assert is_grad_enabled()
    assert (w * w)._node.line is None
    assert seen.count == 0


class Records(Observer):
    count = 0

    def recorded(self, op, tensor):
        self.count += 1
        super().recorded(op, tensor)


def test_an_observer_in_a_generator_by_the_same_rule() -> None:
    w, seen = Tensor(2.0, requires_grad=True), Records()

    @contextmanager
    def watching() -> Iterator[Records]:
        with seen:
            yield seen

    with watching():
        w * w
    w * w
    assert seen.count == 1


# A generator that is decorated


@BOTH
def test_a_decorated_generator_is_inside_in_its_own_steps_only(quiet) -> None:
    events: list[Any] = []

    @quiet
    def steps(limit: int) -> Any:
        """Its own."""
        try:
            events.append(is_grad_enabled())
            got = yield limit
            events.append((got, is_grad_enabled()))
            try:
                yield "second"
            except KeyError:
                events.append(("thrown", is_grad_enabled()))
                yield "third"
            return "returned"
        finally:
            events.append(("finally", is_grad_enabled()))

    assert inspect.isgeneratorfunction(steps)
    assert (steps.__name__, steps.__doc__) == ("steps", "Its own.")
    running = steps(7)
    assert events == []
    assert next(running) == 7
    assert is_grad_enabled()
    assert running.send("sent") == "second"
    assert is_grad_enabled()
    assert running.throw(KeyError("k")) == "third"
    assert is_grad_enabled()
    with pytest.raises(StopIteration) as stopped:
        next(running)
    assert stopped.value.value == "returned"
    assert events == [False, ("sent", False), ("thrown", False), ("finally", False)]
    del events[:]
    running = steps(1)
    next(running)
    running.close()
    assert events == [False, ("finally", False)]
    with pytest.raises(StopIteration):
        next(running)

    def outer() -> Any:
        return (yield from steps(2))

    assert list(outer()) == [2, "second"]


def test_a_decorated_generator_that_fails() -> None:
    @no_grad
    def steps() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    running = steps()
    assert next(running) == 1
    with pytest.raises(ZeroDivisionError):
        next(running)
    assert is_grad_enabled()


def test_a_decorated_generator_inside_no_grad_and_the_other_way_round() -> None:
    @no_grad
    def steps() -> Iterator[bool]:
        while True:
            yield is_grad_enabled()

    running = steps()
    with no_grad():
        assert next(running) is False
        assert not is_grad_enabled()
    assert next(running) is False
    assert is_grad_enabled()
    assert contextvars.copy_context().run(next, running) is False
    running.close()


def test_the_idiom_of_contextlib_on_a_decorated_generator_is_quiet_in_its_own_body_only() -> None:
    """As in PyTorch: there too the mode is restored at the yield."""

    @contextmanager
    @no_grad
    def block() -> Iterator[bool]:
        yield is_grad_enabled()

    with block() as inside:
        assert is_grad_enabled()
    assert inside is False


# Coroutines and asynchronous generators


async def moments(number: int = 3) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@BOTH
def test_a_decorated_coroutine(quiet) -> None:
    @quiet
    async def work(fails: bool = False) -> bool:
        found = is_grad_enabled()
        await moments()
        if fails:
            raise KeyError
        return found or is_grad_enabled()

    async def main() -> None:
        assert inspect.iscoroutinefunction(work)
        assert await work() is False
        assert is_grad_enabled()
        with pytest.raises(KeyError):
            await work(fails=True)
        assert is_grad_enabled()
        assert await asyncio.gather(*(work() for _ in range(5))) == [False] * 5
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(no_grad(moments)(10**9), 0.01)
        assert is_grad_enabled()

    asyncio.run(main())


def test_a_coroutine_that_is_driven_by_hand_is_outside_while_it_waits() -> None:
    @no_grad
    async def work() -> bool:
        await moments(1)
        return is_grad_enabled()

    running = work()
    running.send(None)
    assert is_grad_enabled()
    with pytest.raises(StopIteration) as stopped:
        running.send(None)
    assert stopped.value.value is False


def test_objects_that_are_called_like_functions() -> None:
    class Steps:
        def __call__(self, n: int) -> Any:
            yield n, is_grad_enabled()
            yield is_grad_enabled()

    class Work:
        async def __call__(self) -> bool:
            await moments()
            return is_grad_enabled()

    running = no_grad(Steps())(3)
    assert next(running) == (3, False)
    assert is_grad_enabled()
    assert list(running) == [False]
    assert list(no_grad(functools.partial(Steps(), 4))()) == [(4, False), False]
    assert asyncio.run(no_grad(Work())()) is False
    assert no_grad(Steps().__call__)(5).send(None) == (5, False)
    assert no_grad(len)([1]) == 1


def test_tasks_have_modes_of_their_own() -> None:
    async def quiet() -> None:
        with no_grad():
            for _ in range(10):
                await asyncio.sleep(0)
                assert not is_grad_enabled()

    async def loud() -> None:
        for _ in range(10):
            await asyncio.sleep(0)
            assert is_grad_enabled()

    async def main() -> None:
        await asyncio.gather(quiet(), loud(), quiet(), loud())

    asyncio.run(main())


@BOTH
def test_a_decorated_asynchronous_generator(quiet) -> None:
    events: list[Any] = []

    @quiet
    async def steps(limit: int) -> Any:
        try:
            for n in range(limit):
                await moments(1)
                try:
                    got = yield n, is_grad_enabled()
                    events.append(got)
                except KeyError:
                    events.append(("thrown", is_grad_enabled()))
        finally:
            await moments(1)
            events.append(("finally", is_grad_enabled()))

    async def main() -> None:
        assert inspect.isasyncgenfunction(steps)
        async for _, enabled in steps(3):
            assert not enabled
            assert is_grad_enabled()
        assert events == [None, None, None, ("finally", False)]
        del events[:]
        running = steps(9)
        assert await anext(running) == (0, False)
        assert await running.asend("sent") == (1, False)
        assert await running.athrow(KeyError("k")) == (2, False)
        assert is_grad_enabled()
        await running.aclose()
        assert events == ["sent", ("thrown", False), ("finally", False)]
        async for _ in steps(2):
            break  # it is closed by the event loop
        assert is_grad_enabled()

    asyncio.run(main())


# Exits in an order of the user's own


def test_an_exit_stack_and_enters_by_hand() -> None:
    with ExitStack() as stack:
        stack.enter_context(no_grad)
        stack.enter_context(no_grad())
        assert not is_grad_enabled()
    assert is_grad_enabled()
    first, second = no_grad(), no_grad()
    first.__enter__()
    second.__enter__()
    first.__exit__()
    assert not is_grad_enabled()
    second.__exit__()
    assert is_grad_enabled()
    second.__exit__()
    assert is_grad_enabled()


def test_many_threads_enter_and_leave_one_object() -> None:
    wrong = []

    @no_grad
    def quiet() -> bool:
        return is_grad_enabled()

    def work(_: int) -> None:
        for _ in range(300):
            with no_grad:
                wrong.append(is_grad_enabled())
            wrong.append(not is_grad_enabled())
            wrong.append(quiet())

    with many_switches():
        at_once(work)
    assert not any(wrong)


def test_an_entry_that_is_interrupted_is_none(monkeypatch) -> None:
    """Nobody calls `__exit__` then."""

    class Interrupted:
        def get(self):
            return modes.get()

        def set(self, mode):
            modes.set(mode)
            if mode is not before:
                raise KeyboardInterrupt

    modes = recording.modes
    before = modes.get()
    monkeypatch.setattr(recording, "modes", Interrupted())
    for setting in (no_grad, no_grad(), record_source_lines(), Records()):
        with pytest.raises(KeyboardInterrupt), setting:
            pass
        assert modes.get() is before
