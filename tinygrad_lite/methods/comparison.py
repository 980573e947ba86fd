"""Elementwise tests and logic: the results are bool, and have no gradient."""

from functools import partial
from typing import Any, Self

import numpy as np

from ..arrays.arguments import flag, number
from ..arrays.recorded import leaves
from ._elementwise import constant
from ._operands import Operand, operand
from ._theme import Theme


class ComparisonMethods(Theme):
    """Elementwise tests and logic; the results are bool tensors without a gradient."""

    __slots__ = ()

    def isnan(self) -> Self:
        """True where an element is nan."""
        return self._wrap(np.isnan(self._data), None)

    def isfinite(self) -> Self:
        """True where an element is neither nan nor infinite."""
        return self._wrap(np.isfinite(self._data), None)

    def isinf(self, detect_positive: bool = True, detect_negative: bool = True) -> Self:
        """True where an element is inf or -inf; either can be left out."""
        detect_positive = flag(detect_positive, "isinf: detect_positive")
        detect_negative = flag(detect_negative, "isinf: detect_negative")
        found = np.isinf(self._data)
        if not detect_positive:
            found &= self._data < 0
        if not detect_negative:
            found &= self._data > 0
        return self._wrap(found, None)

    def isclose(
        self, other: Operand, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
    ) -> Self:
        """True where |self - other| <= atol + rtol |other|, or both are the same infinity.

        equal_nan   whether nan counts as close to nan
        """
        return close("isclose", self, other, rtol, atol, equal_nan)

    def allclose(
        self, other: Operand, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
    ) -> bool:
        """Whether all elements are close, as a Python bool; see `isclose`."""
        same = close("allclose", self, other, rtol, atol, equal_nan)._data
        leaves("allclose()", same)
        return bool(same.all())

    def equal(self, other: Operand) -> bool:
        """Whether shapes and all elements are equal, as a Python bool; nan equals nothing."""
        given = operand(other, "equal")
        leaves("equal()", self._data)
        return np.array_equal(self._data, getattr(given, "_data", given))

    # Logic, for any dtype: 0 is False, everything else is True, nan too

    def logical_and(self, other: Operand) -> Self:
        """True where neither is 0."""
        return constant(np.logical_and, "logical_and", self, other)

    def logical_or(self, other: Operand) -> Self:
        """True where at least one is not 0."""
        return constant(np.logical_or, "logical_or", self, other)

    def logical_xor(self, other: Operand) -> Self:
        """True where exactly one is not 0."""
        return constant(np.logical_xor, "logical_xor", self, other)

    def logical_not(self) -> Self:
        """True where an element is 0."""
        return self._wrap(np.logical_not(self._data), None)


def close(
    name: str, a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """np.isclose of tensors, arrays and numbers, for a function called `name`."""
    test = partial(
        np.isclose,
        rtol=float(number(rtol, f"{name}: rtol")),
        atol=float(number(atol, f"{name}: atol")),
        equal_nan=flag(equal_nan, f"{name}: equal_nan"),
    )
    return constant(test, name, a, b)
