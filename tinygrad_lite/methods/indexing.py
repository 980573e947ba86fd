"""Reading and writing by index: x[...] and x[...] = value."""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from ..arrays.arguments import integer, shown
from ..arrays.float_errors import quiet
from ..arrays.given import as_array
from ..arrays.integers import positions
from ..arrays.recorded import leaves
from ..engine.graph import TensorBase
from ..engine.memory import changes
from ..engine.recording import is_grad_enabled
from ..ops.indexing import Getitem, Setitem
from ._inplace import check_writable, overwrite
from ._operands import Operand, cast, check_fits, operand, plain_array
from ._theme import Theme


def array_index(index: Any) -> tuple[tuple[Any, ...], bool, bool]:
    """The index of x[index] in the form that NumPy takes: (items, basic, distinct).

    items     its parts; arrays are copied
    basic     whether there are no arrays in it, so that NumPy returns a view
    distinct  whether there are no integer arrays in it, so that no element is named twice

    Errors: TypeError for anything that is not an index.
    """
    found: list[Any] = []
    basic = distinct = True
    for item in index if isinstance(index, tuple) else (index,):
        if isinstance(item, TensorBase):
            item = item._data
        if isinstance(item, (np.ndarray, list, tuple, range)):  # a tuple in a tuple is a list
            item = plain_array(item, "index", "integers or a bool mask", "biu").copy(order="K")
            if item.dtype.kind == "f":  # an empty list
                item = item.astype(np.int64)
            if item.dtype.kind == "u":
                item = positions("index", item)
            if item.ndim == 0 and item.dtype.kind != "b":
                leaves("x[i] with a 0-d i, whose memory depends on a value", item)
                item = int(item)
            else:
                basic = False
                distinct = distinct and item.dtype.kind == "b"
        elif isinstance(item, slice):  # a tensor in it may change before the backward pass
            bounds = (item.start, item.stop, item.step)
            item = slice(
                *(
                    None if bound is None else integer(bound, "index: a bound of a slice")
                    for bound in bounds
                )
            )
        elif isinstance(item, (bool, np.bool_)):
            basic = False
        elif not isinstance(item, (int, np.integer)) and item is not None and item is not ...:
            raise TypeError(
                "index: expected integers, slices, None, ..., integer arrays or masks; "
                f"got {type(item).__name__}{as_array(item)}"
            )
        found.append(item)
    if basic and Ellipsis not in found:
        found.append(Ellipsis)  # so that a single element is a view too
    return tuple(found), basic, distinct  # not a named tuple, which costs time at every x[i]


class IndexingMethods(Theme):
    """NumPy's indexing in full.  Slices and integers give views; arrays and masks give copies."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Self:
        items, basic, distinct = array_index(index)
        try:
            if distinct and not basic:
                leaves("x[mask], whose shape depends on values", *items)
            return Getitem.apply(self, index=items, distinct=distinct)
        except (IndexError, OverflowError) as error:
            if isinstance(error, IndexError) and not str(error).startswith("only integers"):
                raise
            raise IndexError(f"index: {shown(index)} is out of range for any axis") from None

    def __setitem__(self, index: Any, value: Operand) -> None:
        write("x[i] = v", self, index, value)

    def __len__(self) -> int:
        if not self._data.ndim:
            raise TypeError("len: a 0-d tensor has no length; item() gives its number")
        return len(self._data)

    def __iter__(self) -> Iterator[Self]:
        if not self._data.ndim:
            raise TypeError("iteration: a 0-d tensor has no axis; item() gives its number")
        return (self[position] for position in range(len(self._data)))


@quiet
def write(name: str, tensor: TensorBase, index: Any, value: Any) -> None:
    """tensor[index] = value, recorded if either requires grad; `name` is the operation."""
    items, basic, distinct = array_index(index)
    check_writable(name, tensor, tensor._data[items] if basic else tensor._data, value)
    written: Any = operand(value, name)
    check_fits(name, tensor._data, written)
    if isinstance(written, (TensorBase, np.ndarray)):
        written = cast(written, tensor._data.dtype, name)
    try:
        if isinstance(written, TensorBase):
            written = _without_leading_ones(written, tensor._data[items].ndim)
        if is_grad_enabled() and (tensor._node or getattr(written, "_node", None)):
            overwrite(name, tensor, Setitem.apply(tensor, written, index=items, distinct=distinct))
        else:
            tensor._data[items] = getattr(written, "_data", written)
            changes.note(tensor)
    except ValueError:
        raise ValueError(
            f"{name}: v has shape {np.shape(value)}, which does not broadcast to "
            f"{tensor._data[items].shape}"
        ) from None


def _without_leading_ones(value: Any, ndim: int) -> Any:
    """The value without extra leading axes of size 1: (1, 3) fits into (3,), as in NumPy."""
    shape = value._data.shape
    extra = max(len(shape) - ndim, 0)
    return value.reshape(shape[extra:]) if extra and shape[:extra] == (1,) * extra else value
