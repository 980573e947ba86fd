"""Elementwise functions."""

from typing import Any, Self

import numpy as np

from ..dtypes import new_array
from ..graph import TensorBase
from ..ops.choice import Abs, Maximum, Minimum, Where
from ..ops.elementwise import Exp, Log, Sqrt
from .operands import Operand, as_float, matched, operand, pair


class MathMethods(TensorBase):
    """Elementwise functions; integers and bools become float32 where the result is no integer."""

    __slots__ = ()

    def exp(self) -> Self:
        """e to the power of each element."""
        return Exp.apply(as_float(self))

    def log(self) -> Self:
        """Natural logarithm; -inf at 0, nan below."""
        return Log.apply(as_float(self))

    def sqrt(self) -> Self:
        """Square root; its derivative at 0 is inf."""
        return Sqrt.apply(as_float(self))

    def abs(self) -> Self:
        """Absolute value; its derivative at 0 is 0."""
        return Abs.apply(self)

    def square(self) -> Self:
        """x * x."""
        return self * self  # type: ignore[operator]  # Tensor has it

    def sign(self) -> Self:
        """-1, 0 or 1; nan for nan.  Constant between the jumps, so it carries no gradient."""
        return self._wrap(np.sign(self._data), None)

    def maximum(self, other: Operand) -> Self:
        """The larger of two, by element; ties share the gradient."""
        return Maximum.apply(*pair("maximum", self, other))

    def minimum(self, other: Operand) -> Self:
        """The smaller of two, by element; ties share the gradient."""
        return Minimum.apply(*pair("minimum", self, other))

    def where(self, a: Operand, b: Operand) -> Self:
        """a where this tensor, a bool mask, is True, else b.  The three broadcast."""
        return choose(self, a, b, type(self))


def choose(condition: Any, a: Any, b: Any, tensor_class: type[TensorBase]) -> Any:
    """np.where on tensors, arrays and numbers.  condition: bool."""
    mask = condition._data if isinstance(condition, TensorBase) else np.array(condition)
    if mask.dtype != np.bool_:
        raise TypeError(f"where: expected a bool condition, as x > 0 gives; got {mask.dtype}")
    a, b = operand(a, "where"), operand(b, "where")
    if not isinstance(a, TensorBase) and not isinstance(b, TensorBase):
        a = tensor_class._wrap(new_array(a), None)
    a, b = matched("where", a, b)
    return Where.apply(a, b, condition=mask)
