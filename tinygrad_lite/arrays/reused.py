"""Gradients that a step has used, and the sums into which a later backward pass has added one.

A step leaves a weak reference to a gradient that it used.  When a backward pass adds to an array
that has one, the sum is noted here with it: so the next step can see that its gradient still holds
the last one.  An array that was zeroed in place holds nothing.
"""

import weakref
from functools import partial
from typing import Any
from weakref import getweakrefcount

import numpy as np

from .ownership import Array

Reference = weakref.ref[Array]

# By the identity of a sum: a reference to it, and to the last gradients in it that steps used.
sums: dict[int, tuple[Reference, tuple[Reference, ...]]] = {}
_REMEMBERED = 8


def accumulated(held: Any, own: Any) -> Any:
    """held + own, in new memory: a gradient, and what a later backward pass adds to it."""
    total = held + own
    if type(total) is not np.ndarray or getweakrefcount(held):
        return _noted(total, held)
    return total


def _noted(total: Any, held: Any) -> Any:
    """The sum, as an array; noted if what it holds was used by a step, or is such a sum itself."""
    if total.__class__ is not np.ndarray:  # NumPy turns 0-d results into scalars
        total = np.asarray(total)
    array = held if type(held) is np.ndarray else getattr(held, "value", held)  # while captured
    references = getweakrefcount(array)
    if references and array.any():
        known = sums.get(id(held))
        origins = known[1] if known is not None and known[0]() is held else ()
        if references > bool(origins):  # a step used it; the sum of several passes has one, of ours
            origins = (*origins, weakref.ref(array))[-_REMEMBERED:]
        key = id(total)
        sums[key] = weakref.ref(total, partial(_forget, key)), origins
    return total


def is_reused(total: Array, used: Reference | None) -> bool:
    """Whether `total` is a sum that includes the gradient to which `used` refers, or referred.

    False while there are no `sums`, which is quicker to ask.
    """
    known = sums.get(id(total))
    return known is not None and known[0]() is total and any(one is used for one in known[1])


def _forget(key: int, reference: object) -> None:
    """Drop the entry of a freed array, unless another array has its identity by now."""
    known = sums.get(key)
    if known is not None and known[0] is reference:
        del sums[key]
