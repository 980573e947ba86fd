"""Expressions in which NumPy writes over a temporary array.

In g * (1.0 - y * y) NumPy writes the product over the difference, if that is large and nobody else
refers to it.  The result then has the memory order of that temporary, where np.multiply itself may
choose another one; and the last digits of a sum depend on the order of what is added.  NumPy tells
temporaries by their reference counts.  The objects that stand for arrays while a step is recorded
have the same ones, but for one more reference.

The conditions are those of can_elide_temp in numpy/_core/src/multiarray/temp_elide.c.
"""

from functools import cache
from sys import getrefcount
from typing import Any

import numpy as np

LARGE = 256 * 1024  # bytes from which NumPy does so
# The operators of which it does, and whether the second operand may be the temporary too.
OPERATORS = {
    "__add__": (np.add, True),
    "__mul__": (np.multiply, True),
    "__and__": (np.bitwise_and, True),
    "__or__": (np.bitwise_or, True),
    "__xor__": (np.bitwise_xor, True),
    "__sub__": (np.subtract, False),
    "__truediv__": (np.true_divide, False),
    "__floordiv__": (np.floor_divide, False),
    "__lshift__": (np.left_shift, False),
    "__rshift__": (np.right_shift, False),
}


def written_over(first: Any, second: Any, counts: tuple[int, int], commutes: bool) -> int | None:
    """Which of two arrays, 0 or 1, a result is written over that would have another order; or None.

    counts: the references to the objects that stand for them, inside a method of the first.
    """
    if not isinstance(second, np.ndarray) or first.shape != second.shape:
        return None
    if first.strides == second.strides or not _numpy_does():
        return None
    usual = _counts_of_temporaries()
    if counts[0] == usual[0] + 1 and _may_hold(first, second):
        return 0
    return 1 if commutes and counts[1] == usual[1] + 1 and _may_hold(second, first) else None


def _may_hold(temporary: Any, other: Any) -> bool:
    """Whether the result may be written over an array that nobody else refers to."""
    return (
        temporary.nbytes >= LARGE
        and temporary.flags.owndata
        and temporary.flags.writeable
        and temporary.dtype.kind in "biufc"
        and np.can_cast(other.dtype, temporary.dtype, "safe")
    )


@cache
def _numpy_does() -> bool:
    """Whether this NumPy does: only where it can look at the stack of C."""
    rows, columns = np.zeros((256, 256), np.float32), np.zeros((256, 256), np.float32).T
    product = rows * (columns + 1.0)
    return bool(product.strides == columns.strides)


class _Counted:
    def __mul__(self, other: Any) -> tuple[int, int]:
        return getrefcount(self), getrefcount(other)


@cache
def _counts_of_temporaries() -> tuple[int, int]:
    """The references to the operands, inside a method of the first, if both are temporaries."""
    return _Counted() * _Counted()
