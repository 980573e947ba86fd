"""What a plan knows of functions: which make views, which copy, which take memory for the result.

Each statement here holds bit for bit: a call in another form gives the same result.
"""

from collections.abc import Container, Hashable
from typing import Any

import numpy as np

from ..arrays import products
from .entries import Entry, Var
from .traced import getitem

multiply = products.multiply.__wrapped__  # type: ignore[attr-defined]  # what is recorded

# Functions whose result is a view of their first argument if NumPy can make one.
VIEWS = {
    *(np.ndarray.reshape, np.ndarray.transpose, np.ndarray.ravel, np.ndarray.squeeze),
    *(np.ndarray.swapaxes, np.ndarray.view, np.ndarray.diagonal, np.swapaxes, np.moveaxis),
    *(np.expand_dims, np.broadcast_to, np.transpose, np.reshape, np.squeeze, np.rollaxis, getitem),
}
# Those that copy their first argument, perhaps into another dtype or order.
COPIES = {np.ndarray.copy, np.ndarray.astype, np.copy, np.array}
# Those that copy its elements in C order, if they make no view.
FLAT = {np.ndarray.reshape, np.ndarray.ravel, np.ndarray.flatten, np.reshape, np.ravel}
# Those that make an array of one number; None where its elements do not matter.
FILLED: dict[Any, int | None] = {
    **{np.zeros_like: 0, np.ones_like: 1, np.empty_like: None},
    **{np.zeros: 0, np.ones: 1, np.empty: None},
}
# Those that take `out`; without np.mean, which would round sums of float16 to that.
WITH_OUT = {
    *(np.concatenate, np.stack, np.clip, np.sum, np.prod, np.max, np.min, np.cumsum),
    *(np.ndarray.clip, np.ndarray.sum, np.ndarray.prod, np.ndarray.max, np.ndarray.min),
    *(np.ndarray.cumsum, np.ndarray.cumprod, np.ndarray.argmax, np.ndarray.argmin),
    *(np.argmax, np.argmin),
}
METHODS = {getattr(np.ndarray, name): name for name in dir(np.ndarray) if name[0] != "_"}
# On two NumPy scalars these compute the same as the function, and sooner.
OPERATORS: dict[Any, str] = {np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/"}
# Functions to which an array with one element means the same as a number.
WITH_NUMBERS = {
    *(np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum),
    *(np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal),
}


def is_new_array(entry: Entry, result: Var) -> bool:
    """Whether the result is an array in memory of its own, of which every element is written."""
    value = result.value
    return (
        result.root is result
        and isinstance(value, np.ndarray)
        and value.ndim > 0
        and value.size > 0
        and not value.dtype.hasobject
        and not entry.options.keys() & {"out", "where"}
    )


def takes_out(entry: Entry) -> bool:
    """Whether the function can write its result into memory that is given."""
    function = entry.function
    if isinstance(function, np.ufunc):
        return function.nout == 1
    if function is multiply:
        return is_plain_product(entry)
    joined = function in (np.concatenate, np.stack) and "dtype" in entry.options
    return is_reduction(function) or (is_in(function, WITH_OUT) and not joined)


def out_argument(function: np.ufunc, word: str) -> str:
    """The argument `out` of a ufunc; by position, which is faster, where NumPy does not warn."""
    return f"out={word}" if function in (np.maximum, np.minimum) else word


def is_view(entry: Entry, result: Var) -> bool:
    """Whether the result is a view of the one array that the entry reads."""
    if result.root is result or not is_in(entry.function, VIEWS):
        return False
    read = entry.reads()
    return len(read) == 1 and read[0].root is result.root


def is_in(function: Any, known: Container[Any]) -> bool:
    """Whether the function is one of these; a user's may have no hash."""
    return isinstance(function, Hashable) and function in known


def is_reduction(function: Any) -> bool:
    """Whether it is the method `reduce` or `accumulate` of a ufunc."""
    owner = getattr(function, "__self__", None)
    return isinstance(owner, np.ufunc) and function.__name__ in ("reduce", "accumulate")


def is_scalar_arithmetic(entry: Entry) -> bool:
    """Whether an operator between NumPy scalars, or one and a number, gives the same result."""
    value = entry.result.value if isinstance(entry.result, Var) else None
    if not isinstance(value, (np.float32, np.float64)) or entry.function not in OPERATORS:
        return False
    kinds = [type(one.value if isinstance(one, Var) else one) for one in entry.args]
    return type(value) in kinds and all(kind in (type(value), float, int) for kind in kinds)


def is_plain_product(entry: Entry) -> bool:
    """Whether `multiply` can write the result of two arrays into memory that is given."""
    return len(entry.args) == 2 and all(isinstance(one, Var) for one in entry.args)


def product_of(a: Any, b: Any, y: Any) -> Any:
    """np.dot where it calls BLAS in the same way as a @ b, but sooner."""
    columns = 1 if b.ndim == 1 else b.shape[1] if b.ndim == 2 else 0
    if not columns or a.ndim > 2 or a.size * columns > products.ALONE:
        return multiply
    general = (
        (a.ndim, b.ndim) == (2, 2)
        and a.dtype.char in "fd"
        and a.dtype == b.dtype == y.dtype
        and min(*a.shape, *b.shape) > 1
        and all(one.flags.c_contiguous or one.flags.f_contiguous for one in (a, b))
        and y.flags.c_contiguous
    )
    return np.dot if general else np.matmul


def is_flat_copy(entry: Entry) -> bool:
    """Whether the entry copies an array in C order."""
    result, source = entry.result.value, entry.args[0]
    simple = isinstance(source, Var) and not entry.options and result.flags.c_contiguous
    return simple and all(not isinstance(one, str) for one in entry.args[1:])


def dtypes_of_numbers(entry: Entry) -> list[Any]:
    """For each operand of a ufunc that is a number, the dtype it computes in; else None."""
    values = [one.value if isinstance(one, Var) else one for one in entry.args]
    numbers = [
        type(value) is float if isinstance(one, Var) else isinstance(one, _NUMBERS)
        for one, value in zip(entry.args, values, strict=True)
    ]
    if not any(numbers):
        return [None] * len(values)
    kinds = [type(one) if type(one) in (float, int) else np.result_type(one) for one in values]
    dtypes = entry.function.resolve_dtypes((*kinds, None))
    return [
        dtype if is_number and dtype.kind == "f" else None
        for is_number, dtype in zip(numbers, dtypes, strict=False)
    ]


_NUMBERS = (float, int, np.floating)  # but bool, which is an int, is taken for a dtype of its own
