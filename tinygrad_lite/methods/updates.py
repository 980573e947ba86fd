"""Methods that write in place, by PyTorch's names with an underscore.

They are refused, recorded and noted as `+=` and `x[i] = v` are: see `inplace`.
"""

from typing import Any, Self

from ..ops.arithmetic import Add, Div, Mul, Sub
from ._elementwise import choose
from ._inplace import check_writable, overwrite, update
from ._operands import Operand, one_number
from ._theme import Theme
from .indexing import write


class UpdateMethods(Theme):
    """Each returns the tensor itself, whose memory stays."""

    __slots__ = ()

    def add_(self, other: Operand) -> Self:
        """x += other."""
        return update("add_", Add, self, other)

    def sub_(self, other: Operand) -> Self:
        """x -= other."""
        return update("sub_", Sub, self, other)

    def mul_(self, other: Operand) -> Self:
        """x *= other."""
        return update("mul_", Mul, self, other)

    def div_(self, other: Operand) -> Self:
        """x /= other."""
        return update("div_", Div, self, other, floating=True)

    def copy_(self, other: Operand) -> Self:
        """x[...] = other, which is cast to x's dtype; the gradient goes to other, none to x."""
        write("copy_", self, ..., other)
        return self

    def fill_(self, value: Any) -> Self:
        """Every element one number; the gradient goes to it, none to x."""
        write("fill_", self, ..., one_number("fill_", value))
        return self

    def zero_(self) -> Self:
        """Every element 0; no gradient goes to x."""
        write("zero_", self, ..., 0)
        return self

    def masked_fill_(self, mask: Any, value: Any) -> Self:
        """value, a number, where the bool mask is True; the gradient there goes to it."""
        value = one_number("masked_fill_", value)
        check_writable("masked_fill_", self, self._data, value)
        overwrite("masked_fill_", self, choose(mask, value, self, type(self), "masked_fill_"))
        return self
