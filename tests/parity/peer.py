"""PyTorch's tensors with our methods' names and arguments, so that one call runs on both sides."""

import numpy as np
import torch
from torch.nn import functional

from tinygrad_lite import Tensor


class Peer(torch.Tensor):
    """A tensor whose methods are PyTorch's functions of the same name: x.relu6() is relu6(x).

    What is written out here has another name or other arguments in PyTorch, and the same meaning.
    """

    def __getattr__(self, name):
        for home in (functional, torch, torch.linalg):
            if hasattr(home, name):
                return with_constants(getattr(home, name)).__get__(self)
        raise AttributeError(name)

    def max(self, axis=None, keepdim=False):
        whole = axis is None and not keepdim
        return super().max() if whole else self.amax(() if axis is None else axis, keepdim)

    def min(self, axis=None, keepdim=False):
        whole = axis is None and not keepdim
        return super().min() if whole else self.amin(() if axis is None else axis, keepdim)

    def prod(self, axis=None, keepdim=False):
        if axis is None and not keepdim:
            return super().prod()
        axes = range(self.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        for one in sorted((one % self.ndim for one in axes), reverse=True):
            self = torch.Tensor.prod(self, one, keepdim)
        return self

    def count_nonzero(self, axis=None, keepdim=False):
        return (self != 0).sum(axis, keepdim)

    def logsumexp(self, axis=None, keepdim=False):
        return super().logsumexp(tuple(range(self.ndim)) if axis is None else axis, keepdim)

    def norm(self, p=2, axis=None, keepdim=False):
        return torch.linalg.vector_norm(self, p, axis, keepdim)

    def sort(self, axis=-1, descending=False):
        return torch.sort(self, stable=True, dim=axis, descending=descending)

    def argsort(self, axis=-1, descending=False):
        return torch.argsort(self, stable=True, dim=axis, descending=descending)

    def where(self, chosen, other):
        return torch.where(self, chosen, other)

    def cat(self, *others, axis=0):
        return torch.cat((self, *others), axis)

    def stack(self, *others, axis=0):
        return torch.stack((self, *others), axis)

    def cast(self, dtype):
        return self.to(getattr(torch, np.dtype(dtype).name))

    def mod(self, other):
        return self.remainder(other)

    def solve(self, other):
        return torch.linalg.solve(self, other)

    def linear(self, weight, bias=None, transposed=False):
        return functional.linear(self, weight if transposed else weight.mT, bias)

    def gelu(self, approximate="tanh"):
        return functional.gelu(self, approximate=approximate)

    def quick_gelu(self):
        return self * (self * 1.702).sigmoid()

    def layernorm(self, axis=-1, eps=1e-5):
        return functional.layer_norm(self, self.shape[axis:], eps=eps)

    def binary_crossentropy(self, target, reduction="mean", weight=None):
        target, weight = given(self, target), given(self, weight)
        return functional.binary_cross_entropy(self, target, weight, reduction=reduction)

    def binary_crossentropy_logits(self, target, reduction="mean", pos_weight=None, weight=None):
        target, pos_weight = given(self, target), given(self, pos_weight)
        return functional.binary_cross_entropy_with_logits(
            self, target, given(self, weight), reduction=reduction, pos_weight=pos_weight
        )


def given(x, value):
    """A constant as PyTorch's tensor, floats in the dtype of x; anything else as it is."""
    if not isinstance(value, (Tensor, np.ndarray, list)):
        return value
    constant = torch.tensor(value.numpy() if isinstance(value, Tensor) else value)
    return constant.to(x.dtype) if constant.is_floating_point() else constant


def with_constants(function):
    """The function, which then takes arrays, lists and our tensors too, and dim as `axis`."""

    def method(self, *others, **options):
        if "axis" in options:
            options["dim"] = options.pop("axis")
        options = {name: given(self, value) for name, value in options.items()}
        return function(self, *(given(self, other) for other in others), **options)

    return method


def with_number(function):
    """The function of two tensors, the second of which may be a number."""
    return lambda self, other: function(self, torch.as_tensor(other, dtype=self.dtype))


def along_an_axis(function, axis):
    """The function along one axis, with our default."""
    return lambda self, axis=axis: function(self, axis)


def of_target(function):
    """The loss, with the reduction in the place where it stands in ours."""
    return lambda self, target, reduction="mean", **options: with_constants(function)(
        self, target, reduction=reduction, **options
    )


def max_pool_method(function):
    def method(
        self, size=2, stride=None, dilation=1, padding=0, ceil_mode=False, return_indices=False
    ):
        return function(self, size, stride, padding, dilation, ceil_mode, return_indices)

    return method


def avg_pool_method(function):
    def method(
        self,
        size=2,
        stride=None,
        dilation=1,
        padding=0,
        ceil_mode=False,
        counted=True,
        **divisor,  # not in one dimension
    ):
        return function(self, size, stride, padding, ceil_mode, counted, **divisor)

    return method


def convolution_method(function):
    def method(self, weight, bias=None, groups=1, stride=1, dilation=1, padding=0):
        return function(self, weight, bias, stride, padding, dilation, groups)

    return method


def transposed_convolution_method(function):
    def method(
        self, weight, bias=None, groups=1, stride=1, dilation=1, padding=0, output_padding=0
    ):
        return function(self, weight, bias, stride, padding, output_padding, groups, dilation)

    return method


def define():
    """The methods that differ from PyTorch's function in the same way as others do."""
    for name in (
        *("gather", "scatter", "scatter_add", "scatter_reduce", "masked_fill", "masked_select"),
        *("index_select", "index_add", "index_fill", "repeat_interleave"),
    ):
        setattr(Peer, name, with_constants(getattr(torch.Tensor, name)))
    for name in ("maximum", "minimum", "atan2", "logaddexp"):
        setattr(Peer, name, with_number(getattr(torch.Tensor, name)))
    for name in ("softmax", "log_softmax"):
        setattr(Peer, name, along_an_axis(getattr(torch.Tensor, name), -1))
    for name in ("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin"):
        setattr(Peer, name, along_an_axis(getattr(torch.Tensor, name), 0))
    for name in (
        *("mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "kl_div", "cross_entropy"),
        *("hinge_embedding_loss", "soft_margin_loss"),
    ):
        setattr(Peer, name, of_target(getattr(functional, name)))
    for rank in "123":
        for name, wrap, home in (
            ("max_pool{}d", max_pool_method, functional),
            ("avg_pool{}d", avg_pool_method, functional),
            ("conv{}d", convolution_method, torch),
            ("conv_transpose{}d", transposed_convolution_method, torch),
        ):
            name = name.format(rank)
            setattr(Peer, name, wrap(getattr(home, name)))


define()


def same_call(call):
    """`call`, written for our tensors, on PyTorch's."""

    def run(*tensors):
        results = call(*(x.as_subclass(Peer) for x in tensors))
        several = isinstance(results, (tuple, list))
        return tuple(map(plain, results)) if several else plain(results)

    return run


def plain(x):
    """PyTorch's own tensor again."""
    return x.as_subclass(torch.Tensor)


def peer_of(row):
    """PyTorch's side of a row of catalogue/methods."""
    if row.torch == "the same call":
        return same_call(row.call)
    return lambda *tensors: row.torch(torch, *tensors)
