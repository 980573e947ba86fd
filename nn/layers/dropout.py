"""Dropout: random zeros in training, against overfitting.

Random numbers come from `Tensor.rand`, so `Tensor.manual_seed` determines them.  `inplace` is taken
as in PyTorch and changes nothing: the result is the same, in new memory.
"""

from collections.abc import Sequence
from math import sqrt

from tinygrad_lite import Tensor, arguments

from .._evaluation import drops
from ..module import Module
from ._inputs import Input, as_tensor

# What SELU tends to for small x, -1.0507 * 1.6733: where AlphaDropout drops to.
LOWEST = -1.7580993408473766


class _Dropout(Module):
    """The options of every dropout: p, the probability that something is dropped, from 0 to 1."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        name = type(self).__name__
        self.p = arguments.probability(p, f"{name}: p")
        self.inplace = arguments.flag(inplace, f"{name}: inplace")

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout(_Dropout):
    """In training y = x * mask / (1 - p), where mask is 0 with probability p, else 1; else y = x.

    The division keeps the expectation of y equal to x, so nothing needs to be scaled after
    training.

    Source: N. Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting, JMLR 15, 2014.
    """

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).dropout(self.p, drops(self, self.p))


class Dropout1d(_Dropout):
    """Dropout of whole channels of sequences: (N, C, L) or (C, L).

    Neighbouring elements of a channel are much alike, so that dropping single ones hides little.

    Source: J. Tompson et al., Efficient Object Localization Using Convolutional Networks, 2015.
    """

    def forward(self, x: Input) -> Tensor:
        return dropout1d(as_tensor(x), self.p, drops(self, self.p))


class Dropout2d(_Dropout):
    """Dropout of whole channels of images: (N, C, H, W), or (N, C, L) as in PyTorch."""

    def forward(self, x: Input) -> Tensor:
        return dropout2d(as_tensor(x), self.p, drops(self, self.p))


class Dropout3d(_Dropout):
    """Dropout of whole channels of volumes: (N, C, D, H, W) or (C, D, H, W)."""

    def forward(self, x: Input) -> Tensor:
        return dropout3d(as_tensor(x), self.p, drops(self, self.p))


class AlphaDropout(_Dropout):
    """Dropout for SELU: elements drop to its lowest value, and mean 0 and variance 1 are kept.

    Source: G. Klambauer et al., Self-Normalizing Neural Networks, NeurIPS 2017.
    """

    def forward(self, x: Input) -> Tensor:
        return alpha_dropout(as_tensor(x), self.p, drops(self, self.p))


class FeatureAlphaDropout(_Dropout):
    """AlphaDropout of whole channels: the first two axes of x are (N, C)."""

    def forward(self, x: Input) -> Tensor:
        return feature_alpha_dropout(as_tensor(x), self.p, drops(self, self.p))


# Functions of torch.nn.functional that are no methods of Tensor


def dropout1d(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Dropout of whole channels of (N, C, L) or (C, L)."""
    if x.ndim not in (2, 3):
        raise ValueError(f"dropout1d: expected (N, C, L) or (C, L); got {x.shape}")
    return _by_channel(x, x.ndim - 1, p, training)


def dropout2d(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Dropout of whole channels of (N, C, H, W), or of (N, C, L) as in PyTorch."""
    if x.ndim not in (3, 4):
        raise ValueError(f"dropout2d: expected (N, C, H, W) or (N, C, L); got {x.shape}")
    return _by_channel(x, 2, p, training)


def dropout3d(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Dropout of whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    if x.ndim not in (4, 5):
        raise ValueError(f"dropout3d: expected (N, C, D, H, W) or (C, D, H, W); got {x.shape}")
    return _by_channel(x, x.ndim - 3, p, training)


def alpha_dropout(x: Tensor, p: float = 0.5, training: bool = False) -> Tensor:
    """In training a (x * mask + LOWEST * (1 - mask)) + b, with mask 0 at probability p, else 1.

    a and b restore the mean 0 and the variance 1 that x is taken to have.
    """
    return _alpha_dropout("alpha_dropout", x, x.shape, p, training)


def feature_alpha_dropout(x: Tensor, p: float = 0.5, training: bool = False) -> Tensor:
    """alpha_dropout with one number of the mask for each channel, x being (N, C, ...)."""
    if x.ndim < 2:
        raise ValueError(f"feature_alpha_dropout: expected (N, C, ...); got {x.shape}")
    return _alpha_dropout("feature_alpha_dropout", x, _channels(x, 2), p, training)


def _channels(x: Tensor, axes: int) -> tuple[int, ...]:
    """The shape of a mask with one number for each element of the first axes."""
    return *x.shape[:axes], *(1,) * (x.ndim - axes)


def _by_channel(x: Tensor, axes: int, p: float, training: bool) -> Tensor:
    """Dropout with one number of the mask for each element of the first axes."""
    dtype = x.dtype if x.dtype.kind == "f" else None
    mask = Tensor.ones(*_channels(x, axes), dtype=dtype).dropout(p, training)
    return x * mask if training and p > 0 else x


def _alpha_dropout(name: str, x: Tensor, shape: Sequence[int], p: float, training: bool) -> Tensor:
    p = arguments.probability(p, f"{name}: p")
    if not arguments.flag(training, f"{name}: training") or p == 0:
        return x
    x = x if x.dtype.kind == "f" else x.float()
    if p == 1:  # nothing is left to be scaled
        return x * 0.0
    kept = (Tensor.rand(*shape).data >= p).astype(x.dtype)
    scale = 1 / sqrt((LOWEST**2 * p + 1) * (1 - p))
    return x * (kept * scale) + ((1.0 - kept) * (scale * LOWEST) - scale * LOWEST * p)
