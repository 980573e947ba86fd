"""The code around a conversion: the user's line, and the library functions that it called."""

import os
import sys
from collections.abc import Iterator
from types import FrameType, ModuleType
from typing import Any

import numpy as np

OURS = "tinygrad_lite", "nn", "numpy"
INSTALLED = f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}"
STANDARD = os.path.dirname(os.__file__) + os.sep, "<frozen "

OPERATORS = "BINARY_OP", "COMPARE_OP", "CONTAINS_OP"
# The loads of a name, without those of two at once, which dis gives as a pair.
LOADS = "LOAD_NAME", "LOAD_GLOBAL", "LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_CHECK", "LOAD_DEREF"


def module(frame: FrameType) -> str:
    """The full name of the module that the frame's code is in."""
    return frame.f_globals.get("__name__") or ""


def package(frame: FrameType) -> str:
    """The name of the package that the frame's code is in."""
    return module(frame).partition(".")[0]


def in_library(frame: FrameType) -> bool:
    """Whether the code is ours, NumPy's, the standard library's or in site-packages."""
    file = frame.f_code.co_filename
    installed = file.startswith(STANDARD) or any(folder in file for folder in INSTALLED)
    return installed or package(frame) in OURS


def callers(depth: int) -> tuple[FrameType, list[FrameType]]:
    """The innermost frame of the user's code, and those of libraries inside it, innermost first.

    depth     the number of calls between the function that asks and the first frame that counts

    If all code is in libraries, the innermost frame that is not ours or NumPy's is the user's.
    """
    frames = list(_outward(sys._getframe(depth + 1)))
    users = [number for number, frame in enumerate(frames) if not in_library(frame)]
    others = [number for number, frame in enumerate(frames) if package(frame) not in OURS]
    first = (users or others or [len(frames) - 1])[0]
    return frames[first], frames[:first]


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def operator_or_callee(frame: FrameType) -> Any:
    """What the frame is running: the sign of an operator, or the function that it calls.

    None if that is not an operator, nor a call of a function by its name, as np.exp(...) is.
    Functions written in C have no frame, so there is nothing else that tells np.exp of a list
    from np.asarray.
    """
    import dis  # here, since it takes time, and few programs need it

    before = [step for step in dis.get_instructions(frame.f_code) if step.offset <= frame.f_lasti]
    running = before[-1]
    if running.opname in OPERATORS:
        sign = running.argrepr.removeprefix("bool(").removesuffix(")") or "in"
        return None if sign == "[]" else sign
    if not running.opname.startswith("CALL") or running.positions is None:
        return None
    start = running.positions.lineno, running.positions.col_offset
    found: Any = None
    for step in before[:-1]:
        at = step.positions
        if at is None or (at.lineno, at.col_offset) != start:
            continue
        if step.opname in LOADS:
            found = _named(frame, step.argval)
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            plain = isinstance(found, (ModuleType, np.ufunc, np.ndarray))
            found = getattr(found, step.argval, None) if plain else None
        elif step.opname.startswith(("CALL", "BINARY", "LOAD_CONST", "BUILD")):
            found = None
    return found


def _named(frame: FrameType, name: str) -> Any:
    for names in (frame.f_locals, frame.f_globals, frame.f_builtins):
        if name in names:
            return names[name]
    return None
