"""Elementwise functions at ±0, ±1, ±inf, nan, and of integers: values, gradients, dtypes.

Where we differ from PyTorch on purpose, docs/gradients-at-corners.md has a line.
"""

import warnings

import numpy as np
import pytest
from parity.beside_torch import agree, gradients, same

from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

functional = torch.nn.functional
INF, NAN = np.inf, np.nan
POINTS = [0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, INF, -INF, NAN, 1e-8, 40, -40]

FUNCTIONS = [
    *("sin", "cos", "tan", "asin", "acos", "sinh", "cosh", "atanh"),
    *("exp2", "log2", "log10", "log1p", "rsqrt", "reciprocal", "square", "expm1"),
]
# Those whose second derivative is nan in one of the two, at one of the points.
FIRST_ORDER = ["atan", "asinh", "erf", "exp", "log", "sqrt"]
# Those that have lines of the page for nan, or below 1: the points that are left.
NUMBERS = [x for x in POINTS if not np.isnan(x)]
ELSEWHERE = {
    **dict.fromkeys(("relu", "ceil", "floor", "trunc", "round"), NUMBERS),
    "acosh": [x for x in NUMBERS if x >= 1],
}


@pytest.mark.parametrize("name", [*FUNCTIONS, *FIRST_ORDER, *ELSEWHERE])
def test_a_function_at_its_corners(name):
    points = ELSEWHERE.get(name, POINTS)
    agree(lambda x: getattr(x, name)(), getattr(torch, name), points, second=name in FUNCTIONS)


def test_sinc():
    agree(lambda x: x.sinc(), torch.sinc, [0.0, -0.0, 1, -1, 0.5, NAN, 40], second=False)
    agree(lambda x: x.sinc(), torch.sinc, [1.0, -1, 0.5, 2.25, 40])


LARGE = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": functional.softplus,
    "logsigmoid": functional.logsigmoid,
    "gelu": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
    "mish": functional.mish,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LARGE)
def test_large_numbers(name, dtype):
    x = np.array([-800, -90, -30, -1e-9, 0, -0.0, 30, 90, 800, NAN], dtype)
    for a, b in zip(*gradients(lambda x: getattr(x, name)(), LARGE[name], x), strict=True):
        same(a, b, name)


BASES = [0.0, -0.0, 1, -1, 2, -2, 0.5, INF, -INF, NAN]
EXPONENTS = [0.0, 1, 2, 3, -1, -2, 0.5, -0.5, INF, -INF, NAN]


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_powers_of_tensors(exponent):
    agree(lambda a, b: a**b, lambda a, b: a**b, BASES, [exponent] * len(BASES), second=False)


@pytest.mark.parametrize("exponent", [*EXPONENTS, 0, 1, 2, 3, -1])
def test_powers_of_a_number(exponent):
    # At -0.0 and -inf PyTorch has pow for a tensor 0.5 and sqrt for a number; NumPy always sqrt.
    half = abs(exponent) == 0.5
    bases = [x for x in BASES if not half or str(x) not in ("-0.0", "-inf")]
    agree(lambda x: x**exponent, lambda x: x**exponent, bases, second=False)
    agree(lambda x: exponent**x, lambda x: exponent**x, BASES, second=False)


@pytest.mark.parametrize("exponent", [0, 1, 2, 2.0, 3, 3.0, 4, 5, -1, -2])
def test_powers_by_products(exponent):
    points = POINTS if exponent not in (0, 1, 2) else [0.0, 1.5, -2]
    agree(lambda x: x**exponent, lambda x: x**exponent, points)


EDGES = [-2.0, -1, -0.0, 0, 1, 2, INF, -INF]  # nan: lines of the page


@pytest.mark.parametrize(
    "bounds", [(-1, 1), (-1.0, None), (None, 1.0), (1, 1), (1, -1), (NAN, 1.0), (0.0, INF)], ids=str
)
def test_clamp(bounds):
    agree(lambda x: x.clamp(*bounds), lambda x: torch.clamp(x, *bounds), EDGES)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (1.0, -1.0), (-INF, INF), (INF, -INF)])
def test_clamp_by_tensors(low, high):
    lows, highs = np.full(len(EDGES), low), np.full(len(EDGES), high)
    agree(lambda x, a, b: x.clamp(a, b), torch.clamp, EDGES, lows, highs)
    agree(lambda x, a: x.clamp(a), lambda x, a: torch.clamp(x, min=a), EDGES, lows)
    agree(lambda x, b: x.clamp(None, b), lambda x, b: torch.clamp(x, max=b), EDGES, highs)


A = [0.0, 0, -0.0, 1, 1, -1, -1, INF, 1, NAN, -INF, 5, -5]
B = [1.0, -1, 1, 0, -0.0, 0, 2, 1, INF, 1, -INF, 3, -3]
# Where lines of the page say what is different.
FINITE = ["mod", "fmod", "hypot", "atan2"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("logaddexp", "logaddexp"),
        ("hypot", "hypot"),
        ("atan2", "atan2"),
        ("fmod", "fmod"),
        ("mod", "remainder"),
        ("maximum", "maximum"),
        ("minimum", "minimum"),
    ],
)
def test_two_operands(ours, theirs):
    pairs = [*zip(A, B, strict=True)]
    if ours != "logaddexp":
        pairs = [pair for pair in pairs if not np.isnan(pair).any()]
    if ours in FINITE:
        pairs = [(a, b) for a, b in pairs if np.isfinite((a, b)).all() and (b or "mod" not in ours)]
    if ours == "logaddexp":  # both -inf: a line of the page
        pairs.remove((-INF, -INF))
    call, peer = (lambda a, b: getattr(a, ours)(b)), getattr(torch, theirs)
    agree(call, peer, *zip(*pairs, strict=True), second=False)
    agree(call, peer, [0.0, 1.5, -1, 3], [1.0, 0.7, 2.5, -2])


def test_xlogy():
    a = [0.0, 0, 0, -0.0, 1, 2, -1, 1, 1, 0, NAN]
    b = [0.0, 1, -1, 2, 0, 2, 3, -1, INF, NAN, 1]
    mine = Tensor(np.array(a)).xlogy(np.array(b))
    same(mine, torch.xlogy(torch.tensor(a).double(), torch.tensor(b).double()), "value")
    agree(lambda a, b: a.xlogy(b), torch.xlogy, [1.0, 2, -1, 0, 0], [0.0, 2, 3, 2, 1], second=False)


def test_copysign():
    a = [0.0, -0.0, 1, -1, 2, 3, INF, NAN]
    for b in (-1.0, 1.0, 0.0, -0.0, -INF, NAN):
        same(Tensor(np.array(a)).copysign(b), torch.copysign(torch.tensor(a).double(), b), f"{b}")
        agree(lambda x, b=b: x.copysign(b), lambda x, b=b: torch.copysign(x, b), a[2:6])
    by_tensor = Tensor(np.array(a)).copysign(Tensor(np.array([-0.0] * 8)))
    same(by_tensor, torch.copysign(torch.tensor(a).double(), torch.tensor(-0.0)), "tensor")


def test_lerp_and_nan_to_num():
    agree(lambda a, b: a.lerp(b, 1.0), lambda a, b: a.lerp(b, 1.0), EDGES, EDGES[::-1])
    agree(lambda x: x.nan_to_num(1, 2, 3), lambda x: torch.nan_to_num(x, 1, 2, 3), POINTS)


def test_division_rounded():
    a = np.array([7.0, -7, 7, -7, 1, 0.6, INF, 1, -0.0, NAN])
    b = np.array([2.0, 2, -2, -2, 0.1, 0.2, 2, INF, 3, 1])
    whole, by = np.array([7, -7, 7, -7, 6, -6]), np.array([2, 2, -2, -2, 3, 3])
    for mode in ("trunc", "floor"):
        for x, y in ((a, b), (whole, by)):
            mine = Tensor(x).div(Tensor(y), rounding_mode=mode)
            same(mine, torch.div(torch.tensor(x), torch.tensor(y), rounding_mode=mode), mode)


FLOATS = [*FUNCTIONS, *FIRST_ORDER, "acosh", "sinc"]


@pytest.mark.parametrize("name", [name for name in FLOATS if name != "square"])
def test_integers_and_bools_give_float32(name):
    for values in ([-3, 0, 1, 2], [True, False], np.array([0, 1, 2], np.uint8)):
        same(getattr(Tensor(values), name)(), getattr(torch, name)(torch.tensor(values)), name)


@pytest.mark.parametrize(
    "name", ["abs", "sign", "neg", "floor", "ceil", "round", "trunc", "square", "nan_to_num"]
)
def test_integers_stay_integers(name):
    for dtype in (np.int8, np.uint8, np.int32, np.int64):
        values = np.array([0, 1, 127, -128 if np.dtype(dtype).kind == "i" else 255]).astype(dtype)
        same(getattr(Tensor(values), name)(), getattr(torch, name)(torch.tensor(values)), name)


def test_integers_clamped_by_floats_are_floats():
    values = np.array([-3, 0, 2])
    for bounds in ((0.5, None), (-1, 1), (-1, 1.5), (None, 1.5), (0, 1)):
        for dtype in (np.int64, np.int32, np.bool_):
            mine = Tensor(values.astype(dtype)).clamp(*bounds)
            same(mine, torch.clamp(torch.tensor(values.astype(dtype)), *bounds), f"{bounds}")


@pytest.mark.parametrize("name", ["atan2", "xlogy", "copysign"])
@pytest.mark.parametrize("other", [np.array([2, 3]), np.float32([2, 3]), np.array([2.0, 3.0])])
def test_two_operands_of_which_one_is_an_integer(name, other):
    whole = np.array([-1, 2])
    mine = getattr(Tensor(whole), name)(Tensor(other))
    same(mine, getattr(torch, name)(torch.tensor(whole), torch.tensor(other)), name)
    if other.dtype.kind == "f":
        mine = getattr(Tensor(other), name)(Tensor(whole))
        same(mine, getattr(torch, name)(torch.tensor(other), torch.tensor(whole)), name)


def test_two_integers_where_pytorch_has_nothing():
    one, two = Tensor([1, 2]), Tensor([2, 3])
    assert one.hypot(two).dtype == one.logaddexp(two).dtype == one.lerp(two, 0.5).dtype == "float32"


def test_casts_of_nan_and_infinities():
    """To integers they are refused, where PyTorch gives some number: see test_integers."""
    values = np.array([NAN, INF, -INF, -1.5, 300])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(Tensor(values).bool(), torch.tensor(values).bool(), "bool")
        for name in ("int", "long"):
            same(
                getattr(Tensor(values[3:]), name)(), getattr(torch.tensor(values[3:]), name)(), name
            )
        same(Tensor([1e300], dtype=np.float64).float(), torch.tensor([INF]), "float")
        assert Tensor([1.0], dtype=np.float16).masked_fill([True], -1e9).tolist() == [-INF]


def test_powers_of_integers():
    values = np.array([-3, 0, 2])
    for exponent in (0, 1, 2, 3, 2.0, 0.5):
        same(Tensor(values) ** exponent, torch.tensor(values) ** exponent, f"{exponent}")
    same(Tensor(values) ** Tensor([3, 2, 1]), torch.tensor(values) ** torch.tensor([3, 2, 1]), "")


@pytest.mark.parametrize(
    "call",
    [
        lambda tensor: tensor([-3, 0, 2]) ** -1,
        lambda tensor: tensor([True]) ** tensor([True]),
        lambda tensor: tensor([-3, 0, 2]) // 0,
        lambda tensor: tensor([-3, 0, 2]) % 0,
        lambda tensor: tensor([1.5]) & 1,
        lambda tensor: -tensor([True]),
    ],
)
def test_what_both_refuse(call):
    with pytest.raises((TypeError, ValueError, ZeroDivisionError)):
        call(Tensor)
    with pytest.raises((RuntimeError, NotImplementedError)):
        call(torch.tensor)
