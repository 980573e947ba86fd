"""Rows of the methods in tinygrad_lite/methods/trigonometry.py."""

from collections.abc import Callable
from operator import methodcaller
from typing import Any

import numpy as np
from cases.case import ONE, TWO, above_one, away_from_zero, within_one

from tinygrad_lite import Tensor

from .row import Mistake, Row


def function(
    name: str, reference: Callable[..., Any], domain: Callable[..., Any] = away_from_zero
) -> Row:
    """The row of a function of one argument that has the same name in PyTorch."""
    return Row(
        name, methodcaller(name), reference, lambda torch, x: getattr(torch, name)(x), ONE, domain
    )


ROWS: list[Row] = [
    function("sin", np.sin),
    function("cos", np.cos),
    function("tan", np.tan, within_one),
    function("asin", np.arcsin, within_one),
    function("acos", np.arccos, within_one),
    function("atan", np.arctan),
    function("sinh", np.sinh),
    function("cosh", np.cosh),
    function("asinh", np.arcsinh),
    function("acosh", np.arccosh, above_one),
    function("atanh", np.arctanh, within_one),
    function("sinc", np.sinc),
    Row(
        "atan2",
        lambda a, b: a.atan2(b),
        np.arctan2,
        lambda torch, a, b: torch.atan2(a, b),
        TWO,
    ),
    Row(
        "atan2",
        lambda a: a.atan2(-0.7),
        lambda a: np.arctan2(a, -0.7),
        lambda torch, a: torch.atan2(a, torch.tensor(-0.7, dtype=a.dtype)),
        ONE,
        note="number",
    ),
    Row("hypot", lambda a, b: a.hypot(b), np.hypot, lambda torch, a, b: torch.hypot(a, b), TWO),
]

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: Tensor([1.0, 2.0]).atan2([1.0, 2.0]),
        TypeError,
        "atan2: expected a Tensor, an ndarray or a number; got list; make it a Tensor first",
    ),
    Mistake(
        lambda: Tensor.zeros(2).hypot(Tensor.zeros(3)),
        ValueError,
        "hypot: shapes (2,) and (3,) do not broadcast; from the right, sizes must be equal or 1",
    ),
]
