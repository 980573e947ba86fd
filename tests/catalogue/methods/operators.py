"""Rows of the methods in tinygrad_lite/methods/operators.py: the operators by name."""

import numpy as np
from cases.case import ONE, TWO, off_multiples, positive

from tinygrad_lite import Tensor

from .row import Mistake, Row, function

REVERSED = [((2, 1), (3,)), ((), ())]

ROWS: list[Row] = [
    *(
        Row(
            name,
            lambda a, b, name=name: getattr(a, name)(b, alpha=-1.5),
            lambda a, b, sign=sign: a + sign * -1.5 * b,
            [((3, 4), (3, 4)), ((2, 1), (3,)), ((), (0,))],
            note="alpha",
        )
        for name, sign in (("add", 1), ("sub", -1))
    ),
    function("add", np.add, TWO, kinds="fib"),
    function("sub", np.subtract, TWO, kinds="fi"),
    function("mul", np.multiply, TWO, kinds="fib"),
    function("div", np.divide, TWO),
    *(
        Row(
            name,
            lambda a, b, name=name: getattr(a, name)(b, reverse=True),
            lambda a, b, ufunc=ufunc: ufunc(b, a),
            REVERSED,
            positive if name == "pow" else off_multiples,
            torch=lambda torch, a, b, name=name: getattr(torch, name)(b, a),
            note="reverse",
        )
        for name, ufunc in (
            ("add", np.add),
            ("sub", np.subtract),
            ("mul", np.multiply),
            ("div", np.divide),
            ("pow", np.power),
        )
    ),
    Row(
        "floor_divide",
        lambda a, b: b.floor_divide(a * 0.77, reverse=True),
        lambda a, b: np.floor(a * 0.77 / b),
        REVERSED,
        off_multiples,
        torch=lambda torch, a, b: torch.div(a * 0.77, b, rounding_mode="floor"),
        note="reverse",
    ),
    Row(
        "div",
        lambda a, b: a.div(b, rounding_mode="floor"),
        np.floor_divide,
        TWO,
        off_multiples,
        kinds="i",
        note="floor, integers",
    ),
    Row(
        "div",
        lambda a, b: a.div(b, rounding_mode="trunc"),
        lambda a, b: np.trunc(a / b),
        TWO,
        off_multiples,
        kinds="i",
        note="trunc, integers",
    ),
    Row(
        "div",
        lambda a: a.div(7, reverse=True, rounding_mode="trunc"),
        lambda a: np.trunc(7 / a),
        ONE,
        off_multiples,
        torch=lambda torch, a: torch.div(torch.tensor(7, dtype=a.dtype), a, rounding_mode="trunc"),
        kinds="fi",
        note="trunc, reverse",
    ),
    function("floor_divide", np.floor_divide, TWO, off_multiples, kinds="i", note="integers"),
    *(
        Row(
            method,
            lambda a, b, method=method, options=options: getattr(a * 0.77, method)(b, **options),
            lambda a, b, rounded=rounded: rounded(a * 0.77 / b),
            TWO,
            off_multiples,
            torch=lambda torch, a, b, mode=mode: torch.div(a * 0.77, b, rounding_mode=mode),
            note=f"{mode}, floats",
        )
        for method, options, mode, rounded in (
            ("div", {"rounding_mode": "floor"}, "floor", np.floor),
            ("div", {"rounding_mode": "trunc"}, "trunc", np.trunc),
            ("floor_divide", {}, "floor", np.floor),
        )
    ),
    Row(
        "mod",
        lambda a, b: (a * 3).mod(b),
        lambda a, b: np.remainder(a * 3, b),
        TWO,
        off_multiples,
        kinds="i",
    ),
    Row(
        "mod",
        lambda a: a.mod(-0.7),
        lambda a: np.remainder(a, -0.7),
        ONE,
        off_multiples,
        note="number",
    ),
    Row(
        "mod",
        lambda a: a.mod(7.3, reverse=True),
        lambda a: np.remainder(7.3, a),
        ONE,
        off_multiples,
        torch=lambda torch, a: torch.remainder(torch.tensor(7.3, dtype=a.dtype), a),
        note="reverse",
    ),
    Row(
        "fmod",
        lambda a, b: (a * 0.77).fmod(b),
        lambda a, b: np.fmod(a * 0.77, b),
        TWO,
        off_multiples,
    ),
    Row(
        "fmod",
        lambda a: a.fmod(-3),
        lambda a: np.fmod(a, -3),
        ONE,
        off_multiples,
        kinds="fi",
        note="number",
    ),
    function("pow", np.power, TWO, positive),
    *(
        Row(
            "pow",
            lambda a, n=number: a.pow(n),
            lambda a, n=number: a**n,
            ONE,
            positive,
            kinds=kinds,
            note=f"exponent {number}",
        )
        for number, kinds in ((2, "fib"), (3, "fi"), (0, "fi"), (-2, "f"), (0.5, "f"), (-1.5, "f"))
    ),
    function("neg", np.negative, kinds="fi"),
    function("eq", np.equal, TWO, kinds="fib", constant=True),
    function("ne", np.not_equal, TWO, kinds="fib", constant=True),
    function("lt", np.less, TWO, kinds="fib", constant=True),
    function("le", np.less_equal, TWO, kinds="fib", constant=True),
    function("gt", np.greater, TWO, kinds="fib", constant=True),
    function("ge", np.greater_equal, TWO, kinds="fib", constant=True),
    Row("eq", lambda a: a.eq(-1), lambda a: a == -1, kinds="fib", constant=True, note="number"),
    *(
        function(name, getattr(np, name), TWO, kinds="ib")
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ),
    *(
        Row(
            name,
            lambda a, name=name: getattr(a, name)(6, reverse=True),
            lambda a, name=name: getattr(np, name)(6, a),
            torch=lambda torch, a, name=name: getattr(torch, name)(6, a),
            kinds="i",
            note="reverse",
        )
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ),
    function("bitwise_not", np.invert, kinds="ib"),
    *(
        row
        for name, ufunc, peer in (
            ("lshift", np.left_shift, "bitwise_left_shift"),
            ("rshift", np.right_shift, "bitwise_right_shift"),
        )
        for row in (
            function(
                name,
                ufunc,
                TWO,
                positive,
                torch=lambda torch, a, b, peer=peer: getattr(torch, peer)(a, b),
                kinds="i",
            ),
            Row(
                name,
                lambda a, name=name: getattr(a, name)(100, reverse=True),
                lambda a, ufunc=ufunc: ufunc(100, a),
                ONE,
                positive,
                torch=lambda torch, a, peer=peer: getattr(torch, peer)(100, a),
                kinds="i",
                note="reverse",
            ),
        )
    ),
]

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: Tensor([1.0]).add([1.0]),
        TypeError,
        "+: expected a Tensor, an ndarray or a number; got list; make it a Tensor first",
    ),
    Mistake(
        lambda: Tensor([1.0]).div(2.0, rounding_mode="up"),
        ValueError,
        'div: rounding_mode: expected None, "trunc" or "floor"; got \'up\'',
    ),
    Mistake(
        lambda: Tensor([1, 2]) // Tensor([1, 0]),
        ZeroDivisionError,
        "floor_divide: integers divided by 0",
    ),
    Mistake(lambda: Tensor([1, 2]).mod(0), ZeroDivisionError, "remainder: integers divided by 0"),
    Mistake(lambda: Tensor([1, 2]).fmod(0), ZeroDivisionError, "fmod: integers divided by 0"),
    Mistake(
        lambda: Tensor([2, 3]) ** -1,
        ValueError,
        "**: an integer to a negative power; cast it to float",
    ),
    Mistake(
        lambda: Tensor([True]) - Tensor([True]),
        TypeError,
        "-: not defined for two bools; use ^, which is True where they differ",
    ),
    Mistake(
        lambda: Tensor([True]).neg(), TypeError, "-: not defined for bools; use ~ for the opposite"
    ),
    Mistake(
        lambda: Tensor([True]) ** Tensor([True]),
        TypeError,
        "**: not defined for two bools; cast one of them first",
    ),
    Mistake(lambda: Tensor([1.5]) & 1, TypeError, "&: expected integers or bools; got float32"),
    Mistake(
        lambda: Tensor([1.5]).bitwise_not(), TypeError, "~: expected integers or bools; got float32"
    ),
    Mistake(
        lambda: Tensor([1]).lshift(0.5), TypeError, "<<: expected integers or bools; got float32"
    ),
    Mistake(
        lambda: Tensor([1.0, 2.0]).lt(Tensor([1, 2, 3])),
        ValueError,
        "lt: shapes (2,) and (3,) do not broadcast; from the right, sizes must be equal or 1",
    ),
    Mistake(
        lambda: Tensor([1, 2], dtype=np.uint8) + 300,
        ValueError,
        "+: 300 does not fit into uint8, which holds 0 to 255; cast the tensor first",
    ),
    Mistake(
        lambda: Tensor([1, 2], dtype=np.int8).bitwise_and(-129),
        ValueError,
        "&: -129 does not fit into int8, which holds -128 to 127; cast the tensor first",
    ),
]
