"""Functions of arrays that a captured step calls as a whole.

While `tinygrad_lite.capture` records a step, values are carried by objects that note what NumPy is
asked to do with them (capturing/trace.py).  Most functions in arrays/ run on those as they are:
which steps they take depends on shapes, dtypes and strides only.  A function that looks at values,
to check them or to choose between two ways, cannot be recorded step by step: it is called again in
each replay.  It says so with one of the decorators here.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

# What records the functions that this thread calls; None unless a step is being captured.
recorder: ContextVar[Any] = ContextVar("recorder", default=None)
# What such a step requires, noted also by code that is not recorded: hooks, observers.
requirements: ContextVar[Any] = ContextVar("requirements", default=None)


def _seen(function: Function, method: str, **how: bool) -> Function:
    """The function; while a step is captured, its calls go to this method of the recorder."""

    @wraps(function)
    def call(*given: Any, **options: Any) -> Any:
        recording = recorder.get()
        if recording is None:
            return function(*given, **options)
        return getattr(recording, method)(function, given, options, **how)

    return call  # type: ignore[return-value]  # the same signature


def whole(function: Function) -> Function:
    """A decorator: in a captured step, each replay that needs the result calls the function.

    It must change none of its arguments, and keep none of them.  Whether its result is one of them,
    or a view of one, must not depend on values: memory of an argument may be used again.
    """
    return _seen(function, "call_whole")


def opaque(function: Function) -> Function:
    """A decorator: like `whole`, for a result that may be of any kind: None, a number, an array.

    What depends on values in such a way can only be handed to functions with a decorator.
    """
    return _seen(function, "call_opaque")


def each_time(function: Function) -> Function:
    """A decorator: every replay of a captured step calls the function, whoever needs its result.

    For random draws, and functions that write into arrays which outlive the step.
    """
    return _seen(function, "call_whole", always=True)


def check(function: Function) -> Function:
    """A decorator: every replay of a captured step calls the function, which may raise.

    It must change nothing; where it can, it is called before the replay changes anything, so that
    a step with a mistake in it can run eagerly after all.
    """
    return _seen(function, "call_whole", always=True, checks=True)


class Outdated(RuntimeError):
    """Raised by a `check` if a choice of the record is wrong in this call: it is recorded anew."""


def required(function: Callable[..., Any], *args: Any) -> Any:
    """function(*args): a flag, a number, a text or None, on which it depends how the code goes on.

    In a captured step, a replay must find the same: for each value there is another recording.  It
    is called before each replay begins, so the step itself must not change the value.  Hooks and
    observers, which replays call, may use it too: one that leaves no gradient in some calls, say.
    """
    required_by = requirements.get()
    return function(*args) if required_by is None else required_by.require(function, *args)


def carried(array: Any) -> Any:
    """An array from the user; while a step is captured, what stands for it there.

    So what is computed from it is recorded, and each replay reads what it holds then.
    """
    recording = recorder.get()
    return array if recording is None else recording.carried(array)


def number_of(array: Any) -> Any:
    """The only element as a Python number; while a step is captured, what stands for it there."""
    recording = recorder.get()
    return array.item() if recording is None else recording.number_of(array)


def fresh(array: Any) -> Any:
    """A new array that was made of shapes and numbers alone, for a tensor.

    Each replay of a captured step makes it anew, since the step may write into it.
    """
    recording = recorder.get()
    return array if recording is None else recording.fresh(array)


def holds(test: Callable[..., bool], *given: Any) -> bool:
    """Whether test(*given) holds, for a rare case whose way gives the right numbers in any case.

    A captured step takes that way always.
    """
    return recorder.get() is not None or test(*given)


def holds_now(test: Callable[..., bool], *given: Any) -> bool:
    """Whether a step is being captured, and test(*given) holds for the values of this call.

    For a choice that is right in every replay, whichever it is.
    """
    recording = recorder.get()
    return recording is not None and recording.holds_now(test, given)


def leaves(what: str, *arrays: Any) -> None:
    """Say that what comes next depends on values: a step that does it cannot be captured.

    If these are the values of arrays, then only if one of them may change between replays.
    """
    recording = recorder.get()
    if recording is not None and (not arrays or any(map(recording.varies, arrays))):
        recording.leak(what, None)
