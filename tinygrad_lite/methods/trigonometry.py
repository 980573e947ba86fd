"""Trigonometric and hyperbolic functions and their inverses."""

from ..graph import TensorBase


class TrigonometryMethods(TensorBase):
    """Angles are in radians."""

    __slots__ = ()
