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


class Inv(Function):
    """y = x^-1, of square matrices.  The gradient of x is -y^T g y^T (Giles 2008, 2.2.3).

    A singular matrix raises LinAlgError, a ValueError.
    """

    __slots__ = ("name",)
    saves = "output"
    fresh = True

    def __init__(self, name="inv"):
        self.name = name

    def forward(self, x):
        try:
            return np.linalg.inv(x)
        except np.linalg.LinAlgError:
            raise singular(self.name) from None

    def backward(self, g, y, x):
        return (-(y.mT @ g @ y.mT),)


class Solve(Function):
    """y = a^-1 b, the solution of a y = b: (..., n, n) and (..., n, k), the stacks being equal.

    The gradient of b is a^-T g, and that of a is -(a^-T g) y^T (Giles 2008, 2.3.1).  A singular
    matrix raises LinAlgError, a ValueError.
    """

    __slots__ = ("name",)
    saves = "both"
    reads = ("ay", "a")
    fresh = True

    def __init__(self, name="solve"):
        self.name = name

    def forward(self, a, b):
        try:
            return np.linalg.solve(a, b)
        except np.linalg.LinAlgError:
            raise singular(self.name) from None

    def backward(self, g, y, a, b):
        gb = Solve.apply(a.mT, g)
        return -(gb @ y.mT) if self.needs[0] else None, gb


def singular(name):
    """The error of an operation that divides by a matrix, where that cannot be done."""
    return np.linalg.LinAlgError(
        f"{name}: a matrix is singular: its columns depend on each other; if that is only by "
        "rounding, add a little to its diagonal: x + 1e-6 * np.eye(n)"
    )
