"""Recurrent layers: they carry a state from one time step to the next."""

from tinygrad_lite import Tensor, arguments

from .. import init
from ..module import Module
from ._inputs import Input, with_dtype


class LSTMCell(Module):
    """h' = o tanh(c'), c' = f c + i g: one time step of an LSTM (`Tensor.lstm_cell`).

        h, c = cell(x)
        h, c = cell(x, (h, c))

    i, f, g and o are the quarters of x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh, with
    sigmoid applied to i, f and o, and tanh to g.  x: (N, in) or (in,), h and c: (N, H) or (H,),
    zeros if no state is given.

    weight_ih: (4 H, in), weight_hh: (4 H, H), bias_ih and bias_hh: (4 H,), all initialised as in
    PyTorch: uniform on +-1 / sqrt(H).  x and the state are cast to the dtype of the weights as in
    `Linear`.

    Source: S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, 1997; the forget gate f:
    F. Gers et al., Learning to Forget, 2000.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        input_size = arguments.integer(input_size, "LSTMCell: input_size", least=1)
        hidden_size = arguments.integer(hidden_size, "LSTMCell: hidden_size", least=1)
        biased = arguments.flag(bias, "LSTMCell: bias")
        rows, bound = 4 * hidden_size, hidden_size**-0.5
        self.weight_ih = init.uniform(rows, input_size, bound=bound)
        self.weight_hh = init.uniform(rows, hidden_size, bound=bound)
        self.bias_ih = init.uniform(rows, bound=bound) if biased else None
        self.bias_hh = init.uniform(rows, bound=bound) if biased else None

    def forward(self, x: Input, state: tuple[Input, Input] | None = None) -> tuple[Tensor, Tensor]:
        dtype = self.weight_ih.dtype
        x = with_dtype(x, dtype)
        if state is None:
            h = c = Tensor.zeros(*x.shape[:-1], self.weight_hh.shape[1], dtype=dtype)
        else:
            if not isinstance(state, tuple | list) or len(state) != 2:
                raise arguments.wrong("state", "(h, c)", state)
            h, c = with_dtype(state[0], dtype), with_dtype(state[1], dtype)
        return x.lstm_cell((h, c), self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)

    def extra_repr(self) -> str:
        input_size, hidden_size = self.weight_ih.shape[1], self.weight_hh.shape[1]
        return f"{input_size}, {hidden_size}" + (", bias=False" if self.bias_ih is None else "")
