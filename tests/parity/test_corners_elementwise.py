"""Functions by element at their corners: ±0, ±1, ±inf, nan, integers; by rows of TRAPS.md.

Where we differ from PyTorch on purpose, the test says so and asserts our number.
"""

import warnings

import numpy as np
import pytest
from parity.beside_torch import same
from parity.test_corner_values import agree, slope

from tinygrad_lite import Tensor, grad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

INF, NAN = np.inf, np.nan
POINTS = [0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, INF, -INF, NAN, 1e-8, 40, -40]

FUNCTIONS = [
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "atanh", "asinh"),
    *("exp2", "log2", "log10", "log1p", "rsqrt", "reciprocal", "square", "erf", "expm1"),
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_at_its_corners(name):
    agree(lambda x: getattr(x, name)(), getattr(torch, name), POINTS)


@pytest.mark.parametrize("exponent", [3, 4, -2, -1, 5, 3.0])
def test_powers_by_products_at_their_corners(exponent):
    agree(lambda x: x**exponent, lambda x: x**exponent, POINTS)


def second(function, x):
    """The second derivative at each element."""
    x = Tensor(np.asarray(x, np.float64), requires_grad=True)
    (first,) = grad(function(x).sum(), x, create_graph=True)
    return grad(first.sum(), x)[0].tolist()


def test_acosh():
    agree(lambda x: x.acosh(), torch.acosh, [1.0, 2, 40, INF, NAN, 0.5, -1], second=False)
    agree(lambda x: x.acosh(), torch.acosh, [1.0, 2, 40])


def test_expm1_keeps_the_small_derivatives():
    # PyTorch's derivative is y + 1, which is 0 where y rounds to -1.
    assert slope(lambda x: x.expm1(), [-50.0])[1] == [np.exp(-50.0)]


def test_asinh_and_atan2_of_numbers_whose_squares_overflow():
    # PyTorch squares, and gets derivatives of 0 and inf.
    assert slope(lambda x: x.asinh(), [1e200])[1] == [1e-200]
    for scale in (1e200, 1e-200):
        found = slope(lambda a, b: a.atan2(b), [scale], [scale])
        np.testing.assert_allclose(found[1:], [[0.5 / scale], [-0.5 / scale]], rtol=1e-15)


@pytest.mark.parametrize("name", ["ceil", "floor", "trunc", "round", "sign"])
def test_31_the_rounded_have_derivative_0(name):
    points = np.array([*POINTS, 2.5, 3.5, -2.5])
    x = Tensor(points, requires_grad=True)
    mine = getattr(x, name)()
    (gradient,) = grad(mine.sum(), x)
    assert gradient.tolist() == [0.0] * len(points)
    expected = getattr(torch, name)(torch.tensor(points))
    if name == "sign":  # on purpose: PyTorch's sign of nan is 0
        expected[torch.isnan(torch.tensor(points))] = NAN
    same(mine, expected, name)


EDGES = [-2.0, -1, -0.0, 0, 1, 2, INF, -INF, NAN]


@pytest.mark.parametrize(
    "bounds", [(-1, 1), (-1.0, None), (None, 1.0), (1, 1), (1, -1), (NAN, 1.0), (0.0, INF)], ids=str
)
def test_7_and_8_clamp_at_its_edges(bounds):
    agree(lambda x: x.clamp(*bounds), lambda x: torch.clamp(x, *bounds), EDGES)
    assert slope(lambda x: x.clamp(-1, 1), [-1, 1]) == [[-1, 1], [1, 1]]
    assert slope(lambda x: x.clamp(1, -1), [-1, 0, 1]) == [[-1, -1, -1], [0, 0, 0]]


@pytest.mark.parametrize("low", [-1.0, 1.0, NAN])
@pytest.mark.parametrize("high", [-1.0, 1.0, NAN])
def test_7_and_8_clamp_by_tensors(low, high):
    lows, highs = np.full(len(EDGES), low), np.full(len(EDGES), high)
    agree(lambda x, a, b: x.clamp(a, b), torch.clamp, EDGES, lows, highs)
    agree(lambda x, a: x.clamp(a), lambda x, a: torch.clamp(x, min=a), EDGES, lows)
    agree(lambda x, b: x.clamp(None, b), lambda x, b: torch.clamp(x, max=b), EDGES, highs)


def test_21_logaddexp():
    a = [0.0, 1000, -1000, INF, -INF, 1, NAN, INF, -0.0]
    b = [0.0, 1001, 1000, 1, 1, INF, 1, INF, -INF]
    agree(lambda a, b: a.logaddexp(b), torch.logaddexp, a, b, second=False)
    # On purpose: PyTorch's gradients are nan.  The sum of no chances is no chance.
    assert slope(lambda a, b: a.logaddexp(b), [-INF], [-INF]) == [[-INF], [0], [0]]
    assert second(lambda x: x.logaddexp(-INF), [-INF]) == [0]


def test_28_xlogy():
    a = [0.0, 0, 0, -0.0, 1, 2, -1, 1, 1, 0, NAN]
    b = [0.0, 1, -1, 2, 0, 2, 3, -1, INF, NAN, 1]
    mine = Tensor(np.array(a)).xlogy(np.array(b))
    same(mine, torch.xlogy(torch.tensor(a).double(), torch.tensor(b).double()), "value")
    agree(lambda a, b: a.xlogy(b), torch.xlogy, [1.0, 2, -1, 0, 0], [0.0, 2, 3, 2, 1], second=False)
    agree(lambda a, b: a.xlogy(b), torch.xlogy, [1.0, 2, -1], [1.0, 2, 3])
    # On purpose: PyTorch's derivative by the second is nan at (0, 0), where 0 log y is 0 for all y.
    assert slope(lambda a, b: a.xlogy(b), [0.0], [0.0]) == [[0], [0], [0]]
    assert slope(lambda a, b: a.xlogy(b), [0.0], [-1.0]) == [[0], [0], [0]]


ANGLES = [0.0, 0, -0.0, 1, 1, -1, -1, INF, 1, NAN, -INF]
OTHERS = [1.0, -1, 1, 0, -0.0, 0, 2, 1, INF, 1, -INF]


def test_29_atan2():
    agree(lambda a, b: a.atan2(b), torch.atan2, ANGLES, OTHERS, second=False)
    agree(lambda a, b: a.atan2(b), torch.atan2, [0.0, 1, -1, 3], [1.0, 0, 2, -1])
    zeros = [0.0, -0.0, 0.0, -0.0], [0.0, 0.0, -0.0, -0.0]
    agree(lambda a, b: a.atan2(b), torch.atan2, *zeros, second=False)
    assert second(lambda x: x.atan2(x.detach()), [0.0]) == [0]  # PyTorch: nan


def test_29_hypot():
    agree(lambda a, b: a.hypot(b), torch.hypot, ANGLES, OTHERS, second=False)
    agree(lambda a, b: a.hypot(b), torch.hypot, [0.0, 1, -1, 3], [1.0, 0, 2, -1])
    # On purpose: PyTorch's gradients are nan, those of its 2-norm 0.
    assert slope(lambda a, b: a.hypot(b), [0.0, -0.0], [0.0, 0.0]) == [[0, 0], [0, 0], [0, 0]]
    assert second(lambda x: x.hypot(0.0), [0.0]) == [0]


def test_29_sinc():
    agree(lambda x: x.sinc(), torch.sinc, [0.0, -0.0, 1, -1, 0.5, INF, NAN, 40], second=False)
    agree(lambda x: x.sinc(), torch.sinc, [1.0, -1, 0.5, 2.25, 40])
    # PyTorch has nan for the second derivative at 0; by the series it is -pi^2 / 3.
    near = np.array([0.0, 1e-9, 1e-5, 1e-3])
    z = np.pi * near
    np.testing.assert_allclose(
        second(lambda x: x.sinc(), near), np.pi**2 * (-1 / 3 + z**2 / 10), rtol=1e-11
    )
    np.testing.assert_allclose(slope(lambda x: x.sinc(), near)[1], -np.pi * z / 3, rtol=1e-5)


def test_31_fmod_and_remainder():
    a = [5.0, -5, 5, -5, 6, 0, 1, 2.5, -0.0]
    b = [3.0, 3, -3, -3, 3, 2, INF, 0.5, 1]
    agree(lambda a, b: a.fmod(b), torch.fmod, a, b)
    agree(lambda a, b: a.mod(b), torch.remainder, a, b)
    zeros = [1.0, -1, 0, INF, NAN], [0.0, 0, 0, 1, 1]
    agree(lambda a, b: a.fmod(b), torch.fmod, *zeros, second=False)


def test_copysign():
    a = [0.0, -0.0, 1, -1, 2, 3, INF, NAN]
    for b in (-1.0, 1.0, 0.0, -0.0, -INF, NAN):
        same(Tensor(np.array(a)).copysign(b), torch.copysign(torch.tensor(a).double(), b), f"{b}")
        agree(
            lambda x, b=b: x.copysign(b), lambda x, b=b: torch.copysign(x, b), a[:6], second=False
        )
        agree(lambda x, b=b: x.copysign(b), lambda x, b=b: torch.copysign(x, b), a[2:6])
    by_tensor = Tensor(np.array(a)).copysign(Tensor(np.array([-0.0] * 8)))
    same(by_tensor, torch.copysign(torch.tensor(a).double(), torch.tensor(-0.0)), "tensor")


def test_lerp_ends_exactly():
    a, b = np.float32([1e8, 1e8, 1.0]), np.float32([1.0, 1.0, 1e8])
    assert Tensor(a).lerp(Tensor(b), 1.0).tolist() == b.tolist()
    assert Tensor(a).lerp(Tensor(b), Tensor([1.0])).tolist() == b.tolist()
    assert Tensor(a).lerp(Tensor(b), 0.0).tolist() == a.tolist()
    agree(lambda a, b: a.lerp(b, 1.0), lambda a, b: a.lerp(b, 1.0), EDGES, EDGES[::-1])


def test_nan_to_num():
    agree(lambda x: x.nan_to_num(), torch.nan_to_num, POINTS)
    agree(lambda x: x.nan_to_num(1, 2, 3), lambda x: torch.nan_to_num(x, 1, 2, 3), POINTS)


def test_masked_fill():
    mask = np.array([True, False] * 7)
    agree(
        lambda x, v: x.masked_fill(mask, v),
        lambda x, v: x.masked_fill(torch.tensor(mask), v),
        POINTS,
        5.0,
    )


def test_division_rounded():
    a = np.array([7.0, -7, 7, -7, 1, 0.6, INF, 1, -0.0, NAN])
    b = np.array([2.0, 2, -2, -2, 0.1, 0.2, 2, INF, 3, 1])
    for mode in ("trunc", "floor"):
        mine = Tensor(a).div(Tensor(b), rounding_mode=mode)
        same(mine, torch.div(torch.tensor(a), torch.tensor(b), rounding_mode=mode), mode)
    whole, by = np.array([7, -7, 7, -7, 6, -6]), np.array([2, 2, -2, -2, 3, 3])
    for mode in ("trunc", "floor"):
        mine = Tensor(whole).div(Tensor(by), rounding_mode=mode)
        same(mine, torch.div(torch.tensor(whole), torch.tensor(by), rounding_mode=mode), mode)


FLOAT_FUNCTIONS = [*FUNCTIONS, "acosh", "sinc", "exp", "log", "sqrt"]


@pytest.mark.parametrize("name", [name for name in FLOAT_FUNCTIONS if name != "square"])
@pytest.mark.parametrize("values", [[-3, 0, 1, 2], [True, False]], ids=["int", "bool"])
def test_of_integers_and_bools_float32_comes(name, values):
    same(getattr(Tensor(values), name)(), getattr(torch, name)(torch.tensor(values)), name)
    small = np.array([0, 1, 2], np.uint8)
    same(getattr(Tensor(small), name)(), getattr(torch, name)(torch.tensor(small)), name)


@pytest.mark.parametrize(
    "name", ["abs", "sign", "neg", "floor", "ceil", "round", "trunc", "square", "nan_to_num"]
)
def test_integers_stay_what_they_are(name):
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
def test_functions_of_two_with_an_integer(name, other):
    whole = np.array([-1, 2])
    mine = getattr(Tensor(whole), name)(Tensor(other))
    same(mine, getattr(torch, name)(torch.tensor(whole), torch.tensor(other)), name)
    if other.dtype.kind == "f":
        mine = getattr(Tensor(other), name)(Tensor(whole))
        same(mine, getattr(torch, name)(torch.tensor(other), torch.tensor(whole)), name)


def test_functions_of_two_integers_that_pytorch_has_not():
    one, two = Tensor([1, 2]), Tensor([2, 3])
    assert one.hypot(two).dtype == one.logaddexp(two).dtype == one.lerp(two, 0.5).dtype == "float32"


def test_casts_of_nan_and_infinities():
    values = np.array([NAN, INF, -INF, -1.5, 300])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("int", "long", "bool"):
            mine = getattr(Tensor(values), name)()
            same(mine, getattr(torch.tensor(values), name)(), name)
        same(Tensor([1e300], dtype=np.float64).float(), torch.tensor([INF]), "float")
        assert Tensor([1.0], dtype=np.float16).masked_fill([True], -1e9).tolist() == [-INF]


def test_powers_of_integers():
    values = np.array([-3, 0, 2])
    for exponent in (0, 1, 2, 3, 2.0, 0.5):
        same(Tensor(values) ** exponent, torch.tensor(values) ** exponent, f"{exponent}")
    same(Tensor(values) ** Tensor([3, 2, 1]), torch.tensor(values) ** torch.tensor([3, 2, 1]), "")
    for ours, theirs in (
        (lambda: Tensor(values) ** -1, lambda: torch.tensor(values) ** -1),
        (
            lambda: Tensor([True]) ** Tensor([True]),
            lambda: torch.tensor([True]) ** torch.tensor([True]),
        ),
        (lambda: Tensor(values) // 0, lambda: torch.tensor(values) // 0),
        (lambda: Tensor(values) % 0, lambda: torch.tensor(values) % 0),
        (lambda: Tensor([1.5]) & 1, lambda: torch.tensor([1.5]) & 1),
        (lambda: -Tensor([True]), lambda: -torch.tensor([True])),
    ):
        with pytest.raises((TypeError, ValueError, ZeroDivisionError)):
            ours()
        with pytest.raises((RuntimeError, NotImplementedError)):
            theirs()
