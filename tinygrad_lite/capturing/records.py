"""Which values are data, and which are parts of a model, in arguments and results."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from ..engine.graph import Leaf, TensorBase

PLAIN = (int, float, complex, str, bytes, type(None), type, np.generic, np.dtype, slice)


def is_fixed(tensor: Any) -> bool:
    """Whether a tensor is a parameter, frozen or not."""
    return isinstance(tensor._node, Leaf) or getattr(tensor, "_frozen", False)


def is_record(value: Any, depth: int = 0) -> bool:
    """Whether a value is a dataclass, or a namespace, of arrays, numbers and the like.

    As an argument it is what it holds, as a dict is.
    """
    kind = type(value)
    known = hasattr(kind, "__dataclass_fields__") or kind is SimpleNamespace
    if not known or hasattr(kind, "named_parts") or type(getattr(value, "__dict__", 0)) is not dict:
        return False
    return _is_data(vars(value), depth)


def _is_data(value: Any, depth: int) -> bool:
    if depth > 8:  # perhaps it holds itself
        return False
    if isinstance(value, (tuple, list)) or type(value) is dict:
        values = value.values() if isinstance(value, dict) else value
        return all(_is_data(one, depth + 1) for one in values)
    if isinstance(value, (TensorBase, np.ndarray, type(None), *PLAIN)):
        return not (isinstance(value, TensorBase) and is_fixed(value))
    return is_record(value, depth)
