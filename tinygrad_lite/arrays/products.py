"""Products of matrices beside the pool of threads."""

from typing import Any

import numpy as np

from .threads import blas_held, spread

ALONE = 1 << 13  # so few multiplications BLAS does with one thread anyway
LARGE = 1 << 23  # so many take a sixth of a millisecond, and gain from a second thread
PIECE = 1 << 25


def multiply(a: Any, b: Any) -> Any:
    """a @ b, of matrices, or of a vector and a matrix.  Array or Tensor.

    The threads of OpenBLAS, once they have worked, look out for more work for 26 ms without going
    to sleep, and so take the cores away from the pool's: a step of a convolutional network took
    175 ms instead of 140.  So from the first operation on that multiplies on the pool, everything
    does.  Until then products are left to BLAS, whose threads wake up sooner: (128, 784) @
    (784, 1024) takes them 1.05 ms, the pool 1.1.
    """
    if not blas_held.used or type(a) is not np.ndarray or type(b) is not np.ndarray:
        return a @ b
    work = a.size * (b.shape[1] if b.ndim == 2 else 1)
    if work <= ALONE or a.dtype != b.dtype:
        return a @ b
    if a.ndim == 1 or b.ndim == 1 or work < LARGE:
        with blas_held:
            return a @ b
    product = np.empty((len(a), b.shape[1]), a.dtype)
    tall = len(a) >= b.shape[1]
    length = max(product.shape)
    step = -(-length // min(max(work // PIECE, 2), 16))

    def fill(start: int) -> None:
        part = slice(start, start + step)
        if tall:
            np.matmul(a[part], b, out=product[part])
        else:
            np.matmul(a, b[:, part], out=product[:, part])

    spread(fill, range(0, length, step), multiplies=True)
    return product
