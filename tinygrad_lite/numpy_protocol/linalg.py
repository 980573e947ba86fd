"""NumPy's linear algebra on tensors, with NumPy's arguments: np.einsum, np.linalg.solve ..."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from ..arrays.arguments import choice, flag
from ..engine.graph import TensorBase
from ..methods._operands import operand, tensor_or_array
from ..methods._products import matrix_product, sum_of_products, tensordot
from ..methods.linalg import solve


def _pair(a: Any, b: Any, name: str) -> list[Any]:
    """Two operands, one of which may be an array or a list."""
    return [tensor_or_array(x, name) for x in (a, b)]


def _dot(a: Any, b: Any) -> Any:
    a, b = _pair(a, b, "np.dot")
    ranks = np.ndim(a), np.ndim(b)
    if 0 in ranks:
        return np.multiply(a, b)
    return matrix_product(a, b) if max(ranks) <= 2 else tensordot(a, b, (-1, max(-2, -ranks[1])))


def _inner(a: Any, b: Any) -> Any:
    a, b = operand(a, "np.inner"), operand(b, "np.inner")
    return tensordot(a, b, (-1, -1)) if np.ndim(a) and np.ndim(b) else np.multiply(a, b)


def _outer(a: Any, b: Any) -> Any:
    a, b = map(np.ravel, _pair(a, b, "np.outer"))
    return tensordot(a, b, 0)


def _vdot(a: Any, b: Any) -> Any:
    a, b = map(np.ravel, _pair(a, b, "np.vdot"))
    return matrix_product(a, b)


def _kron(a: Any, b: Any) -> Any:
    a, b = _pair(a, b, "np.kron")
    ndim = max(np.ndim(a), np.ndim(b))
    rows = (1,) * (ndim - np.ndim(a)) + np.shape(a)
    inside = (1,) * (ndim - np.ndim(b)) + np.shape(b)
    blocks = np.reshape(a, [n for size in rows for n in (size, 1)]) * np.reshape(
        b, [n for size in inside for n in (1, size)]
    )
    return blocks.reshape([n * m for n, m in zip(rows, inside, strict=True)])


def _solve(a: Any, b: Any) -> Any:
    a, b = _pair(a, b, "np.linalg.solve")
    return solve(a, b, vectors=b.ndim == 1)


def _trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return x.diagonal(offset, axis1, axis2).sum(-1)


def _einsum(subscripts: str, *operands: Any, optimize: Any = True) -> Any:
    return sum_of_products(subscripts, operands, TensorBase)


QR_MODES = ("complete", "r", "raw")  # NumPy's others


def _qr(a: Any, mode: str = "reduced") -> Any:
    if choice(mode, "np.linalg.qr: mode", "reduced", *QR_MODES) != "reduced":
        raise ValueError(f'np.linalg.qr: mode: expected "reduced" on a Tensor; got "{mode}"')
    return a.qr()


def _eigh(a: Any, UPLO: str = "L") -> Any:
    """Of the lower triangle, or of the upper one: that is the lower one of the transposed."""
    return (a if choice(UPLO, "np.linalg.eigh: UPLO", "L", "U") == "L" else a.mT).eigh()


def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    return a.svd(full_matrices) if flag(compute_uv, "np.linalg.svd: compute_uv") else a.svd()[1]


LINALG: dict[Any, Callable[..., Any]] = {
    np.dot: _dot,
    np.inner: _inner,
    np.kron: _kron,
    np.trace: _trace,
    np.vdot: _vdot,
    np.outer: _outer,
    np.tensordot: tensordot,
    np.einsum: _einsum,
    np.linalg.matmul: matrix_product,
    np.linalg.tensordot: tensordot,
    np.linalg.multi_dot: lambda arrays: reduce(matrix_product, arrays),
    np.linalg.matrix_power: lambda a, n: a.matrix_power(n),
    np.linalg.trace: lambda x, offset=0: _trace(x, offset, -2, -1),
    np.linalg.inv: lambda a: a.inv(),
    np.linalg.solve: _solve,
    np.linalg.det: lambda a: a.det(),
    np.linalg.slogdet: lambda a: a.slogdet(),
    np.linalg.cholesky: lambda a, *, upper=False: a.cholesky(upper),
    np.linalg.qr: _qr,
    np.linalg.svd: _svd,
    np.linalg.svdvals: lambda x: x.svd()[1],
    np.linalg.eigh: _eigh,
    np.linalg.eigvalsh: lambda a, UPLO="L": _eigh(a, UPLO)[0],
}
