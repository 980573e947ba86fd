"""Locks between the threads of one process, and what a forked child makes anew.

A fork copies memory and one thread.  A lock that another thread held stays locked in the child for
ever, so every lock of ours is a new one there.  Python's lock of a module that is being imported is
not ours; a fork waits until our import is done.
"""

import os
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any
from weakref import WeakSet


def in_forked_child(renew: Callable[[], None]) -> Callable[[], None]:
    """Call `renew` in every child that this process forks, before anything else runs there."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)
    return renew


class ProcessLock:
    """`with it.lock:` lets one thread of this process in at a time; it may be nested.

    A forked child has its own, and it is free: whatever the other threads of the parent were doing,
    nobody does it there.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        _all.add(self)


_all: WeakSet[ProcessLock] = WeakSet()


@in_forked_child
def _renew_all() -> None:
    for each in _all:
        each.lock = threading.RLock()


_importing = ProcessLock()


def imported(name: str) -> Any:
    """The module of this name, imported when it is first used."""
    with _importing.lock:
        return import_module(name)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(  # lambdas, since a child has another lock, and may fork too
        before=lambda: _importing.lock.acquire(),
        after_in_parent=lambda: _importing.lock.release(),
    )
