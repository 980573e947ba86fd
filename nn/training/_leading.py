"""What one of several processes does for all: read a file, write one, judge a score."""

import builtins
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from .._processes import current

# Whether this stands in the work of a `by_leading`, where the other processes wait.
_working: ContextVar[bool] = ContextVar("_working", default=False)


def by_leading(what: str, work: Callable[[], bytes | None]) -> bytes:
    """The result of `work()`, called in the leading process only; all wait until it is done.

    what: for the error if another process does something else.

    What `work` raises is raised in all, so that none waits for ever; in the others it is `told`.
    """
    processes = current()
    if processes.size == 1 or _working.get():
        return work() or b""
    content, error = None, None
    if processes.leads:
        content, error = _result(work)
    answer = processes.broadcast(what, content)
    if error is not None:
        raise shared(error, told=False)
    if answer[:1] != b"+":
        name, _, text = answer[1:].decode().partition(" ")
        raise _rebuilt(name, text)
    return answer[1:]


def alone_here() -> bool:
    """Whether no other process waits for this one to exchange something."""
    return current().size == 1 or _working.get()


def is_shared(error: BaseException) -> bool:
    """Whether it, or the like of it, was raised in all processes, as by a `by_leading`."""
    return "told_by_leading" in vars(error)


def is_told(error: BaseException) -> bool:
    """Whether another process says it, as the leading one."""
    return bool(vars(error).get("told_by_leading", False))


def is_plain(error: BaseException) -> bool:
    """Whether it is due to how the program was started, so that it needs no traceback."""
    return bool(vars(error).get("needs_no_traceback", False))


def shared(error: BaseException, told: bool, plain: bool = False) -> BaseException:
    """The error, of which all processes have the like; told: another one says it.

    plain: it is due to how the program was started: `run` says it in one line.
    """
    vars(error).update(told_by_leading=told, needs_no_traceback=plain)
    return error


def _result(work: Callable[[], bytes | None]) -> tuple[bytes, BaseException | None]:
    """What to tell the others, and the error to raise here."""
    token = _working.set(True)
    try:
        return b"+" + (work() or b""), None
    except BaseException as error:  # whatever it is, the others must not wait
        text = _status(error) if isinstance(error, SystemExit) else str(error)
        return f"-{type(error).__name__} {text}".encode("utf-8", "replace"), error
    finally:
        _working.reset(token)


def _status(error: SystemExit) -> str:
    """The exit status, or nothing; that of a text, which Python prints in this process, is 1."""
    if error.code is None:
        return ""
    return str(int(error.code)) if isinstance(error.code, int) else "1"


def _rebuilt(name: str, text: str) -> BaseException:
    """An error of the same built-in type, or a RuntimeError."""
    kind: Any = getattr(builtins, name, None)
    error: BaseException
    if kind is SystemExit:
        error = SystemExit(int(text) if text else None)
    else:
        try:
            error = kind(text)
        except TypeError:  # no built-in one, or one with other arguments
            error = RuntimeError(text)
    return shared(error, told=True)
