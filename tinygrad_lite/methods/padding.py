"""Padding, shrinking and sliding windows."""

from ..graph import TensorBase


class PaddingMethods(TensorBase):
    """Elements added or taken away at the edges."""

    __slots__ = ()
