"""Memory ownership: which tensors are views of each other, and which were written in place.

Arrays are compared by the array that owns their memory.  NumPy's own writes into an array cannot be
seen from here; what is seen are the writes of tensors and optimisers.
"""

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from sys import getrefcount
from typing import Any

import numpy as np

from ..arrays.ownership import Array, memory_owner
from .recording import Observer, serials, user_line


class _Changes:
    """Where arrays were written in place, so that backward notices what it can no longer use.

    Keyed by the identity of the array that owns the memory; an entry goes when that array does.
    """

    def __init__(self) -> None:
        self.alert = 0  # while it is not 0, every write is noted
        self.newest = 0  # 0 where nothing is noted, so that backward has nothing to look for
        self.lock = threading.RLock()  # an array may go, and its entry with it, inside `note`
        self.found: dict[int, tuple[int, str, weakref.ref[Array]]] = {}
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        """In a child the thread that held the lock is not there."""
        self.lock = threading.RLock()

    def note(self, tensor: Any) -> None:
        """Remember that the tensor's memory is written now, and by which line of user code.

        Nothing is to be remembered where nobody but the tensor holds its array: no op saved it.
        """
        if _references(tensor) > _ALONE or self.alert:
            owner = memory_owner(tensor._data)
            reference = weakref.ref(owner, partial(self._forget, id(owner)))
            line = user_line()
            with self.lock:  # so that `newest` never goes back
                serial = next(serials)
                self.found[id(owner)] = (serial, line, reference)
                self.newest = serial  # last: an entry may be dropped in between
        observer = Observer.current("wrote")
        if observer is not None:
            observer.wrote(tensor._data)

    @contextmanager
    def noting_all(self) -> Iterator[None]:
        """Inside, every write is noted, for an op that is recorded only afterwards."""
        with self.lock:
            self.alert += 1
        try:
            yield
        finally:
            with self.lock:
                self.alert -= 1

    def _forget(self, key: int, reference: object) -> None:
        """Drop the entry of an array that is gone, unless its identity is another's by now."""
        with self.lock:
            if key in self.found and self.found[key][2] is reference:
                del self.found[key]
                if not self.found:
                    self.newest = 0

    def check(self, op: Any, since: int) -> None:
        """Raise if an array that `op`, a Primitive, saved was written after the serial `since`."""
        for array in op.kept_arrays():
            owner = array if array.base is None else memory_owner(array)
            noted = self.found.get(id(owner))
            if noted is not None and noted[0] > since and noted[2]() is owner:
                saved_at = f" at {op.line}" if op.line else ""
                raise RuntimeError(
                    f"backward: {type(op).__name__} saved an array of shape {array.shape}"
                    f"{saved_at}, and {noted[1]} changed it in place afterwards; change a clone(), "
                    "or write x = x + ... instead of x += ..."
                )


changes = _Changes()


def _references(tensor: Any) -> int:
    """How many references there are to the array of a tensor; many if it is a view."""
    array = tensor._data
    return getrefcount(array) if array.base is None else 1 << 30


class _Alone:
    """As a tensor whose array nobody else holds."""

    def __init__(self) -> None:
        self._data = np.empty(())


# Counted rather than known, for how many references a running function has is Python's affair.
_ALONE = _references(_Alone())


def link_views(view: Any, source: Any) -> None:
    """Note that two tensors share memory, if they do: writes in place look for it.

    Their `_views` is then one dict, of weak references to every tensor of the family by identity.
    """
    if memory_owner(view._data) is not memory_owner(source._data):
        return
    family = source._views
    if family is None:
        family = source._views = {}
        _join(family, source)
    view._views = family
    _join(family, view)


def _join(family: dict[int, Any], tensor: Any) -> None:
    key = id(tensor)
    family[key] = weakref.ref(tensor, lambda _: family.pop(key, None))
