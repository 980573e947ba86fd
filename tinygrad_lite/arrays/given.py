"""Data from outside, before NumPy makes an ndarray of it: what would be lost is refused."""

import sys
from collections.abc import Iterator, Sequence
from operator import countOf
from typing import Any

import numpy as np

DEEPEST = 64  # NumPy's limit of nested lists
NUMBERS = {bool, int, float}


def elements(data: Any, depth: int = 0) -> Iterator[Any]:
    """What nested lists and tuples hold, but for plain numbers; `data` itself if it is neither."""
    if not isinstance(data, (list, tuple)):
        yield data
    elif depth < DEEPEST and not _all_numbers(data):
        for one in data:
            if type(one) not in NUMBERS:
                yield from elements(one, depth + 1)


def _all_numbers(data: Sequence[Any]) -> bool:
    """Whether a list holds Python's numbers only; quick if they are of one type."""
    first = type(data[0]) if data else float
    if first not in NUMBERS:
        return False
    return countOf(map(type, data), first) == len(data) or set(map(type, data)) <= NUMBERS


def refuse_masked(name: str, data: Any) -> None:
    """TypeError for a masked array, also in a list: a tensor has no mask.

    Also if nothing is masked, so that a program does not fail only on the day when a value is
    missing.
    """
    if "numpy.ma" not in sys.modules:  # which nobody imports without need, since it takes time
        return
    for one in elements(data):
        if isinstance(one, np.ma.MaskedArray):
            raise TypeError(
                f"{name}: a {type(one).__name__} has a mask, which a Tensor has not; make an "
                "ndarray of it first, with filled(value) or compressed()"
            )


def as_array(value: Any) -> str:
    """For an error: how to make an ndarray of this, if pandas, SciPy or PyTorch made it."""
    ways = ("to_numpy(), which goes by position", "toarray()", "numpy()")
    return next((f"; take its {way}" for way in ways if hasattr(value, way.partition("(")[0])), "")
