"""The settings in force when an operation runs: whether it is recorded, and who observes it.

One context variable holds both, in a `Mode`; `apply` reads it once, and so does a backward pass.
"""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import reduce
from itertools import count, pairwise
from types import CodeType, FrameType
from typing import Any, Self

from ..arrays.settings import Setting

# Numbers for the nodes of the graph and for writes in place, in the order in which they happen.
serials = count(1)


class Mode:
    """The settings of a context: those of the mode around it, changed by one entry.

    outer         the mode around this one; None for the first, which has no entry
    entry         a no_grad or an observer: what was entered, and will leave
    grad_enabled  whether operations record a graph
    observers     each observer once; `observer` is the innermost, or None
    watched       the methods of Observer that at least one of them overrides
    """

    __slots__ = ("entry", "grad_enabled", "observer", "observers", "outer", "watched")

    def __init__(self, outer: "Mode | None" = None, entry: Any = None) -> None:
        self.outer, self.entry = outer, entry
        observes = entry is not None and not isinstance(entry, NoGrad)
        self.grad_enabled: bool = outer is None or (outer.grad_enabled and observes)
        self.observers: tuple[Observer, ...] = () if outer is None else outer.observers
        self.watched: frozenset[str] = frozenset() if outer is None else outer.watched
        if observes and all(entry is not one for one in self.observers):
            self.observers = (*self.observers, entry)
            self.watched |= entry.overridden()
        self.observer = self.observers[-1] if self.observers else None

    def with_grad(self) -> "Mode":
        """The mode of the same observers in which operations record a graph."""
        return reduce(Mode, self.observers, Mode())


modes: ContextVar[Mode] = ContextVar("modes", default=Mode())  # noqa: B039  # never changed


class Entry:
    """What a context may enter, and leave in any order: a no_grad or an observer."""

    __slots__ = ()

    def __enter__(self) -> Self:
        before = modes.get()
        try:
            modes.set(Mode(before, self))
        except BaseException:  # Ctrl-C, after which nobody calls __exit__
            modes.set(before)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close the innermost entry that is this one, and no other.

        There may be none: a generator may be closed in a different context from where it started.
        """
        mode, inner = modes.get(), []
        while mode.entry is not self and mode.outer is not None:
            inner.append(mode.entry)
            mode = mode.outer
        if mode.outer is not None:
            modes.set(reduce(Mode, reversed(inner), mode.outer))


@contextmanager
def grad_on() -> Iterator[None]:
    """Operations inside record a graph, even within no_grad."""
    before = modes.get()
    modes.set(before.with_grad())
    try:
        yield
    finally:
        modes.set(before)


class NoGrad(Entry, Setting):
    """Operations inside record no graph.  `with no_grad():`, or `@no_grad()` on a function.

    The parentheses may be left out.  It may be nested, used recursively, left by an exception, and
    used in several threads at once: the mode is a context variable, so every thread and every task
    has its own.

    A generator runs in the context of whoever iterates over it, so between its steps a `with
    no_grad():` in its body holds there too, as in PyTorch.  contextlib's idiom relies on that:

        @contextmanager
        def evaluating(model):
            with no_grad():
                yield model.eval()

    A function that is decorated, of whatever kind, is inside while its own body runs: a generator
    or a coroutine is outside while it is suspended.  A generator may also be closed in another
    context or thread than where it ran: nothing changes there.  (Without parentheses, all uses
    share one object; in a generator, write `no_grad()`.)
    """

    __slots__ = ()

    name = "no_grad"


no_grad = NoGrad()


def is_grad_enabled() -> bool:
    """Whether operations record a graph here (False inside `no_grad`)."""
    return modes.get().grad_enabled


# The methods of observers: not the user's code, even outside our packages (see `user_frame`).
_code_of_observers: set[CodeType] = set()


class Observer(Entry):
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
        pairs = pairwise(modes.get().observers)
        return next((around for around, inner in pairs if inner is self), None)

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

    def backward_done(self) -> None:
        """A backward pass is over: all its gradients are in `.grad`, and each leaf was told of.

        Called once at the end of each `Tensor.backward`, unless that raised; not by `grad`.  What
        this makes of the gradients, the program finds: write into `leaf.grad.data`, assign another
        tensor, or None.  It runs in a mode in which operations record a graph, as leaf_done does.
        """
        if self.outer is not None:
            self.outer.backward_done()

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
