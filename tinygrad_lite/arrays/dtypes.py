"""Dtypes: which one an array, a number or a mixture of them gets.

Default: float32 for Python floats, int64 for ints; arrays and NumPy scalars keep theirs.  Mixtures
follow PyTorch: floats win over integers whatever their width (float32 with int64 is float32, where
NumPy says float64), an n-d operand wins over a 0-d one of the same kind, and a Python number only
decides when it is of a higher kind than all tensors.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .arguments import shown, wrong
from .float_errors import restore, silence
from .given import as_array, elements, first_element, refuse_masked
from .integers import INT as INT
from .integers import check_fits, converted, whole_numbers

FLOAT = np.dtype(np.float32)

KIND_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}
# All that a tensor may have, each with the instance that NumPy uses.
NATIVE = {np.dtype(char): np.dtype(np.dtype(char).str) for char in "?bhilqBHILQefd"}


def check_dtype(dtype: DTypeLike, name: str = "Tensor") -> np.dtype[Any]:
    """`dtype` as a native NumPy dtype; a TypeError unless it is bool, integer or float16 to 64.

    It is NumPy's own instance, since methods compare dtypes by `is`: those of pickles and of
    `newbyteorder` are others.
    name   the operation, for the error
    """
    if isinstance(dtype, np.dtype) and dtype in NATIVE:
        return NATIVE[dtype]
    try:
        if not isinstance(dtype, (str, type, np.dtype)) and not hasattr(dtype, "dtype"):
            raise TypeError  # NumPy takes None for float64, and lists for structures
        found = np.dtype(dtype).newbyteorder("=")
    except (TypeError, ValueError, SyntaxError):  # NumPy's, for a text that is no dtype
        expected = "a NumPy dtype such as np.float32"
        if name == "Tensor" and isinstance(dtype, int):
            expected += " (of a shape, Tensor.empty(2, 3) makes one)"
        raise wrong(f"{name}: dtype", expected, dtype) from None
    if found.kind not in KIND_RANK or found.itemsize > 8:
        raise TypeError(
            f"{name}: {shown(found)} is not supported; use bool, an integer type, or float16 to 64"
        )
    return NATIVE[found]


def new_array(
    data: Any,
    dtype: DTypeLike | None = None,
    name: str = "Tensor",
    others: Sequence[Any] | None = None,
) -> np.ndarray:
    """A fresh, writable array of `data`, which may be a number, a nested list or an array.

    ValueError if an integer dtype, int64 for Python ints, lacks one of the values.  `name` is the
    operation, for the error; `others` are the `elements` of the data, if they are known.
    """
    if dtype is None:  # what comes most often
        if data.__class__ is np.ndarray and data.dtype in NATIVE:
            return data.copy("C")
        if type(data) is float:
            return _floats(data, FLOAT)
    wanted = None if dtype is None else check_dtype(dtype, name)
    listed = isinstance(data, (list, tuple))
    if others is None:
        others = elements(data)
    if others:
        refuse_masked(name, others)
    first = first_element(data) if listed else data
    quick = not others and type(first) is float and (wanted is None or wanted.kind == "f")
    try:
        if data.__class__ is np.ndarray:
            array = data.copy("C")
        else:
            array = _floats(data, wanted or FLOAT) if quick else np.array(data, order="C")
    except ValueError:
        raise ValueError(
            f"{name}: expected numbers in a regular shape; got nested lists of different lengths; "
            "pad them to one length"
        ) from None
    if array.dtype.kind == "O" or listed:
        array = _exact(data, array, wanted or INT, name)
    if array.dtype.kind not in KIND_RANK:
        _refuse(array, name)
    if wanted is None:
        wanted = check_dtype(array.dtype, name)
        if not hasattr(first, "__array__"):
            wanted = FLOAT if wanted.kind == "f" else INT if wanted.kind == "u" else wanted
    return array if array.dtype == wanted else converted(name, array, wanted)


def _floats(data: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """np.array(data, dtype) of a number or lists of plain ones, without a detour by float64."""
    token = silence()
    try:
        return np.array(data, dtype)
    except OverflowError:  # an integer beyond the range of all floats
        return np.array(data, dtype=object)
    finally:
        restore(token)


def _exact(data: Any, array: np.ndarray, integer_dtype: np.dtype[Any], name: str) -> np.ndarray:
    """The array of a list, without what NumPy does to integers that no integer dtype holds.

    Together with negative ones it makes floats of them, and beyond 64 bits objects.
    """
    if array.dtype.kind == "f":
        if integer_dtype.kind not in "iu" or not array.size or not whole_numbers(data):
            return array
        array = np.array(data, dtype=object)
    elif array.dtype.kind != "O" or not all(isinstance(x, (int, float)) for x in array.flat):
        return array
    elif integer_dtype.kind not in "iu" or not whole_numbers(array.tolist()):
        try:
            return array.astype(np.float64)
        except OverflowError:
            raise ValueError(f"{name}: an integer beyond 1e308 fits into no dtype") from None
    for number in (array.min(), array.max()):
        check_fits(name, int(number), integer_dtype)
    return array.astype(integer_dtype)


def _refuse(array: np.ndarray, name: str) -> None:
    """The TypeError for an array of anything but real numbers."""
    got, fix = str(array.dtype), "convert it with astype(np.float32) first"
    if array.dtype.kind == "c":
        fix = "make two tensors, of its real and of its imaginary part"
    elif array.dtype.kind in "SU":
        got = f"text ({got})"
    elif array.dtype.kind == "O":
        others = (value for value in array.ravel() if not isinstance(value, (int, float)))
        found = next(others)
        got = type(found).__name__
        fix = {
            "Tensor": "write Tensor(array.tolist()), which keeps their graphs",
            "dict": "write Tensor(list(values.values()))",
        }.get(got, as_array(found)[2:] or "make numbers of them first")
        if hasattr(found, "__iter__") and not hasattr(found, "__getitem__"):
            fix = "write Tensor(list(...))"
    raise TypeError(f"{name}: expected bools, integers or real numbers; got {got}; {fix}")


def promote(name: str, n_d: list[np.dtype[Any]], zero_d: list[np.dtype[Any]]) -> np.dtype[Any]:
    """The common dtype of n-d operands and 0-d ones; at least one of the lists has an element.

    TypeError for uint64 with a signed integer dtype: NumPy's float64 would lose digits.
    """
    strong = _common(name, n_d) if n_d else None
    weak = _common(name, zero_d) if zero_d else None
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


def accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which numbers of this one are added up: float32 for float16, else the same."""
    return FLOAT if dtype.char == "e" else dtype


def _common(name: str, dtypes: list[np.dtype[Any]]) -> np.dtype[Any]:
    floats = [dtype for dtype in dtypes if dtype.kind == "f"]
    common = np.result_type(*(floats or dtypes))
    if common.kind == "f" and not floats:
        given = " and ".join(sorted({str(dtype) for dtype in dtypes if dtype.kind != "b"}))
        raise TypeError(f"{name}: {given} have no common integer dtype; cast one of them")
    return common


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
