"""Matrix products."""

from math import prod

import numpy as np

from ..arrays.products import multiply
from ..arrays.sums import sum_along
from ..engine.function import Primitive


class Matmul(Primitive):
    """y = a @ b by NumPy's rules: 1-d is a vector, more than 2-d a stack of matrices (broadcast).

    dy/da = g b^T, dy/db = a^T g.  The gradient of b is laid out in memory as b is, so that the
    gradient of a transposed weight, seen through its transpose, is in C order.

    A stack times one matrix is one product of all its rows: for (16, 64, 64) @ (64, 256) in 0.6 of
    the time of 16 products, each of which is too small for two threads.
    """

    __slots__ = ("columns", "ranks")
    reads = {"a": ("b",), "b": ("a",)}
    broadcasts = True
    fresh = True

    def forward(self, a, b):
        self.ranks = a.ndim, b.ndim
        self.columns = b.ndim == 2 and b.strides[0] < b.strides[1]
        if b.ndim == 2 and (a.ndim == 2 or (a.ndim > 2 and a.flags.c_contiguous)):
            y = product(rows(a), b)
            return y if a.ndim == 2 else y.reshape((*a.shape[:-1], b.shape[1]))
        return a @ b

    def backward(self, g, y, a, b):
        a_rank, b_rank = self.ranks
        ga = gb = None
        if a_rank == 1 or b_rank == 1:
            return self._with_vectors(g, a, b)
        stack = g.shape[:-1]
        if b_rank == 2:  # one product for the whole stack
            g = rows(g)
        if self.needs[0]:
            ga = product(g, b.mT) if b_rank == 2 else g @ b.mT
            ga = ga.reshape((*stack, ga.shape[-1]))
        if self.needs[1]:
            a = rows(a) if b_rank == 2 else a
            if a.ndim == g.ndim == 2:
                gb = multiply(g.mT, a).mT if self.columns else multiply(a.mT, g)
            else:
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


class Linear(Primitive):
    """y = x w + b, or x w^T + b.  dy/dx = w^T, dw = x^T g, db = the sum of g over all rows.

    x: (..., in), w: (in, out), or (out, in) if it is `transposed`, b: (out,) or None.

    The layer that every network is made of: composed of Permute, Matmul and Add it took twice as
    long for a small one, and made one more pass over the result of a large one.
    """

    __slots__ = ("columns", "transposed")
    reads = {"x": ("w",), "w": ("x",)}
    fresh = True

    def __init__(self, transposed=False):
        self.transposed = transposed

    def forward(self, x, w, b):
        if self.transposed:
            w = w.T
        self.columns = w.strides[0] < w.strides[1]
        y = product(rows(x), w)
        if b is not None:
            y += b
        return y if x.ndim == 2 else y.reshape((*x.shape[:-1], w.shape[1]))

    def backward(self, g, y, x, w, b):
        g, gx, gw = rows(g), None, None
        if self.needs[0]:
            gx = product(g, w if self.transposed else w.mT)
            gx = gx.reshape((*self.out_shape[:-1], gx.shape[1]))
        if self.needs[1]:
            x = rows(x)
            # laid out in memory as w is
            gw = multiply(g.mT, x).mT if self.columns else multiply(x.mT, g)
            gw = gw.mT if self.transposed else gw
        return gx, gw, sum_along(g, (0,)) if self.needs[2] else None


def rows(x):
    """(..., n) as a matrix of rows of length n.  Array or Tensor."""
    return x if x.ndim == 2 else x.reshape((prod(x.shape[:-1]), x.shape[-1]))


def product(a, b):
    """a @ b, of matrices.  Array or Tensor.

    OpenBLAS multiplies into a result with fewer rows than columns up to twice as slowly as into its
    transpose: on two threads (32, 256) @ (256, 512) took 103 us, transposed 53, (128, 784) @
    (784, 1024) 1.4 ms, transposed 1.05.  The result then lies in memory column by column.
    """
    return multiply(b.mT, a.mT).mT if a.shape[0] < b.shape[1] else multiply(a, b)


class Inv(Primitive):
    """y = x^-1, of square matrices.  The gradient of x is -y^T g y^T (Giles 2008, 2.2.3).

    A singular matrix raises LinAlgError, a ValueError.
    """

    __slots__ = ("name",)
    reads = {"x": ("y",)}
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


class Solve(Primitive):
    """y = a^-1 b, the solution of a y = b: (..., n, n) and (..., n, k), the stacks being equal.

    The gradient of b is a^-T g, and that of a is -(a^-T g) y^T (Giles 2008, 2.3.1).  A singular
    matrix raises LinAlgError, a ValueError.
    """

    __slots__ = ("name",)
    reads = {"a": ("a", "y"), "b": ("a",)}
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
