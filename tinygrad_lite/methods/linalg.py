"""Linear algebra: products, factorisations, and what follows from them."""

from ..graph import TensorBase


class LinalgMethods(TensorBase):
    """Products of matrices, factorisations, determinants."""

    __slots__ = ()
