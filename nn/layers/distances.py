"""Distances: how far apart, or how much alike in direction, two vectors are."""

from tinygrad_lite import Tensor, arguments

from ..module import Module
from ._inputs import Input, as_tensor


class CosineSimilarity(Module):
    """y = x1 . x2 / (|x1| |x2|) along the axis `dim`, where each length is at least eps.

    The two shapes broadcast.
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        self.dim = arguments.integer(dim, "CosineSimilarity: dim")
        self.eps = arguments.number(eps, "CosineSimilarity: eps")

    def forward(self, x1: Input, x2: Input) -> Tensor:
        return as_tensor(x1).cosine_similarity(as_tensor(x2, "x2"), self.dim, self.eps)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, eps={self.eps}"


class PairwiseDistance(Module):
    """y = the p-norm of x1 - x2 + eps along the last axis: (N, D) or (D,) -> (N,) or ().

    keepdim: keep that axis, with size 1.  The two shapes broadcast.
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        self.norm = arguments.number(p, "PairwiseDistance: p")
        self.eps = arguments.number(eps, "PairwiseDistance: eps")
        self.keepdim = arguments.flag(keepdim, "PairwiseDistance: keepdim")

    def forward(self, x1: Input, x2: Input) -> Tensor:
        x2 = as_tensor(x2, "x2")
        return as_tensor(x1).pairwise_distance(x2, self.norm, self.eps, self.keepdim)

    def extra_repr(self) -> str:
        return f"p={self.norm}, eps={self.eps}, keepdim={self.keepdim}"
