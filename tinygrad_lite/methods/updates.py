"""Methods that write in place; as in PyTorch, their names end in an underscore.

They are refused and recorded as `+=` and `x[i] = v` are: see _inplace.py.
"""

from typing import Any, Self

from ..ops.arithmetic import Add, Div, Mul, Sub
from ._elementwise import choose
from ._inplace import check_writable, overwrite, update
from ._keywords import also
from ._operands import Operand, one_number
from ._theme import Theme
from .indexing import write


class UpdateMethods(Theme):
    """Writing in place.  Each method returns the tensor itself, and keeps its memory."""

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

    @also("src")
    def copy_(self, other: Operand) -> Self:
        """x[...] = other, cast to the dtype of x; the gradient goes to other, none to x."""
        write("copy_", self, ..., other)
        return self

    def fill_(self, value: Any) -> Self:
        """x[...] = value, a number; the gradient goes to it, none to x."""
        write("fill_", self, ..., one_number("fill_: value", value))
        return self

    def zero_(self) -> Self:
        """x[...] = 0; no gradient goes to x."""
        write("zero_", self, ..., 0)
        return self

    def masked_fill_(self, mask: Any, value: Any) -> Self:
        """x[mask] = value, a number; where the bool mask is True, the gradient goes to it."""
        value = one_number("masked_fill_: value", value)
        check_writable("masked_fill_", self, self._data, value)
        overwrite("masked_fill_", self, choose(mask, value, self, type(self), "masked_fill_"))
        return self
