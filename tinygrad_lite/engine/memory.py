"""Whose memory an array looks at: changes in place, and tensors that share their memory.

Arrays are compared by the array that owns their memory.  NumPy's own writes into an array cannot be
seen from here; what is seen are the writes of tensors and optimisers.
"""

import threading
import weakref
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np

from .recording import serials, user_line

Array = np.ndarray[Any, Any]


class _Changes:
    """Where arrays were last written in place, so that backward notices what it can no longer use.

    Keyed by the identity of the array that owns the memory; an entry goes when that array does.
    """

    def __init__(self) -> None:
        self.newest = 0
        self.lock = threading.Lock()
        self.found: dict[int, tuple[int, str, weakref.ref[Array]]] = {}

    def note(self, *arrays: Array) -> None:
        """Remember that `arrays` were written now, and by which line of user code."""
        line = user_line()
        for array in arrays:
            owner = memory_owner(array)
            reference = weakref.ref(owner, partial(self._forget, id(owner)))
            with self.lock:  # so that `newest` never goes back
                self.newest = next(serials)
                self.found[id(owner)] = (self.newest, line, reference)

    def _forget(self, key: int, _: object) -> None:
        self.found.pop(key, None)

    def check(self, op: Any, since: int) -> None:
        """Raise if an array that `op`, a Function, saved was written after the serial `since`."""
        for array in op.kept_arrays():
            serial, line, _ = self.found.get(id(memory_owner(array)), (0, "", None))
            if serial > since:
                saved_at = f" at {op.line}" if op.line else ""
                raise RuntimeError(
                    f"backward: {type(op).__name__} saved an array of shape {array.shape}"
                    f"{saved_at}, and {line} changed it in place afterwards; change a clone(), or "
                    "write x = x + ... instead of x += ..."
                )


changes = _Changes()


@cache
def keep_freed_memory() -> None:
    """Let the C library keep what arrays free, for the next step of training.  Once a process.

    glibc gives large blocks back to the system, which clears every page before it hands it out
    again, until a program has freed a larger one: then it keeps those up to that size.  Without it
    a step of a small transformer had 3,400 page faults and took 25 ms instead of 17.  32 MiB is the
    largest that counts.  Nothing is written to this array, so it takes no memory.
    """
    np.empty((1 << 25) - (1 << 16), np.uint8)


def memory_owner(array: Array) -> Array:
    """The array that owns the memory which `array` looks at."""
    base = array.base
    while base is not None:
        if isinstance(base, np.ndarray):
            array = base
        base = getattr(base, "base", None)  # NumPy's windows have a stand-in between
    return array


def shares_memory(these: Any, those: Any) -> bool:
    """Whether any of these tensors and arrays shares memory with any of those.

    these, those    a tensor, an array, or several of them in any iterable

    Two share memory if one array owns the memory of both, even where the parts that they see do not
    overlap (np.shares_memory tells, for two arrays).  Memory that no array owns, such as a mapped
    file, counts as that of each array made from it.  The time grows with the number of tensors and
    arrays, not with the number of pairs.

    Errors: TypeError for what is neither a tensor nor an array.
    """
    owners = {id(owner): owner for owner in _owners(these)}  # kept alive, so no id is used twice
    return any(id(owner) in owners for owner in _owners(those))


def _owners(values: Any) -> Iterator[Array]:
    """The owners of the memory of one or several tensors and arrays."""
    single = isinstance(values, np.ndarray) or hasattr(values, "_data")
    for value in (values,) if single else values:
        array = getattr(value, "_data", value)
        if not isinstance(array, np.ndarray):
            raise TypeError(
                f"shares_memory: expected tensors or arrays; got {type(value).__name__}"
            )
        yield memory_owner(array)


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
