"""An operation run again, on a copy: what it noted on itself stays as it is.

A user's op may draw random numbers.  Those that follow in the user's program stay the same.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...arrays.generator import seeded
from ...engine.function import Function
from ...ops.elementwise import Cast


def twin_of(op: Any) -> Any:
    """A new instance of an op with the same options, and what its forward has noted."""
    kind = type(op)
    twin = object.__new__(kind)
    for name in kind._attributes:
        if name == "__dict__":
            vars(twin).update({key: _own(value) for key, value in vars(op).items()})
        elif hasattr(op, name):
            setattr(twin, name, _own(getattr(op, name)))
    twin.needs, twin.parents, twin.out_shape = op.needs, op.parents, op.out_shape
    return twin


def wide_twin_of(op: Any) -> Any:
    """A twin for inputs in float64: a cast to floats is one to float64."""
    twin = twin_of(op)
    if isinstance(op, Cast) and np.dtype(op.dtype).kind == "f":
        twin.dtype = np.dtype(np.float64)
    return twin


def _own(value: Any) -> Any:
    """A list, dict or set of the twin's own, to which its forward may add."""
    return value.copy() if type(value) in (list, dict, set) else value


def forward_of(twin: Any, inputs: Sequence[Any]) -> Any:
    """What the forward of a twin returns: an array, or a tuple of arrays.

    Errors: whatever the forward of a user's op raises.
    """
    given = list(inputs)
    if type(twin).scalars:
        given = [v[()] if isinstance(v, np.ndarray) and not v.ndim else v for v in given]
    with _undisturbed(twin):
        result = twin.forward(*given)
    return tuple(map(np.asarray, result)) if isinstance(result, tuple) else np.asarray(result)


def backward_of(twin: Any, gradient: Any, value: Any, inputs: Sequence[Any]) -> Sequence[Any]:
    """What the backward of a twin returns for this gradient of its result."""
    with _undisturbed(twin):
        pulled: Sequence[Any] = twin.backward(gradient, value, *inputs)
        return pulled


@contextmanager
def _undisturbed(twin: Any) -> Iterator[None]:
    """Inside, a user's op draws the same random numbers each time; the program misses none."""
    if not isinstance(twin, Function):
        yield
        return
    state = random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002  # the global one
    try:
        with seeded(0):
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(state)


def wide(value: Any) -> Any:
    """Floats in float64; a tuple of arrays likewise; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(map(wide, value))
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "f":
        return np.asarray(value).astype(np.float64)
    return value
