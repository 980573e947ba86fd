"""Recurrent cells: one time step of a network that carries a state from one step to the next."""

from typing import Any, ClassVar

from numpy.typing import DTypeLike

from tinygrad_lite import Tensor, arguments, ops

from .. import init
from ..module import Module
from ._inputs import Input, float_dtype, in_single, with_dtype


class _Cell(Module):
    """The parameters of a cell, with one block of H rows for each gate."""

    gates: ClassVar[int]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        name = type(self).__name__
        self.input_size = arguments.integer(input_size, f"{name}: input_size", least=1)
        self.hidden_size = arguments.integer(hidden_size, f"{name}: hidden_size", least=1)
        biased, dtype = arguments.flag(bias, f"{name}: bias"), float_dtype(dtype, name)
        rows, bound = self.gates * self.hidden_size, self.hidden_size**-0.5
        self.weight_ih = init.uniform(rows, self.input_size, bound=bound, dtype=dtype)
        self.weight_hh = init.uniform(rows, self.hidden_size, bound=bound, dtype=dtype)
        self.bias_ih = init.uniform(rows, bound=bound, dtype=dtype) if biased else None
        self.bias_hh = init.uniform(rows, bound=bound, dtype=dtype) if biased else None

    def extra_repr(self) -> str:
        biased = "" if self.bias_ih is not None else ", bias=False"
        return f"{self.input_size}, {self.hidden_size}{biased}"

    def _weights(self) -> list[Any]:
        """weight_ih, weight_hh, bias_ih and bias_hh, as they enter the computation."""
        given = self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        return list(map(in_single, given))

    def _rows(self, x: Input, hx: Input | None) -> tuple[Tensor, Tensor, tuple[int, ...]]:
        """x as (N, in), the state as (N, H), zeros by default, and the shape of the result."""
        dtype = self.weight_ih.dtype
        x = with_dtype(x, dtype)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            size = self.input_size
            raise ValueError(f"expected (N, {size}) or ({size},); got {x.shape}")
        shape = (*x.shape[:-1], self.hidden_size)
        h = Tensor.zeros(*shape, dtype=dtype) if hx is None else with_dtype(hx, dtype, "hx")
        if h.shape != shape:
            raise ValueError(f"hx: expected {shape}, for an input of {x.shape}; got {h.shape}")
        rows = in_single(x).reshape(-1, self.input_size)
        return rows, in_single(h).reshape(-1, self.hidden_size), shape


class RNNCell(_Cell):
    """h' = tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh): one time step.

        h = cell(x)
        h = cell(x, h)

    x: (N, in) or (in,), h: (N, H) or (H,), zeros if it is not given.

    weight_ih: (H, in), weight_hh: (H, H), bias_ih and bias_hh: (H,), all initialised as in PyTorch:
    uniform on +-1 / sqrt(H).  x and h are cast to the dtype of the weights as in `Linear`; float16
    is computed in float32.

    nonlinearity: "tanh" or "relu".

    Source: J. Elman, Finding Structure in Time, 1990.
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        chosen = arguments.choice(nonlinearity, "RNNCell: nonlinearity", "tanh", "relu")
        super().__init__(input_size, hidden_size, bias, dtype=dtype)
        self.nonlinearity: str = chosen

    def forward(self, x: Input, hx: Input | None = None) -> Tensor:
        rows, h, shape = self._rows(x, hx)
        w, v, b, d = self._weights()
        a = rows.linear(w, b, transposed=True) + h.linear(v, d, transposed=True)
        h = a.relu() if self.nonlinearity == "relu" else a.tanh()
        return h.cast(self.weight_ih.dtype).reshape(shape)

    def extra_repr(self) -> str:
        other = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + other


class LSTMCell(_Cell):
    """h' = o tanh(c'), c' = f c + i g: one time step of an LSTM (`Tensor.lstm_cell`).

        h, c = cell(x)
        h, c = cell(x, (h, c))

    i, f, g and o are the quarters of x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh, with
    sigmoid applied to i, f and o, and tanh to g.  x: (N, in) or (in,), h and c: (N, H) or (H,),
    zeros if no state is given.

    weight_ih: (4 H, in), weight_hh: (4 H, H), bias_ih and bias_hh: (4 H,), all initialised as in
    PyTorch: uniform on +-1 / sqrt(H).  x and the state are cast to the dtype of the weights as in
    `Linear`; float16 is computed in float32.

    Source: S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, 1997; the forget gate f:
    F. Gers et al., Learning to Forget, 2000.
    """

    gates = 4

    def forward(self, x: Input, hx: tuple[Input, Input] | None = None) -> tuple[Tensor, Tensor]:
        dtype = self.weight_ih.dtype
        x = with_dtype(x, dtype)
        if hx is None:
            h = c = Tensor.zeros(*x.shape[:-1], self.hidden_size, dtype=dtype)
        else:
            if not isinstance(hx, tuple | list) or len(hx) != 2:
                raise arguments.wrong("hx", "(h, c)", hx)
            h, c = with_dtype(hx[0], dtype, "hx: h"), with_dtype(hx[1], dtype, "hx: c")
        return x.lstm_cell((h, c), self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


class GRUCell(_Cell):
    """h' = (1 - u) n + u h: one time step of a gated recurrent unit.

        h = cell(x)
        h = cell(x, h)

    Of the thirds of a = x @ weight_ih.T + bias_ih and b = h @ weight_hh.T + bias_hh, the first
    give r = sigmoid(a_r + b_r), the second u = sigmoid(a_u + b_u), and the last
    n = tanh(a_n + r b_n).  x: (N, in) or (in,), h: (N, H) or (H,), zeros if it is not given.

    weight_ih: (3 H, in), weight_hh: (3 H, H), bias_ih and bias_hh: (3 H,), all initialised as in
    PyTorch: uniform on +-1 / sqrt(H).  x and h are cast to the dtype of the weights as in `Linear`;
    float16 is computed in float32.

    Source: K. Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014.
    """

    gates = 3

    def forward(self, x: Input, hx: Input | None = None) -> Tensor:
        rows, h, shape = self._rows(x, hx)
        w, v, b, d = self._weights()
        z = rows.linear(w, b, transposed=True)
        y: Tensor = ops.GRU.apply(z, h, v, d, sizes=(len(rows),))[0]  # a sequence of one step
        return y.cast(self.weight_ih.dtype).reshape(shape)
