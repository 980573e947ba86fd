"""Dtypes and copies: the same values, or the same bits, with another dtype."""

from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from ..arrays.dtypes import check_dtype
from ..ops.elementwise import Cast
from ._operands import cast, converted
from ._theme import Theme


class CastingMethods(Theme):
    """Dtypes and copies.  A gradient flows through casts to floats, and none through others."""

    __slots__ = ()

    def cast(self, dtype: DTypeLike) -> Self:
        """The same values with another dtype; the tensor itself if it already has that dtype.

        To an integer dtype: fractions are cut off.  ValueError for nan, inf, and values that it
        lacks: 300 as uint8 (PyTorch and NumPy give 44).
        """
        return cast(self, check_dtype(dtype, "cast"))

    def astype(self, dtype: DTypeLike) -> Self:
        """The same values with another dtype, always in new memory; NumPy's name for `cast`."""
        return converted(self, check_dtype(dtype, "astype"), "astype")

    def clone(self) -> Self:
        """A copy: the same values in new memory.  The gradient flows through."""
        return converted(self, self._data.dtype)

    def contiguous(self) -> Self:
        """The same values in C-contiguous memory; the tensor itself if it already is."""
        if self._data.flags.c_contiguous:
            return self
        if self._data.dtype.kind == "f":
            return Cast.apply(self, dtype=self._data.dtype, order="C")
        return self._wrap(np.ascontiguousarray(self._data), None)

    def bitcast(self, dtype: DTypeLike) -> Self:
        """The same bits read as `dtype`, in new memory.  No gradient flows through.

        The last axis grows or shrinks by the ratio of the element sizes.

        Errors: TypeError for bool, whose bytes must be 0 or 1; ValueError if the last axis does not
        hold a whole number of elements of `dtype`.
        """
        wanted, given = check_dtype(dtype, "bitcast"), self._data.dtype
        shape, size = self._data.shape, self._data.dtype.itemsize
        if wanted.kind == "b" and given.kind != "b":
            raise TypeError(f"bitcast: the bits of {given} are no bools; use cast(bool)")
        if size != wanted.itemsize and (not shape or shape[-1] * size % wanted.itemsize):
            raise ValueError(
                f"bitcast: the last axis of {shape} {given} holds no whole number of {wanted}"
            )
        return self._wrap(np.array(self._data, order="C").view(wanted), None)

    def half(self) -> Self:
        """The same values as float16."""
        return self.cast(np.float16)

    def double(self) -> Self:
        """The same values as float64."""
        return self.cast(np.float64)

    def short(self) -> Self:
        """The same values as int16; fractions are cut off."""
        return cast(self, np.int16, "short")

    def long(self) -> Self:
        """The same values as int64, the dtype of Python's integers; fractions are cut off."""
        return cast(self, np.int64, "long")

    # Last, since after them each of these names means the method, in annotations too

    def float(self) -> Self:
        """The same values as float32."""
        return self.cast(np.float32)

    def int(self) -> Self:
        """The same values as int32, as in tinygrad and PyTorch; fractions are cut off."""
        return cast(self, np.int32, "int")

    def bool(self) -> Self:
        """False where an element is 0, else True, also for nan."""
        return self.cast(np.bool_)
