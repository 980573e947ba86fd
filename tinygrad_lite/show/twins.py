"""An operation run again in float64, on a copy: what it noted on itself stays as it is."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ops.elementwise import Cast


def twin_of(op: Any) -> Any:
    """A new instance of an op with the same options; a cast to floats is one to float64."""
    kind = type(op)
    twin = object.__new__(kind)
    for name in kind._attributes:
        if name == "__dict__":
            vars(twin).update(vars(op))
        elif hasattr(op, name):
            setattr(twin, name, getattr(op, name))
    twin.needs, twin.parents, twin.out_shape = op.needs, op.parents, op.out_shape
    if isinstance(op, Cast) and np.dtype(op.dtype).kind == "f":
        twin.dtype = np.dtype(np.float64)
    return twin


def forward_of(twin: Any, inputs: Sequence[Any]) -> Any:
    """What the forward of a twin returns: an array, or a tuple of arrays.

    Errors: whatever the forward of a user's op raises.
    """
    given = list(inputs)
    if type(twin).scalars:
        given = [v[()] if isinstance(v, np.ndarray) and not v.ndim else v for v in given]
    result = twin.forward(*given)
    return tuple(map(np.asarray, result)) if isinstance(result, tuple) else np.asarray(result)


def wide(value: Any) -> Any:
    """Floats in float64; a tuple of arrays likewise; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(map(wide, value))
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "f":
        return np.asarray(value).astype(np.float64)
    return value
