"""Data from outside, before NumPy makes an ndarray of it: what would be lost is refused."""

from collections.abc import Iterator
from typing import Any

import numpy as np

DEEPEST = 64  # NumPy's limit of nested lists
NUMBERS = {bool, int, float}


def elements(data: Any, depth: int = 0) -> Iterator[Any]:
    """What nested lists and tuples hold, but for plain numbers; `data` itself if it is neither."""
    if not isinstance(data, (list, tuple)):
        yield data
    elif depth < DEEPEST and not set(map(type, data)) <= NUMBERS:
        for one in data:
            if type(one) not in NUMBERS:
                yield from elements(one, depth + 1)


def refuse_masked(name: str, data: Any) -> None:
    """TypeError for a masked array, also in a list: a tensor has no mask.

    Also if nothing is masked, so that a program does not fail only on the day when a value is
    missing.
    """
    for one in elements(data):
        subclass = type(one) is not np.ndarray and isinstance(one, np.ndarray)
        if subclass and isinstance(one, np.ma.MaskedArray):  # numpy.ma takes time to import
            raise TypeError(
                f"{name}: a {type(one).__name__} has a mask, which a Tensor has not; make an "
                "ndarray of it first, with filled(value) or compressed()"
            )
