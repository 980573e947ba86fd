"""Recurrent layers: cells over whole sequences, several levels of them, in one or both directions.

The inputs of all steps are multiplied by weight_ih at once, and the recurrence is one operation:
`ops.RNN`, `ops.LSTM`, `ops.GRU`.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_lite import Tensor, arguments, ops, warn

from .. import init
from .._evaluation import drops
from ..module import Module
from ._inputs import Input, float_dtype, in_single, with_dtype
from ._packing import Packed, lengths_of

State = tuple[Tensor, ...]


class _Recurrent(Module):
    """What RNN, LSTM and GRU share: arguments, parameters, and the way through the levels.

    A subclass says how many gates and states it has, and computes one level in one direction.
    """

    gates: ClassVar[int]
    states: ClassVar[int] = 1
    weight_ih_l0: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        dtype: DTypeLike | None,
    ) -> None:
        name = type(self).__name__
        dtype = float_dtype(dtype, name)
        self.input_size = arguments.integer(input_size, f"{name}: input_size", least=1)
        self.hidden_size = arguments.integer(hidden_size, f"{name}: hidden_size", least=1)
        self.num_layers = arguments.integer(num_layers, f"{name}: num_layers", least=1)
        self.bias = arguments.flag(bias, f"{name}: bias")
        self.batch_first = arguments.flag(batch_first, f"{name}: batch_first")
        self.dropout = arguments.probability(dropout, f"{name}: dropout")
        self.bidirectional = arguments.flag(bidirectional, f"{name}: bidirectional")
        self.proj_size = arguments.integer(proj_size, f"{name}: proj_size", least=0)
        if self.proj_size >= self.hidden_size:
            expected = f"an integer below hidden_size, {hidden_size}"
            raise ValueError(f"{name}: proj_size: expected {expected}; got {proj_size}")
        if self.dropout and self.num_layers == 1:
            warn(f"{name}: dropout comes between levels, and num_layers=1 has none; leave it out")
        rows, bound = self.gates * self.hidden_size, self.hidden_size**-0.5
        output, width = self.proj_size or self.hidden_size, self.input_size
        for level in range(self.num_layers):
            for suffix in self._suffixes(level):
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (rows, width),
                    "weight_hh": (rows, output),
                }
                if self.bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if self.proj_size:
                    shapes |= {"weight_hr": (output, self.hidden_size)}
                for key, shape in shapes.items():
                    setattr(self, key + suffix, init.uniform(*shape, bound=bound, dtype=dtype))
            width = output * len(self._suffixes(level))

    def _suffixes(self, level: int) -> tuple[str, ...]:
        """What the names of the parameters of a level end with: one for each direction."""
        return (f"_l{level}", f"_l{level}_reverse") if self.bidirectional else (f"_l{level}",)

    def _weights(self, suffix: str) -> list[Any]:
        """weight_ih, weight_hh, bias_ih, bias_hh and weight_hr; None for those it has not."""
        keys = "weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"
        found = [getattr(self, key + suffix, None) for key in keys]
        return list(map(in_single, found))

    def _level(self, x: Tensor, state: State, weights: list[Any], steps: dict[str, Any]) -> State:
        """The states of all steps, h first, of one level in one direction."""
        raise NotImplementedError

    def _run(self, x: Input, hx: Sequence[Input] | None, lengths: Any) -> tuple[Tensor, State]:
        """The outputs, and the last states of all levels and directions."""
        dtype = self.weight_ih_l0.dtype
        x = with_dtype(x, dtype)
        size, batched = self.input_size, x.ndim == 3
        if x.ndim not in (2, 3) or x.shape[-1] != size:
            order = "N, L" if self.batch_first else "L, N"
            raise ValueError(f"expected ({order}, {size}) or (L, {size}); got {x.shape}")
        turned = batched and self.batch_first
        x = in_single(x.transpose(0, 1) if turned else x if batched else x.unsqueeze(1))
        steps, batch = x.shape[:2]
        if not steps:
            raise ValueError(f"expected a sequence of one step or more; got {x.shape}")
        packed = Packed(steps, batch, lengths_of(lengths, "lengths", steps, batch))
        starts = self._starts(hx, dtype, (batch,) if batched else ())
        y, ends = packed.rows(x), list[list[Tensor]]()
        for level in range(self.num_layers):
            outputs = []
            for backwards, suffix in enumerate(self._suffixes(level)):
                start = tuple(packed.first(each) for each in starts[len(ends)])
                options = {"sizes": packed.sizes, "backwards": bool(backwards)}
                states = self._level(y, start, self._weights(suffix), options)
                ends.append([packed.last(each, bool(backwards)) for each in states])
                outputs.append(states[0])
            y = Tensor.cat(*outputs, axis=1) if len(outputs) > 1 else outputs[0]
            if level + 1 < self.num_layers:
                y = y.dropout(self.dropout, drops(self, self.dropout))
        y = packed.padded(y).cast(dtype)
        last = [Tensor.stack(*each).cast(dtype) for each in zip(*ends, strict=True)]
        if not batched:
            return y.squeeze(1), tuple(each.squeeze(1) for each in last)
        return y.transpose(0, 1) if turned else y, tuple(last)

    def _starts(
        self, hx: Sequence[Input] | None, dtype: np.dtype[Any], batch: tuple[int, ...]
    ) -> list[State]:
        """The first state of each level and direction, (N, H) each, zeros if none is given."""
        count = self.num_layers * len(self._suffixes(0))
        widths = (self.proj_size or self.hidden_size, self.hidden_size)[: self.states]
        rows, found = batch or (1,), []
        for number, (name, width) in enumerate(zip("hc", widths, strict=False)):
            if hx is None:
                start = Tensor.zeros(*rows, width, dtype=dtype)
                found.append((in_single(start),) * count)
                continue
            argument = f"hx: {name}" if self.states > 1 else "hx"
            start, shape = with_dtype(hx[number], dtype, argument), (count, *batch, width)
            if start.shape != shape:
                raise ValueError(f"hx: expected {name} of {shape}; got {start.shape}")
            found.append(in_single(start).reshape(count, *rows, width).unbind(0))
        return list(zip(*found, strict=True))

    def extra_repr(self) -> str:
        """The arguments, as far as they are not the defaults."""
        options = {
            "num_layers": (self.num_layers, 1),
            "nonlinearity": (getattr(self, "nonlinearity", "tanh"), "tanh"),
            "bias": (self.bias, True),
            "batch_first": (self.batch_first, False),
            "dropout": (self.dropout, 0),
            "bidirectional": (self.bidirectional, False),
            "proj_size": (self.proj_size, 0),
        }
        other = [f", {key}={value}" for key, (value, usual) in options.items() if value != usual]
        return f"{self.input_size}, {self.hidden_size}{''.join(other)}"


class RNN(_Recurrent):
    """h_t = tanh(x_t @ weight_ih.T + bias_ih + h_(t-1) @ weight_hh.T + bias_hh), of all steps t.

        output, h = layer(x)
        output, h = layer(x, h, lengths=[5, 3, 4])

    x: (L, N, in), or (N, L, in) if `batch_first`, or (L, in), one sequence.  hx: the first states,
    (levels * directions, N, H), zeros by default; h: the last ones, in the same shape: those of
    level 0, forward and then backwards, then of level 1, ...  output: the states of the last level
    at all steps, (L, N, directions * H).

    num_layers: how many levels there are, each of which takes the outputs of the one before.
    nonlinearity: "tanh" or "relu".  bias: False for no biases.  dropout: the probability with which
    an output becomes 0 on its way to the next level, in training.  bidirectional: each level has a
    second direction, from the last step to the first; the outputs of both are joined.

    lengths: the number of steps of each of the N sequences, in any order, all L by default.  What
    comes after them in x is not read: the last state is that of a sequence's own last step, with
    which the second direction begins, and outputs beyond it are 0.  (PyTorch's
    pack_padded_sequence(enforce_sorted=False) and pad_packed_sequence(total_length=L).)

    Parameters, of level 0: weight_ih_l0: (H, in), weight_hh_l0: (H, H), bias_ih_l0 and bias_hh_l0:
    (H,), and the same with _reverse for the second direction, initialised as in PyTorch: uniform
    on +-1 / sqrt(H).  x and hx are cast to their dtype as in `Linear`; float16 is computed in
    float32.

    Source: J. Elman, Finding Structure in Time, 1990; two directions: M. Schuster and K. Paliwal,
    Bidirectional Recurrent Neural Networks, 1997.
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        chosen = arguments.choice(nonlinearity, "RNN: nonlinearity", "tanh", "relu")
        super().__init__(
            *(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional),
            proj_size=0,
            dtype=dtype,
        )
        self.nonlinearity: str = chosen

    def forward(
        self, x: Input, hx: Input | None = None, lengths: Any = None
    ) -> tuple[Tensor, Tensor]:
        output, (h,) = self._run(x, None if hx is None else (hx,), lengths)
        return output, h

    def _level(self, x: Tensor, state: State, weights: list[Any], steps: dict[str, Any]) -> State:
        w, v, b, d, _ = weights
        z = x.linear(w, None if b is None else b + d, transposed=True)
        return (ops.RNN.apply(z, *state, v, relu=self.nonlinearity == "relu", **steps),)


class LSTM(_Recurrent):
    """h = o tanh(c), c = f c' + i g: an LSTM over all steps; c' is c at the step before.

        output, (h, c) = layer(x)
        output, (h, c) = layer(x, (h, c), lengths=[5, 3, 4])

    i, f, g and o are the quarters of x @ weight_ih.T + bias_ih + h' @ weight_hh.T + bias_hh, with
    sigmoid applied to i, f and o, and tanh to g.  Shapes, levels, directions and `lengths` are as
    in `RNN`; hx is (h, c).

    proj_size: if not 0, the states h, and so the outputs, are (o tanh(c)) @ weight_hr.T and have
    this size P, below H.

    Parameters, of level 0: weight_ih_l0: (4 H, in), weight_hh_l0: (4 H, H) or (4 H, P), bias_ih_l0
    and bias_hh_l0: (4 H,), weight_hr_l0: (P, H); the rest as in `RNN`.

    Source: S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, 1997; the forget gate f:
    F. Gers et al., Learning to Forget, 2000; the projection: H. Sak et al., Long Short-Term Memory
    Based Recurrent Neural Network Architectures for Large Vocabulary Speech Recognition, 2014.
    """

    gates, states = 4, 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(
            *(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional),
            proj_size=proj_size,
            dtype=dtype,
        )

    def forward(
        self, x: Input, hx: tuple[Input, Input] | None = None, lengths: Any = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        if hx is not None and not (isinstance(hx, tuple | list) and len(hx) == 2):
            raise arguments.wrong("hx", "(h, c)", hx)
        output, (h, c) = self._run(x, hx, lengths)
        return output, (h, c)

    def _level(self, x: Tensor, state: State, weights: list[Any], steps: dict[str, Any]) -> State:
        w, v, b, d, p = weights
        z = x.linear(w, None if b is None else b + d, transposed=True)
        h, c, _ = ops.LSTM.apply(z, *state, v, p, **steps)
        return h, c


class GRU(_Recurrent):
    """h = (1 - u) n + u h': a gated recurrent unit over all steps; h' is h at the step before.

        output, h = layer(x)
        output, h = layer(x, h, lengths=[5, 3, 4])

    Of the thirds of a = x @ weight_ih.T + bias_ih and b = h' @ weight_hh.T + bias_hh, the first
    give r = sigmoid(a_r + b_r), the second u = sigmoid(a_u + b_u), and the last
    n = tanh(a_n + r b_n).  Shapes, levels, directions and `lengths` are those of `RNN`.

    Parameters, of level 0: weight_ih_l0: (3 H, in), weight_hh_l0: (3 H, H), bias_ih_l0 and
    bias_hh_l0: (3 H,); the rest as in `RNN`.

    Source: K. Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014; r after
    the product: PyTorch's form.
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(
            *(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional),
            proj_size=0,
            dtype=dtype,
        )

    def forward(
        self, x: Input, hx: Input | None = None, lengths: Any = None
    ) -> tuple[Tensor, Tensor]:
        output, (h,) = self._run(x, None if hx is None else (hx,), lengths)
        return output, h

    def _level(self, x: Tensor, state: State, weights: list[Any], steps: dict[str, Any]) -> State:
        w, v, b, d, _ = weights
        z = x.linear(w, b, transposed=True)
        return (ops.GRU.apply(z, *state, v, d, **steps)[0],)
