"""Which array owns memory, and what happens to memory that is freed."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from .arguments import wrong
from .locks import imported
from .recorded import leaves, recorder

Array: TypeAlias = np.ndarray[Any, Any]

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT = 1 << 29  # bytes: more than a step of a small convolutional network frees
GLIBC_SETTINGS = ("trim_threshold", "mmap_threshold", "mmap_max", "top_pad")


def memory_owner(array: Array) -> Array:
    """The array that owns the memory of `array`: itself, or what it is a view of."""
    base = array.base
    while base is not None:
        if isinstance(base, np.ndarray):
            array = base
        base = getattr(base, "base", None)  # NumPy's windows have a proxy object in between
    return array


def deep_copied(array: Array, memo: dict[int, Any]) -> Array:
    """The copy of an array that copy.deepcopy wants; of a view, the same view of its owner's copy.

    An owner whose elements do not lie densely is copied without its gaps; then a view of it is
    copied on its own.
    """
    from copy import deepcopy  # here, since few programs need it

    owner = memory_owner(array)
    if recorder.get() is not None:
        if array is not owner:
            leaves("copy.deepcopy of a view")
        memo[id(array)] = array.copy(order="K")
        return memo[id(array)]
    copied: Array = deepcopy(owner, memo)
    if array is owner:
        return copied
    dense = all(
        size < 2 or ours == theirs
        for size, ours, theirs in zip(owner.shape, owner.strides, copied.strides, strict=True)
    )
    memory = copied.ravel(order="K")
    if not dense or not owner.size or memory_owner(memory) is not copied:
        return array.copy(order="K")
    start = array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    view: Array = np.ndarray(array.shape, array.dtype, memory, start, array.strides)
    view.flags.writeable = array.flags.writeable or not owner.flags.writeable
    return view


def shares_memory(these: Any, those: Any) -> bool:
    """Whether any of these tensors and arrays shares memory with any of those.

    these, those    a tensor, an array, or several of them in any iterable

    Two share memory if one array owns the memory of both, even if the parts that they use do not
    overlap (np.shares_memory tests that, for two arrays).  Memory that no array owns, such as a
    mapped file, counts as owned by each array made from it.  The time grows with the number of
    tensors and arrays, not with the number of pairs.

    Errors: TypeError for what is neither a tensor nor an array.
    """
    owners = {
        id(owner): owner for owner in _owners("these", these)
    }  # kept alive, so no id is used twice
    return any(id(owner) in owners for owner in _owners("those", those))


def _owners(name: str, values: Any) -> Iterator[Array]:
    """The owners of the memory of one or several tensors and arrays."""
    single = isinstance(values, np.ndarray) or isinstance(getattr(values, "data", 0), np.ndarray)
    for value in (values,) if single or not isinstance(values, Iterable) else values:
        array = value if isinstance(value, np.ndarray) else getattr(value, "data", None)
        if not isinstance(array, np.ndarray):
            raise wrong(f"shares_memory: {name}", "tensors or arrays", value)
        yield memory_owner(array)


@cache
def keep_freed_memory() -> None:
    """Make the C library keep the memory that arrays free, for the next training step.

    It takes effect once per process.

    glibc gives large blocks back to the system, which clears every page before it hands it out
    again.  It is told to keep up to KEPT bytes, in blocks of up to 32 MiB, which is the most that
    it accepts, unless the environment has settings for that.
    """
    given = [name.lower() for name in os.environ if name.startswith("MALLOC_")]
    given.append(os.environ.get("GLIBC_TUNABLES", ""))
    if sys.platform != "linux" or any(name in each for each in given for name in GLIBC_SETTINGS):
        return
    with suppress(AttributeError, ImportError, OSError):  # another C library, or no ctypes
        mallopt = imported("ctypes").PyDLL(None).mallopt
        mallopt(TRIM_THRESHOLD, KEPT)
        mallopt(MMAP_THRESHOLD, 1 << 25)
