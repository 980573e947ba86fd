"""Convolutions in one, two and three dimensions, and their transposes."""

from ..graph import TensorBase


class ConvolutionMethods(TensorBase):
    """Convolutions.  Images are (N, C, H, W), weights (out, in / groups, kernel...)."""

    __slots__ = ()
