"""The code around a conversion: the user's line, and the library functions that it called."""

import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FrameType, ModuleType
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


def callers(depth: int) -> tuple[FrameType, list[FrameType]]:
    """The innermost frame of the user's code, and those of libraries inside it, innermost first.

    depth     the number of calls between the function that asks and the first frame that counts

    Libraries are ours, NumPy, the standard library and what is in site-packages.  If all code is in
    libraries, the innermost frame that is not ours or NumPy's is the user's.
    """
    inside: list[FrameType] = []
    for frame in _outward(sys._getframe(depth + 1)):
        if not _in_library(frame.f_code.co_filename, package(frame)):
            return frame, inside
        inside.append(frame)
    others = [number for number, frame in enumerate(inside) if package(frame) not in OURS]
    first = others[0] if others else len(inside) - 1
    return inside[first], inside[:first]


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


@lru_cache(1024)
def _in_library(file: str, name: str) -> bool:
    installed = file.startswith(STANDARD) or any(folder in file for folder in INSTALLED)
    return installed or name in OURS


def operator_or_callee(frame: FrameType) -> Any:
    """What the frame is running: the sign of an operator, or the function that it calls.

    None if that is not an operator, nor a call of a function by its name, as np.exp(...) is.
    Functions written in C have no frame, so nothing but the bytecode tells np.exp of a list from
    np.asarray.  Each version of Python has its own; what is unknown here gives None, so that a lost
    graph is a warning instead of an error.
    """
    running = _instruction(frame.f_code, frame.f_lasti)
    if not isinstance(running, tuple):
        return running
    name, *attributes = running
    scopes = (frame.f_locals, frame.f_globals, frame.f_builtins)
    found = next((names[name] for names in scopes if name in names), None)
    for attribute in attributes:
        # Of another object, reading an attribute could run code of its class.
        plain = isinstance(found, (ModuleType, np.ufunc, np.ndarray))
        found = getattr(found, attribute, None) if plain else None
    return found


@lru_cache(1024)
def _instruction(code: CodeType, position: int) -> str | tuple[str, ...] | None:
    """The sign of the operator at this position, or the names of the function called there."""
    import dis  # here, since it takes time, and few programs need it

    before = [step for step in dis.get_instructions(code) if step.offset <= position]
    running = before[-1]
    if running.opname in OPERATORS:
        sign = running.argrepr.removeprefix("bool(").removesuffix(")") or "in"
        return None if sign == "[]" else sign
    if not running.opname.startswith("CALL") or running.positions is None:
        return None
    start = running.positions.lineno, running.positions.col_offset
    names: tuple[str, ...] | None = None
    for step in before[:-1]:  # the function's own name starts where the call does
        at = step.positions
        if at is None or (at.lineno, at.col_offset) != start:
            continue
        if step.opname in LOADS:
            names = (step.argval,)
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            names = names and (*names, step.argval)
        elif step.opname.startswith(("CALL", "BINARY", "LOAD_CONST", "BUILD")):
            names = None
    return names
