"""Rows of the methods in tinygrad_lite/methods/operators.py: the operators by name."""

from operator import methodcaller

import numpy as np
from cases.case import ONE, TWO, off_multiples, positive

from tinygrad_lite import Tensor

from .row import Mistake, Row

REVERSED = [((2, 1), (3,)), ((), ())]

ROWS: list[Row] = [
    *(
        Row(
            name,
            lambda a, b, name=name: getattr(a, name)(b),
            ufunc,
            lambda torch, a, b, peer=peer: getattr(torch, peer)(a, b),
            TWO,
            kinds=kinds,
        )
        for name, ufunc, peer, kinds in (
            ("add", np.add, "add", "fib"),
            ("sub", np.subtract, "sub", "fi"),
            ("mul", np.multiply, "mul", "fib"),
            ("div", np.divide, "div", "f"),
        )
    ),
    *(
        Row(
            name,
            lambda a, b, name=name: getattr(a, name)(b, reverse=True),
            lambda a, b, ufunc=ufunc: ufunc(b, a),
            lambda torch, a, b, peer=peer: getattr(torch, peer)(b, a),
            REVERSED,
            positive if name == "pow" else off_multiples,
            note="reverse",
        )
        for name, ufunc, peer in (
            ("add", np.add, "add"),
            ("sub", np.subtract, "sub"),
            ("mul", np.multiply, "mul"),
            ("div", np.divide, "div"),
            ("pow", np.power, "pow"),
        )
    ),
    Row(
        "floor_divide",
        lambda a, b: b.floor_divide(a * 0.77, reverse=True),
        lambda a, b: np.floor(a * 0.77 / b),
        lambda torch, a, b: torch.div(a * 0.77, b, rounding_mode="floor"),
        REVERSED,
        off_multiples,
        note="reverse",
    ),
    Row(
        "div",
        lambda a, b: a.div(b, rounding_mode="floor"),
        np.floor_divide,
        lambda torch, a, b: torch.div(a, b, rounding_mode="floor"),
        TWO,
        off_multiples,
        kinds="i",
        note="floor, integers",
    ),
    Row(
        "div",
        lambda a, b: a.div(b, rounding_mode="trunc"),
        lambda a, b: np.trunc(a / b),
        lambda torch, a, b: torch.div(a, b, rounding_mode="trunc"),
        TWO,
        off_multiples,
        kinds="i",
        note="trunc, integers",
    ),
    Row(
        "div",
        lambda a: a.div(7, reverse=True, rounding_mode="trunc"),
        lambda a: np.trunc(7 / a),
        lambda torch, a: torch.div(torch.tensor(7, dtype=a.dtype), a, rounding_mode="trunc"),
        ONE,
        off_multiples,
        kinds="fi",
        note="trunc, reverse",
    ),
    Row(
        "floor_divide",
        lambda a, b: a.floor_divide(b),
        np.floor_divide,
        lambda torch, a, b: torch.div(a, b, rounding_mode="floor"),
        TWO,
        off_multiples,
        kinds="i",
        note="integers",
    ),
    *(
        Row(
            method,
            lambda a, b, method=method, options=options: getattr(a * 0.77, method)(b, **options),
            lambda a, b, rounded=rounded: rounded(a * 0.77 / b),
            lambda torch, a, b, mode=mode: torch.div(a * 0.77, b, rounding_mode=mode),
            TWO,
            off_multiples,
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
        lambda torch, a, b: torch.remainder(a * 3, b),
        TWO,
        off_multiples,
        kinds="i",
    ),
    Row(
        "mod",
        lambda a: a.mod(-0.7),
        lambda a: np.remainder(a, -0.7),
        lambda torch, a: torch.remainder(a, -0.7),
        ONE,
        off_multiples,
        note="number",
    ),
    Row(
        "mod",
        lambda a: a.mod(7.3, reverse=True),
        lambda a: np.remainder(7.3, a),
        lambda torch, a: torch.remainder(torch.tensor(7.3, dtype=a.dtype), a),
        ONE,
        off_multiples,
        note="reverse",
    ),
    Row(
        "fmod",
        lambda a, b: (a * 0.77).fmod(b),
        lambda a, b: np.fmod(a * 0.77, b),
        lambda torch, a, b: torch.fmod(a * 0.77, b),
        TWO,
        off_multiples,
    ),
    Row(
        "fmod",
        lambda a: a.fmod(-3),
        lambda a: np.fmod(a, -3),
        lambda torch, a: torch.fmod(a, -3),
        ONE,
        off_multiples,
        kinds="fi",
        note="number",
    ),
    Row("pow", lambda a, b: a.pow(b), np.power, lambda torch, a, b: torch.pow(a, b), TWO, positive),
    *(
        Row(
            "pow",
            lambda a, n=number: a.pow(n),
            lambda a, n=number: a**n,
            lambda torch, a, n=number: torch.pow(a, n),
            ONE,
            positive,
            kinds=kinds,
            note=f"exponent {number}",
        )
        for number, kinds in ((2, "fib"), (3, "fi"), (0, "fi"), (-2, "f"), (0.5, "f"), (-1.5, "f"))
    ),
    Row("neg", lambda a: a.neg(), np.negative, lambda torch, a: torch.neg(a), ONE, kinds="fi"),
    *(
        Row(
            name,
            lambda a, b, name=name: getattr(a, name)(b),
            ufunc,
            lambda torch, a, b, name=name: getattr(torch, name)(a, b),
            TWO,
            kinds="fib",
            constant=True,
        )
        for name, ufunc in (
            ("eq", np.equal),
            ("ne", np.not_equal),
            ("lt", np.less),
            ("le", np.less_equal),
            ("gt", np.greater),
            ("ge", np.greater_equal),
        )
    ),
    Row(
        "eq",
        lambda a: a.eq(-1),
        lambda a: a == -1,
        lambda torch, a: torch.eq(a, -1),
        ONE,
        kinds="fib",
        constant=True,
        note="number",
    ),
    *(
        Row(
            name,
            lambda a, b, name=name: getattr(a, name)(b),
            getattr(np, name),
            lambda torch, a, b, name=name: getattr(torch, name)(a, b),
            TWO,
            kinds="ib",
        )
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ),
    *(
        Row(
            name,
            lambda a, name=name: getattr(a, name)(6, reverse=True),
            lambda a, name=name: getattr(np, name)(6, a),
            lambda torch, a, name=name: getattr(torch, name)(6, a),
            ONE,
            kinds="i",
            note="reverse",
        )
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ),
    Row(
        "bitwise_not",
        methodcaller("bitwise_not"),
        np.invert,
        lambda torch, a: torch.bitwise_not(a),
        ONE,
        kinds="ib",
    ),
    *(
        Row(
            name,
            lambda a, b, name=name: getattr(a, name)(b),
            ufunc,
            lambda torch, a, b, peer=peer: getattr(torch, peer)(a, b),
            TWO,
            positive,
            kinds="i",
        )
        for name, ufunc, peer in (
            ("lshift", np.left_shift, "bitwise_left_shift"),
            ("rshift", np.right_shift, "bitwise_right_shift"),
        )
    ),
    *(
        Row(
            name,
            lambda a, name=name: getattr(a, name)(100, reverse=True),
            lambda a, ufunc=ufunc: ufunc(100, a),
            lambda torch, a, peer=peer: getattr(torch, peer)(100, a),
            ONE,
            positive,
            kinds="i",
            note="reverse",
        )
        for name, ufunc, peer in (
            ("lshift", np.left_shift, "bitwise_left_shift"),
            ("rshift", np.right_shift, "bitwise_right_shift"),
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
        'div: expected rounding_mode None, "trunc" or "floor"; got \'up\'',
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
        lambda: Tensor([True]).neg(),
        TypeError,
        "-: not defined for bools; use ~ for the opposite",
    ),
    Mistake(
        lambda: Tensor([True]) ** Tensor([True]),
        TypeError,
        "**: not defined for two bools; cast one of them first",
    ),
    Mistake(
        lambda: Tensor([1.5]) & 1,
        TypeError,
        "&: expected integers or bools; got float32",
    ),
    Mistake(
        lambda: Tensor([1.5]).bitwise_not(),
        TypeError,
        "~: expected integers or bools; got float32",
    ),
    Mistake(
        lambda: Tensor([1]).lshift(0.5),
        TypeError,
        "<<: expected integers or bools; got float32",
    ),
    Mistake(
        lambda: Tensor([1.0, 2.0]).lt(Tensor([1, 2, 3])),
        ValueError,
        "lt: shapes (2,) and (3,) do not broadcast; from the right, sizes must be equal or 1",
    ),
    Mistake(
        lambda: Tensor([1, 2], dtype=np.uint8) + 300,
        ValueError,
        "+: 300 does not fit into uint8; cast the tensor first",
    ),
    Mistake(
        lambda: Tensor([1, 2], dtype=np.int8).bitwise_and(-129),
        ValueError,
        "&: -129 does not fit into int8; cast the tensor first",
    ),
]
