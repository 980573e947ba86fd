"""Readers of arguments: a number, an integer, True or False, one of several words, a function.

Each returns the value in its plain form, or raises an error of one line that names the function
and the argument, and says what was expected and what came.  `name` is both: "dropout: p".  A layer
or an optimiser of your own can use them as ours do: `tinygrad_lite.arguments`.

Axes, shapes and sizes are read in shapes.py, dtypes in dtypes.py, operands in methods/_operands.py.
"""

from collections.abc import Sequence
from math import isfinite
from operator import index as as_index
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from .given import refuse_masked

LONGEST = 60  # characters that a value may take in a message
MOST = (1 << 63) - 1  # the largest integer that an array's size, or an axis, may be
LARGEST = int(np.finfo(np.float64).max)


def integer(value: Any, name: str, least: int | None = None) -> int:
    """`value` as a Python int, not below `least`.  A bool is none: `x.sum(True)` is a mistake."""
    if type(value) is not int:
        if not is_integer(value):
            raise wrong(name, "an integer", value)
        value = as_index(value)
    if least is not None and value < least:
        raise ValueError(f"{name}: expected an integer of {least} or more; got {shown(value)}")
    if not -MOST <= value <= MOST:
        raise ValueError(f"{name}: expected an integer of at most 63 bits; got {shown(value)}")
    return value


def sizes(value: Any, name: str, least: int | None = 0) -> tuple[int, ...]:
    """`value`, an integer or a list or tuple of them, none below `least`, as a tuple."""
    given = value if isinstance(value, (list, tuple)) else (value,)
    if not all(map(is_integer, given)):
        raise wrong(name, "an integer or a tuple of integers", value)
    return tuple([integer(size, name, least) for size in given])


def seed(value: Any, name: str) -> int:
    """`value` as a Python int of 0 or more, of any size."""
    found = as_index(value) if is_integer(value) else -1
    if found < 0:
        raise wrong(name, "an integer of 0 or more", value)
    return found


def is_integer(value: Any) -> bool:
    """Whether `integer` takes it."""
    if type(value) is int:
        return True
    try:
        as_index(value)
    except TypeError:
        return False
    return not isinstance(value, (bool, np.bool_))


def number(value: Any, name: str) -> int | float:
    """`value` as a Python number.  An array of one element without axes counts as a number.

    A Tensor does not, since no gradient would flow to it.
    """
    if value.__class__ is float:  # one that a captured step reads in each replay says so too
        return value
    if (
        isinstance(value, (np.ndarray, np.generic))
        and not value.ndim
        and value.dtype.kind in "biuf"
    ):
        refuse_masked(name, value)
        return value.item() if value.dtype.itemsize <= 8 else float(value)
    if isinstance(value, float):
        return float(value)
    if not isinstance(value, int):
        tensor = hasattr(value, "item") and not isinstance(value, (np.ndarray, np.generic))
        fix = "; no gradient flows there: take its item()" if tensor else ""
        raise wrong(name, "a number", value, fix)
    if abs(value) > LARGEST:
        raise ValueError(f"{name}: expected a number that a float can hold; got {shown(value)}")
    return value if value is True or value is False else int(value)


def not_negative(value: Any, name: str) -> int | float:
    """`value` as a number of 0 or more; inf is one, and nan is not."""
    found = number(value, name)
    if not found >= 0:
        raise ValueError(f"{name}: expected a number of 0 or more; got {shown(value)}")
    return found


def positive(value: Any, name: str) -> int | float:
    """`value` as a number above 0; inf is one, and nan is not."""
    found = number(value, name)
    if not found > 0:
        raise ValueError(f"{name}: expected a number above 0; got {shown(value)}")
    return found


def finite(value: Any, name: str) -> float:
    """`value` as a float that is neither infinite nor nan."""
    found = float(number(value, name))
    if not isfinite(found):
        raise ValueError(f"{name}: expected a finite number; got {shown(value)}")
    return found


def probability(value: Any, name: str) -> int | float:
    """`value` as a number from 0 to 1."""
    found = number(value, name)
    if not 0 <= found <= 1:
        raise ValueError(f"{name}: expected a number from 0 to 1; got {shown(value)}")
    return found


def flag(value: Any, name: str) -> bool:
    """`value`, which must be True or False."""
    if value is True or value is False:
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    raise wrong(name, "True or False", value)


def choice(value: Any, name: str, *choices: str | None) -> Any:
    """`value`, which must be one of these words; None may be one of the choices."""
    if (value is None or isinstance(value, str)) and value in choices:
        return value
    listed = [str(each) if each is None else f'"{each}"' for each in choices]
    expected = f"{', '.join(listed[:-1])} or {listed[-1]}"
    if not isinstance(value, str):
        raise wrong(name, expected, value)
    from difflib import get_close_matches  # here, since only a mistake needs it

    near = get_close_matches(value.lower(), [each for each in choices if each], 1)
    fix = f'; did you mean "{near[0]}"?' if near else ""
    raise ValueError(f"{name}: expected {expected}; got {shown(value)}{fix}")


def function(value: Any, name: str) -> Any:
    """`value`, which must be callable."""
    if not callable(value):
        raise wrong(name, "a function", value)
    return value


def wrong(name: str, expected: str, value: Any, fix: str = "") -> TypeError:
    """The error for an argument of the wrong type."""
    return TypeError(f"{name}: expected {expected}; got {shown(value)}{fix}")


def shown(value: Any) -> str:
    """What came, for a message: one short line, whatever the value is, and whatever its repr does.

    Arrays and tensors are shown by shape and dtype, and what has no short repr by its type.
    """
    kind = type(value)
    if value is None or kind in (bool, float, complex, np.bool_):
        return str(value)
    if isinstance(value, int):
        bits = value.bit_length()
        return str(int(value)) if bits <= 128 else f"an integer of {bits} bits"
    if kind in (str, bytes):
        return _cut(repr(value[: 2 * LONGEST]))
    if kind in (list, tuple):
        return _several(value)
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        return _cut(str(value))
    if isinstance(value, np.dtype):
        return f"dtype {_cut(str(value))}"
    if isinstance(value, (FunctionType, BuiltinFunctionType)):
        return f"the function {value.__name__}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, ModuleType):
        return f"the module {value.__name__}"
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if isinstance(shape, tuple) and isinstance(dtype, np.dtype):
        return f"{kind.__name__} of shape {_cut(str(shape))}, {_cut(str(dtype))}"
    return "..." if value is ... else kind.__name__


def _several(value: Sequence[Any], depth: int = 3) -> str:
    """The elements of a list or a tuple, if that is short."""
    kind = type(value).__name__
    if len(value) > 8 or not depth:
        return f"a {kind} of {len(value)}"
    parts = [
        _several(one, depth - 1) if type(one) in (list, tuple) else shown(one) for one in value
    ]
    text = ", ".join(parts)
    if len(text) > LONGEST:
        return f"a {kind} of {len(value)}"
    return f"[{text}]" if kind == "list" else f"({text}{',' * (len(value) == 1)})"


def _cut(text: str) -> str:
    """The text, if it is short; else its beginning."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
