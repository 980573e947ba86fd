"""Attention."""

from ..graph import TensorBase


class AttentionMethods(TensorBase):
    """Attention of queries to keys and values."""

    __slots__ = ()
