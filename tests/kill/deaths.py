"""SIGKILL at the n-th call that changes a file: each step of the order of writing, one by one."""

import builtins
import io
import os
import signal
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from tinygrad_lite import files

CALLS = ("fsync", "fdatasync", "rename", "replace", "link", "symlink", "unlink", "remove")
CALLS += ("truncate", "ftruncate", "mkdir", "rmdir", "chmod", "fchmod", "write", "writev", "pwrite")


def die_at(number: int, folder: Path, tell: Callable[..., None]) -> None:
    """From here on, tell and count the calls that change something, and die at this one, from 1.

    A write to a file in the folder counts twice: before it, and in the middle of it.  A process
    that dies before a call is one that died after the call before.
    """
    process, count, inside = os.getpid(), 0, str(folder.resolve())

    def at(call: str) -> bool:
        """Count this call; whether it is the last."""
        nonlocal count
        if os.getpid() != process:  # a worker
            return False
        count += 1
        tell("call", f"{count}:", call)
        return count == number

    def die() -> None:
        os.kill(process, signal.SIGKILL)

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            if at(" ".join([function.__name__, *map(shown, args)])):
                die()
            return function(*args, **options)

        return call

    def counted_open(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        writes = set(mode) & set("wax+")
        ours = isinstance(file, int) or os.path.realpath(os.fsdecode(file)).startswith(inside)
        if writes and ours and at(f"open {shown(file)}"):
            die()
        opened = real_open(file, mode, *args, **options)
        if not writes or not ours:
            return opened
        write = opened.write

        def counted_write(content: Any) -> Any:
            if at(f"write {shown(file)}"):
                die()
            if at(f"half a write {shown(file)}"):
                half = content if isinstance(content, str) else memoryview(content).cast("B")
                write(half[: len(half) // 2])
                opened.flush()
                die()
            return write(content)

        opened.write, opened.truncate = counted_write, counted(opened.truncate)
        return opened

    for name in CALLS:
        if hasattr(os, name):
            setattr(os, name, counted(getattr(os, name)))
    real_open = io.open
    builtins.open = io.open = counted_open


def shown(file: Any) -> str:
    """The name of a file; that of a temporary one is random, and an open one has a number."""
    if not isinstance(file, str | bytes | os.PathLike):
        return ""
    name = os.path.basename(os.fsdecode(file))
    return "temporary" if name.startswith(files.LEFTOVER[0]) else name
