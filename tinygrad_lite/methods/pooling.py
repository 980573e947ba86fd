"""Pooling over windows: largest element, mean, and their adaptive forms."""

from ..graph import TensorBase


class PoolingMethods(TensorBase):
    """Pooling in one, two and three dimensions."""

    __slots__ = ()
