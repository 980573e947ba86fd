"""Activation functions, normalisation, and dropout."""

from collections.abc import Callable, Iterable
from math import inf, prod, sqrt
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike

from ..arrays.arguments import choice, flag, number, probability, shown, wrong
from ..arrays.dtypes import check_dtype
from ..arrays.recorded import whole
from ..arrays.selection import nan_under, where_nan
from ..arrays.shapes import Axis, normalize_axes, normalize_axis
from ..engine.graph import TensorBase
from ..ops.activations import Gate, Gelu, LogSoftmax, Softmax, Softplus, Softsign
from ..ops.arithmetic import Add, Mul
from ..ops.elementwise import Sigmoid, Tanh
from ..ops.normalisation import LayerNorm, LayerNormAffine
from ..ops.selection import Clip, Mask, Relu, Where
from ._keywords import also
from ._operands import Operand, as_float, cast, combined, in_single, matched, single
from ._theme import Theme
from .reduce import p_norm


class ActivationMethods(Theme):
    """Activation functions, normalisation and dropout.  Only `glu` changes the shape.

    Integers become float32, except in `relu`, `relu6` and `hardtanh`, which keep them.
    """

    __slots__ = ()

    # Piecewise linear

    def relu(self) -> Self:
        """max(x, 0); the derivative at 0 is 0."""
        return Relu.apply(_no_bool(self, "relu"))

    def relu6(self) -> Self:
        """min(max(x, 0), 6); the derivative at 0 and at 6 is 0."""
        return _limited("relu6", self, 0, 6)

    def hardtanh(self, min_val: float = -1, max_val: float = 1) -> Self:
        """min(max(x, min_val), max_val); the derivative at both bounds is 0 (in `clip` 1)."""
        low, high = number(min_val, "hardtanh: min_val"), number(max_val, "hardtanh: max_val")
        return _limited("hardtanh", self, low, high)

    def hardsigmoid(self, alpha: float = 1 / 6, beta: float = 0.5) -> Self:
        """min(max(alpha x + beta, 0), 1); the derivative at both ends is 0."""
        alpha, beta = number(alpha, "hardsigmoid: alpha"), number(beta, "hardsigmoid: beta")
        return _limited("hardsigmoid", as_float(self) * alpha + beta, 0, 1)

    def hardswish(self) -> Self:
        """x min(max(x + 3, 0), 6) / 6."""
        x = as_float(self)
        return Gate.apply(x, (x + 3.0).relu6() / 6.0)  # x * 6 could overflow

    @also("negative_slope")
    def leaky_relu(self, neg_slope: float = 0.01) -> Self:
        """x where x > 0, else neg_slope x; the derivative at 0 is neg_slope."""
        if isinstance(neg_slope, TensorBase):
            raise wrong("leaky_relu: neg_slope", "a number", neg_slope, "; prelu takes a Tensor")
        x = as_float(self)
        slope = number(neg_slope, "leaky_relu: neg_slope")
        if slope == 0:
            return Relu.apply(x)
        return x * _slopes(x._data, np.array([slope, 1.0], x.dtype))

    def prelu(self, weight: TensorBase) -> Self:
        """x where x > 0, else weight x: leaky_relu with learned slopes.

        weight: one element, or one for each channel (axis 1).

        Source: K. He et al., Delving Deep into Rectifiers, ICCV 2015.
        """
        x, slopes = matched("prelu", self, weight=weight, floating=True)
        if isinstance(slopes, (int, float)):
            raise TypeError("prelu: weight: expected a Tensor; got a number; leaky_relu takes one")
        shape, size = x.shape, prod(slopes.shape)
        channels = shape[1] if len(shape) > 1 else 1
        if size not in (1, channels):
            raise ValueError(
                f"prelu: expected a weight of 1 or {channels} elements, for x of shape {shape}; "
                f"got shape {slopes.shape}"
            )
        slopes = slopes.reshape(-1, *(1,) * (len(shape) - 2)) if shape else slopes.reshape(())
        return Relu.apply(x) + Mask.apply(x, mask=x._data <= 0) * slopes

    # Exponential

    def elu(self, alpha: float = 1.0) -> Self:
        """x where x > 0, else alpha (exp(x) - 1); the derivative at 0 is alpha.

        Source: D. Clevert et al., Fast and Accurate Deep Network Learning by Exponential Linear
        Units, ICLR 2016.
        """
        x, alpha = as_float(self), number(alpha, "elu: alpha")
        return Relu.apply(x) + Mask.apply(x, mask=x._data <= 0).expm1() * alpha

    def celu(self, alpha: float = 1.0) -> Self:
        """x where x > 0, else alpha (exp(x / alpha) - 1); the derivative at 0 is 1.

        Source: J. Barron, Continuously Differentiable Exponential Linear Units, 2017.
        """
        alpha = number(alpha, "celu: alpha")
        if alpha == 0:
            raise ValueError("celu: expected an alpha other than 0, since it divides by it")
        x = as_float(self)
        return Relu.apply(x) + (Mask.apply(x, mask=x._data <= 0) / alpha).expm1() * alpha

    def selu(self) -> Self:
        """1.0507 elu(x, alpha=1.6733), which keeps mean 0 and variance 1 from layer to layer.

        Source: G. Klambauer et al., Self-Normalizing Neural Networks, NeurIPS 2017.
        """
        return self.elu(1.6732632423543772) * 1.0507009873554805

    def tanh(self) -> Self:
        """Hyperbolic tangent."""
        return Tanh.apply(as_float(self))

    def sigmoid(self) -> Self:
        """1 / (1 + exp(-x)), without overflow."""
        return Sigmoid.apply(as_float(self))

    def logsigmoid(self) -> Self:
        """log(sigmoid(x)), without overflow."""
        return -Softplus.apply(-as_float(self))

    def softplus(self, beta: float = 1.0, threshold: float = inf) -> Self:
        """log(1 + exp(beta x)) / beta, a smooth relu, without overflow; x if beta x > threshold.

        Exact everywhere without a threshold, which is 20 in PyTorch.
        """
        x, beta = as_float(self), number(beta, "softplus: beta")
        if number(threshold, "softplus: threshold") != inf:
            above = (x.detach() * beta)._data > threshold
            smooth = Where.apply(0.0, x, condition=above).softplus(beta)
            return Where.apply(x, smooth, condition=above)
        return Softplus.apply(x) if beta == 1 else Softplus.apply(x * beta) / beta

    def softsign(self) -> Self:
        """x / (1 + |x|)."""
        return Softsign.apply(as_float(self))

    # Gated

    @in_single
    def gelu(self, approximate: Literal["tanh", "none"] = "tanh") -> Self:
        """x times the probability that a standard normal number is below x.

        approximate: "tanh" for x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, tinygrad's
        default, with an error of at most 0.0005; "none" for the exact x (1 + erf(x / sqrt(2))) / 2,
        PyTorch's default.

        Source: D. Hendrycks, K. Gimpel, Gaussian Error Linear Units, 2016.
        """
        x = as_float(self)
        if choice(approximate, "gelu: approximate", "tanh", "none") == "tanh":
            return Gelu.apply(x)[0]
        return Gate.apply(x, ((x * sqrt(0.5)).erf() + 1.0) * 0.5)

    def quick_gelu(self) -> Self:
        """x sigmoid(1.702 x), a rougher approximation of gelu."""
        x = as_float(self)
        return Gate.apply(x, (x * 1.702).sigmoid())

    def silu(self) -> Self:
        """x sigmoid(x)."""
        x = as_float(self)
        return Gate.apply(x, x.sigmoid())

    def swish(self) -> Self:
        """x sigmoid(x): another name for silu.

        Source: P. Ramachandran et al., Searching for Activation Functions, 2017.
        """
        return self.silu()

    def mish(self) -> Self:
        """x tanh(softplus(x)).

        Source: D. Misra, Mish: A Self Regularized Non-Monotonic Activation Function, 2019.
        """
        x = as_float(self)
        return Gate.apply(x, x.softplus().tanh())

    @also("dim")
    def glu(self, axis: int = -1) -> Self:
        """a sigmoid(b), where a and b are the two halves of x along the axis.

        Source: Y. Dauphin et al., Language Modeling with Gated Convolutional Networks, 2016.
        """
        x = as_float(self)
        axis = normalize_axis(axis, x.ndim, "glu")
        half, odd = divmod(x.shape[axis], 2)
        if odd:
            raise ValueError(f"glu: expected an even size along axis {axis}; got shape {x.shape}")
        before = (slice(None),) * axis
        return x[(*before, slice(half))] * x[(*before, slice(half, None))].sigmoid()

    # Along axes

    @also("dim")
    def softmax(self, axis: Axis = -1, dtype: DTypeLike | None = None) -> Self:
        """exp(x) / sum(exp(x)) along the axis, without overflow; computed in `dtype` if given."""
        return _normalised(Softmax, "softmax", self, axis, dtype)

    @also("dim")
    def log_softmax(self, axis: Axis = -1, dtype: DTypeLike | None = None) -> Self:
        """log(softmax(x)): x minus the logarithm of the sum of exp(x) along the axis."""
        return _normalised(LogSoftmax, "log_softmax", self, axis, dtype)

    @also("dim")
    def softmin(self, axis: Axis = -1, dtype: DTypeLike | None = None) -> Self:
        """softmax(-x)."""
        return _normalised(Softmax, "softmin", -as_float(self), axis, dtype)

    @also("dim")
    @in_single
    def layernorm(
        self,
        axis: Axis = -1,
        eps: float = 1e-5,
        weight: Operand | None = None,
        bias: Operand | None = None,
    ) -> Self:
        """(x - mean) / sqrt(var + eps) over one axis or several; var with correction=0.

        Over the axes (0, 2, 3) of images this is batch normalisation in training.

        weight, bias: the factor and the summand of the result, of any shape that broadcasts to it.
        If `axis` names the last axes and both have the shape of these, it is one primitive.

        Source: J. Ba et al., Layer Normalization, 2016.
        """
        x, eps = as_float(self), number(eps, "layernorm: eps")
        axes = normalize_axes(axis, x.ndim, "layernorm")
        if weight is not None and _is_affine(x, axes, weight, bias):
            return LayerNormAffine.apply(x, weight, bias, eps=eps)[0]
        y = LayerNorm.apply(x, axes=axes, eps=eps)[0]
        y = y if weight is None else combined("layernorm: weight", y, weight, Mul)
        return y if bias is None else combined("layernorm: bias", y, bias, Add)

    @also("dim")
    @in_single
    def normalize(self, p: float = 2.0, axis: Axis = 1, eps: float = 1e-12) -> Self:
        """x / max(norm, eps), with the p-norm along the axis: vectors of length 1."""
        return scaled_to_one("normalize", as_float(self), p, axis, eps)

    # In training

    def dropout(self, p: float = 0.5, training: bool = True) -> Self:
        """x mask / (1 - p) in training, the mask being 0 with probability p, else 1; otherwise x.

        The division keeps the expectation at x.  `Tensor.manual_seed` determines the mask.

        p: from 0 (nothing is dropped) to 1 (everything is).

        Source: N. Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from
        Overfitting, JMLR 15, 2014.
        """
        p = probability(p, "dropout: p")
        if not flag(training, "dropout: training") or p == 0:
            return self
        x = as_float(self)
        kept = x.rand(x.shape)._data >= p
        return x * (kept.astype(x.dtype) * (1 / (1 - p) if p < 1 else 0.0))

    # Layers

    def sequential(self, fns: Iterable[Callable[[Any], Any]]) -> Any:
        """What these functions or layers make of this tensor, one after the other."""
        result: Any = self
        if not isinstance(fns, Iterable):
            raise wrong("sequential", "a list of functions", fns)
        for fn in fns:
            if not callable(fn):
                raise wrong("sequential", "functions", fn)
            result = fn(result)
        return result


def scaled_to_one(name: str, x: Any, p: float, axis: Axis, eps: float) -> Any:
    """x divided by its p-norm along the axis, which counts as at least eps."""
    eps = number(eps, f"{name}: eps")
    return x / p_norm(name, x, p, axis, keepdim=True).maximum(eps)


@whole
def _slopes(x: Any, slopes: Any) -> Any:
    """Of the two slopes the second where x > 0, else the first; nan for nan.  Laid out as x."""
    y, above = np.empty_like(x), (x > 0).view(np.int8)
    slopes.take(above.ravel("K"), out=y.ravel("K"), mode="clip")  # "raise" would copy y
    return nan_under(y, where_nan(x))


def _no_bool(x: TensorBase, name: str) -> TensorBase:
    if x._data.dtype.kind == "b":
        raise TypeError(f"{name}: expected numbers; got bool; cast it first")
    return x


def _is_affine(x: Any, axes: tuple[int, ...], weight: Any, bias: Any) -> bool:
    """Whether these are tensors of the shapes and dtypes that LayerNormAffine takes."""
    given = (weight,) if bias is None else (weight, bias)
    last = tuple(range(x.ndim - len(axes), x.ndim))
    sizes = x.shape[x.ndim - len(axes) :]
    return axes == last and all(
        isinstance(each, TensorBase) and each._data.dtype == x.dtype and each._data.shape == sizes
        for each in given
    )


def _limited(name: str, x: TensorBase, low: float, high: float) -> Any:
    """x between the limits, else the nearer limit; the derivative there and outside is 0."""
    data = _no_bool(x, name)._data
    if not low <= high:
        raise ValueError(f"{name}: expected min_val <= max_val; got {shown(low)} and {shown(high)}")
    if data.dtype.kind != "f":  # the limits may be floats
        return x._wrap(np.clip(data, low, high).astype(data.dtype), None)
    return Clip.apply(x, low, high, edges=False)


def _normalised(op: Any, name: str, x: TensorBase, axis: Axis, dtype: DTypeLike | None) -> Any:
    """Softmax or LogSoftmax; float16 in float32, since the sum may have many small terms."""
    x = as_float(x if dtype is None else cast(x, check_dtype(dtype, name), name))
    axes = normalize_axes(axis, x._data.ndim, name)
    return cast(op.apply(*single(x), axes=axes), x._data.dtype)
