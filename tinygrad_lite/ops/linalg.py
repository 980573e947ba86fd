"""Matrix products."""

from math import prod

import numpy as np

from ..graph import Function


class Matmul(Function):
    """y = a @ b by NumPy's rules: 1-d is a vector, more than 2-d a stack of matrices (broadcast).

    dy/da = g b^T, dy/db = a^T g.  The gradient of b is laid out in memory as b is, so that the
    gradient of a transposed weight, seen through its transpose, is in C order.
    """

    __slots__ = ("columns", "ranks")
    saves = "inputs"
    reads = ("b", "a")
    broadcasts = True
    fresh = True

    def forward(self, a, b):
        self.ranks = a.ndim, b.ndim
        self.columns = b.ndim == 2 and b.strides[0] < b.strides[1]
        return a @ b

    def backward(self, g, y, a, b):
        a_rank, b_rank = self.ranks
        ga = gb = None
        if a_rank == 1 or b_rank == 1:
            return self._with_vectors(g, a, b)
        if self.needs[0]:
            ga = g @ b.mT
        if self.needs[1]:
            if b_rank == 2 and a_rank > 2:  # one product for the whole stack
                rows = prod(a.shape[:-1])
                a, g = a.reshape((rows, a.shape[-1])), g.reshape((rows, g.shape[-1]))
            gb = (g.mT @ a).mT if self.columns else a.mT @ g
        return ga, gb

    def _with_vectors(self, g, a, b):
        """The rule where one side is a vector: a row (1, k) on the left, a column on the right."""
        a_rank, b_rank = self.ranks
        if a_rank == 1:
            g = np.expand_dims(g, -1 if b_rank == 1 else -2)
        if b_rank == 1:
            g = np.expand_dims(g, -1)
        ga = gb = None
        if self.needs[0]:
            ga = g @ (b.reshape((1, -1)) if b_rank == 1 else b.mT)
            ga = np.add.reduce(ga, axis=tuple(range(ga.ndim - 1))) if a_rank == 1 else ga
        if self.needs[1]:
            gb = (a.reshape((-1, 1)) if a_rank == 1 else a.mT) @ g
            if b_rank == 1:
                gb = np.add.reduce(gb, axis=(*range(gb.ndim - 2), gb.ndim - 1))
        return ga, gb
