"""Element types: the same values, or the same bits, under another dtype."""

from typing import Self

from numpy.typing import DTypeLike

from ..dtypes import check_dtype
from ..graph import TensorBase
from .operands import cast, converted


class CastingMethods(TensorBase):
    """Element types, and copies."""

    __slots__ = ()

    def cast(self, dtype: DTypeLike) -> Self:
        """The same values with another dtype; itself if it has that dtype already."""
        return cast(self, check_dtype(dtype))

    def astype(self, dtype: DTypeLike) -> Self:
        """NumPy's name: the values with `dtype`, always in new memory."""
        return converted(self, check_dtype(dtype))

    def clone(self) -> Self:
        """The same values in new memory.  Gradients flow through it."""
        return converted(self, self._data.dtype)
