"""Rows of the methods in tinygrad_lite/methods/comparison.py."""

import numpy as np
from cases.case import TWO

from tinygrad_lite import Tensor

from .row import Mistake, Row, function

NUMBERS = np.array([0.0, -1.5, np.nan, np.inf, -np.inf])
OTHERS = np.array([1e-9, -1.500001, np.nan, np.inf, np.inf])
NONE = [()]  # no inputs

ROWS: list[Row] = [
    *(
        function(name, getattr(np, name), kinds="fib", constant=True)
        for name in ("isnan", "isinf", "isfinite", "logical_not")
    ),
    *(
        Row(
            name,
            lambda name=name: getattr(Tensor(NUMBERS), name)(),
            lambda name=name: getattr(np, name)(NUMBERS),
            NONE,
            torch=lambda torch, name=name: getattr(torch, name)(torch.tensor(NUMBERS)),
            constant=True,
            note="infinities and nan",
        )
        for name in ("isnan", "isinf", "isfinite", "logical_not")
    ),
    Row(
        "isinf",
        lambda: Tensor(NUMBERS).isinf(detect_negative=False),
        lambda: np.isposinf(NUMBERS),
        NONE,
        torch=lambda torch: torch.isposinf(torch.tensor(NUMBERS)),
        constant=True,
        note="positive",
    ),
    Row(
        "isinf",
        lambda: Tensor(NUMBERS).isinf(detect_positive=False),
        lambda: np.isneginf(NUMBERS),
        NONE,
        torch=lambda torch: torch.isneginf(torch.tensor(NUMBERS)),
        constant=True,
        note="negative",
    ),
    *(
        function(name, getattr(np, name), TWO, kinds="fib", constant=True)
        for name in ("logical_and", "logical_or", "logical_xor", "isclose")
    ),
    Row(
        "logical_and",
        lambda a: a.logical_and(0.0),
        lambda a: np.logical_and(a, 0.0),
        torch=None,
        kinds="fib",
        constant=True,
        note="with a number, which PyTorch refuses",
    ),
    Row(
        "isclose",
        lambda: Tensor(NUMBERS).isclose(Tensor(OTHERS)),
        lambda: np.isclose(NUMBERS, OTHERS),
        NONE,
        torch=lambda torch: torch.isclose(torch.tensor(NUMBERS), torch.tensor(OTHERS)),
        constant=True,
        note="infinities and nan",
    ),
    Row(
        "isclose",
        lambda: Tensor(NUMBERS).isclose(OTHERS, rtol=1e-7, atol=0.0, equal_nan=True),
        lambda: np.isclose(NUMBERS, OTHERS, 1e-7, 0.0, True),
        NONE,
        torch=lambda torch: torch.isclose(
            torch.tensor(NUMBERS), torch.tensor(OTHERS), 1e-7, 0.0, equal_nan=True
        ),
        constant=True,
        note="narrow, equal_nan",
    ),
]

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: Tensor([1.0]).isclose("1"),
        TypeError,
        "isclose: expected a Tensor, an ndarray or a number; got str",
    ),
    Mistake(
        lambda: Tensor([1.0]).logical_and(None),
        TypeError,
        "logical_and: expected a Tensor, an ndarray or a number; got NoneType",
    ),
    Mistake(
        lambda: Tensor([1.0, 2.0]).isclose(Tensor([1, 2, 3])),
        ValueError,
        "isclose: shapes (2,) and (3,) do not broadcast; from the right, sizes must be equal or 1",
    ),
]
