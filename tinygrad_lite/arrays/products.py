"""Products of matrices: shared with the pool of threads, in the order that is fastest for BLAS."""

from math import prod
from typing import Any

import numpy as np

from .recorded import whole
from .threads import blas_held, parallel

ALONE = 1 << 13  # up to this number of multiplications BLAS uses one thread anyway
LARGE = 1 << 23  # from this number on a second thread of the pool pays off
CHUNK = 1 << 25  # multiplications of one chunk


@whole
def multiply(a: Any, b: Any, out: Any = None) -> Any:
    """a @ b, of matrices, or of a vector and a matrix or a stack of them.  Array or Tensor.

    out     where to write the product of two arrays: C-contiguous, of its shape and dtype

    OpenBLAS's threads, once they have worked, keep looking for more work for a while instead of
    sleeping, and so keep the cores from the pool's threads.  So from the first operation on
    that multiplies on the pool, every product is computed there, with BLAS held to one thread.
    Until then products are left to BLAS, whose threads start sooner.
    """
    if not blas_held.used or a.__class__ is not np.ndarray or b.__class__ is not np.ndarray:
        return a @ b if out is None else np.matmul(a, b, out)
    work = b.size if a.ndim == 1 else a.size * (b.shape[1] if b.ndim == 2 else 1)
    if work <= ALONE or a.dtype != b.dtype:
        return a @ b if out is None else np.matmul(a, b, out)
    if a.ndim == 1 or b.ndim == 1 or work < LARGE:
        with blas_held:
            return a @ b if out is None else np.matmul(a, b, out)
    result = np.empty((len(a), b.shape[1]), a.dtype) if out is None else out
    tall = len(a) >= b.shape[1]
    length = max(result.shape)
    step = -(-length // min(max(work // CHUNK, 2), 16))

    def fill(start: int) -> None:
        part = slice(start, start + step)
        if tall:
            np.matmul(a[part], b, out=result[part])
        else:
            np.matmul(a, b[:, part], out=result[:, part])

    parallel(fill, range(0, length, step), multiplies=True)
    return result


def product(a: Any, b: Any) -> Any:
    """a @ b, of matrices.  Array or Tensor.

    OpenBLAS computes a result with fewer rows than columns more slowly than its transpose.  So such
    a result is computed as (b^T a^T)^T, and is stored column by column.
    """
    return multiply(b.mT, a.mT).mT if a.shape[0] < b.shape[1] else multiply(a, b)


def transposed_product(a: Any, b: Any, by_columns: bool) -> Any:
    """a^T @ b, of matrices, in memory row by row or column by column.  Array or Tensor."""
    return multiply(b.mT, a).mT if by_columns else multiply(a.mT, b)


def matmul(a: Any, b: Any) -> Any:
    """a @ b by NumPy's rules, of arrays.

    A stack times one matrix is one product of all its rows: the products of its matrices, one by
    one, would be too small for several threads.
    """
    if b.ndim == 2 and (a.ndim == 2 or (a.ndim > 2 and a.flags.c_contiguous)):
        y = product(rows(a), b)
        return y if a.ndim == 2 else y.reshape((*a.shape[:-1], b.shape[1]))
    return a @ b


def rows(x: Any) -> Any:
    """(..., n) as a matrix of rows of length n.  Array or Tensor."""
    return x if x.ndim == 2 else x.reshape((prod(x.shape[:-1]), x.shape[-1]))
