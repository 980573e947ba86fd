"""Order: sorting, the largest elements, the median."""

from ..graph import TensorBase


class SortingMethods(TensorBase):
    """Sorting along an axis."""

    __slots__ = ()
