"""Dtypes: which one an array, a number or a mixture of them gets.

Default: float32 for Python floats, int64 for ints; arrays and NumPy scalars keep theirs.  Mixtures
follow PyTorch: floats win over integers whatever their width (float32 with int64 is float32, where
NumPy says float64), an n-d operand wins over a 0-d one of the same kind, and a Python number only
decides when it is of a higher kind than all tensors.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .arguments import shown, wrong

FLOAT = np.dtype(np.float32)
INT = np.dtype(np.int64)

KIND_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}


def check_dtype(dtype: DTypeLike, name: str = "Tensor") -> np.dtype[Any]:
    """`dtype` as a native NumPy dtype; a TypeError unless it is bool, integer or float16 to 64.

    name   the operation, for the error
    """
    try:
        if dtype is None:  # float64 to NumPy
            raise TypeError
        found = np.dtype(dtype).newbyteorder("=")
    except (TypeError, ValueError, SyntaxError):  # NumPy's, for a text that is no dtype
        raise wrong(f"{name}: dtype", "a NumPy dtype such as np.float32", dtype) from None
    if found.kind not in KIND_RANK or found.itemsize > 8:
        raise TypeError(
            f"{name}: {shown(found)} is not supported; use bool, an integer type, or float16 to 64"
        )
    return found


def new_array(data: Any, dtype: DTypeLike | None = None) -> np.ndarray:
    """A fresh, writable array of `data`, which may be a number, a nested list or an array."""
    wanted = None if dtype is None else check_dtype(dtype)
    try:
        array = np.array(data)
    except ValueError:
        raise ValueError(
            "Tensor: expected numbers in a regular shape; got nested lists of different lengths; "
            "pad them to one length"
        ) from None
    if array.dtype.kind not in KIND_RANK:
        _refuse(array)
    if wanted is None:
        wanted = check_dtype(array.dtype)
        if not isinstance(data, (np.ndarray, np.generic)) and wanted.kind == "f":
            wanted = FLOAT if not _holds_arrays(data) else wanted
    return array.astype(wanted, order="C", copy=False)


def _refuse(array: np.ndarray) -> None:
    """The TypeError for an array of anything but real numbers."""
    got, fix = str(array.dtype), "convert it with astype(np.float32) first"
    if array.dtype.kind == "c":
        fix = "make two tensors, of its real and of its imaginary part"
    elif array.dtype.kind in "SU":
        got = f"text ({got})"
    elif array.dtype.kind == "O":
        others = (value for value in array.ravel() if not isinstance(value, (int, float)))
        got = next((type(value).__name__ for value in others), "integers that no dtype holds")
        fix = "make numbers of them first"
    raise TypeError(f"Tensor: expected bools, integers or real numbers; got {got}; {fix}")


def _holds_arrays(data: Any) -> bool:
    """Whether the first element of a nested list is an array or a NumPy scalar."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return hasattr(data, "__array__")


def promote(n_d: list[np.dtype[Any]], zero_d: list[np.dtype[Any]]) -> np.dtype[Any]:
    """The common dtype of n-d operands and 0-d ones; at least one of the lists has an element."""
    strong = _common(n_d) if n_d else None
    weak = _common(zero_d) if zero_d else None
    if strong is None or weak is None:
        return strong or weak  # type: ignore[return-value]  # the callers pass at least one
    return weak if KIND_RANK[weak.kind] > KIND_RANK[strong.kind] else strong


def with_number(dtype: np.dtype[Any], number: bool | int | float) -> np.dtype[Any]:
    """The dtype of a tensor of `dtype` combined with a Python number."""
    if isinstance(number, float):
        return dtype if dtype.kind == "f" else FLOAT
    if isinstance(number, bool) or dtype.kind != "b":
        return dtype
    return INT


def _common(dtypes: list[np.dtype[Any]]) -> np.dtype[Any]:
    floats = [dtype for dtype in dtypes if dtype.kind == "f"]
    return np.result_type(*(floats or dtypes))


def float_dtype(dtype: DTypeLike | None, name: str) -> np.dtype[Any]:
    """`dtype` checked; default: float32.  `name` is the operation, for the error."""
    return FLOAT if dtype is None else check_dtype(dtype, name)


def check_differentiable(dtype: np.dtype[Any]) -> None:
    """Only real numbers have derivatives."""
    if dtype.kind != "f":
        raise TypeError(
            f"requires_grad: only float tensors have gradients; got {dtype}; "
            "write Tensor(data, dtype=np.float32, requires_grad=True)"
        )
