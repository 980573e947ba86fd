"""Rows of the methods in tinygrad_lite/methods/elementwise.py."""

import math

import numpy as np
from cases.case import ONE, TWO, off_whole, positive

from tinygrad_lite import Tensor

from .row import Mistake, Row, function

MASK = np.array([[True, False, True, True], [False, True, False, True], [True, False, False, True]])
SPECIAL = np.array([1.5, np.nan, np.inf, -np.inf])
HALVES = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 7.0])
WITH_MASK = [((3, 4),), ((4,),), ((),)]

THREE = [((3, 4), (3, 4), (3, 4)), ((2, 1), (3,), ()), ((0,), (1,), ())]

ROWS: list[Row] = [
    function("exp", np.exp),
    function("exp2", np.exp2),
    function("expm1", np.expm1),
    function("log", np.log, ONE, positive),
    function("log2", np.log2, ONE, positive),
    function("log10", np.log10, ONE, positive),
    function("log1p", np.log1p, ONE, positive),
    function("sqrt", np.sqrt, ONE, positive),
    function("rsqrt", lambda x: 1 / np.sqrt(x), ONE, positive),
    function("reciprocal", np.reciprocal),
    function("square", np.square),
    function("erf", np.vectorize(math.erf, otypes=[float])),
    Row(
        "log10",
        lambda: Tensor(10.0 ** np.arange(16)).log10() + Tensor(2.0 ** np.arange(16)).log2(),
        lambda: 2.0 * np.arange(16),
        [()],
        torch=lambda torch: torch.tensor(2.0 * np.arange(16)),
        constant=True,
        casts=True,
        rtol=0.0,
        note="of powers of ten, and log2 of powers of two, exactly",
    ),
    function("logaddexp", np.logaddexp, TWO),
    Row(
        "logaddexp",
        lambda a: (a * 10).logaddexp(5.0),
        lambda a: np.logaddexp(a * 10, 5.0),
        [((3,),)],
        note="number",
    ),
    function("xlogy", lambda a, b: a * np.log(b), TWO, positive),
    Row("xlogy", lambda a: a.xlogy(3), lambda a: a * np.log(3), note="number"),
    *(
        Row(
            "lerp",
            lambda a, b, w=weight: a.lerp(b, w),
            lambda a, b, w=weight: a + (b - a) * w,
            TWO,
            note=f"weight {weight}",
        )
        for weight in (0.3, 0.8, -1.5, 0, 1)
    ),
    Row(
        "lerp",
        lambda a, b, w: a.lerp(b, w),
        lambda a, b, w: a + (b - a) * w,
        THREE,
        note="tensor as weight",
    ),
    Row(
        "addcmul",
        lambda x, a, b: x.addcmul(a, b, value=-0.5),
        lambda x, a, b: x - 0.5 * a * b,
        THREE,
    ),
    Row(
        "addcdiv",
        lambda x, a, b: x.addcdiv(a, b, value=2),
        lambda x, a, b: x + 2 * a / b,
        THREE,
    ),
    function("abs", np.abs, kinds="fi"),
    function("sign", lambda x: np.sign(x + 0), kinds="fi"),
    function("sign", np.copy, kinds="b", note="of bools"),
    Row("copysign", lambda a, b: a.copysign(b.detach()), np.copysign, TWO),
    Row("copysign", lambda a: a.copysign(-0.0), lambda a: -np.abs(a), note="number"),
    *(
        function(name, lambda x, name=name: getattr(np, name)(x), ONE, off_whole, kinds="fi")
        for name in ("ceil", "floor", "trunc", "round")
    ),
    Row(
        "round",
        lambda: Tensor(HALVES).round(),
        lambda: np.array([0, 2, 2, -0.0, -2, 7]),
        [()],
        torch=lambda torch: torch.round(torch.tensor(HALVES)),
        constant=True,
        casts=True,
        note="halves to even",
    ),
    Row(
        "round",
        lambda x: x.round(1),
        lambda x: np.round(x, 1),
        ONE,
        lambda rng, shape: off_whole(rng, shape) / 10,
        torch=lambda torch, x: torch.round(x, decimals=1),
        note="to a decimal",
    ),
    *(function(name, getattr(np, name), TWO, kinds="fib") for name in ("maximum", "minimum")),
    *(
        Row(
            name,
            lambda x, name=name: getattr(x, name)(-1, 1),
            lambda x: np.clip(x, -1, 1),
            kinds="fib",
        )
        for name in ("clamp", "clip")
    ),
    *(
        Row(
            "clamp",
            lambda x, bounds=bounds: x.clamp(*bounds),
            lambda x, bounds=bounds: np.clip(x, *bounds),
            note=f"{bounds}",
        )
        for bounds in ((0.5, None), (None, -0.5), (1.0, -1.0), (-np.inf, np.inf))
    ),
    Row(
        "clamp",
        lambda x: x.clamp(-2, max=1),
        lambda x: np.clip(x, -2, 1),
        torch=lambda torch, x: torch.clamp(x, -2, 1),
        kinds="i",
        note="max by name",
    ),
    function(
        "clamp",
        np.clip,
        [((3, 4), (3, 4), (3, 4)), ((3, 1), (4,), ()), ((), (2, 1), (3,))],
        torch=lambda torch, *inputs: torch.clamp(*torch.broadcast_tensors(*inputs)),
        kinds="fi",
        note="tensors as bounds",  # which PyTorch differentiates only where they are expanded
    ),
    Row(
        "where",
        lambda a, b: Tensor(MASK).where(a, b),
        lambda a, b: np.where(MASK, a, b),
        [((3, 4), (3, 4)), ((4,), (3, 1)), ((), (3, 4))],
        torch=lambda torch, a, b: torch.where(torch.tensor(MASK), a, b),
        kinds="fib",
    ),
    Row("where", lambda a: (a > 0).where(a, 0.0), lambda a: np.where(a > 0, a, 0), note="number"),
    Row(
        "masked_fill",
        lambda x: x.masked_fill(Tensor(MASK), 7),
        lambda x: np.where(MASK, np.asarray(7).astype(x.dtype), x),
        WITH_MASK,
        kinds="fib",
    ),
    Row(
        "masked_fill",
        lambda x: x.masked_fill(MASK, -1.5),
        lambda x: np.where(MASK, np.asarray(-1.5).astype(x.dtype), x),
        [((3, 4),)],
        kinds="fi",
        note="the value takes the dtype",
    ),
    Row(
        "masked_fill",
        lambda x, v: x.masked_fill(MASK, v),
        lambda x, v: np.where(MASK, v, x),
        [((3, 4), ())],
        note="a tensor as value",
    ),
    function("nan_to_num", np.copy, kinds="fib"),
    Row(
        "nan_to_num",
        lambda: Tensor(SPECIAL).nan_to_num(),
        lambda: np.nan_to_num(SPECIAL),
        [()],
        torch=lambda torch: torch.nan_to_num(torch.tensor(SPECIAL)),
        constant=True,
        casts=True,
        note="specials",
    ),
    Row(
        "nan_to_num",
        lambda: Tensor(SPECIAL).nan_to_num(1.0, 2.0, 3.0),
        lambda: np.array([1.5, 1, 2, 3]),
        [()],
        torch=lambda torch: torch.nan_to_num(torch.tensor(SPECIAL), 1.0, 2.0, 3.0),
        constant=True,
        casts=True,
        note="numbers given",
    ),
]

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: Tensor([1.0, 2.0]).maximum("3"),
        TypeError,
        "maximum: expected a Tensor, an ndarray or a number; got str",
    ),
    Mistake(
        lambda: Tensor([1.0, 2.0]).clamp(),
        ValueError,
        "clamp: expected min, max or both; got None for both",
    ),
    Mistake(
        lambda: Tensor([1.0, 2.0]).clip("0", "1"),
        TypeError,
        "clamp: min: expected a Tensor, an ndarray or a number; got str",
    ),
    Mistake(
        lambda: Tensor([1, 0]).where(1.0, 2.0),
        TypeError,
        "where: condition: expected bools, as x > 0 gives; got Tensor of shape (2,), int64",
    ),
    Mistake(
        lambda: Tensor([1.0, 0.0]).masked_fill(Tensor([1, 0]), 2.0),
        TypeError,
        "masked_fill: mask: expected bools, as x > 0 gives; got Tensor of shape (2,), int64",
    ),
    Mistake(
        lambda: Tensor([1.0]).lerp(Tensor([2.0]), None),
        TypeError,
        "lerp: weight: expected a Tensor, an ndarray or a number; got NoneType",
    ),
    Mistake(
        lambda: Tensor([1.0, 2.0]).xlogy("3"),
        TypeError,
        "xlogy: expected a Tensor, an ndarray or a number; got str",
    ),
    Mistake(
        lambda: Tensor([1.0, 2.0]).minimum(Tensor([1.0, 2.0, 3.0])),
        ValueError,
        "minimum: shapes (2,) and (3,) do not broadcast; from the right, sizes must be equal or 1",
    ),
    Mistake(
        lambda: Tensor([True, False]).where(Tensor([1, 2], dtype=np.uint8), -1),  # not 255
        ValueError,
        "where: -1 does not fit into uint8, which holds 0 to 255; cast the tensor first",
    ),
    Mistake(
        lambda: Tensor([1, 2], dtype=np.int8).masked_fill(Tensor([True, False]), 128),
        ValueError,
        "masked_fill: 128 does not fit into int8, which holds -128 to 127; cast the tensor first",
    ),
    Mistake(
        lambda: Tensor([1.5]).round(0.5), TypeError, "round: decimals: expected an integer; got 0.5"
    ),
]
