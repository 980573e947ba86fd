"""Methods that write in place; as in PyTorch, their names end in an underscore.

They are refused and recorded as `+=` and `x[i] = v` are: see _inplace.py.
"""

from typing import Any, Self

from ..ops.arithmetic import Add, Div, Mul, Sub
from ._elementwise import choose
from ._inplace import check_writable, overwrite, replace, update
from ._keywords import also
from ._operands import Operand, one_number, scaled
from ._theme import Theme
from .indexing import write


class UpdateMethods(Theme):
    """Writing in place.  Each method returns the tensor itself, and keeps its memory."""

    __slots__ = ()

    def add_(self, other: Operand, *, alpha: float = 1) -> Self:
        """x += alpha other."""
        return update("add_", Add, self, scaled("add_", other, alpha))

    def sub_(self, other: Operand, *, alpha: float = 1) -> Self:
        """x -= alpha other."""
        return update("sub_", Sub, self, scaled("sub_", other, alpha))

    def mul_(self, other: Operand) -> Self:
        """x *= other."""
        return update("mul_", Mul, self, other)

    def div_(self, other: Operand) -> Self:
        """x /= other."""
        return update("div_", Div, self, other, floating=True)

    def addcmul_(self, tensor1: Operand, tensor2: Operand, *, value: float = 1) -> Self:
        """x += value tensor1 tensor2."""
        return replace("addcmul_", "addcmul", self, tensor1, tensor2, value=value)

    def addcdiv_(self, tensor1: Operand, tensor2: Operand, *, value: float = 1) -> Self:
        """x += value tensor1 / tensor2."""
        return replace("addcdiv_", "addcdiv", self, tensor1, tensor2, value=value)

    def lerp_(self, end: Operand, weight: Operand) -> Self:
        """x = x.lerp(end, weight), in place."""
        return replace("lerp_", "lerp", self, end, weight)

    @also("min_", "max_", "a_min", "a_max")
    def clamp_(self, min: Operand | None = None, max: Operand | None = None) -> Self:
        """x = x.clamp(min, max), in place."""
        return replace("clamp_", "clamp", self, min, max)

    @also("src", "non_blocking")
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
