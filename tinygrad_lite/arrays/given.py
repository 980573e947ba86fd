"""Data from outside, before NumPy makes an ndarray of it: what would be lost is refused."""

import sys
from collections.abc import Sequence
from itertools import chain
from operator import countOf
from typing import Any

import numpy as np

DEEPEST = 64  # NumPy's limit of nested lists
NUMBERS = {bool, int, float, *(np.dtype(char).type for char in "?bhilqBHILQefd")}


def elements(data: Any) -> list[Any]:
    """What nested lists and tuples hold, but for plain numbers; `data` itself if it is neither."""
    if not isinstance(data, (list, tuple)):
        return [data]
    found: list[Any] = []
    _collect(data, found, DEEPEST)
    return found


def _collect(data: Sequence[Any], found: list[Any], depth: int) -> None:
    """Append what `elements` returns, quickly if all are of one type, as mostly."""
    kind = type(data[0]) if data else float
    if countOf(map(type, data), kind) == len(data):
        if kind in NUMBERS:
            return
        if not issubclass(kind, (list, tuple)):
            found.extend(data)
        elif depth > 1:
            _collect(list(chain.from_iterable(data)), found, depth - 1)
        return
    for one in data:
        if isinstance(one, (list, tuple)):
            if depth > 1:
                _collect(one, found, depth - 1)
        elif type(one) not in NUMBERS:
            found.append(one)


def first_element(data: Any) -> Any:
    """The first element of a nested list; a list itself if there is none."""
    for _ in range(DEEPEST):
        if not isinstance(data, (list, tuple)) or not data:
            break
        data = data[0]
    return data


def is_masked(value: Any) -> bool:
    """Whether it is an array of numpy.ma, which is not imported to find out: that takes time."""
    return "numpy.ma" in sys.modules and isinstance(value, np.ma.MaskedArray)


def refuse_masked(name: str, data: Any) -> None:
    """TypeError for a masked array, also in a list: a tensor has no mask.

    Also if nothing is masked, so that a program does not fail only on the day when a value is
    missing.
    """
    if "numpy.ma" not in sys.modules:  # so a list need not be looked through
        return
    masked = list(filter(is_masked, elements(data)))
    if masked:
        raise TypeError(
            f"{name}: a {type(masked[0]).__name__} has a mask, which a Tensor has not; make an "
            "ndarray of it first, with filled(value) or compressed()"
        )


def as_array(value: Any) -> str:
    """For an error: how to make an ndarray of this, if pandas, SciPy or PyTorch made it."""
    ways = ("to_numpy(), which goes by position", "toarray()", "numpy()")
    return next((f"; take its {way}" for way in ways if hasattr(value, way.partition("(")[0])), "")
