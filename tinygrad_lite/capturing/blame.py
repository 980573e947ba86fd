"""The user's line that does what no replay can do; "" where nobody knows it.

While the step runs, that is the innermost line of the user's that is running.  What is found after
it, such as a changed variable, is looked for in the code: by the names that it must use.
"""

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dis import get_instructions
from functools import partial
from os.path import dirname
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any

from .notes import kind_of

_STANDARD = dirname(os.__file__) + os.sep
_STORES = ("STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR", "STORE_NAME")
_LOADS = ("LOAD_GLOBAL", "LOAD_DEREF", "LOAD_ATTR", "LOAD_METHOD", "LOAD_NAME")


def name_of(fn: Any) -> str:
    """How messages call the function of a step."""
    while isinstance(fn, partial):
        fn = fn.func
    return getattr(fn, "__qualname__", type(fn).__qualname__).rpartition("<locals>.")[2]


def running_line() -> str:
    """The "file:line" of the user's that is running inside the step, preferably no library's."""
    frames: list[tuple[FrameType, int]] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and kind_of(frame.f_globals.get("__name__")) != "step":
        frames.append((frame, frame.f_lineno))
        frame = frame.f_back
    return _innermost(frames)


def line_of_error(error: BaseException) -> str:
    """The same for an error that the step has raised."""
    frames: list[tuple[FrameType, int]] = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        frames.insert(0, (trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return _innermost(frames)


def _innermost(frames: list[tuple[FrameType, int]]) -> str:
    users = [
        f"{frame.f_code.co_filename}:{line}"
        for frame, line in frames
        if kind_of(frame.f_globals.get("__name__")) == "user"
    ]
    return next((one for one in users if not _is_library(one)), users[0] if users else "")


def _is_library(line: str) -> bool:
    return line.startswith(_STANDARD) or f"{os.sep}site-packages{os.sep}" in line


def line_that_changes(path: str, code: Iterable[CodeType]) -> str:
    """The only line that assigns the last name of a path, or else that uses it."""
    names = re.findall(r"[^\W\d]\w*", re.sub(r"\[.*?\]", "", path))
    if not names:
        return ""
    codes = list(code)
    for name, how in ((names[-1], _STORES), (names[-1], _LOADS), (names[0], _LOADS)):
        lines = _lines(codes, name, how)
        if lines:
            return _only(lines)
    return ""


def line_that_uses(name: str, code: Iterable[CodeType]) -> str:
    """The only line that uses a variable or an attribute of this name."""
    return _only(_lines(code, name, _LOADS))


def _lines(codes: Iterable[CodeType], name: str, how: tuple[str, ...]) -> set[str]:
    return {
        f"{code.co_filename}:{step.positions.lineno}"
        for code in codes
        for step in get_instructions(code)
        if step.argval == name and step.opname in how and step.positions is not None
    }


def _only(lines: set[str]) -> str:
    return next(iter(lines)) if len(lines) == 1 else ""


def code_in(objects: Iterable[Any], is_ours: Callable[[Any], bool]) -> Iterator[CodeType]:
    """The code of the user's functions among them, and of the functions inside those."""
    stack = [one.__code__ for one in objects if isinstance(one, FunctionType) and not is_ours(one)]
    while stack:
        code = stack.pop()
        yield code
        stack += [one for one in code.co_consts if isinstance(one, CodeType)]
