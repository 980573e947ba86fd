"""Why a gradient is zero, tiny, huge or not finite: the cause is planted, and must be named."""

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import pytest

import nn
from tinygrad_lite import Function, Tensor, explain, keep_values

Made = tuple[Tensor, Tensor]
CASES: list[tuple[Callable[[], Made], tuple[str, ...]]] = []


def says(*expected: str) -> Callable[[Callable[[], Made]], Callable[[], Made]]:
    """A case: a function that plants a cause, and what the reason must say."""

    def add(make: Callable[[], Made]) -> Callable[[], Made]:
        CASES.append((make, expected))
        return make

    return add


def normal(*shape: int, scale: float = 1.0, shift: float = 0.0, seed: int = 0) -> Tensor:
    values = np.random.default_rng(seed).normal(size=shape) * scale + shift
    return Tensor(values.astype(np.float32), requires_grad=True)


@says("is 0 everywhere: it stops at relu (step 3", "passes 0 of 512 elements", "a dead relu")
def dead_relu() -> Made:
    x, w, b = normal(32, 8).detach(), normal(8, 16), normal(16, shift=-100.0)
    return (x @ w + b).relu().sum(), w


@says("it stops at sigmoid (step 1", "saturated", "exactly 0 or 1 in float32", "y (1 - y) is 0")
def saturated_sigmoid() -> Made:
    w = normal(8, shift=200.0)
    return w.sigmoid().mean(), w


@says("it stops at tanh (step 2", "exactly -1 or 1")
def saturated_tanh() -> Made:
    w = normal(8)
    return (w * 1000).tanh().mean(), w


@says("it stops at clip (step 1", "all 8 elements lie outside its bounds (the input is 4")
def outside_of_a_clip() -> Made:
    w = normal(8, shift=50.0)
    return w.clip(0, 1).sum(), w


@says("it stops at where (step 1", "the other branch at all 8 elements: the condition is False")
def an_untaken_branch() -> Made:
    w, v = normal(8), normal(8, seed=1)
    return Tensor(np.zeros(8, bool)).where(w, v).sum(), w


@says("it stops at mul (step 1", "it multiplies by c₁, which is 0")
def a_product_with_zeros() -> Made:
    w, v = normal(8), normal(8, seed=1)
    return (w * np.zeros(8, np.float32) + v).sum(), w


@says("it stops at matmul (step 3", "it multiplies by w₂, which is 0 everywhere")
def weights_that_are_zero() -> Made:
    x, w = normal(4, 8).detach(), normal(8, 16)
    last = Tensor(np.zeros((16, 2), np.float32), requires_grad=True)
    return ((x @ w).relu() @ last).sum(), w


@says("stops before concatenate", "from max (step 4", "to other elements only")
def not_chosen_by_max() -> Made:
    w, v = normal(8), normal(8, shift=100.0)
    return Tensor.stack(w, v).max(0).sum(), w


@says("it stops at maximum (step 1", "w₂ is the larger one at all 8 elements")
def below_the_other() -> Made:
    w, v = normal(8), normal(8, shift=100.0)
    return w.maximum(v).sum(), w


@says("it stops at floor (step 1", "constant between its jumps")
def rounded() -> Made:
    w = normal(8)
    return (w.floor() * 2.0).sum(), w


@says("it stops at softmax (step 1", "a single element, so its result never changes")
def softmax_of_one() -> Made:
    w = normal(4, 1)
    return (w.softmax(1) * normal(4, 1, seed=1).detach()).sum(), w


@says("0 except for rounding", "in softmax (step 1", "its results always sum to 1")
def softmax_that_is_summed() -> Made:
    w = normal(4, 5)
    return w.softmax(1).sum(), w


@says("0 except for rounding", "in linear (step 1", "batchnorm (step 2", "subtracts the mean")
def a_bias_before_batchnorm() -> Made:
    layer, norm = nn.Linear(4, 8), nn.BatchNorm1d(8)
    y = norm(layer(normal(16, 4).detach()))
    assert layer.bias is not None
    return (y * y * normal(16, 8, seed=1).detach()).mean(), layer.bias


@says("it stops at mul (step 1", "a square has the derivative 2 w, and w is 0")
def a_square_at_zero() -> Made:
    w = Tensor(np.zeros(4, np.float32), requires_grad=True)
    return (w * w).sum(), w


@says("it stops at sub (step 1", "it subtracts w from itself")
def itself_from_itself() -> Made:
    w = normal(4)
    return (w - w).sum(), w


@says("what comes back to w on 2 paths cancels")
def paths_that_cancel() -> Made:
    w = normal(4)
    return ((w * 2.0) - (w + w)).sum(), w


@says("what arrives is at most", "underflows to 0")
def a_long_product_of_small_numbers() -> Made:
    w = normal(3)
    y = w
    for _ in range(20):
        y = y * 1e-3
    return y.sum(), w


@says("it stops at cast (step 1", "too small for float16")
def half_precision() -> Made:
    w = Tensor(np.ones(4, np.float16), requires_grad=True)
    return (w.cast(np.float32) * 1e-9).sum(), w


class Silent(Function):
    def forward(self, x: np.ndarray) -> np.ndarray:
        return x * 2.0

    def backward(self, g: np.ndarray, y: None, x: None) -> tuple[np.ndarray]:
        return (g * 0.0,)


@says("it stops at silent (step 1", "the backward of Silent returns 0")
def a_users_op() -> Made:
    w = normal(4)
    return Silent.apply(w).sum(), w


@says("huge: its largest element is 1e+06", "div (step 1", "divides by c₁", "as small as 1e-06")
def division_by_a_tiny_number() -> Made:
    w = normal(4)
    return (w / np.array([1e-6, 1, 1, 1], np.float32)).sum(), w


@says("huge", "log (step 1", "the derivative of log is 1 / x, and x is as small as 1e-07")
def log_near_zero() -> Made:
    w = Tensor([1e-7, 1.0, 2.0], requires_grad=True)
    return w.log().sum(), w


@says("huge", "exp (step 1", "exp is its own derivative, and here it is up to 4.85")
def a_large_exp() -> Made:
    w = Tensor([20.0, 1.0], requires_grad=True)
    return w.exp().sum(), w


@says("huge", "20 steps matmul multiply it by", "factors multiply over a deep chain")
def a_deep_chain_that_grows() -> Made:
    weights = [normal(16, 16, seed=k) for k in range(20)]
    h = normal(4, 16, seed=99).detach()
    for w in weights:
        h = (h @ w).relu()
    return h.mean(), weights[0]


@says("tiny", "20 steps sigmoid multiply it by 0.2", "factors multiply over a deep chain")
def a_deep_chain_that_shrinks() -> Made:
    weights = [normal(16, 16, scale=0.5, seed=k) for k in range(20)]
    h = normal(4, 16, seed=99).detach()
    for w in weights:
        h = (h @ w).sigmoid()
    return h.mean(), weights[0]


@says("1 infinite of 3 elements", "the backward of Sqrt", "the slope of sqrt at 0 is inf")
def sqrt_at_zero() -> Made:
    w = Tensor([0.0, 1.0, 2.0], requires_grad=True)
    return w.sqrt().sum(), w


@says("4 infinite of 4 elements", "Exp made the first inf in the forward pass", "overflows float32")
def an_overflow() -> Made:
    w = normal(4, shift=200.0)
    return w.exp().mean(), w


@says("1 nan of 2 elements", "the backward of Mul made the first nan")
def nan_from_an_untaken_branch() -> Made:
    w = Tensor([0.0, 1.0], requires_grad=True)
    return (w > 0).where(w.log() * w, 0.0).sum(), w


@says("is 0 for 6 of 8 elements: max (step 1", "passes 2 of 8 elements")
def only_some_elements() -> Made:
    w = normal(2, 4)
    return w.max(1).sum(), w


@says("is 0 for 6 of 12 elements: getitem (step 1", "reads 6 of 12 elements")
def rows_that_are_not_read() -> Made:
    w = normal(4, 3)
    return (w[np.array([1, 2])] * 2.0).sum(), w


@says("is 0 for 8 of 16 elements: at matmul (step 1", "2 of 4 inputs are 0 in every sample")
def pixels_that_are_black() -> Made:
    x = normal(5, 4).detach() * np.array([1, 0, 1, 0], np.float32)
    w = normal(4, 4)
    return (x @ w).sigmoid().mean(), w


@says("at linear (step 1", "no gradient arrives at 1 of 3 units")
def a_dead_unit() -> Made:
    w, bias = normal(3, 4), np.array([5, -100, 5], np.float32)
    y = normal(5, 4).detach().linear(w, None, transposed=True) + bias
    return (y.relu() * normal(5, 3, seed=1).detach()).sum(), w


@pytest.mark.parametrize(("make", "expected"), CASES, ids=[make.__name__ for make, _ in CASES])
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "live"])
def test_the_reason_names_what_was_planted(
    make: Callable[[], Made], expected: tuple[str, ...], kept: bool
) -> None:
    with keep_values() if kept else nullcontext():
        result, w = make()
    made = explain(result, w, names={"w": w})
    (reason,) = made.reasons
    assert reason.startswith("The derivative with respect to w ")
    for part in expected:
        assert part in reason, reason
    if kept and "test_explanation" not in reason:
        assert "subtracts" in reason or "paths cancels" in reason or "chain" in reason, reason
    assert "DIFFERS" not in made.text() or make is a_users_op


def test_after_backward_the_reason_is_still_known_if_values_were_kept() -> None:
    with keep_values():
        result, w = dead_relu()
        result.backward()
    (reason,) = explain(result, w).reasons
    assert "a dead relu" in reason
    result, w = dead_relu()
    result.backward()
    assert explain(result, w).reasons == ()  # nothing is known, so nothing is claimed


def healthy() -> list[Tensor]:
    x, labels = normal(16, 6).detach(), np.arange(16) % 3
    mlp = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
    norm = nn.Sequential(nn.Linear(6, 12, bias=False), nn.BatchNorm1d(12), nn.GELU())
    lstm = nn.LSTM(6, 5, batch_first=True)
    return [
        mlp(x).cross_entropy(labels),
        (norm(x).square() * 3.0).mean(),
        (lstm(x.reshape(4, 4, 6))[0] * normal(4, 4, 5).detach()).mean(),
        mlp(x).softmax(1).log()[np.arange(16), labels].mean(),
        nn.LayerNorm(6)(x * normal(6)).tanh().square().mean(),
    ]


@pytest.mark.parametrize("number", range(5))
def test_healthy_gradients_are_told_nothing(number: int) -> None:
    made = explain(healthy()[number])
    assert made.reasons == ()
    assert "DIFFERS" not in made.text()


def test_zeros_are_not_blamed_on_a_step_that_has_no_part_in_them() -> None:
    x = normal(5, 4).detach() * np.array([1, 0, 1, 1], np.float32)
    w = normal(4, 3)
    (reason,) = explain((x @ w).relu().square().mean(), w).reasons
    assert "1 of 4 inputs are 0 in every sample" in reason
    assert "relu" not in reason


def test_those_with_the_same_reason_share_a_sentence() -> None:
    x, w, b = normal(4, 3).detach(), normal(3, 2), normal(2, shift=-100.0)
    reasons = explain((x @ w + b).relu().sum(), names={"w": w, "b": b}).reasons
    assert len(reasons) == 1
    assert reasons[0].startswith("The derivative with respect to w and b is 0 everywhere")


def batch_norm_with(gamma: float) -> tuple[Tensor, nn.Module]:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    model[1].weight.data[...] = gamma
    return (model(normal(5, 4).detach()) * normal(5, 3).detach()).sum(), model[0].weight


def overwritten(w: Tensor) -> Tensor:
    y = w * 1.0
    y[0] = Tensor(2.0)
    return y.sum()


def doubled(w: Tensor) -> Tensor:
    return (w * 2.0 - w - w).sum()


@pytest.mark.parametrize(
    ("result", "w", "reason"),
    [
        (*batch_norm_with(0.0), "multiplies by w₃, which is 0 everywhere"),
        (doubled(w := normal(3)), w, "3 paths cancels: they are up to 1, 1, 2, and their sum is 0"),
        (
            ((w := normal(3))[np.array([0, 0])] * np.array([1.0, -1.0], np.float32)).sum(),
            w,
            "getitem (step 1): its rule makes 0 of what arrives",
        ),
        ((w := Tensor.zeros(2, requires_grad=True)).norm(), w, "the norm is 0, where its gradient"),
        (overwritten(w := normal(1)), w, "it writes over the only element at which a gradient"),
    ],
)
def test_zeros_that_come_of_a_whole_array(result: Tensor, w: Tensor, reason: str) -> None:
    (said,) = explain(result, w).reasons
    assert reason in said
