"""Layers.  Each states its formula and its shapes."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor

from .. import init
from ..module import Module, locate

Input: TypeAlias = Tensor | NDArray[Any]


class Linear(Module):
    """y = x @ weight.T + bias.  x: (..., in), weight: (out, in), bias: (out,) -> (..., out).

    weight and bias are drawn uniformly from +-1 / sqrt(in), as in PyTorch (`init.kaiming_uniform`).

    x takes the dtype of the weight: integers, such as the bytes of an image, without a word, other
    floats with a warning, since that cast costs time in every step.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        if in_features < 1 or out_features < 1:
            raise ValueError(
                "Linear: expected in_features and out_features of 1 or more; "
                f"got {in_features} and {out_features}"
            )
        self.weight = init.kaiming_uniform(out_features, in_features)
        self.bias = init.uniform(out_features, bound=in_features**-0.5) if bias else None

    def forward(self, x: Input) -> Tensor:
        x = _with_dtype(x, self.weight.dtype)
        try:
            return x.linear(self.weight, self.bias, transposed=True)
        except ValueError:
            if x.shape[-1:] == self.weight.shape[1:]:
                raise
            raise ValueError(_misfit(x.shape, self.weight.shape[1])) from None

    def extra_repr(self) -> str:
        out_features, in_features = self.weight.shape
        return f"{in_features}, {out_features}" + (", bias=False" if self.bias is None else "")


class LSTMCell(Module):
    """h' = o tanh(c'), c' = f c + i g: one step of a network that remembers (`Tensor.lstm_cell`).

        h, c = cell(x)
        h, c = cell(x, (h, c))

    i, f, g, o are the quarters of x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh, i, f and o
    through the sigmoid and g through tanh.  x: (N, in) or (in,), h and c: (N, H) or (H,), zeros
    where no state is given.

    weight_ih: (4 H, in), weight_hh: (4 H, H), bias_ih and bias_hh: (4 H,), drawn uniformly from
    +-1 / sqrt(H), all as in PyTorch.  x and the state take the dtype of the weights as in `Linear`.

    Source: S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, 1997; the forget gate f:
    F. Gers et al., Learning to Forget, 2000.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        if input_size < 1 or hidden_size < 1:
            raise ValueError(
                "LSTMCell: expected input_size and hidden_size of 1 or more; "
                f"got {input_size} and {hidden_size}"
            )
        rows, bound = 4 * hidden_size, hidden_size**-0.5
        self.weight_ih = init.uniform(rows, input_size, bound=bound)
        self.weight_hh = init.uniform(rows, hidden_size, bound=bound)
        self.bias_ih = init.uniform(rows, bound=bound) if bias else None
        self.bias_hh = init.uniform(rows, bound=bound) if bias else None

    def forward(self, x: Input, state: tuple[Input, Input] | None = None) -> tuple[Tensor, Tensor]:
        dtype = self.weight_ih.dtype
        x = _with_dtype(x, dtype)
        if state is None:
            zeros = Tensor.zeros(*x.shape[:-1], self.weight_hh.shape[1], dtype=dtype)
            h = c = zeros
        else:
            h, c = _with_dtype(state[0], dtype), _with_dtype(state[1], dtype)
        return x.lstm_cell((h, c), self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)

    def extra_repr(self) -> str:
        inputs, units = self.weight_ih.shape[1], self.weight_hh.shape[1]
        return f"{inputs}, {units}" + (", bias=False" if self.bias_ih is None else "")


class LayerNorm(Module):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, over the last axes of x.

    normalized_shape: the sizes of those axes, or the size of the last one; weight, at first ones,
    and bias, at first zeros, have it.  var is of correction 0.

    elementwise_affine: False for no weight and no bias, which are then None; bias: False for no
    bias.  x takes the dtype of the weight as in `Linear`.

    Source: J. Ba et al., Layer Normalization, 2016.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        given = normalized_shape
        shape = (given,) if isinstance(given, int) else tuple(given)
        if not shape or min(shape) < 1:
            raise ValueError(f"LayerNorm: expected sizes of 1 or more; got {normalized_shape}")
        self.normalized_shape = shape
        self.eps = eps
        self.weight = init.ones(*shape) if elementwise_affine else None
        self.bias = init.zeros(*shape) if elementwise_affine and bias else None

    def forward(self, x: Input) -> Tensor:
        x = _tensor(x) if self.weight is None else _with_dtype(x, self.weight.dtype)
        shape = self.normalized_shape
        if x.shape[-len(shape) :] != shape:
            raise ValueError(f"expected (..., {', '.join(map(str, shape))}); got {x.shape}")
        axes = tuple(range(-len(shape), 0))
        return x.layernorm(axes, self.eps, self.weight, self.bias)

    def extra_repr(self) -> str:
        affine = "" if self.weight is not None else ", elementwise_affine=False"
        return f"{self.normalized_shape}, eps={self.eps}{affine}"


class Sequential(Module):
    """y = layers[-1](... layers[1](layers[0](x))); x itself where there are none.

        model = Sequential(Flatten(), Linear(784, 1024), ReLU(), Linear(1024, 10))
        model[1], len(model), model[:2]

    layers: modules, or any functions of one argument (`Tensor.tanh`).
    """

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        for position, layer in enumerate(layers):
            name = layer.__name__ if isinstance(layer, type) else type(layer).__name__
            if isinstance(layer, type):
                raise TypeError(f"Sequential: layer {position} is the class {name}; write {name}()")
            if not callable(layer):
                hint = "; write Sequential(*layers)" if isinstance(layer, list | tuple) else ""
                raise TypeError(
                    f"Sequential: expected modules or functions; got {name} as layer {position}"
                    + hint
                )
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        for position, layer in enumerate(self.layers):
            try:
                x = layer(x)
            except Exception as error:
                locate(error, layer, f"layers.{position}")
                raise
        return x

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> "Sequential": ...
    def __getitem__(self, index: int | slice) -> Any:
        """One layer, or a Sequential of several, which are not copied."""
        found = self.layers[index]
        return Sequential(*found) if isinstance(found, list) else found

    def __len__(self) -> int:
        """The number of layers."""
        return len(self.layers)

    def __iter__(self) -> Iterator[Callable[[Any], Any]]:
        """The layers, first to last."""
        return iter(self.layers)


class ReLU(Module):
    """y = max(x, 0), element by element; dy/dx at 0 is 0."""

    def forward(self, x: Input) -> Tensor:
        return _tensor(x).relu()


class Dropout(Module):
    """In training y = x * mask / (1 - p), mask being 0 with probability p, else 1; else y = x.

    The division keeps the expectation of y at x, so that nothing is left to do after training.
    Random numbers come from `Tensor.rand`, so `Tensor.manual_seed` decides them.

    p: from 0 (nothing is dropped) to 1 (all is).

    Source: N. Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting, JMLR 15, 2014.
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: expected a probability p from 0 to 1; got {p}")
        self.p = p

    def forward(self, x: Input) -> Tensor:
        return _tensor(x).dropout(self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Flatten(Module):
    """Every sample as one row: (N, C, H, W) -> (N, C * H * W)."""

    def forward(self, x: Input) -> Tensor:
        return _tensor(x).flatten(1)


def _tensor(x: Input) -> Tensor:
    """`x` as a Tensor; the memory of an array is not copied."""
    if isinstance(x, Tensor):
        return x
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "biuf":
        got = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise TypeError(f"expected a Tensor or an ndarray of numbers; got {got}")
    return Tensor._wrap(x, None)


def _with_dtype(x: Input, dtype: np.dtype[Any]) -> Tensor:
    """`x` as a Tensor of the parameters' dtype."""
    tensor = _tensor(x)
    if tensor.dtype == dtype:
        return tensor
    if tensor.dtype.kind == "f":
        # Python shows a warning from one line once in a process, unless told otherwise.
        warnings.warn(
            f"a layer casts its {tensor.dtype} input to the {dtype} of its parameters at every "
            f"call; cast the data once, with x.astype(np.{dtype})",
            stacklevel=1,
        )
    return tensor.cast(dtype)


def _misfit(shape: tuple[int, ...], in_features: int) -> str:
    """The message for an input of the wrong shape."""
    hint = ""
    if len(shape) > 2 and prod(shape[1:]) == in_features:
        hint = "; flatten(1) it first"
    elif len(shape) == 2 and shape[0] == in_features:
        hint = "; did you mean x.T?"
    return f"expected (..., {in_features}); got {shape}{hint}"
