"""What is recorded: gradients on and off, source lines, and the numbers of events."""

import inspect
import itertools
import sys
import warnings
from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar
from types import FrameType
from typing import Any, Self, TypeVar

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

# Numbers for the vertices of the graph and for changes in place, in the order in which they happen.
serials = itertools.count(1)

no_grad_depth: ContextVar[int] = ContextVar("no_grad_depth", default=0)


class _Lines:
    """How many `record_source_lines` are open."""

    depth = 0


lines = _Lines()


class no_grad(ContextDecorator):  # the field's own name, used as a function
    """Operations inside record no graph.  `with no_grad():` or `@no_grad()` on a function.

    It may be nested, used recursively, left by an exception, and used in several threads at once:
    it counts its depth in a context variable, which every thread and every task has of its own.
    """

    def __call__(self, function: Decorated) -> Decorated:
        """The function, run inside no_grad; TypeError where its body would run later."""
        if (
            inspect.isgeneratorfunction(function)
            or inspect.iscoroutinefunction(function)
            or inspect.isasyncgenfunction(function)
        ):
            raise TypeError(
                f"no_grad cannot decorate {function.__name__}, whose body runs later; "
                "write `with no_grad():` inside it"
            )
        return super().__call__(function)

    def __enter__(self) -> Self:
        no_grad_depth.set(no_grad_depth.get() + 1)
        return self

    def __exit__(self, *_: object) -> None:
        # A generator may be closed in another context than the one it was started in.
        no_grad_depth.set(max(no_grad_depth.get() - 1, 0))


def is_grad_enabled() -> bool:
    """Whether operations record a graph here (False inside `no_grad`)."""
    return no_grad_depth.get() == 0


class record_source_lines(ContextDecorator):  # used as a function, like no_grad
    """Inside, every op remembers the line of user code that called it, for error messages.

    It costs about a microsecond per op, so it is off unless asked for.  It counts for the whole
    process, not only for this thread.
    """

    def __enter__(self) -> Self:
        lines.depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        lines.depth -= 1


def user_frame() -> FrameType:
    """The innermost caller outside this project's two packages, and NumPy, which calls `quiet`."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in ("tinygrad_lite", "nn", "numpy"):
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
    warnings.warn_explicit(
        message,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=frame.f_globals.get("__name__", ""),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )
