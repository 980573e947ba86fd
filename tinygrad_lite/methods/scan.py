"""Scans: results that run along one axis, such as cumulative sums."""

from ..graph import TensorBase


class ScanMethods(TensorBase):
    """Cumulative sums, products and extremes along an axis."""

    __slots__ = ()
