"""Rows of the methods in tinygrad_lite/methods/recurrent.py."""

import numpy as np
from cases.recurrent import cell, shapes

from tinygrad_lite import Tensor

from .row import Mistake, Row


def single(x, h, c, *rest):
    """A cell of one sample without an axis for it."""
    return tuple(result[0] for result in cell(x[None], h[None], c[None], *rest)[:2])


CONSTANTS = np.zeros((2, 1)), np.ones((2, 1)), np.ones((4, 3)), np.eye(4)[:, :1]

ROWS: list[Row] = [
    Row(
        "lstm_cell",
        lambda x, h, c, *rest: x.lstm_cell((h, c), *rest),
        lambda *inputs: cell(*inputs)[:2],
        [shapes(2, 3, 2), shapes(9, 1, 1), shapes(0, 3, 2)],
    ),
    Row(
        "lstm_cell",
        lambda x, h, c, w, v: x.lstm_cell([h, c], w, v),
        lambda *inputs: cell(*inputs)[:2],
        [shapes(2, 3, 2, biases=0)],
        torch=lambda torch, x, h, c, *rest: torch.lstm_cell(x, (h, c), *rest),
        note="no biases",
    ),
    Row(
        "lstm_cell",
        lambda x, h, c, w, v, b: x.lstm_cell((h, c), w, v, bias_hh=b),
        lambda *inputs: cell(*inputs)[:2],
        [shapes(2, 3, 2, biases=1)],
        torch=lambda torch, x, h, c, w, v, b: torch.lstm_cell(x, (h, c), w, v, 0 * b, b),
        note="one bias",
    ),
    Row(
        "lstm_cell",
        lambda x, h, c, *rest: x.lstm_cell((h, c), *rest),
        single,
        [((3,), (2,), (2,), (8, 3), (8, 2), (8,), (8,))],
        torch=lambda torch, x, h, c, *rest: tuple(
            result[0] for result in torch.lstm_cell(x[None], (h[None], c[None]), *rest)
        ),
        note="one sample",
    ),
    Row(
        "lstm_cell",
        lambda x: x.lstm_cell(CONSTANTS[:2], *CONSTANTS[2:]),
        lambda x: cell(x, *CONSTANTS)[:2],
        [((2, 3),)],
        torch=None,
        casts=True,
        note="constant state and weights of float64: arrays, which PyTorch does not take",
    ),
]

X, STATE, W, V = Tensor.ones(2, 3), Tensor.zeros(2, 4), Tensor.ones(16, 3), Tensor.ones(16, 4)

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: X.lstm_cell(STATE, W, V),  # type: ignore[arg-type]
        TypeError,
        "lstm_cell: hx: expected the state as (h, c); got Tensor of shape (2, 4), float32",
    ),
    Mistake(
        lambda: X.lstm_cell((STATE[0], STATE[0]), W, V),
        ValueError,
        "lstm_cell: expected x of (N, in) and h of (N, H), or (in,) and (H,); got (2, 3) and (4,)",
    ),
    Mistake(
        lambda: X.lstm_cell((STATE, STATE), W.T, V),
        ValueError,
        "lstm_cell: expected weight_ih of (16, 3), for x of (2, 3) and h of (2, 4); got (3, 16)",
    ),
    Mistake(
        lambda: X.lstm_cell((STATE, STATE[:, :3]), W, V),
        ValueError,
        "lstm_cell: expected c of (2, 4), for x of (2, 3) and h of (2, 4); got (2, 3)",
    ),
    Mistake(
        lambda: X.lstm_cell((STATE, STATE), W, V, Tensor.ones(16), Tensor.ones(4)),
        ValueError,
        "lstm_cell: expected bias_ih or bias_hh of (16,), for x of (2, 3) and h of (2, 4); got "
        "(4,)",
    ),
]
