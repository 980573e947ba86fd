"""A loop without an optimiser, whose gradients are never zeroed: `w -= lr * w.grad`, and no more.

An update in place of a leaf that has a gradient is taken for a step: the next one must not find
that gradient in its own.
"""

import weakref
from functools import partial
from typing import Any

from ..arrays.recorded import recorder
from ..arrays.reused import Reference, is_reused
from ..engine.graph import Leaf, array_of
from .telling import tell

# By the identity of a leaf: a reference to it, and to the gradient that it had when it was updated.
_used: dict[int, tuple[weakref.ref[Any], Reference]] = {}


def updated(leaf: Any) -> None:
    """A tensor that has a gradient was added to, or given another array; a leaf is remembered."""
    if not isinstance(leaf._node, Leaf) or recorder.get() is not None:
        return
    key, gradient = id(leaf), array_of(leaf._grad)
    known = _used.get(key)
    if known is not None and known[0]() is leaf and is_reused(gradient, known[1]):
        tell(
            "this gradient still holds the one of the last update, since backward adds to what is "
            "there; write w.grad = None after each update"
        )
    _used[key] = weakref.ref(leaf, partial(_forget, key)), weakref.ref(gradient)


def _forget(key: int, reference: object) -> None:
    """Drop the entry of a leaf that is gone, unless another one has its identity by now."""
    known = _used.get(key)
    if known is not None and known[0] is reference:
        del _used[key]
