"""Who owns the memory of an array, and what becomes of memory that is freed."""

from functools import cache
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]


def memory_owner(array: Array) -> Array:
    """The array that owns the memory of `array`: itself, or what it is a view of."""
    base = array.base
    while base is not None:
        if isinstance(base, np.ndarray):
            array = base
        base = getattr(base, "base", None)  # NumPy's windows have a stand-in between
    return array


@cache
def keep_freed_memory() -> None:
    """Let the C library keep what arrays free, for the next step of training.  Once a process.

    glibc gives large blocks back to the system, which clears every page before it hands it out
    again, until a program has freed a larger one: then it keeps those up to that size.  32 MiB is
    the largest that counts.  Nothing is written to this array, so it takes no memory.
    """
    np.empty((1 << 25) - (1 << 16), np.uint8)
