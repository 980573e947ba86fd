"""Things that are wrong somewhere: what people, and other programs, pass by mistake or on purpose.

Each is made anew for each call, since a generator is used up and a call may write into an array.
"""

import datetime
import decimal
import fractions
import math
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_lite import Tensor


class ManyLines:
    """Its repr takes several lines."""

    def __repr__(self) -> str:
        return "ManyLines(\n  'one',\n  'two',\n)"


class NoRepr:
    """Its repr raises."""

    def __repr__(self) -> str:
        raise RuntimeError("this object has no repr")

    __str__ = __repr__


class LongRepr:
    """Its repr is as long as a book, in one line."""

    def __repr__(self) -> str:
        return "x" * 1_000_000


class LyingLength:
    """It says that it has a thousand elements, and has none."""

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: Any) -> Any:
        raise KeyError(index)


class NoIndex:
    """Its __index__ raises."""

    def __index__(self) -> int:
        raise RuntimeError("no index today")


class NoArray:
    """Its __array__ raises."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise RuntimeError("no array today")


class NoTruth:
    """It is neither true nor false, and equal to nothing."""

    def __bool__(self) -> bool:
        raise RuntimeError("neither true nor false")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not comparable")

    __hash__ = object.__hash__


class Anything:
    """It has every attribute, each of which is the string "anything"."""

    def __getattr__(self, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return "anything"


def ragged() -> list[Any]:
    return [[1, 2], [3]]


def cycle() -> list[Any]:
    held: list[Any] = [1]
    held.append(held)
    return held


THINGS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "True": lambda: True,
    "False": lambda: False,
    "np.True_": lambda: np.True_,
    "text": lambda: "x",
    "no text": lambda: "",
    "lines of text": lambda: "one\ntwo\n" * 50,
    "text of a number": lambda: "1",
    "bytes": lambda: b"x",
    "bytearray": lambda: bytearray(b"xy"),
    "2.5": lambda: 2.5,
    "1.0": lambda: 1.0,
    "-0.5": lambda: -0.5,
    "nan": lambda: math.nan,
    "inf": lambda: math.inf,
    "1e300": lambda: 1e300,
    "0": lambda: 0,
    "-1": lambda: -1,
    "-7": lambda: -7,
    "99": lambda: 99,
    "2**70": lambda: 2**70,
    "-2**70": lambda: -(2**70),
    "10**18": lambda: 10**18,
    "10**5000": lambda: 10**5000,
    "complex": lambda: 1 + 2j,
    "np.float16": lambda: np.float16(0.5),
    "np.float64 nan": lambda: np.float64("nan"),
    "np.int8": lambda: np.int8(-3),
    "np.uint64": lambda: np.uint64(2**63),
    "np.complex64": lambda: np.complex64(1j),
    "np.str_": lambda: np.str_("x"),
    "np.datetime64": lambda: np.datetime64("2024-01-01"),
    "np.timedelta64": lambda: np.timedelta64(3, "s"),
    "Decimal": lambda: decimal.Decimal("1.5"),
    "Fraction": lambda: fractions.Fraction(1, 3),
    "date": lambda: datetime.date(2024, 1, 1),
    "path": lambda: pathlib.Path("x"),
    "[]": lambda: [],
    "()": lambda: (),
    "[1]": lambda: [1],
    "(0, 1)": lambda: (0, 1),
    "(1.5, 2)": lambda: (1.5, 2),
    "(True, 0)": lambda: (True, 0),
    "(0, None)": lambda: (0, None),
    "['x']": lambda: ["x"],
    "[None]": lambda: [None],
    "[[1, 2], [3, 4]]": lambda: [[1, 2], [3, 4]],
    "ragged": ragged,
    "list in itself": cycle,
    "list of tensors": lambda: [Tensor([1.0]), Tensor([2.0])],
    "list of many": lambda: list(range(500)),
    "set": lambda: {1, 2},
    "dict": lambda: {"a": 1},
    "range": lambda: range(3),
    "generator": lambda: (number for number in range(2)),
    "iterator": lambda: iter([1, 2]),
    "map": lambda: map(int, "12"),
    "slice": lambda: slice(0, 1),
    "Ellipsis": lambda: ...,
    "NotImplemented": lambda: NotImplemented,
    "function": lambda: ragged,
    "lambda": lambda: lambda *args: args,
    "class": lambda: ManyLines,
    "float the class": lambda: float,
    "module": lambda: math,
    "object": object,
    "exception": lambda: ValueError("one\ntwo"),
    "object array": lambda: np.array([1, None, "x"], dtype=object),
    "array of text": lambda: np.array(["a", "b"]),
    "array of dates": lambda: np.array(["2024-01-01"], dtype="datetime64[D]"),
    "structured array": lambda: np.zeros(2, dtype=[("a", "i4"), ("b", "f4")]),
    "complex array": lambda: np.array([1j, 2.0]),
    "masked array": lambda: np.ma.MaskedArray([1.0, 2.0], mask=[True, False]),
    "matrix of numpy": lambda: np.zeros((2, 2)).view(np.matrix),
    "longdouble array": lambda: np.ones(2, np.longdouble),
    "big-endian array": lambda: np.ones((3, 4), ">f4"),
    "0-d array": lambda: np.array(0.5),
    "0-d array of an integer": lambda: np.array(1),
    "array": lambda: np.ones((3, 4), np.float32),
    "array of integers": lambda: np.arange(6).reshape(2, 3),
    "array of bools": lambda: np.ones((3, 4), bool),
    "empty array": lambda: np.ones((0, 3)),
    "large array": lambda: np.ones((40, 50)),
    "tensor": lambda: Tensor(np.ones((3, 4), np.float32)),
    "tensor that requires grad": lambda: Tensor([1.0, 2.0], requires_grad=True),
    "result that requires grad": lambda: Tensor([1.0, 2.0], requires_grad=True) * 2.0,
    "0-d tensor": lambda: Tensor(0.5),
    "0-d tensor that requires grad": lambda: Tensor(0.5, requires_grad=True),
    "0-d tensor of an integer": lambda: Tensor(1),
    "tensor of integers": lambda: Tensor([0, 1, 2]),
    "tensor of bools": lambda: Tensor([True, False]),
    "empty tensor": lambda: Tensor.zeros(0),
    "float64 tensor": lambda: Tensor(np.ones((2, 3))),
    "large tensor": lambda: Tensor(np.ones((40, 50))),
    "a dtype": lambda: np.dtype("int8"),
    "a dtype of text": lambda: np.dtype("S5"),
    "a generator of NumPy's": lambda: np.random.default_rng(0),
    "repr of many lines": ManyLines,
    "repr that raises": NoRepr,
    "repr of a million characters": LongRepr,
    "length that lies": LyingLength,
    "index that raises": NoIndex,
    "array that raises": NoArray,
    "neither true nor false": NoTruth,
    "any attribute": Anything,
    "list of hostile things": lambda: [ManyLines(), NoRepr()],
    "tuple of hostile things": lambda: (NoRepr(), NoTruth()),
}
