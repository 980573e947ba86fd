"""Memory ownership: which tensors are views of each other, and which were written in place.

Two arrays share memory if the same array owns the memory of both.  Only writes by tensors and
optimisers are noticed; NumPy's own writes into an array are not.
"""

import weakref
from collections.abc import Callable
from functools import partial
from sys import getrefcount
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..arrays.locks import ProcessLock
from ..arrays.ownership import Array, memory_owner
from .recording import Observer, modes, serials, user_line


class _Changes(ProcessLock):
    """Which arrays were written in place, so that backward notices saved values that are lost.

    Keyed by the identity of the array that owns the memory, and by its complement for writes that
    are no error (see `remember`); an entry is dropped when that array is freed, which may happen
    inside `remember`, while this thread holds the lock.
    """

    def __init__(self) -> None:
        super().__init__()
        # The number of Alerts that are alive, and the serial of the newest write: 0 while nothing
        # is noted, so that backward need not look.
        self.alerts = self.newest = 0
        self.found: dict[int, tuple[int, str, weakref.ref[Array], Any]] = {}

    def note(self, tensor: Any) -> None:
        """Remember that the tensor's memory is being written, and by which line of user code.

        If nothing but the tensor holds its array, no op saved it, and there is nothing to remember.
        """
        if references(tensor) > _ALONE or self.alerts:
            self.remember(tensor)
        if modes.get().watched and (observer := Observer.current("wrote")) is not None:
            observer.wrote(tensor._data)

    def remember(self, tensor: Any, tell: Callable[[str, str], None] | None = None) -> None:
        """Remember a write.  If a backward pass needs the old values, call `tell`, or raise.

        tell: called with what was saved, and the line of the write
        """
        owner, line = memory_owner(tensor._data), user_line()
        key = id(owner) if tell is None else ~id(owner)
        with self.lock:  # so that `newest` never goes back
            serial = next(serials)
            self.found[key] = (serial, line, weakref.ref(owner, partial(self._forget, key)), tell)
            self.newest = serial  # last: an entry may be dropped in between

    def _forget(self, key: int, reference: object) -> None:
        """Drop the entry of a freed array, unless another array has its identity by now."""
        with self.lock:
            if key in self.found and self.found[key][2] is reference:
                del self.found[key]
                self.newest = self.newest if self.found else 0

    def check(self, op: Any, since: int) -> None:
        """Raise if an array that `op`, a Primitive, saved was written after the serial `since`."""
        for array in op.kept_arrays():
            for noted in map(self.found.get, (id(owner := memory_owner(array)), ~id(owner))):
                if noted is not None and noted[0] > since and noted[2]() is owner:
                    at = f" at {op.line}" if op.line else ""
                    saved = f"{type(op).__name__} saved an array of shape {array.shape}{at}"
                    if noted[3] is None:
                        raise RuntimeError(
                            f"backward: {saved}, and {noted[1]} changed it in place afterwards; "
                            "change a clone(), or write x = x + ... instead of x += ..."
                        )
                    noted[3](saved, noted[1])


changes = _Changes()


class Alert:
    """While one is alive, every write is noted, even to arrays that only their tensor holds.

    For a user's op that holds Tensors or containers, and for a checkpoint: both may read such
    arrays in backward without a reference to them.
    """

    def __init__(self) -> None:
        with changes.lock:
            changes.alerts += 1

    def __del__(self) -> None:
        with changes.lock:
            changes.alerts -= 1


def references(tensor: Any) -> int:
    """How many references there are to the array of a tensor; many if it is a view."""
    array = tensor._data
    return getrefcount(array) if array.base is None else 1 << 30


# For a tensor whose array nothing else holds.  Measured here, since the number of references that a
# running function holds depends on Python.
_ALONE = references(SimpleNamespace(_data=np.empty(())))


def link_views(view: Any, source: Any) -> None:
    """If two tensors share memory, note it: writes in place check for it.

    They then share one dict as their `_views`: weak references to all such tensors, by identity.
    """
    if memory_owner(view._data) is not memory_owner(source._data):
        return
    if source._views is None:
        with changes.lock:  # two threads may make its first views
            if source._views is None:
                family: dict[int, Any] = {}
                _join(family, source)
                source._views = family
    view._views = family = source._views
    _join(family, view)


def _join(family: dict[int, Any], tensor: Any) -> None:
    key = id(tensor)
    family[key] = weakref.ref(tensor, lambda _: family.pop(key, None))
