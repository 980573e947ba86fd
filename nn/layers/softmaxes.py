"""Softmax and its relatives: numbers along an axis made into probabilities."""

import numpy as np

from tinygrad_lite import Tensor, arguments, warn

from ..module import Module
from ._inputs import Input, as_tensor


class _AlongAxis(Module):
    """A function along the axis `dim`; None for the one that `chosen_axis` takes."""

    def __init__(self, dim: int | None = None) -> None:
        name = type(self).__name__
        self.dim = None if dim is None else arguments.integer(dim, f"{name}: dim")

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """y = exp(x) / sum(exp(x)) along the axis `dim`, without overflow."""

    def forward(self, x: Input) -> Tensor:
        x = as_tensor(x)
        return x.softmax(chosen_axis("Softmax", x, self.dim))


class LogSoftmax(_AlongAxis):
    """y = log(softmax(x)) along the axis `dim`, without overflow."""

    def forward(self, x: Input) -> Tensor:
        x = as_tensor(x)
        return x.log_softmax(chosen_axis("LogSoftmax", x, self.dim))


class Softmin(_AlongAxis):
    """y = softmax(-x) along the axis `dim`."""

    def forward(self, x: Input) -> Tensor:
        x = as_tensor(x)
        return x.softmin(chosen_axis("Softmin", x, self.dim))


class Softmax2d(Module):
    """Softmax over the channels of each pixel: (N, C, H, W) or (C, H, W), the same shape."""

    def forward(self, x: Input) -> Tensor:
        x = as_tensor(x)
        if x.ndim not in (3, 4):
            raise ValueError(f"expected (N, C, H, W) or (C, H, W); got {x.shape}")
        return x.softmax(-3)


# Functions of torch.nn.functional that are no methods of Tensor, and their axis


def chosen_axis(name: str, x: Tensor, dim: int | None) -> int:
    """`dim`; without it, PyTorch's old choice, with a warning from the function of this name.

    That is axis 0 of tensors with 0, 1 or 3 axes, else axis 1.
    """
    if dim is not None:
        return dim
    axis = 0 if x.ndim in (0, 1, 3) else 1
    warn(f"{name} without dim takes axis {axis} here; write dim={axis}, or -1")
    return axis


def gumbel_softmax(
    logits: Input, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """softmax((logits + g) / tau) along dim, with g drawn from Gumbel(0, 1).

    The largest element is at k with the probability softmax(logits)[k]; the smaller tau, the closer
    it is to 1.  Random numbers come from `Tensor.rand`, so `Tensor.manual_seed` determines them.

    hard  1 for the largest, else 0, with the gradient of the softmax
    eps   is not used, as in PyTorch

    Source: E. Jang et al., Categorical Reparameterization with Gumbel-Softmax, ICLR 2017.
    """
    x = as_tensor(logits, "gumbel_softmax")
    tau = arguments.positive(tau, "gumbel_softmax: tau")
    x = x if x.dtype.kind == "f" else x.float()
    # 1 - u is never 0, so that g is finite, and float64 reaches the far tail.
    exponential = -np.log1p(-Tensor.rand(*x.shape, dtype=np.float64).data)
    smallest = np.finfo(np.float64).tiny
    gumbel = -np.log(np.maximum(exponential, smallest))
    y: Tensor = ((x + gumbel.astype(x.dtype)) / tau).softmax(dim)
    if not arguments.flag(hard, "gumbel_softmax: hard"):
        return y
    largest = y.data == y.data.max(dim, keepdims=True)
    first = largest & (np.cumsum(largest, dim) == 1)
    onehot: Tensor = y + (first.astype(y.dtype) - y.data)
    return onehot
