"""Rows of the methods in tinygrad_lite/methods/casting.py."""

import numpy as np

from tinygrad_lite import Tensor

from .row import Mistake, Row, function

ROWS: list[Row] = [
    function("double", lambda x: x.astype(np.float64), kinds="fib", casts=True),
    *(
        function(
            name,
            lambda x, dtype=dtype: x.astype(dtype),
            kinds="ib",
            note="finite differences need float64: of floats, see test_casting.py",
        )
        for name, dtype in (("float", np.float32), ("half", np.float16))
    ),
    *(
        function(name, lambda x, dtype=dtype: x.astype(dtype), kinds="fib", constant=True)
        for name, dtype in (
            ("short", np.int16),
            ("int", np.int32),
            ("long", np.int64),
            ("bool", np.bool_),
        )
    ),
    Row(
        "cast",
        lambda x: x.cast(np.float64),
        lambda x: x.astype(np.float64),
        kinds="fib",
        casts=True,
    ),
    Row(
        "astype",
        lambda x: x.astype("float64"),
        lambda x: x.astype(np.float64),
        torch=lambda torch, x: x.to(torch.float64),
        kinds="fib",
        casts=True,
    ),
    Row(
        "to",
        lambda x: x.to("cpu", np.float64),
        lambda x: x.astype(np.float64),
        torch=lambda torch, x: x.to("cpu", torch.float64),
        kinds="fib",
        casts=True,
    ),
    Row(
        "type_as",
        lambda x: x.type_as(np.zeros(1)),
        lambda x: x.astype(np.float64),
        torch=lambda torch, x: x.type_as(torch.zeros(1).double()),
        kinds="fib",
        casts=True,
    ),
    function("cpu", np.asarray, kinds="fib"),
    function("clone", np.copy, kinds="fib"),
    Row("contiguous", lambda x: x.contiguous() * 1, np.copy, kinds="fi", note="already so"),
    Row(
        "contiguous",
        lambda x: x.T.contiguous(),
        lambda x: x.T.copy(),
        [((3, 4),), ((0, 2),)],
        kinds="fib",
        note="transposed",
    ),
    Row(
        "bitcast",
        lambda x: x.bitcast(np.int32),
        lambda x: x.view(np.int32),
        [((3, 4),), ((2,),)],
        torch=lambda torch, x: x.view(torch.int32),
        kinds="fi",
        constant=True,
    ),
    Row(
        "bitcast",
        lambda x: x.bitcast(np.uint8),
        lambda x: x.view(np.uint8),
        [((3, 4),), ((2,),)],
        torch=lambda torch, x: x.view(torch.uint8),
        kinds="fib",
        constant=True,
        note="to bytes",
    ),
    Row(
        "bitcast",
        lambda: Tensor([0x3F800000, 0]).int().bitcast(np.float32),
        lambda: np.float32([1, 0]),
        [()],
        torch=lambda torch: torch.tensor([0x3F800000, 0]).int().view(torch.float32),
        constant=True,
        casts=True,
        note="to float",
    ),
]

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: Tensor([1.0]).cast(None),
        TypeError,
        "cast: dtype: expected a NumPy dtype such as np.float32; got None",
    ),
    Mistake(
        lambda: Tensor([1.0]).cast("float31"),
        TypeError,
        "cast: dtype: expected a NumPy dtype such as np.float32; got 'float31'",
    ),
    Mistake(
        lambda: Tensor([1.0]).astype(complex),
        TypeError,
        "astype: dtype complex128 is not supported; use bool, an integer type, or float16 to 64",
    ),
    Mistake(
        lambda: Tensor([1.0, 2.0, 3.0]).bitcast(np.float64),
        ValueError,
        "bitcast: the last axis of (3,) float32 holds no whole number of float64",
    ),
    Mistake(
        lambda: Tensor(1.0).bitcast(np.int16),
        ValueError,
        "bitcast: the last axis of () float32 holds no whole number of int16",
    ),
    Mistake(
        lambda: Tensor([1, 2]).bitcast(bool),
        TypeError,
        "bitcast: dtype: the bits of int64 are no bools; use cast(bool)",
    ),
]
