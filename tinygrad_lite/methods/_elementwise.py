"""Elementwise functions that several themes share with NumPy's names.

Their operands are tensors, arrays or numbers.
"""

from typing import Any

import numpy as np

from ..arrays.arguments import shown, wrong
from ..arrays.dtypes import new_array
from ..arrays.float_errors import quiet
from ..arrays.shapes import broadcast_shape
from ..engine.graph import TensorBase
from ..ops.selection import Where
from ._operands import check_fits, matched, operand, plain_array


@quiet
def constant(ufunc: Any, name: str, a: Any, b: Any) -> Any:
    """A NumPy function of two operands that has no useful derivative: the result has no graph."""
    arrays = [x._data if isinstance(x, TensorBase) else x for x in matched(name, a, b)]
    tensor = a if isinstance(a, TensorBase) else b
    try:
        return tensor._wrap(ufunc(*arrays), None)
    except OverflowError:
        check_fits(name, *arrays)
        number = next(x for x in arrays if isinstance(x, int))
        raise ValueError(f"{name}: expected at most 64 bits; got {shown(number)}") from None
    except ValueError:
        broadcast_shape(*map(np.shape, arrays), name=name)
        raise
    except TypeError:  # floats have no bits
        kind = np.result_type(*arrays)
        raise TypeError(f"{name}: expected integers or bools; got {kind}") from None


def choose(
    condition: Any, a: Any, b: Any, tensor_class: type[TensorBase], name: str = "where"
) -> Any:
    """np.where of tensors, arrays and numbers; the condition must be bool."""
    argument = "condition" if name == "where" else "mask"
    if getattr(a, "dtype", None) == np.bool_ and getattr(condition, "dtype", None) != np.bool_:
        fix = "; the condition comes first: condition.where(x, other)"
        raise wrong(f"{name}: {argument}", "bools, as x > 0 gives", condition, fix)
    mask = plain_array(condition, f"{name}: {argument}", "bools, as x > 0 gives", "b")
    if mask is condition:  # which its owner may change before the backward pass
        mask = mask.copy()
    a, b = operand(a, name), operand(b, name)
    if not isinstance(a, TensorBase) and not isinstance(b, TensorBase):
        a = tensor_class._wrap(new_array(a, None, name), None)
    a, b = matched(name, a, b)
    check_fits(name, a, b)
    try:
        return Where.apply(a, b, condition=mask)
    except ValueError:
        broadcast_shape(mask.shape, np.shape(a), np.shape(b), name=name)
        raise
