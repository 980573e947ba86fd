"""Draws from categories that gradients flow through."""

import numpy as np

from tinygrad_lite import Tensor, arguments

from ._inputs import Input, as_tensor


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
    if not (tau := arguments.number(tau, "gumbel_softmax: tau")) > 0:
        raise ValueError(f"gumbel_softmax: tau: expected a number above 0; got {tau}")
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
