"""Programs that make an inf or a nan, for trace_nan: one at the line marked `# here`, in each.

A case returns the loss, and the leaves, which have to stay alive.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import nn
from tinygrad_lite import Function, Tensor

Built = tuple[Tensor, list[Tensor]]
INF, NAN = np.inf, np.nan


class Case(NamedTuple):
    """What trace_nan must say of a program."""

    build: Callable[[], Built]
    op: str | None
    direction: str
    index: tuple[int, ...]
    number: float
    repair: str
    live: bool  # whether the saved arrays show it too


CASES: dict[str, Case] = {}


def case(
    op: str | None, direction: str, index: Any, number: float, repair: str, live: bool = True
) -> Any:
    def add(build: Callable[[], Built]) -> Callable[[], Built]:
        CASES[build.__name__] = Case(build, op, direction, index, number, repair, live)
        return build

    return add


def leaf(data: Any, dtype: Any = None) -> Tensor:
    return Tensor(data, dtype=dtype, requires_grad=True)


# Forward: outside the domain of a function


@case("Log", "forward", (1,), -INF, "logarithm of 0")
def log_of_zero() -> Built:
    x = leaf([1.0, 0.0, 2.0])
    y = x.log()  # here
    return y.sum(), [x]


@case("Log", "forward", (2,), NAN, "negative number, -2")
def log_of_a_negative() -> Built:
    x = leaf([1.0, 3.0, -2.0])
    y = x.log()  # here
    return y.mean(), [x]


@case("LogBase", "forward", (0,), -INF, "logarithm of 0")
def log2_of_zero() -> Built:
    x = leaf([0.0, 1.0])
    y = x.log2()  # here
    return (y * 3.0 + 1.0).sum(), [x]


@case("Log1p", "forward", (1,), -INF, "logarithm of 0")
def log1p_of_minus_one() -> Built:
    x = leaf([0.0, -1.0])
    y = x.log1p()  # here
    return y.sum(), [x]


@case("Log", "forward", (0, 1), -INF, "log_softmax()")
def log_of_softmax() -> Built:
    x = leaf([[200.0, 0.0]])
    p = x.softmax()
    y = p.log()  # here
    return -(y.sum()), [x]


@case("Log", "forward", (0,), -INF, "logsigmoid()")
def log_of_sigmoid() -> Built:
    x = leaf([-200.0])
    y = x.sigmoid().log()  # here
    return -y.sum(), [x]


@case("Log", "forward", (), -INF, "logsumexp()")
def log_of_sum_of_exp() -> Built:
    x = leaf([-200.0, -300.0])
    y = x.exp().sum().log()  # here
    return y, [x]


@case("Log", "forward", (0,), -INF, "1 - p")
def log_of_one_minus_p() -> Built:
    x = leaf([40.0])
    p = x.sigmoid()
    y = (1.0 - p).log()  # here
    return -y.sum(), [x]


@case("Sqrt", "forward", (1,), NAN, "square root of a negative number, -1e-08")
def sqrt_of_a_rounding_error() -> Built:
    x = leaf([1.0, -1e-8])
    y = x.sqrt()  # here
    return y.sum(), [x]


@case("Asin", "forward", (1,), NAN, "from -1 to 1")
def asin_outside() -> Built:
    x = leaf([0.5, 1.5])
    y = x.asin()  # here
    return y.sum(), [x]


@case("Acos", "forward", (0,), NAN, "rounding error")
def acos_of_a_cosine_that_was_rounded() -> Built:
    x = leaf([1.0000001])
    y = x.acos()  # here
    return y.sum(), [x]


@case("Atanh", "forward", (1,), INF, "between -1 and 1")
def atanh_at_one() -> Built:
    x = leaf([0.0, 1.0])
    y = x.atanh()  # here
    return y.sum(), [x]


@case("Acosh", "forward", (0,), NAN, "from 1 on")
def acosh_below_one() -> Built:
    x = leaf([0.25, 2.0])
    y = x.acosh()  # here
    return y.sum(), [x]


# Forward: divisions and powers


@case("Div", "forward", (1,), NAN, "0 / 0")
def zero_by_zero() -> Built:
    x = leaf([1.0, 0.0])
    y = x / x  # here
    return y.sum(), [x]


@case("Div", "forward", (1,), INF, "3 / 0")
def three_by_zero() -> Built:
    x = leaf([1.0, 3.0])
    y = x / Tensor([1.0, 0.0])  # here
    return y.sum(), [x]


@case("Div", "forward", (0, 0), NAN, "norm or standard deviation of 0")
def divided_by_a_norm_of_zero() -> Built:
    x = leaf([[0.0, 0.0], [3.0, 4.0]])
    y = x / x.norm(axis=1, keepdim=True)  # here
    return y.sum(), [x]


@case("Div", "forward", (0, 1), NAN, "standard deviation of 0")
def divided_by_a_standard_deviation_of_zero() -> Built:
    x = leaf([[1.0, 5.0], [2.0, 5.0]])
    y = (x - x.mean(0)) / x.std(0)  # here
    return y.square().sum(), [x]


@case("Div", "forward", (), NAN, "sum or count of 0")
def a_masked_mean_of_nothing() -> Built:
    x = leaf([1.0, 2.0])
    mask = x.detach() > 5
    kept = x * mask
    w = leaf([0.0, 0.0])
    y = kept.sum() / (w * mask).sum()  # here
    return y, [x, w]


@case("Pow", "forward", (0,), NAN, "negative number to the power of 0.5")
def a_root_of_a_negative_as_a_power() -> Built:
    x = leaf([-2.0, 2.0])
    y = x**0.5  # here
    return y.sum(), [x]


@case("Pow", "forward", (1,), INF, "0 to the power of -1.5")
def zero_to_a_negative_power() -> Built:
    x = leaf([2.0, 0.0])
    y = x**-1.5  # here
    return y.sum(), [x]


@case("Mod", "forward", (0,), NAN, "by 0", live=False)
def the_remainder_of_a_division_by_zero() -> Built:
    x = leaf([2.0])
    y = x % Tensor([0.0])  # here
    return y.sum(), [x]


@case("Mean", "forward", (), NAN, "mean of no elements")
def the_mean_of_nothing() -> Built:
    x = leaf([1.0, 2.0])
    y = x[x.data > 5].mean()  # here
    return y, [x]


# Forward: overflow


@case("Exp", "forward", (1,), INF, "exp(1000) overflows float32")
def a_softmax_by_hand() -> Built:
    x = leaf([1.0, 1000.0])
    e = x.exp()  # here
    return (e / e.sum()).square().sum(), [x]


@case("Exp", "forward", (0,), INF, "x = 709.8")
def exp_overflows_float64() -> Built:
    x = leaf(np.array([710.0]))
    y = x.exp()  # here
    return y.sum(), [x]


@case("Exp", "forward", (0,), INF, "x = 11.09")
def exp_overflows_float16() -> Built:
    x = leaf(np.array([12.0], np.float16))
    y = x.exp()  # here
    return y.sum(), [x]


@case("Exp", "forward", (0,), INF, "softplus()")
def a_softplus_by_hand() -> Built:
    x = leaf([100.0])
    e = x.exp()  # here
    return (1.0 + e).log().sum(), [x]


@case("Cosh", "forward", (0,), INF, "cosh(-90) overflows")
def cosh_overflows() -> Built:
    x = leaf([-90.0])
    y = x.cosh()  # here
    return y.sum(), [x]


@case("Mul", "forward", (0,), INF, "float16 ends at 65504")
def a_product_in_float16() -> Built:
    x = leaf(np.array([300.0], np.float16))
    y = x * x  # here
    return y.sum(), [x]


@case("Cast", "forward", (1,), INF, "float16 ends at 65504")
def a_cast_to_float16() -> Built:
    x = leaf([1.0, 70000.0])
    y = x.half()  # here
    return y.sum(), [x]


@case("Linear", "forward", (0, 0), INF, "a learning rate that blew up", live=False)
def weights_that_blew_up() -> Built:
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.data = np.array([[3e38, 3e38]], np.float32)
    y = layer(Tensor([[2.0, 2.0]]))  # here
    return y.sum(), [layer.weight]


@case("Mul", "forward", (0,), INF, "the numbers here reach 1e+30")
def activations_that_blew_up() -> Built:
    x = leaf([1e15])
    big = x * x
    y = big * big  # here
    return y.sum(), [x]


@case("Pow", "forward", (0,), INF, "a, a parameter, is as large as 1e+20, likely")
def a_power_that_overflows() -> Built:
    x = leaf([1e20])
    y = x**2.5  # here
    return y.sum(), [x]


# Forward: an inf that was meant, and what made nan of it


@case("Softmax", "forward", (1, 0), NAN, "all scores of a row are -inf")
def a_mask_that_leaves_nothing() -> Built:
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    scores = x + Tensor([[0.0, -INF], [-INF, -INF]])
    p = scores.softmax()  # here
    return p.square().sum(), [x]


@case("Softmax", "forward", (0, 0), NAN, "all scores of a row are -inf")
def masked_fill_of_a_whole_row() -> Built:
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    scores = x.masked_fill(Tensor([[True, True], [False, True]]), -INF)
    p = scores.softmax()  # here
    return (p @ x).sum(), [x]


@case("LogSoftmax", "forward", (0, 0), NAN, "all scores of a row are -inf")
def log_softmax_of_a_masked_row() -> Built:
    x = leaf([[1.0, 2.0]])
    y = (x + Tensor([[-INF, -INF]])).log_softmax()  # here
    return y.sum(), [x]


@case(None, "forward", (0, 0), -INF, "class of a label is masked out", live=False)
def a_label_that_the_mask_hides() -> Built:
    x = leaf([[1.0, 2.0]])
    scores = x + Tensor([[-INF, 0.0]])  # here
    return scores.cross_entropy(Tensor([0])), [x]


@case("Mul", "forward", (1,), NAN, "0 times inf", live=False)
def a_mask_of_zeros_times_inf() -> Built:
    x = leaf([1.0, 2.0])
    y = x + Tensor([0.0, INF])
    z = y * Tensor([1.0, 0.0])  # here
    return z.sum(), [x]


@case("Sub", "forward", (0,), NAN, "inf - inf", live=False)
def inf_minus_inf() -> Built:
    x = leaf([1.0])
    a, b = x + INF, x * 2.0 + INF
    y = a - b  # here
    return y.sum(), [x]


@case("BatchNorm", "forward", (0, 0), NAN, "eps=1e-5")
def batch_norm_without_eps() -> Built:
    layer = nn.BatchNorm1d(1, eps=0.0)
    x = leaf([[2.0], [2.0]])
    y = layer(x)  # here
    return y.sum(), [x, layer.weight, layer.bias]


# Before any op


@case(None, "forward", (1, 0), NAN, "look at the data")
def nan_in_the_data() -> Built:
    w = leaf([[1.0], [2.0]])
    x = Tensor([[1.0, 2.0], [NAN, 4.0]])
    y = x @ w  # here
    return y.square().mean(), [w]


@case(None, "forward", (1,), NAN, "an earlier update wrote it")
def nan_in_a_parameter() -> Built:
    w = leaf([1.0, NAN])
    y = w * Tensor([1.0, 2.0])  # here
    return y.sum(), [w]


@case(None, "forward", (0,), INF, "an earlier update wrote it")
def inf_in_a_parameter() -> Built:
    w = leaf([INF, 2.0])
    y = w * Tensor([0.0, 2.0])  # here
    return y.sum(), [w]


# Users' operations


class Reciprocal(Function):
    saves = "inputs"

    def forward(self, x: Any) -> Any:
        return 1.0 / x

    def backward(self, g: Any, y: Any, x: Any) -> Any:
        return (-g / (x * x),)


class WrongRule(Function):
    saves = "inputs"

    def forward(self, x: Any) -> Any:
        return x * 2.0

    def backward(self, g: Any, y: Any, x: Any) -> Any:
        return (g * 2.0 * x / x,)


@case("Reciprocal", "forward", (1,), INF, "look at its forward", live=False)
def an_operation_of_the_users() -> Built:
    x = leaf([1.0, 0.0])
    y = Reciprocal.apply(x)  # here
    return y.sum(), [x]


@case("WrongRule", "backward", (0,), NAN, "look at its backward")
def a_rule_of_the_users() -> Built:
    x = leaf([0.0, 1.0])
    y = WrongRule.apply(x * 1.0)  # here
    return y.sum(), [x]


# Backward: the loss is finite


@case("Log", "backward", (1,), NAN, "where() or masked_fill() does not select")
def the_branch_that_where_drops() -> Built:
    x = leaf([1.0, 0.0])
    y = x.log()  # here
    return Tensor.where(x.detach() > 0, y, 0.0).sum(), [x]


@case("Sqrt", "backward", (1,), NAN, "where() or masked_fill() does not select")
def a_longer_branch_that_where_drops() -> Built:
    x = leaf([1.0, 0.0])
    y = x.sqrt() * 2.0 + 1.0  # here
    return Tensor.where(x.detach() == 0, 0.0, y).sum(), [x]


@case("Div", "backward", (1,), NAN, "where() or masked_fill() does not select")
def a_quotient_that_where_drops() -> Built:
    x = leaf([2.0, 0.0])
    y = 3.0 / x  # here
    return Tensor.where(x.detach() > 0, y, 1.0).sum(), [x]


@case("Sqrt", "backward", (1,), INF, "slope of sqrt at 0")
def sqrt_at_zero() -> Built:
    x = leaf([4.0, 0.0])
    y = x.sqrt()  # here
    return y.sum(), [x]


@case("Sqrt", "backward", (), INF, "norm()")
def a_norm_by_hand() -> Built:
    x = leaf([0.0, 0.0])
    y = (x * x).sum().sqrt()  # here
    return y, [x]


@case("Sqrt", "backward", (0, 1), INF, "a norm or a distance of 0")
def distances_between_points_that_are_equal() -> Built:
    x = leaf([[0.0, 0.0], [1.0, 1.0]])
    d = x[:1].reshape(1, 1, 2) - x.reshape(1, 2, 2)
    square = (d * d).sum(2)
    y = square[:, ::-1].sqrt()  # here
    return y.sum(), [x]


@case("Pow", "backward", (0,), INF, "slope of 0 to the power of 0.5")
def a_root_as_a_power_at_zero() -> Built:
    x = leaf([0.0, 1.0])
    y = x**0.5  # here
    return y.sum(), [x]


@case("Acos", "backward", (0,), -INF, "slope of acos at 1")
def acos_at_one() -> Built:
    x = leaf([1.0, 0.0])
    y = x.acos()  # here
    return y.sum(), [x]


@case("Asin", "backward", (1,), INF, "slope of asin at -1")
def asin_at_minus_one() -> Built:
    x = leaf([0.0, -1.0])
    y = x.asin()  # here
    return y.sum(), [x]


@case("Exp", "backward", (0,), NAN, "overflowed to inf in the forward pass")
def a_sigmoid_by_hand() -> Built:
    x = leaf([-100.0])
    y = (-x).exp()  # here
    return (1.0 / (1.0 + y)).sum(), [x]


@case("Mul", "backward", (0,), INF, "float16 ends at 65504")
def gradients_that_overflow_float16() -> Built:
    x = leaf(np.array([0.001], np.float16))
    y = x * np.float16(60000.0)  # here
    return (y * np.float16(100.0)).sum(), [x]


@case("Sqrt", "backward", (0,), NAN, "add eps inside")
def zero_times_a_root_at_zero() -> Built:
    x = leaf([0.0])
    y = x.sqrt()  # here
    return (y * 0.0).sum(), [x]


@case("Log", "backward", (1,), NAN, "where() or masked_fill() does not select")
def a_branch_that_masked_fill_drops() -> Built:
    x = leaf([1.0, 0.0])
    y = x.log()  # here
    return y.masked_fill(Tensor([False, True]), 0.0).sum(), [x]
