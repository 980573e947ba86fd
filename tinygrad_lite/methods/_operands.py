"""Operands: which values an operation accepts, and the dtype that its operands share."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import integers
from ..arrays.arguments import LARGEST, number, wrong
from ..arrays.dtypes import FLOAT, accumulator, check_dtype, promote, with_number
from ..arrays.given import as_array, refuse_masked
from ..arrays.recorded import carried, fresh, number_of
from ..arrays.shapes import Shape, broadcast_shape
from ..engine.graph import Array, TensorBase, array_of
from ..ops.elementwise import Cast

Method = TypeVar("Method", bound=Callable[..., Any])
Given = TypeVar("Given", bound=TensorBase)
Value = TypeVar("Value", bound=TensorBase | Array)
Operand: TypeAlias = TensorBase | Array | np.generic | float

HALF = np.dtype(np.float16)

# Operators that are not defined for two bools, which NumPy would make int8, and what to do instead.
NOT_FOR_BOOLS = {
    "-": "use ^, which is True where they differ",
    **dict.fromkeys(("**", "%", "//", "fmod", "<<", ">>"), "cast one of them first"),
}


def operand(value: Any, name: str) -> Any:
    """`value` as a tensor, an n-d array or a Python number; `name` is the operation.

    NumPy scalars and 0-d arrays count as Python numbers: they do not decide the dtype.
    """
    if isinstance(value, TensorBase):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        _refuse_special(name, value)
        check_dtype(value.dtype, name)
        return carried(array_of(value)) if value.ndim else number_of(value)
    if isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return number(value, name)  # one that a float can hold
    listed = isinstance(value, (list, tuple))
    hint = "; make it a Tensor first" if listed else as_array(value)
    got = type(value).__name__
    if got == "Tensor":
        got = f"{type(value).__module__.partition('.')[0]}.Tensor"
    raise TypeError(f"{name}: expected a Tensor, an ndarray or a number; got {got}{hint}")


def matched(name: str, *values: Any, floating: bool = False, **named: Any) -> list[Any]:
    """The operands with a common dtype (see arrays/dtypes.py); numbers stay numbers.

    named: more of them, with the names of the arguments, for the error.

    floating: integers and bools become float32, for functions whose result is never an integer.
    """
    operands = [operand(value, name) for value in values]
    operands += [operand(value, f"{name}: {key}") for key, value in named.items()]
    numbers = [value for value in operands if isinstance(value, (bool, int, float))]
    arrays = [
        value._data if isinstance(value, TensorBase) else value
        for value in operands
        if not isinstance(value, (bool, int, float))
    ]
    dtype = promote(
        name,
        [array.dtype for array in arrays if array.ndim],
        [array.dtype for array in arrays if not array.ndim],
    )
    for each in numbers:
        dtype = with_number(dtype, each)
    if dtype.kind == "b" and name in NOT_FOR_BOOLS:
        raise TypeError(f"{name}: not defined for two bools; {NOT_FOR_BOOLS[name]}")
    if floating and dtype.kind != "f":
        dtype = FLOAT
    return [
        value if isinstance(value, (bool, int, float)) else cast(value, dtype)
        for value in operands
    ]  # fmt: skip


def pair(name: str, a: Any, b: Any, floating: bool = False) -> Any:
    """`matched` for two operands; the common cases first, since every operator runs this."""
    if isinstance(a, TensorBase):
        dtype = a._data.dtype
        if dtype.kind == "f":
            kind = type(b)
            if kind is float or (kind is int and -LARGEST <= b <= LARGEST):
                return a, b
            if isinstance(b, TensorBase):
                if b._data.dtype is dtype:
                    return a, b
            elif kind is np.ndarray and b.dtype is dtype and b.ndim:
                return a, b
    elif (type(a) is float or (type(a) is int and -LARGEST <= a <= LARGEST)) and (
        b._data.dtype.kind == "f"
    ):
        return a, b
    operands = matched(name, a, b, floating=floating)
    check_fits(name, *operands)
    return operands


def combined(name: str, a: Any, b: Any, op: Any) -> Any:
    """op(a, b) for an operand b that is an argument; `name` is that, after the operation."""
    a, b = pair(name, a, operand(b, name))
    broadcast_shape(a.shape, np.shape(b), name=name)
    return op.apply(a, b)


def check_fits(name: str, *operands: Any) -> None:
    """ValueError if a Python number is out of range for the integer dtype of the others."""
    dtype = next(value.dtype for value in operands if not isinstance(value, (bool, int, float)))
    if dtype.kind in "iu":
        for number in operands:
            if isinstance(number, (int, float)):
                integers.check_fits(name, number, dtype, "cast the tensor first")


def plain_array(value: Any, name: str, expected: str = "numbers", kinds: str = "biuf") -> Array:
    """The values of an argument that takes no gradient, such as labels or a mask, as an ndarray.

    name       the operation and the argument, for the error
    expected   what its elements are, in words; kinds: the same as NumPy's letters
    """
    if value.__class__ is np.ndarray and value.dtype.kind in kinds:
        return carried(value)
    if not isinstance(value, TensorBase):
        _refuse_special(name, value)
    try:
        array = array_of(value)
    except (TypeError, ValueError):  # NumPy's, for lists of different lengths
        raise wrong(name, expected, value) from None
    if array.dtype.kind not in kinds and (array.size or array.dtype.kind not in "biuf"):
        raise wrong(name, expected, value)
    return array


def tensor_or_array(value: Any, name: str) -> Any:
    """A tensor itself; anything else as an ndarray, by `plain_array`: lists are operands here."""
    return value if isinstance(value, TensorBase) else plain_array(value, name)


def _refuse_special(name: str, value: Any) -> None:
    """TypeError for arrays that follow other rules than ndarrays."""
    refuse_masked(name, value)
    if value.__class__ is not np.ndarray and isinstance(value, np.matrix):
        raise TypeError(f"{name}: a matrix follows other rules; convert it to an ndarray first")


def one_number(name: str, value: Any) -> Any:
    """The operand, which must be a number or a tensor with 0 dimensions."""
    given = operand(value, name)
    if np.ndim(given):
        raise ValueError(f"{name}: expected one number; got shape {np.shape(given)}")
    return given


def refuse_bools(name: str, a: Any) -> None:
    """TypeError for bools: a sum of their products could mean a count, or whether any is True."""
    if a.dtype.kind == "b":
        raise TypeError(f"{name}: expected numbers to add up; got bools; cast one side to np.int64")


def as_tensor(value: Any, beside: TensorBase, dtype: DTypeLike | None = None) -> Any:
    """The value itself if it is a tensor, else a tensor of the class of `beside`."""
    if isinstance(value, TensorBase):
        return value
    if value.__class__ is not np.ndarray:
        value = fresh(np.asarray(value, dtype))
    elif dtype is not None:
        value = value.astype(dtype, copy=False)
    return beside._wrap(value, None)


def scaled(name: str, other: Any, factor: Any, option: str = "alpha") -> Any:
    """`other` times a number, the `alpha` of x.add(other, alpha=2)."""
    factor = number(factor, f"{name}: {option}")
    return other if factor == 1 else operand(other, name) * factor


def shape_and_dtype(name: str, other: Any) -> tuple[Shape, np.dtype[Any]]:
    """Those of a tensor or an array, for functions that take no more of it."""
    if not isinstance(other, (TensorBase, np.ndarray)):
        raise wrong(f"{name}: other", "a Tensor", other)
    array = other._data if isinstance(other, TensorBase) else other
    return array.shape, array.dtype


def as_float(tensor: Given) -> Given:
    """The tensor itself if its dtype is a float, else as float32."""
    return tensor if tensor._data.dtype.kind == "f" else Cast.apply(tensor, dtype=FLOAT)


def cast(value: Value, dtype: DTypeLike, name: str = "cast") -> Value:
    """A tensor or an array with another dtype; the same object if it already has that dtype.

    ValueError if an integer dtype lacks one of the values; `name` is the operation.
    """
    if isinstance(value, TensorBase):
        return value if value._data.dtype == dtype else converted(value, dtype, name)
    return value if value.dtype == dtype else integers.converted(name, value, np.dtype(dtype))


def converted(tensor: Given, dtype: DTypeLike, name: str = "cast") -> Given:
    """The tensor with `dtype`, in new memory; no gradient flows through integers and bools."""
    wanted = np.dtype(dtype)
    if wanted.kind == "f":
        return Cast.apply(tensor, dtype=dtype)
    fix = "clamp() or nan_to_num() it first"
    if wanted.kind == "u" and tensor._data.dtype.kind != "f":
        fix = f"clamp() it first, or take % {256**wanted.itemsize} to wrap"
    integers.check_all_fit(name, tensor._data, wanted, fix)
    return tensor._wrap(Cast.apply(tensor._data, dtype=dtype), None)


def single(*values: Any) -> list[Any]:
    """The operands, those of float16 in the dtype in which their sums are accumulated.

    What adds up, or has a step that could overflow, is computed so, and rounded to float16 once.
    """
    return [
        cast(value, accumulator(HALF)) if getattr(value, "dtype", None) == HALF else value
        for value in values
    ]


def in_single(method: Method) -> Method:
    """A decorator: compute float16 in float32 (see `single`), and cast back.

    Of several results, those in float32 become float16.
    """

    @wraps(method)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        if self._data.dtype != np.float16:
            return method(self, *args, **options)
        result = method(*single(self, *args), **options)
        if isinstance(result, tuple):
            return tuple(cast(x, np.float16) if x.dtype == np.float32 else x for x in result)
        return cast(result, np.float16)

    return call  # type: ignore[return-value]  # the same signature
