"""Python's operators on tensors, also reflected and in place."""

from typing import Any, Self

import numpy as np

from ..graph import Function, TensorBase
from ..ops.elementwise import Abs, Add, Div, Mul, Neg, Pow, Sub
from ..ops.linalg import Matmul
from ..shapes import broadcast_shape
from .inplace import check_writable, overwrite
from .operands import Operand, matched, operand, pair


def matrix_product(a: Any, b: Any) -> Any:
    """a @ b, by NumPy's shape rules, for tensors and arrays."""
    a, b = pair("matmul", operand(a, "matmul"), operand(b, "matmul"))
    a_shape, b_shape = getattr(a, "shape", ()), getattr(b, "shape", ())
    if not a_shape or not b_shape:
        raise ValueError(
            f"matmul: expected at least one dimension on each side; got {a_shape} @ {b_shape}; "
            "use * for numbers"
        )
    inner = b_shape[-2] if len(b_shape) > 1 else b_shape[0]
    if a_shape[-1] != inner:
        fits = len(b_shape) > 1 and a_shape[-1] == b_shape[-1]
        raise ValueError(
            f"matmul: inner sizes differ: {a_shape} @ {b_shape}"
            + ("; did you mean x @ w.T?" if fits else "")
        )
    if len(a_shape) > 2 and len(b_shape) > 2:
        broadcast_shape(a_shape[:-2], b_shape[:-2], name="matmul, stacks of matrices")
    return Matmul.apply(a, b)


class OperatorMethods(TensorBase):
    """`+ - * / ** @`, comparisons, and the operators that write in place."""

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

    # Comparisons give bool tensors, which carry no gradient.

    def __lt__(self, other: Operand) -> Self:
        return self._constant(np.less, *matched("<", self, other))

    def __le__(self, other: Operand) -> Self:
        return self._constant(np.less_equal, *matched("<=", self, other))

    def __gt__(self, other: Operand) -> Self:
        return self._constant(np.greater, *matched(">", self, other))

    def __ge__(self, other: Operand) -> Self:
        return self._constant(np.greater_equal, *matched(">=", self, other))

    def __eq__(self, other: object) -> Self:  # type: ignore[override]  # elementwise, as in NumPy
        if not isinstance(other, (TensorBase, np.ndarray, np.generic, int, float)):
            return NotImplemented
        return self._constant(np.equal, *matched("==", self, other))

    def __ne__(self, other: object) -> Self:  # type: ignore[override]  # elementwise, as in NumPy
        if not isinstance(other, (TensorBase, np.ndarray, np.generic, int, float)):
            return NotImplemented
        return self._constant(np.not_equal, *matched("!=", self, other))

    __hash__ = object.__hash__  # tensors are keys by identity

    def __and__(self, other: Operand) -> Self:
        return self._constant(np.bitwise_and, *matched("&", self, other))

    def __rand__(self, other: Operand) -> Self:
        return self._constant(np.bitwise_and, *matched("&", other, self))

    def __or__(self, other: Operand) -> Self:
        return self._constant(np.bitwise_or, *matched("|", self, other))

    def __ror__(self, other: Operand) -> Self:
        return self._constant(np.bitwise_or, *matched("|", other, self))

    def __xor__(self, other: Operand) -> Self:
        return self._constant(np.bitwise_xor, *matched("^", self, other))

    def __rxor__(self, other: Operand) -> Self:
        return self._constant(np.bitwise_xor, *matched("^", other, self))

    def __invert__(self) -> Self:
        return self._constant(np.invert, self)

    @classmethod
    def _constant(cls, function: Any, *operands: Any) -> Self:
        """A tensor of what a NumPy function without a useful derivative makes of the operands."""
        arrays = [item._data if isinstance(item, TensorBase) else item for item in operands]
        return cls._wrap(function(*arrays), None)

    # In place, as in PyTorch: the memory stays, and the graph goes on from the new value.

    def _update(self, name: str, op: type[Function], other: Any, floating: bool = False) -> Self:
        check_writable(name, self, self._data, other)
        old = self._wrap(self._data.copy(), self._node) if op.saves != "nothing" else self
        result = op.apply(*pair(name, old, old if other is self else other, floating))
        overwrite(name, self, result)
        return self

    def __iadd__(self, other: Operand) -> Self:
        return self._update("+=", Add, other)

    def __isub__(self, other: Operand) -> Self:
        return self._update("-=", Sub, other)

    def __imul__(self, other: Operand) -> Self:
        return self._update("*=", Mul, other)

    def __itruediv__(self, other: Operand) -> Self:
        return self._update("/=", Div, other, floating=True)

    def __ipow__(self, other: Operand) -> Self:
        return self._update("**=", Pow, other)

    def __imatmul__(self, other: Operand) -> Self:
        check_writable("@=", self, self._data, other)
        old = self._wrap(self._data.copy(), self._node)
        overwrite("@=", self, matrix_product(old, old if other is self else other))
        return self
