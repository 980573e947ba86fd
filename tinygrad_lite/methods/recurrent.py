"""Cells of recurrent networks."""

from typing import Any, Self

from ..arrays.arguments import wrong
from ..arrays.shapes import Shape
from ..engine.graph import TensorBase
from ..ops.recurrent import LSTMCell
from ._operands import Operand, as_tensor, in_single, matched
from ._theme import Theme


class RecurrentMethods(Theme):
    """Cells of recurrent networks: each call is one time step."""

    __slots__ = ()

    @in_single
    def lstm_cell(
        self,
        hx: tuple[Operand, Operand],
        weight_ih: Operand,
        weight_hh: Operand,
        bias_ih: Operand | None = None,
        bias_hh: Operand | None = None,
    ) -> tuple[Self, Self]:
        """h' = o tanh(c') and c' = f c + i g: one time step of an LSTM; returns (h', c').

        (a_i, a_f, a_g, a_o) = self @ weight_ih.T + h @ weight_hh.T + bias_ih + bias_hh, four equal
        parts; i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o), and g = tanh(a_g).

        self: (N, in), h and c: (N, H), weight_ih: (4 H, in), weight_hh: (4 H, H), biases: (4 H,)
        -> (N, H) twice; or self: (in,), h and c: (H,) -> (H,) twice.  float16 is computed in
        float32.

        hx: the state of the step before, (h, c).

        Source: S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, 1997; the forget gate f:
        F. Gers et al., Learning to Forget, 2000.
        """
        if not isinstance(hx, (tuple, list)) or len(hx) != 2:
            raise wrong("lstm_cell: hx", "the state as (h, c)", hx)
        given: list[Any] = [self, *hx, weight_ih, weight_hh]
        biases: list[Any] = [bias for bias in (bias_ih, bias_hh) if bias is not None]
        if not _alike(self, [*given, *biases]):
            keys = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            named = dict(zip(keys, (*given[3:], bias_ih, bias_hh), strict=True))
            named = {key: value for key, value in named.items() if value is not None}
            values = matched("lstm_cell", *given[:3], floating=True, **named)
            given, biases = [as_tensor(value, self) for value in values[:5]], values[5:]
            biases = [as_tensor(bias, self) for bias in biases]
        _check_shapes(*[value._data.shape for value in given + biases])
        single = self._data.ndim == 1
        if single:
            given[:3] = [tensor.reshape(1, -1) for tensor in given[:3]]
        h, c, _ = LSTMCell.apply(*given, *biases, *[None] * (2 - len(biases)))
        return (h.reshape(-1), c.reshape(-1)) if single else (h, c)


def _alike(x: TensorBase, values: list[Any]) -> bool:
    """Whether all are tensors with x's dtype, and it is a float dtype."""
    dtype = x._data.dtype
    if dtype.kind != "f":
        return False
    for value in values:  # a plain loop, since this runs at every time step
        if not isinstance(value, TensorBase):
            return False
        if value._data.dtype is not dtype and value._data.dtype != dtype:
            return False
    return True


def _check_shapes(x: Shape, h: Shape, *others: Shape) -> None:
    """ValueError if a shape does not fit those of x and h."""
    if len(x) not in (1, 2) or len(h) != len(x) or h[:-1] != x[:-1]:
        raise ValueError(
            f"lstm_cell: expected x of (N, in) and h of (N, H), or (in,) and (H,); got {x} and {h}"
        )
    rows = (4 * h[-1],)
    wanted = h, rows + x[-1:], rows + h[-1:], rows, rows
    if others != wanted[: len(others)]:
        names = "c", "weight_ih", "weight_hh", "bias_ih or bias_hh", "bias_ih or bias_hh"
        for name, expected, got in zip(names, wanted, others, strict=False):
            if got != expected:
                given = f"for x of {x} and h of {h}"
                raise ValueError(f"lstm_cell: expected {name} of {expected}, {given}; got {got}")
