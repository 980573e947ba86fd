"""Dtypes and copies: the same values, or the same bits, with another dtype."""

from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from ..arrays.arguments import flag, shown
from ..arrays.dtypes import check_dtype
from ..engine.graph import TensorBase
from ..ops.elementwise import Cast
from ._device import CPU, check_device, is_cpu, is_device
from ._keywords import also
from ._operands import cast, converted, shape_and_dtype
from ._theme import Theme


class CastingMethods(Theme):
    """Dtypes and copies.  A gradient flows through casts to floats, and none through others.

    A value that an integer dtype lacks is an error, never another number: 300 or nan as uint8.
    """

    __slots__ = ()

    def cast(self, dtype: DTypeLike) -> Self:
        """The same values with another dtype; the tensor itself if it already has that dtype.

        To an integer dtype: fractions are cut off.  ValueError for nan, inf, and values that it
        lacks: 300 as uint8 (PyTorch and NumPy give 44).
        """
        return cast(self, check_dtype(dtype, "cast"))

    @also("non_blocking")
    def to(
        self,
        *target: Any,
        dtype: DTypeLike | None = None,
        device: str | None = None,
        copy: bool = False,
    ) -> Self:
        """The same values with another dtype, as `cast` gives it; for programs of PyTorch.

        target  a dtype, a tensor, a device, or a device and a dtype.  "cpu" is the only device,
                and changes nothing
        copy    whether the result has new memory if the dtype is the same

        Errors: ValueError for another device.
        """
        check_device(device, "to: device")
        if len(target) > 2:
            raise TypeError(f"to: expected a device and a dtype; got {len(target)} arguments")
        for value in target:
            found = _dtype_of(value)
            dtype = dtype if found is None else found
        wanted = self._data.dtype if dtype is None else check_dtype(dtype, "to")
        return converted(self, wanted, "to") if flag(copy, "to: copy") else cast(self, wanted, "to")

    def type_as(self, other: TensorBase) -> Self:
        """The same values with the dtype of `other`."""
        return cast(self, check_dtype(shape_and_dtype("type_as", other)[1], "type_as"), "type_as")

    def cpu(self) -> Self:
        """The tensor itself: everything is computed on the CPU."""
        return self

    @property
    def device(self) -> str:
        """The name of the only device, "cpu"."""
        return CPU

    def is_floating_point(self) -> bool:
        """Whether the dtype is one of floats, so that there can be a gradient."""
        return self._data.dtype.kind == "f"

    def is_contiguous(self) -> bool:
        """Whether the memory is in C order, without gaps."""
        return self._data.flags.c_contiguous

    def element_size(self) -> int:
        """The number of bytes of one element."""
        return self._data.itemsize

    @property
    def nbytes(self) -> int:
        """The number of bytes of all elements."""
        return self._data.nbytes

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
        return self._wrap(self._data.copy("C"), None)

    def bitcast(self, dtype: DTypeLike) -> Self:
        """The same bits read as `dtype`, in new memory.  No gradient flows through.

        The last axis grows or shrinks by the ratio of the element sizes.

        Errors: TypeError for bool, whose bytes must be 0 or 1; ValueError if the last axis does not
        hold a whole number of elements of `dtype`.
        """
        wanted, given = check_dtype(dtype, "bitcast"), self._data.dtype
        shape, size = self._data.shape, self._data.dtype.itemsize
        if wanted.kind == "b" and given.kind != "b":
            raise TypeError(f"bitcast: dtype: the bits of {given} are no bools; use cast(bool)")
        if size != wanted.itemsize and (not shape or shape[-1] * size % wanted.itemsize):
            raise ValueError(
                f"bitcast: the last axis of {shape} {given} holds no whole number of {wanted}"
            )
        return self._wrap(self._data.copy("C").view(wanted), None)

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


def _dtype_of(target: Any) -> DTypeLike | None:
    """The dtype that an argument of `to` names; None for the CPU."""
    if isinstance(target, TensorBase):
        return target._data.dtype
    if target is None or is_cpu(target):
        return None
    if is_device(target):
        try:
            return np.dtype(target)
        except (TypeError, ValueError):
            raise ValueError(
                "to: expected a dtype, a Tensor or 'cpu', the only device, since everything is "
                f"computed with NumPy; got {shown(str(target))}"
            ) from None
    return check_dtype(target, "to")
