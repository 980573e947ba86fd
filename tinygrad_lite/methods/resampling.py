"""Images in another resolution."""

from ..graph import TensorBase


class ResamplingMethods(TensorBase):
    """Interpolation to another size."""

    __slots__ = ()
