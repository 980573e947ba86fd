"""Rows of the methods in tinygrad_lite/methods/math.py."""

import numpy as np
from cases.case import ONE, TWO, positive

from tinygrad_lite import Tensor

from .row import Mistake, Row

ROWS: list[Row] = [
    Row("exp", lambda x: x.exp(), np.exp, lambda torch, x: torch.exp(x), ONE),
    Row("log", lambda x: x.log(), np.log, lambda torch, x: torch.log(x), ONE, positive),
    Row(
        "maximum",
        lambda a, b: a.maximum(b),
        np.maximum,
        lambda torch, a, b: torch.maximum(a, b),
        TWO,
        kinds="fib",
    ),
]

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: Tensor([1.0, 2.0]).maximum("3"),
        TypeError,
        "maximum: expected a Tensor, an ndarray or a number; got str",
    ),
]
