"""Rows of the methods in tinygrad_lite/methods/trigonometry.py."""

import numpy as np
from cases.case import ONE, TWO, above_one, within_one

from tinygrad_lite import Tensor

from .row import Mistake, Row, function

ROWS: list[Row] = [
    function("sin", np.sin),
    function("cos", np.cos),
    function("tan", np.tan, ONE, within_one),
    function("asin", np.arcsin, ONE, within_one),
    function("acos", np.arccos, ONE, within_one),
    function("atan", np.arctan),
    function("sinh", np.sinh),
    function("cosh", np.cosh),
    function("asinh", np.arcsinh),
    function("acosh", np.arccosh, ONE, above_one),
    function("atanh", np.arctanh, ONE, within_one),
    function("sinc", np.sinc),
    function("atan2", np.arctan2, TWO),
    Row("atan2", lambda a: a.atan2(-0.7), lambda a: np.arctan2(a, -0.7), note="number"),
    function("hypot", np.hypot, TWO),
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
