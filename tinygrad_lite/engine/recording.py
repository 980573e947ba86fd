"""The settings in force when an operation runs: whether it is recorded, and who observes it.

One context variable holds both, in a `Mode`; `apply` reads it once, and so does a backward pass.
"""

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ContextDecorator, contextmanager, nullcontext
from contextvars import ContextVar
from functools import reduce
from itertools import count, pairwise
from types import CodeType, FrameType
from typing import Any, Self, TypeVar

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

# Numbers for the nodes of the graph and for writes in place, in the order in which they happen.
serials = count(1)


class Mode:
    """The settings of a context: those of the mode around it, changed by one entry.

    outer         the mode around this one; None for the first, which has no entry
    entry         None for a no_grad, or an observer
    grad_enabled  whether operations record a graph
    observers     each observer once; `observer` is the innermost, or None
    watched       the methods of Observer that at least one of them overrides
    """

    __slots__ = ("entry", "grad_enabled", "observer", "observers", "outer", "watched")

    def __init__(self, outer: "Mode | None" = None, entry: "Observer | None" = None) -> None:
        self.outer, self.entry = outer, entry
        self.grad_enabled: bool = outer is None or (outer.grad_enabled and entry is not None)
        self.observers: tuple[Observer, ...] = () if outer is None else outer.observers
        self.watched: frozenset[str] = frozenset() if outer is None else outer.watched
        if entry is not None and all(entry is not one for one in self.observers):
            self.observers = (*self.observers, entry)
            self.watched |= entry.overridden()
        self.observer = self.observers[-1] if self.observers else None

    def with_grad(self) -> "Mode":
        """The mode of the same observers in which operations record a graph."""
        return reduce(Mode, self.observers, Mode())


modes: ContextVar[Mode] = ContextVar("modes", default=Mode())  # noqa: B039  # never changed


def _enter(entry: "Observer | None") -> None:
    """Open a no_grad or an observer in this context."""
    modes.set(Mode(modes.get(), entry))


def _leave(entry: "Observer | None") -> None:
    """Close the innermost entry that is this one.

    There may be none: a generator may be closed in a different context from where it started.
    """
    mode = modes.get()
    inner: list[Observer | None] = []
    while mode.outer is not None:
        if mode.entry is entry:
            modes.set(reduce(Mode, reversed(inner), mode.outer))
            return
        inner.append(mode.entry)
        mode = mode.outer


@contextmanager
def grad_on() -> Iterator[None]:
    """Operations inside record a graph, even within no_grad."""
    token = modes.set(modes.get().with_grad())
    try:
        yield
    finally:
        modes.reset(token)


class no_grad(ContextDecorator):  # the field's own name, used as a function
    """Operations inside record no graph.  `with no_grad():` or `@no_grad()` on a function.

    It may be nested, used recursively, left by an exception, and used in several threads at once:
    the mode is a context variable, so every thread and every task has its own.
    """

    def __call__(self, function: Decorated) -> Decorated:
        """The function, run inside no_grad; TypeError if its body would run later."""
        late = inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction
        if any(check(function) for check in late):
            raise TypeError(
                f"no_grad cannot decorate {function.__name__}, whose body runs later; "
                "write `with no_grad():` inside it"
            )
        return super().__call__(function)

    def __enter__(self) -> Self:
        _enter(None)
        return self

    def __exit__(self, *_: object) -> None:
        _leave(None)


def is_grad_enabled() -> bool:
    """Whether operations record a graph here (False inside `no_grad`)."""
    return modes.get().grad_enabled


# The methods of observers: not the user's code, even outside our packages (see `user_frame`).
_code_of_observers: set[CodeType] = set()


class Observer(AbstractContextManager["Observer"]):
    """Sees everything that the engine does inside `with observer:`.  Override what you need.

        class Count(Observer):
            ops = 0

            def forward(self, op, arrays):
                self.ops += 1
                return super().forward(op, arrays)

        with Count() as seen:
            model(x).sum().backward()

    Each method here calls the same method of the observer around this one (`outer`); if there is
    none, it does what the engine would do.  So call `super()`, or `forward` and `backward` do not
    run.
    An observer sees the threads and asyncio tasks in which it was entered, and no others.
    """

    def __init_subclass__(cls) -> None:
        methods = (getattr(value, "__code__", None) for value in vars(cls).values())
        _code_of_observers.update(code for code in methods if code is not None)

    def overridden(self) -> set[str]:
        """The names of the methods that are not those of Observer itself."""
        methods = {name: own for name, own in vars(Observer).items() if callable(own)}
        return {n for n, own in methods.items() if getattr(self, n) != own.__get__(self)}

    @property
    def outer(self) -> "Observer | None":
        """The observer around this one; None for the outermost."""
        observers = modes.get().observers
        around = [one for one, inner in pairwise(observers) if inner is self]
        return around[0] if around else None

    @staticmethod
    def current(method: str) -> "Observer | None":
        """The innermost observer; None if no observer overrides this method, "drew" for example."""
        mode = modes.get()
        return mode.observer if method in mode.watched else None

    def forward(self, op: Any, arrays: list[Any]) -> Any:
        """An operation runs, recorded or not.  Return the result of op.forward(*arrays)."""
        outer = self.outer
        return op.forward(*arrays) if outer is None else outer.forward(op, arrays)

    def recorded(self, op: Any, tensor: Any) -> None:
        """An operation was recorded; if it has several results, called once for each tensor."""
        if self.outer is not None:
            self.outer.recorded(op, tensor)

    def backward(self, node: Any, gradient: Any) -> Any:
        """A backward pass visits a node.  Return node.pull_back(gradient), for its parents."""
        outer = self.outer
        return node.pull_back(gradient) if outer is None else outer.backward(node, gradient)

    def leaf_done(self, node: Any) -> None:
        """The gradient of this leaf is final; it is the `.grad` of its tensor, node.holder().

        If an observer overrides this, leaves finish in the middle of `Tensor.backward`, each as
        soon as no more gradients can reach it; a pass that fails half way has then set some.
        """
        if self.outer is not None:
            self.outer.leaf_done(node)

    def wrote(self, array: Any) -> None:
        """The array was, or is about to be, written in place."""
        if self.outer is not None:
            self.outer.wrote(array)

    def drew(self, generator: Any, array: Any) -> None:
        """Random numbers were drawn from the generator into the array."""
        if self.outer is not None:
            self.outer.drew(generator, array)

    def module(self, path: str) -> AbstractContextManager[Any]:
        """A Module is called.  Return a context manager: it is entered around its `forward`."""
        outer = self.outer
        return nullcontext() if outer is None else outer.module(path)

    def __enter__(self) -> Self:
        _enter(self)
        return self

    def __exit__(self, *_: object) -> None:
        _leave(self)


class _SourceLines(Observer):
    """Gives every node the line of the user's code that recorded it."""

    def recorded(self, op: Any, tensor: Any) -> None:
        tensor._node.line = op.line = user_line()
        super().recorded(op, tensor)


_source_lines = _SourceLines()


class record_source_lines(ContextDecorator):  # used as a function, like no_grad
    """Inside, every op remembers the line of user code that called it, for error messages.

    Finding the line takes longer than a small operation does, so it is off unless asked for.
    """

    def __enter__(self) -> Self:
        _enter(_source_lines)
        return self

    def __exit__(self, *_: object) -> None:
        _leave(_source_lines)


def user_frame() -> FrameType:
    """The innermost caller outside this project's two packages.

    NumPy, which calls `quiet`, and the methods of observers are skipped too.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None:
        package = (frame.f_globals.get("__name__") or "").partition(".")[0]
        ours = package in ("tinygrad_lite", "nn", "numpy")
        if not ours and frame.f_code not in _code_of_observers:
            break
        frame = frame.f_back
    return frame


def user_line() -> str:
    """The "file:line" of the user's code that is running."""
    frame = user_frame()
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """A warning that names the user's line, once for each such line unless filters say otherwise.

    `warnings.warn` would need to know how many of our own calls lie in between.
    """
    frame = user_frame()
    file, line, names = frame.f_code.co_filename, frame.f_lineno, frame.f_globals
    registry = names.setdefault("__warningregistry__", {})
    warnings.warn_explicit(message, category, file, line, names.get("__name__", ""), registry)
