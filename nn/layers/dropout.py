"""Dropout: random zeros in training, against overfitting."""

from tinygrad_lite import Tensor, arguments

from ..module import Module
from ._inputs import Input, as_tensor


class Dropout(Module):
    """In training y = x * mask / (1 - p), where mask is 0 with probability p, else 1; else y = x.

    The division keeps the expectation of y equal to x, so nothing needs to be scaled after
    training.  Random numbers come from `Tensor.rand`, so `Tensor.manual_seed` determines them.

    p: the probability that an element becomes 0, from 0 to 1.

    Source: N. Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting, JMLR 15, 2014.
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = arguments.probability(p, "Dropout: p")

    def forward(self, x: Input) -> Tensor:
        return as_tensor(x).dropout(self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
