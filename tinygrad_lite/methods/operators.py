"""Python's operators on tensors, also reflected and in place, and the same as named methods."""

from typing import Any, Self

import numpy as np

from ..arrays.arguments import choice, flag
from ..arrays.recorded import leaves
from ..engine.graph import Leaf, TensorBase
from ..ops.arithmetic import (
    Add,
    Div,
    FloorDivide,
    Fmod,
    Mod,
    Mul,
    Neg,
    Pow,
    Sub,
)
from ..ops.selection import Abs
from ._elementwise import constant
from ._inplace import check_writable, overwrite, update
from ._keywords import also
from ._operands import Operand, pair, scaled
from ._products import matrix_product
from ._theme import Theme


class OperatorMethods(Theme):
    """`+ - * / ** @`, comparisons, bitwise operators, and the operators that write in place.

    Integer tensors are computed in their own dtype, as in NumPy and PyTorch: in uint8, 1 - 2 is
    255.  A number that the dtype lacks is an error: x + 300 in uint8.
    """

    __slots__ = ()

    def __add__(self, other: Operand) -> Self:
        return Add.apply(*pair("+", self, other))

    def __radd__(self, other: Operand) -> Self:
        return Add.apply(*pair("+", other, self))

    def __sub__(self, other: Operand) -> Self:
        return Sub.apply(*pair("-", self, other))

    def __rsub__(self, other: Operand) -> Self:
        return Sub.apply(*pair("-", other, self))

    def __mul__(self, other: Operand) -> Self:
        return Mul.apply(*pair("*", self, other))

    def __rmul__(self, other: Operand) -> Self:
        return Mul.apply(*pair("*", other, self))

    def __truediv__(self, other: Operand) -> Self:
        return Div.apply(*pair("/", self, other, floating=True))

    def __rtruediv__(self, other: Operand) -> Self:
        return Div.apply(*pair("/", other, self, floating=True))

    def __pow__(self, other: Operand) -> Self:
        return Pow.apply(*pair("**", self, other))

    def __rpow__(self, other: Operand) -> Self:
        return Pow.apply(*pair("**", other, self))

    def __matmul__(self, other: Operand) -> Self:
        return matrix_product(self, other)

    def __rmatmul__(self, other: Operand) -> Self:
        return matrix_product(other, self)

    def __neg__(self) -> Self:
        return Neg.apply(self)

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> Self:
        return Abs.apply(self)

    # Comparisons: the results are bool tensors without a gradient.

    def __lt__(self, other: Operand) -> Self:
        return constant(np.less, "<", self, other)

    def __le__(self, other: Operand) -> Self:
        return constant(np.less_equal, "<=", self, other)

    def __gt__(self, other: Operand) -> Self:
        return constant(np.greater, ">", self, other)

    def __ge__(self, other: Operand) -> Self:
        return constant(np.greater_equal, ">=", self, other)

    def __eq__(self, other: object) -> Self:  # type: ignore[override]  # elementwise, as in NumPy
        if not isinstance(other, (TensorBase, np.ndarray, np.generic, int, float)):
            return NotImplemented
        return constant(np.equal, "==", self, other)

    def __ne__(self, other: object) -> Self:  # type: ignore[override]  # elementwise, as in NumPy
        if not isinstance(other, (TensorBase, np.ndarray, np.generic, int, float)):
            return NotImplemented
        return constant(np.not_equal, "!=", self, other)

    def __contains__(self, value: Operand) -> bool:
        """Whether an element equals the value, as in NumPy and PyTorch."""
        found = constant(np.equal, "in", self, value)._data
        leaves("in", found)
        return bool(found.any())

    __hash__ = object.__hash__  # by identity, as a key of a dict

    def __and__(self, other: Operand) -> Self:
        return constant(np.bitwise_and, "&", self, other)

    def __rand__(self, other: Operand) -> Self:
        return constant(np.bitwise_and, "&", other, self)

    def __or__(self, other: Operand) -> Self:
        return constant(np.bitwise_or, "|", self, other)

    def __ror__(self, other: Operand) -> Self:
        return constant(np.bitwise_or, "|", other, self)

    def __xor__(self, other: Operand) -> Self:
        return constant(np.bitwise_xor, "^", self, other)

    def __rxor__(self, other: Operand) -> Self:
        return constant(np.bitwise_xor, "^", other, self)

    def __invert__(self) -> Self:
        if self._data.dtype.kind == "f":
            raise TypeError(f"~: expected integers or bools; got {self._data.dtype}")
        return self._wrap(np.invert(self._data), None)

    def __lshift__(self, other: Operand) -> Self:
        return constant(np.left_shift, "<<", self, other)

    def __rlshift__(self, other: Operand) -> Self:
        return constant(np.left_shift, "<<", other, self)

    def __rshift__(self, other: Operand) -> Self:
        return constant(np.right_shift, ">>", self, other)

    def __rrshift__(self, other: Operand) -> Self:
        return constant(np.right_shift, ">>", other, self)

    def __floordiv__(self, other: Operand) -> Self:
        return FloorDivide.apply(*pair("//", self, other))

    def __rfloordiv__(self, other: Operand) -> Self:
        return FloorDivide.apply(*pair("//", other, self))

    def __mod__(self, other: Operand) -> Self:
        return Mod.apply(*pair("%", self, other))

    def __rmod__(self, other: Operand) -> Self:
        return Mod.apply(*pair("%", other, self))

    def __divmod__(self, other: Operand) -> tuple[Self, Self]:
        return self // other, self % other

    def __rdivmod__(self, other: Operand) -> tuple[Self, Self]:
        return other // self, other % self

    # The same by name

    def add(self, other: Operand, reverse: bool = False, *, alpha: float = 1) -> Self:
        """self + alpha other; `reverse` changes nothing."""
        other = scaled("add", other, alpha)
        return self.__radd__(other) if flag(reverse, "add: reverse") else self + other

    def sub(self, other: Operand, reverse: bool = False, *, alpha: float = 1) -> Self:
        """self - alpha other; alpha other - self if `reverse`."""
        other = scaled("sub", other, alpha)
        return self.__rsub__(other) if flag(reverse, "sub: reverse") else self - other

    def mul(self, other: Operand, reverse: bool = False) -> Self:
        """self * other; `reverse` changes nothing."""
        return self.__rmul__(other) if flag(reverse, "mul: reverse") else self * other

    def div(self, other: Operand, reverse: bool = False, rounding_mode: str | None = None) -> Self:
        """self / other; other / self if `reverse`.

        rounding_mode   None for the quotient, "trunc" to cut off its fraction, "floor" for `//`.
                        With the latter two, integers stay integers, division of integers by 0 is a
                        ZeroDivisionError, and the derivatives are 0
        """
        if rounding_mode is None:
            return self.__rtruediv__(other) if flag(reverse, "div: reverse") else self / other
        choice(rounding_mode, "div: rounding_mode", None, "trunc", "floor")
        a, b = pair("//", other, self) if flag(reverse, "div: reverse") else pair("//", self, other)
        return FloorDivide.apply(a, b, to_zero=rounding_mode == "trunc")

    def floor_divide(self, other: Operand, reverse: bool = False) -> Self:
        """floor(self / other); floor(other / self) if `reverse`.  The derivatives are 0."""
        return (
            self.__rfloordiv__(other) if flag(reverse, "floor_divide: reverse") else self // other
        )

    def mod(self, other: Operand, reverse: bool = False) -> Self:
        """self % other, with the sign of other; other % self if `reverse`."""
        return self.__rmod__(other) if flag(reverse, "mod: reverse") else self % other

    def fmod(self, other: Operand) -> Self:
        """The remainder of self / other, with the sign of self, as C's fmod."""
        return Fmod.apply(*pair("fmod", self, other))

    @also("exponent")
    def pow(self, other: Operand, reverse: bool = False) -> Self:
        """self ** other; other ** self if `reverse`.  Integers take no negative exponent."""
        return self.__rpow__(other) if flag(reverse, "pow: reverse") else self**other

    def neg(self) -> Self:
        """-self."""
        return -self

    def eq(self, other: Operand) -> Self:
        """self == other, elementwise; bool."""
        return constant(np.equal, "eq", self, other)

    def ne(self, other: Operand) -> Self:
        """self != other, elementwise; bool."""
        return constant(np.not_equal, "ne", self, other)

    def lt(self, other: Operand) -> Self:
        """self < other, elementwise; bool."""
        return constant(np.less, "lt", self, other)

    def le(self, other: Operand) -> Self:
        """self <= other, elementwise; bool."""
        return constant(np.less_equal, "le", self, other)

    def gt(self, other: Operand) -> Self:
        """self > other, elementwise; bool."""
        return constant(np.greater, "gt", self, other)

    def ge(self, other: Operand) -> Self:
        """self >= other, elementwise; bool."""
        return constant(np.greater_equal, "ge", self, other)

    def bitwise_and(self, other: Operand, reverse: bool = False) -> Self:
        """self & other: bitwise for integers, logical for bools."""
        return self.__rand__(other) if flag(reverse, "bitwise_and: reverse") else self & other

    def bitwise_or(self, other: Operand, reverse: bool = False) -> Self:
        """self | other: bitwise for integers, logical for bools."""
        return self.__ror__(other) if flag(reverse, "bitwise_or: reverse") else self | other

    def bitwise_xor(self, other: Operand, reverse: bool = False) -> Self:
        """self ^ other, exclusive or: bitwise for integers, logical for bools."""
        return self.__rxor__(other) if flag(reverse, "bitwise_xor: reverse") else self ^ other

    def bitwise_not(self) -> Self:
        """~self: inverts every bit of an integer; logical not of a bool."""
        return ~self

    def lshift(self, other: Operand, reverse: bool = False) -> Self:
        """self << other: integers times 2^other; other << self if `reverse`."""
        return self.__rlshift__(other) if flag(reverse, "lshift: reverse") else self << other

    def rshift(self, other: Operand, reverse: bool = False) -> Self:
        """self >> other: floor(self / 2^other), for integers; other >> self if `reverse`."""
        return self.__rrshift__(other) if flag(reverse, "rshift: reverse") else self >> other

    # In place, as in PyTorch: the memory stays, and the graph continues from the new value.

    def __iadd__(self, other: Operand) -> Self:
        return update("+=", Add, self, other)

    def __isub__(self, other: Operand) -> Self:
        return update("-=", Sub, self, other)

    def __imul__(self, other: Operand) -> Self:
        return update("*=", Mul, self, other)

    def __itruediv__(self, other: Operand) -> Self:
        return update("/=", Div, self, other, floating=True)

    def __ipow__(self, other: Operand) -> Self:
        return update("**=", Pow, self, other)

    def __imod__(self, other: Operand) -> Self:
        return update("%=", Mod, self, other)

    def _assign(self, name: str, ufunc: Any, other: Any) -> Self:
        check_writable(name, self, self._data, other)
        overwrite(name, self, constant(ufunc, name, self, other))
        if not isinstance(self._node, Leaf):
            self._node = None
        return self

    def __ifloordiv__(self, other: Operand) -> Self:
        return update("//=", FloorDivide, self, other)

    def __iand__(self, other: Operand) -> Self:
        return self._assign("&=", np.bitwise_and, other)

    def __ior__(self, other: Operand) -> Self:
        return self._assign("|=", np.bitwise_or, other)

    def __ixor__(self, other: Operand) -> Self:
        return self._assign("^=", np.bitwise_xor, other)

    def __ilshift__(self, other: Operand) -> Self:
        return self._assign("<<=", np.left_shift, other)

    def __irshift__(self, other: Operand) -> Self:
        return self._assign(">>=", np.right_shift, other)

    def __imatmul__(self, other: Operand) -> Self:
        check_writable("@=", self, self._data, other)
        old = self._wrap(self._data.copy(), self._node)
        overwrite("@=", self, matrix_product(old, old if other is self else other))
        return self
