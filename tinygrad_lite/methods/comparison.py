"""Questions about elements: their results are bool, or bits, and carry no gradient."""

from typing import Self

import numpy as np

from ..graph import TensorBase


class ComparisonMethods(TensorBase):
    """Tests, logic and bits, by element."""

    __slots__ = ()

    def isnan(self) -> Self:
        """True where an element is nan."""
        return self._wrap(np.isnan(self._data), None)

    def isfinite(self) -> Self:
        """True where an element is neither nan nor infinite."""
        return self._wrap(np.isfinite(self._data), None)
