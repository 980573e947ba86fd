"""Reading and writing by index: x[...] and x[...] = value."""

from collections.abc import Iterator
from operator import index as as_index
from typing import Any, Self

import numpy as np

from ..graph import TensorBase
from ..memory import changes
from ..ops.indexing import Getitem, Setitem
from ..recording import is_grad_enabled
from .inplace import check_writable, overwrite
from .operands import Operand, cast, operand


def array_index(index: Any) -> tuple[tuple[Any, ...], bool]:
    """`index` as a tuple that NumPy takes, with arrays copied, and whether it holds no arrays."""
    found: list[Any] = []
    basic = True
    for item in index if isinstance(index, tuple) else (index,):
        if isinstance(item, TensorBase):
            item = item._data
        if isinstance(item, (np.ndarray, list)):
            item = np.array(item, dtype=np.int64 if isinstance(item, list) and not item else None)
            if item.dtype.kind not in "biu":
                raise TypeError(
                    f"index: expected integers or a bool mask; got an array of {item.dtype}"
                )
            basic = False
        elif isinstance(item, slice):  # a tensor in it may change before backward reads it
            bounds = (item.start, item.stop, item.step)
            item = slice(*(None if bound is None else as_index(bound) for bound in bounds))
        elif isinstance(item, (bool, np.bool_)):
            basic = False
        elif not isinstance(item, (int, np.integer)) and item is not None and item is not ...:
            raise TypeError(
                "index: expected integers, slices, None, ..., integer arrays or masks; "
                f"got {type(item).__name__}"
            )
        found.append(item)
    return tuple(found), basic


class IndexingMethods(TensorBase):
    """NumPy's indexing.  Slices and integers give views; arrays and masks give copies."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Self:
        items, basic = array_index(index)
        if basic and Ellipsis not in items:
            items = (*items, Ellipsis)  # so that a single element, too, is a view
        return Getitem.apply(self, index=items, basic=basic)

    def __setitem__(self, index: Any, value: Operand) -> None:
        items, basic = array_index(index)
        region = self._data[(*items, Ellipsis)] if basic and Ellipsis not in items else self._data
        check_writable("x[i] = v", self, region, value)
        written: Any = operand(value, "x[i] = v")
        try:
            if isinstance(written, TensorBase):
                written = _without_leading_ones(
                    cast(written, self._data.dtype), self._data[items].ndim
                )
            node = self._node or getattr(written, "_node", None)
            if node is not None and is_grad_enabled():
                result = Setitem.apply(self, written, index=items, basic=basic)
                overwrite("x[i] = v", self, result)
            else:
                self._data[items] = getattr(written, "_data", written)
                changes.note(self._data)
        except ValueError:
            given: Any = value
            raise ValueError(
                f"x[i] = v: v has shape {np.shape(given)}, which does not broadcast to "
                f"{self._data[items].shape}"
            ) from None

    def __len__(self) -> int:
        if not self._data.ndim:
            raise TypeError("len: a 0-d tensor has no length; item() gives its number")
        return len(self._data)

    def __iter__(self) -> Iterator[Self]:
        if not self._data.ndim:
            raise TypeError("iteration: a 0-d tensor has no axis; item() gives its number")
        return (self[position] for position in range(len(self._data)))


def _without_leading_ones(value: Any, ndim: int) -> Any:
    """NumPy lets a value of shape (1, 3) be written where (3,) is expected; so do we."""
    shape = value._data.shape
    extra = max(len(shape) - ndim, 0)
    return value.reshape(shape[extra:]) if extra and shape[:extra] == (1,) * extra else value
