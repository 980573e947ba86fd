"""Matrix products, inverses and linear systems."""

import numpy as np

from ..arrays.products import matmul, product, rows, transposed_product
from ..arrays.recorded import whole
from ..arrays.sums import sum_along
from ..engine.function import Primitive


class Matmul(Primitive):
    """y = a @ b by NumPy's rules: 1-d is a vector, more than 2-d a stack of matrices (broadcast).

    dy/da = g b^T, dy/db = a^T g.  The gradient of b has the memory order of b, so that the gradient
    of a transposed weight, seen through its transpose, is in C order.
    """

    __slots__ = ("columns", "ranks")
    reads = {"a": ("b",), "b": ("a",)}
    broadcasts = True
    fresh = True
    latex = {"y": r"a \; b", "a": r"\bar{y} \; b^{\top}", "b": r"a^{\top} \; \bar{y}"}

    def forward(self, a, b):
        self.ranks = a.ndim, b.ndim
        self.columns = b.ndim == 2 and b.strides[0] < b.strides[1]
        return matmul(a, b)

    def backward(self, g, y, a, b):
        if 1 in self.ranks:
            return self._with_vectors(g, a, b)
        ga = gb = None
        if self.ranks[1] > 2:
            ga = g @ b.mT if self.needs[0] else None
            gb = a.mT @ g if self.needs[1] else None
            return ga, gb
        stack, g = g.shape[:-1], rows(g)  # one product for a whole stack times one matrix
        if self.needs[0]:
            ga = product(g, b.mT)
            ga = ga.reshape((*stack, ga.shape[1]))
        if self.needs[1]:
            gb = transposed_product(rows(a), g, self.columns)
        return ga, gb

    def _with_vectors(self, g, a, b):
        """The rule if one side is a vector: a row (1, k) on the left, a column on the right."""
        a_rank, b_rank = self.ranks
        if a_rank == 1:
            g = np.expand_dims(g, -1 if b_rank == 1 else -2)
        if b_rank == 1:
            g = np.expand_dims(g, -1)
        ga = gb = None
        if self.needs[0]:
            ga = g @ (b.reshape((1, -1)) if b_rank == 1 else b.mT)
            ga = sum_along(ga, tuple(range(ga.ndim - 1))) if a_rank == 1 else ga
        if self.needs[1]:
            gb = (a.reshape((-1, 1)) if a_rank == 1 else a.mT) @ g
            if b_rank == 1:
                gb = sum_along(gb, (*range(gb.ndim - 2), gb.ndim - 1))
        return ga, gb


class Linear(Primitive):
    """y = x w + b, or x w^T + b.  dx = g w^T, dw = x^T g, db = the sum of g over all rows.

    x: (..., in), w: (in, out), or (out, in) if it is `transposed`, b: (out,) or None.

    One primitive, since networks consist mostly of it: Permute, Matmul and Add would be three
    operations, with one more pass over the result.
    """

    __slots__ = ("columns", "transposed")
    reads = {"x": ("w",), "w": ("x",)}
    fresh = True
    latex = {
        "y": (
            r"\begin{cases} x \; w^{\top} + b & \text{if } \mathrm{transposed} \\ "
            r"x \; w + b & \text{otherwise} \end{cases}"
        ),
        "x": (
            r"\begin{cases} \bar{y} \; w & \text{if } \mathrm{transposed} \\ "
            r"\bar{y} \; w^{\top} & \text{otherwise} \end{cases}"
        ),
        "w": (
            r"\begin{cases} \bar{y}^{\top} \; x & \text{if } \mathrm{transposed} \\ "
            r"x^{\top} \; \bar{y} & \text{otherwise} \end{cases}"
        ),
        "b": r"\sum_{\mathrm{rows}} \bar{y}",
    }

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
            gw = transposed_product(rows(x), g, self.columns)  # in the memory order of w
            gw = gw.mT if self.transposed else gw
        return gx, gw, sum_along(g, (0,)) if self.needs[2] else None


class Inv(Primitive):
    """y = x^-1, of square matrices.  The gradient of x is -y^T g y^T (Giles 2008, 2.2.3).

    Errors: LinAlgError, a ValueError, for a singular matrix.
    """

    __slots__ = ("name",)
    reads = {"x": ("y",)}
    fresh = True
    latex = {"y": "x^{-1}", "x": r"-y^{\top} \; \bar{y} \; y^{\top}"}

    def __init__(self, name="inv"):
        self.name = name

    def forward(self, x):
        return inverse(x, self.name)

    def backward(self, g, y, x):
        return (-(y.mT @ g @ y.mT),)


class Solve(Primitive):
    """y = a^-1 b, the solution of a y = b.  The gradients are gb = a^-T g and ga = -gb y^T.

    a: (..., n, n), b: (..., n, k), with the same stack in front (Giles 2008, 2.3.1).

    Errors: LinAlgError, a ValueError, for a singular matrix.
    """

    __slots__ = ("name",)
    reads = {"a": ("a", "y"), "b": ("a",)}
    fresh = True
    latex = {
        "y": r"a^{-1} \; b",
        "a": r"-a^{-\top} \; \bar{y} \; y^{\top}",
        "b": r"a^{-\top} \; \bar{y}",
    }

    def __init__(self, name="solve"):
        self.name = name

    def forward(self, a, b):
        return solution(a, b, self.name)

    def backward(self, g, y, a, b):
        gb = Solve.apply(a.mT, g)
        return -(gb @ y.mT) if self.needs[0] else None, gb


@whole
def inverse(x, name):
    """np.linalg.inv(x), with our error."""
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        raise singular(name) from None


@whole
def solution(a, b, name):
    """np.linalg.solve(a, b), with our error."""
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        raise singular(name) from None


def singular(name):
    """The error for an operation that would divide by a singular matrix."""
    return np.linalg.LinAlgError(
        f"{name}: a matrix is singular: its columns depend on each other; if that is only by "
        "rounding, add a little to its diagonal: x + 1e-6 * np.eye(n)"
    )
