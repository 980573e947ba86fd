"""Linear algebra: products, inverses, determinants and factorisations of matrices."""

from typing import Any, Self

import numpy as np

from ..arrays.arguments import flag, integer
from ..arrays.float_errors import quiet
from ..arrays.shapes import broadcast_shape
from ..engine.graph import TensorBase
from ..ops.arithmetic import Add, Mul
from ..ops.decompositions import QR, SVD, Cholesky, Eigh
from ..ops.determinants import Det, Slogdet
from ..ops.linalg import Inv, Linear, Matmul, Solve
from ..ops.movement import Concatenate, Expand, Reshape
from ..ops.selection import Where
from ._keywords import also
from ._operands import (
    HALF,
    Operand,
    as_float,
    cast,
    combined,
    in_single,
    matched,
    operand,
    scaled,
    single,
)
from ._products import matrix_product, sum_of_products, tensordot
from ._theme import Theme


class LinalgMethods(Theme):
    """Products, inverses, determinants and factorisations of matrices.

    Matrices are the last two axes, (..., n, m), so each function works on stacks of them.  float16
    is computed in float32.  An undefined result, such as the inverse of a singular matrix, raises
    numpy.linalg.LinAlgError, a ValueError.
    """

    __slots__ = ()

    # Products

    def matmul(self, other: Operand, reverse: bool = False) -> Self:
        """self @ other; other @ self if `reverse`.  1-d is a vector, more than 2-d a stack."""
        return (
            matrix_product(other, self)
            if flag(reverse, "matmul: reverse")
            else matrix_product(self, other)
        )

    @also("tensor")
    def dot(self, other: Operand) -> Self:
        """self @ other, as in tinygrad; np.dot treats stacks of matrices differently."""
        return matrix_product(self, other, "dot")

    def linear(
        self, weight: Operand, bias: Operand | None = None, transposed: bool = False
    ) -> Self:
        """self @ weight + bias.  self: (..., in), weight: (in, out), bias: (out,) -> (..., out).

        transposed: the weight is (out, in), as in layers.  A 1-d weight scales the elements
        instead.
        """
        if transposed is not True and transposed is not False:
            transposed = flag(transposed, "linear: transposed")
        if _is_layer(self, weight, bias, transposed):
            return Linear.apply(self, weight, bias, transposed=transposed)
        w = operand(weight, "linear: weight")
        if np.ndim(w) > 1:
            w = w.mT if transposed else w
        y = (
            combined("linear: weight", self, w, Mul)
            if np.ndim(w) == 1
            else matrix_product(self, w, "linear")
        )
        return y if bias is None else combined("linear: bias", y, bias, Add)

    @also("mat2")
    def mm(self, other: TensorBase) -> Self:
        """self @ other, for two matrices.  (n, k) and (k, m) -> (n, m)."""
        return _product("mm", self, other, 2, 2)

    @also("mat2")
    def bmm(self, other: TensorBase) -> Self:
        """self @ other, for two stacks of matrices.  (b, n, k) and (b, k, m) -> (b, n, m)."""
        return _product("bmm", self, other, 3, 3)

    @also("vec")
    def mv(self, other: TensorBase) -> Self:
        """self @ other, for a matrix and a vector.  (n, k) and (k,) -> (n,)."""
        return _product("mv", self, other, 2, 1)

    def addmm(
        self, mat1: TensorBase, mat2: TensorBase, *, beta: float = 1, alpha: float = 1
    ) -> Self:
        """beta self + alpha (mat1 @ mat2), for two matrices; self broadcasts."""
        product = _product("addmm", mat1, mat2, 2, 2)
        own = scaled("addmm", self, beta, "beta")
        return own + scaled("addmm", product, alpha)

    @also("vec2")
    def outer(self, other: Operand) -> Self:
        """y_ij = self_i other_j.  (n,) and (m,) -> (n, m)."""
        a, b = matched("outer", self, other)
        if np.ndim(a) != 1 or np.ndim(b) != 1:
            raise ValueError(
                f"outer: expected two vectors; got shapes {np.shape(a)} and {np.shape(b)}; "
                "flatten() them first"
            )
        return Mul.apply(Reshape.apply(a, shape=(*a.shape, 1)), b)

    @also("dims")
    def tensordot(self, other: Operand, axes: Any = 2) -> Self:
        """The sum of products over pairs of axes; then the other axes of self, then those of other.

        axes: a number n, which pairs the last n axes of self with the first n of other, or two
        lists of axes, which are paired in order.
        """
        return tensordot(self, other, axes)

    @classmethod
    def einsum(cls, subscripts: str, *operands: Any) -> Self:
        """The sum of products given by `subscripts`: "ij,jk->ik" is the matrix product.

        Each letter names an axis.  The product is summed over letters that are missing after ->; a
        letter twice in one operand takes its diagonal; `...` stands for any other axes, which
        broadcast.  Without -> the result has the letters that occur once, in alphabetical order.
        The sizes of one letter are equal or 1.  The operands are arguments or one list.

        Errors: ValueError if subscripts and shapes do not fit.
        """
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = tuple(operands[0])
        return sum_of_products(subscripts, operands, cls)

    def trace(self) -> Self:
        """The sum of the diagonal.  (..., n, m) -> (...)."""
        return _matrices("trace", self).diagonal(axis1=-2, axis2=-1).sum(-1)

    @in_single
    def matrix_power(self, n: int) -> Self:
        """self @ self @ ... @ self, n factors, in about log2(n) products; n < 0: of the inverse."""
        _square("matrix_power", self)
        n = integer(n, "matrix_power: n")
        if n < 0:
            return self.inv().matrix_power(-n)
        if n < 2:
            unit = np.broadcast_to(np.eye(self.shape[-1], dtype=self.dtype), self.shape)
            return self if n else Where.apply(self, unit, condition=np.False_)
        half = self.matrix_power(n // 2)
        return half @ half @ self if n % 2 else half @ half

    # Inverses and determinants

    @in_single
    def inv(self) -> Self:
        """The inverse: y @ self = I.  (..., n, n).  LinAlgError for a singular matrix."""
        return Inv.apply(_square("inv", self))

    @also("B")
    def solve(self, other: Operand) -> Self:
        """The y with self @ y = other.  (..., n, n) and (n,) or (..., n, k); stacks broadcast.

        If other has the shape of self without the last axis, it is a stack of vectors (..., n).
        LinAlgError for a singular matrix.
        """
        return solve(self, other)

    @also("B")
    def solve_triangular(
        self, other: Operand, *, upper: bool, left: bool = True, unitriangular: bool = False
    ) -> Self:
        """The y with self @ y = other, where self is triangular.  (..., n, n) and (..., n, k).

        upper          whether it is the upper triangle that is read; the other one is not
        left           False: the y with y @ self = other, of shape (..., k, n)
        unitriangular  the diagonal is not read either, and counts as 1

        Only the triangle that is read gets a gradient.  LinAlgError for a 0 on the diagonal.
        """
        upper = flag(upper, "solve_triangular: upper")
        a, b = matched("solve_triangular", self, other, floating=True)
        if np.ndim(b) < 2:
            raise ValueError(
                f"solve_triangular: expected matrices on the right; got shape {np.shape(b)}"
            )
        a = _square("solve_triangular", a)
        if not flag(left, "solve_triangular: left"):
            a, b, upper = a.mT, b.mT, not upper
        offset = int(flag(unitriangular, "solve_triangular: unitriangular"))
        a = a.triu(offset) if upper else a.tril(-offset)
        if offset:
            a = a + np.eye(a.shape[-1], dtype=a.dtype)
        # Turned round, a lower triangle is an upper one, in which elimination has nothing to do.
        rows = (..., slice(None, None, -1), slice(None))
        y = solve(a, b, False) if upper else solve(a.flip(-2, -1), b[rows], False)[rows]
        return y if left else y.mT

    @in_single
    def det(self) -> Self:
        """The determinant.  (..., n, n) -> (...).

        The first and second derivatives are exact for singular matrices too.
        """
        return Det.apply(_square("det", self))

    @in_single
    def slogdet(self) -> tuple[Self, Self]:
        """The sign of the determinant, and the logarithm of its absolute value; each (...).

        det = sign * exp(log), but without overflow or underflow.  The sign has no gradient.  A
        singular matrix has sign 0 and logarithm -inf, and no derivative: LinAlgError in the
        backward pass.
        """
        sign, logarithm = Slogdet.apply(_square("slogdet", self))
        return sign.detach(), logarithm

    # Factorisations

    @in_single
    def cholesky(self, upper: bool = False) -> Self:
        """The lower triangular y with y @ y.mT = self, which is symmetric and positive definite.

        With upper, y.mT.  Only the lower triangle of self is read (with upper, the upper one); the
        gradient is symmetric.  LinAlgError if self is not positive definite.
        """
        x = _square("cholesky", self)
        return Cholesky.apply(x.mT).mT if flag(upper, "cholesky: upper") else Cholesky.apply(x)

    @in_single
    def qr(self) -> tuple[Self, Self]:
        """q, r with self = q @ r: q has orthonormal columns, r is upper triangular.

        (..., n, m) -> (..., n, k), (..., k, m) with k = min(n, m).  The derivative exists if the
        first k columns are independent, else LinAlgError in the backward pass.
        """
        x = as_float(_matrices("qr", self))
        rows, columns = x.shape[-2:]
        if columns <= rows:
            q, r = QR.apply(x)
            return q, r
        q, r = QR.apply(x[..., :rows])
        right = Matmul.apply(q.mT, x[..., rows:])
        # Return q in a separate node, so that its gradient comes from its own uses only.
        return q[...], Concatenate.apply(r, right, axis=right.ndim - 1)

    @also("some")
    @in_single
    def svd(self, full_matrices: bool = False) -> tuple[Self, Self, Self]:
        """u, s, vh with self = u @ diag(s) @ vh: u.mT @ u = vh @ vh.mT = I; s in falling order.

        (..., n, m) -> (..., n, k), (..., k), (..., k, m) with k = min(n, m).  With full_matrices u
        is (..., n, n) and vh (..., m, m); the additional vectors are arbitrary constants.

        u and vh have a derivative only if the singular values differ (else inf or nan).  The signs
        of the vectors are arbitrary, so use them in functions that do not depend on these.
        """
        x = as_float(_matrices("svd", self))
        full_matrices = flag(full_matrices, "svd: full_matrices")
        u, s, vh = SVD.apply(x)
        if full_matrices:
            u, vh = _completed(u), _completed(vh.mT).mT
        return u, s, vh

    @in_single
    def eigh(self) -> tuple[Self, Self]:
        """w, v with self = v @ diag(w) @ v.mT, for symmetric matrices; w in rising order.

        (..., n, n) -> (..., n), (..., n, n): the eigenvalues, and the eigenvectors as columns of v.
        Only the lower triangle of self is read; the gradient is symmetric.

        v has a derivative only if the eigenvalues differ (else inf or nan).  The signs of its
        columns are arbitrary, so use it in functions that do not depend on these.
        """
        w, v = Eigh.apply(_square("eigh", self))
        return w, v


def _is_layer(x: Any, w: Any, b: Any, transposed: bool) -> bool:
    """Whether these are tensors of the shapes and dtypes that the primitive Linear takes."""
    if not isinstance(w, TensorBase) or not (b is None or isinstance(b, TensorBase)):
        return False
    dtype, x_shape, w_shape = x._data.dtype, x._data.shape, w._data.shape
    if len(w_shape) != 2 or not x_shape or dtype.char not in "fd":
        return False
    if w._data.dtype is not dtype and w._data.dtype != dtype:  # a file's or a pickle's may differ
        return False
    width, breadth = w_shape[::-1] if transposed else w_shape
    if x_shape[-1] != width:
        return False
    return b is None or (b._data.shape == (breadth,) and b._data.dtype == dtype)


def solve(a: Any, b: Any, vectors: bool | None = None) -> Any:
    """`Tensor.solve` of tensors and arrays, at least one of which is a tensor.

    vectors: whether b is a stack of vectors rather than of matrices; None to decide by its shape.
    """
    a, b = matched("solve", a, b, floating=True)
    if not np.ndim(b):
        raise ValueError("solve: expected a vector or a matrix on the right; got a number")
    a = _square("solve", a)
    if vectors is None:
        vectors = b.ndim == 1 or b.shape == a.shape[:-1]
    columns = Reshape.apply(b, shape=(*b.shape, 1)) if vectors else b
    if columns.shape[-2] != a.shape[-1]:
        raise ValueError(
            f"solve: expected {a.shape[-1]} rows on the right, as {a.shape} has; got {b.shape}"
        )
    if a.dtype == HALF:
        a, b = single(a, b)
        return cast(solve(a, b, vectors), HALF)
    stack = broadcast_shape(a.shape[:-2], columns.shape[:-2], name="solve, stacks of matrices")
    x = Solve.apply(_stacked(a, stack), _stacked(columns, stack))
    return Reshape.apply(x, shape=x.shape[:-1]) if vectors else x


def _stacked(x: Any, stack: tuple[int, ...]) -> Any:
    """The matrices broadcast to a stack of this shape."""
    shape = (*stack, *x.shape[-2:])
    return x if x.shape == shape else Expand.apply(x, shape=shape)


def _product(name: str, a: Any, b: Any, left: int, right: int) -> Any:
    """a @ b, which must have these numbers of axes; stacks must be of one length."""
    a, b = operand(a, name), operand(b, name)
    if np.ndim(a) != left or np.ndim(b) != right or (left == 3 and len(a) != len(b)):
        kinds = {1: "a vector", 2: "a matrix", 3: "a stack of matrices, as many as in the other"}
        raise ValueError(
            f"{name}: expected {kinds[left]} and {kinds[right]}; "
            f"got shapes {np.shape(a)} and {np.shape(b)}"
        )
    return matrix_product(a, b, name)


def _matrices(name: str, x: Any) -> Any:
    """x itself, which must be a matrix or a stack of them."""
    if x.ndim < 2:
        raise ValueError(f"{name}: expected matrices, (..., n, m); got shape {x.shape}")
    return x


def _square(name: str, x: Any) -> Any:
    """x with a float dtype; it must be a square matrix or a stack of them."""
    if x.ndim < 2 or x.shape[-2] != x.shape[-1]:
        raise ValueError(f"{name}: expected square matrices, (..., n, n); got shape {x.shape}")
    return as_float(x) if isinstance(x, TensorBase) else x


@quiet
def _completed(q: Any) -> Any:
    """Orthonormal columns (..., n, k), completed to (..., n, n) with constant ones."""
    columns = q.shape[-1]
    rest = np.linalg.qr(q._data, mode="complete")[0][..., columns:]
    return Concatenate.apply(q, rest, axis=q.ndim - 1)
