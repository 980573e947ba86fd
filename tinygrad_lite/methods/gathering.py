"""Reading and writing along one axis by an index of positions, and by masks."""

from ..graph import TensorBase


class GatheringMethods(TensorBase):
    """Gather, scatter and what is composed of them."""

    __slots__ = ()
