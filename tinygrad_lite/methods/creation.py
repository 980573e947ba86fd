"""Making tensors: constants and ranges."""

from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from ..dtypes import check_differentiable, check_dtype, float_dtype, new_array
from ..graph import Leaf, TensorBase
from ..shapes import shape_from

Made = TypeVar("Made", bound=TensorBase)


def made(tensor_class: type[Made], array: Any, requires_grad: bool) -> Made:
    """A tensor around a new array; a leaf if it requires grad."""
    tensor = tensor_class._wrap(array, None)
    if requires_grad:
        check_differentiable(tensor._data.dtype)
        tensor._node = Leaf(tensor)
    return tensor


class CreationMethods(TensorBase):
    """Static constructors; shapes as one tuple or as arguments; float32 unless dtype says more."""

    __slots__ = ()

    @classmethod
    def full(
        cls, shape: Any, value: float, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Every element `value`."""
        sizes = shape_from((shape,))
        wanted = new_array(value).dtype if dtype is None else check_dtype(dtype)
        return made(cls, np.full(sizes, value, wanted), requires_grad)

    @classmethod
    def zeros(
        cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> Self:
        """Every element 0."""
        return made(cls, np.zeros(shape_from(shape), float_dtype(dtype)), requires_grad)

    @classmethod
    def ones(cls, *shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Self:
        """Every element 1."""
        return made(cls, np.ones(shape_from(shape), float_dtype(dtype)), requires_grad)

    @classmethod
    def arange(
        cls,
        start: float,
        stop: float | None = None,
        step: float = 1,
        dtype: DTypeLike | None = None,
    ) -> Self:
        """start, start + step, ... below stop; with one argument 0 to it.  int64 or float32."""
        first, end = (0, start) if stop is None else (start, stop)
        whole = all(isinstance(number, (int, np.integer)) for number in (first, end, step))
        wanted = np.dtype(np.int64) if whole and dtype is None else float_dtype(dtype)
        return made(cls, np.arange(first, end, step).astype(wanted), False)

    def zeros_like(self) -> Self:
        """Zeros of this tensor's shape and dtype."""
        return self._wrap(np.zeros(self._data.shape, self._data.dtype), None)

    def ones_like(self) -> Self:
        """Ones of this tensor's shape and dtype."""
        return self._wrap(np.ones(self._data.shape, self._data.dtype), None)
