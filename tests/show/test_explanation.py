"""`explain`: the function, the way back, and what they come to, against NumPy in float64."""

import re
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import pytest

import nn
from tinygrad_lite import Function, Tensor, explain, keep_values, no_grad

N, CLASSES = 6, 4


def scores_and_labels() -> tuple[Tensor, np.ndarray]:
    rng = np.random.default_rng(3)
    scores = Tensor(rng.normal(size=(N, CLASSES)).astype(np.float32) * 3, requires_grad=True)
    return scores, rng.integers(CLASSES, size=N)


def softmax(z: np.ndarray) -> np.ndarray:
    powers = np.exp(z.astype(np.float64) - z.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def by_hand(z: Tensor, labels: np.ndarray) -> Tensor:
    shifted = z - z.max(axis=1, keepdim=True).detach()
    logs = shifted - shifted.exp().sum(axis=1, keepdim=True).log()
    return -logs[np.arange(N), labels].mean()


def by_probabilities(z: Tensor, labels: np.ndarray) -> Tensor:
    powers = z.exp()
    p = powers / powers.sum(axis=1, keepdim=True)
    return -(p[np.arange(N), labels].log().sum()) / N


def by_one_hot(z: Tensor, labels: np.ndarray) -> Tensor:
    return -(z.softmax(1).log() * np.eye(CLASSES, dtype=np.float32)[labels]).sum() * (1 / N)


def by_max_in_the_graph(z: Tensor, labels: np.ndarray) -> Tensor:
    powers = (z - z.max(axis=1, keepdim=True)).exp()
    return -((powers / powers.sum(1, keepdim=True)).log()[np.arange(N), labels]).mean()


def by_log_sum(z: Tensor, labels: np.ndarray) -> Tensor:
    return (z.exp().sum(1).log() - z[np.arange(N), labels]).mean()


CROSS_ENTROPIES: list[Callable[[Tensor, np.ndarray], Tensor]] = [
    lambda z, labels: z.cross_entropy(labels),
    lambda z, labels: z.log_softmax(1).nll_loss(labels),
    lambda z, labels: z.sparse_categorical_crossentropy(labels),
    lambda z, labels: -z.softmax(1).log()[np.arange(N), labels].mean(),
    by_hand,
    by_probabilities,
    by_one_hot,
    by_max_in_the_graph,
    by_log_sum,
]


@pytest.mark.parametrize("loss_of", CROSS_ENTROPIES)
@pytest.mark.parametrize("kept", [True, False])
def test_a_cross_entropy_ends_in_softmax_minus_one_hot(
    loss_of: Callable[[Tensor, np.ndarray], Tensor], kept: bool
) -> None:
    scores, labels = scores_and_labels()
    with keep_values() if kept else nullcontext():
        loss = loss_of(scores, labels)
    if kept:
        loss.backward()
    told = explain(loss, scores, names={"scores": scores}).text()
    end = told.partition("What it comes to")[2]
    assert "dL/dscores = (softmax(scores) - one_hot(labels)) / N, N = 6" in end
    assert "Why minus one" in end
    assert "Why divide by N: the result is the mean of the losses of 6 samples" in end
    (difference,) = re.findall(r"the largest difference is ([\d.e-]+)", end)
    assert float(difference) < 1e-7
    if kept:  # and the claim is true
        expected = (softmax(scores.data) - np.eye(CLASSES)[labels]) / N
        assert scores.grad is not None
        np.testing.assert_allclose(scores.grad.data, expected, atol=1e-7)


def test_a_sum_is_not_divided_and_weights_are_told() -> None:
    scores, labels = scores_and_labels()
    told = explain(scores.cross_entropy(labels, reduction="sum")).text()
    assert "dL/dw₁ = softmax(w₁) - one_hot(labels)\n" in told
    assert "Why divide" not in told
    told = explain(scores.cross_entropy(labels, weight=np.arange(1.0, 5.0))).text()
    assert "dL/dw₁ = wₙ (softmax(w₁) - one_hot(labels))" in told
    ignored = np.where(np.arange(N) < 2, -100, labels)
    told = explain(scores.cross_entropy(ignored)).text()
    assert "2 samples do not count" in told


@pytest.mark.parametrize(
    "loss_of",
    [
        lambda z, labels: z.softmax(1)[np.arange(N), labels].mean(),  # no logarithm
        lambda z, labels: z.log_softmax(1).mean(),
        lambda z, labels: (z.softmax(1) * z.log_softmax(1)).sum(),  # an entropy
        lambda z, labels: (z.exp() / z.exp().sum(0, keepdim=True)).log().sum(),
        lambda z, labels: z.log_softmax(1)[np.arange(N), labels].mean(),  # the wrong sign
    ],
)
def test_what_is_no_cross_entropy_is_not_called_one(
    loss_of: Callable[[Tensor, np.ndarray], Tensor],
) -> None:
    scores, labels = scores_and_labels()
    assert "one_hot" not in explain(loss_of(scores, labels)).text()


def test_known_compositions_at_the_end() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 1))
    w = Tensor(rng.normal(size=(3, 1)), requires_grad=True)
    b = Tensor(np.zeros(1), requires_grad=True)
    names = {"w": w, "b": b}
    with keep_values():
        p = Tensor(x) @ w + b
        loss = ((p - y) ** 2).mean() + 0.05 * (w * w).sum()
    told = " ".join(explain(loss, names=names | {"p": p}).text().split())
    assert "dL/dp = 2 (p - c₂) / N, N = 8" in told
    assert "dL/dw = c₁ᵀ @ dL/dp + 0.1 w" in told
    assert "dL/db = sum(dL/dp over n)" in told


@pytest.mark.parametrize(
    ("loss_of", "line", "why"),
    [
        (lambda p, y: 0.5 * ((p - y) ** 2).sum(), "dL/dp = (p - c", ""),
        (lambda p, y: (d := p - y, (d * d).sum() / 3)[1], "dL/dp = 0.6667 (p - c", ""),
        (lambda p, y: p.mse_loss(y), "dL/dp = 2 (p - c", "the mean of 8 squares"),
        (lambda p, y: (p - y).square().sum(1).mean(), "/ N, N = 4", "the mean over 4 rows"),
    ],
)
def test_squared_errors_and_what_divides_them(
    loss_of: Callable[[Tensor, np.ndarray], Tensor], line: str, why: str
) -> None:
    rng = np.random.default_rng(2)
    p = Tensor(rng.normal(size=(4, 2)), requires_grad=True)
    told = " ".join(explain(loss_of(p, rng.normal(size=(4, 2))), names={"p": p}).text().split())
    end = told.partition("What it comes to")[2]
    assert line in end, end
    assert ("Why divide" in end) == bool(why)
    assert why in end


def _by_one_sigmoid(z: Tensor, targets: np.ndarray) -> Tensor:
    p = z.sigmoid()
    return -(targets * p.log() + (1 - targets) * (1 - p).log()).mean()


@pytest.mark.parametrize(
    "loss_of",
    [
        lambda z, targets: z.binary_crossentropy_logits(targets),
        lambda z, targets: z.sigmoid().binary_crossentropy(targets),
        _by_one_sigmoid,
    ],
)
def test_a_binary_cross_entropy(loss_of: Callable[[Tensor, np.ndarray], Tensor]) -> None:
    rng = np.random.default_rng(1)
    z = Tensor(rng.normal(size=(8, 2)), requires_grad=True)
    targets = (rng.normal(size=(8, 2)) > 0).astype(np.float64)
    told = explain(loss_of(z, targets), names={"z": z}).text()
    assert "dL/dz = (sigmoid(z) - targets) / N, N = 16" in told
    assert "DIFFERS" not in told


def test_the_steps_have_the_formulas_and_numbers_of_this_graph() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    b = Tensor(0.5, requires_grad=True)
    with keep_values():
        a = x * 3.0
        y = (a + b).exp().sum()
    told = explain(y, names={"x": x, "b": b}).text()
    for line in (
        "h₁ = x * 3",
        "h₂ = h₁ + b",
        "h₃ = exp(h₂)",
        "result = sum(h₃ over axis 0)",
        "dL/dresult = 1",
        "dL/dh₂ = dL/dh₃ * h₃",
        "dL/dx = dL/dh₁ * 3",
        "summed over axis 0, along which it was repeated",
    ):
        assert line in told, line
    gradient = np.exp(np.array([3.5, 6.5])) * 3
    assert f"[{gradient[0]:.4g}, {gradient[1]:.4g}]" in told
    assert "DIFFERS" not in told
    assert "agrees" in told
    assert "test_explanation.py:" in told
    assert "y = (a + b).exp().sum()" in told


def test_two_paths_add() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = (x.exp() + x).sum()
    told = explain(y, names={"x": x}).text()
    assert "path 1 of 2; they add up" in told
    assert "path 2 of 2; they add up" in told
    assert "one of 2 paths" in told


def test_a_released_graph_shows_formulas_and_says_what_to_do() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    told = explain(y, names={"x": x}).text()
    assert "dL/dx = dL/dh₁ * x" in told
    assert "call inside `with keep_values():`" in told
    assert "not computed" in told
    assert "Not checked" in told
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 4.0]


def test_nothing_is_changed() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    seen: list[Tensor] = []
    y = (x * x).sum()
    x.register_hook(seen.append)
    explain(y)
    assert x.grad is None
    assert seen == []
    y.backward()  # nothing was freed
    assert x.grad.tolist() == [2.0, 4.0]  # type: ignore[attr-defined]


def test_a_wrong_rule_differs_from_finite_differences() -> None:
    class Wrong(Function):
        saves = "inputs"

        def forward(self, x: np.ndarray) -> np.ndarray:
            return x * x

        def backward(self, g: np.ndarray, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray]:
            return (g * x,)

    x = Tensor([1.0, 2.0], requires_grad=True)
    told = explain(Wrong.apply(x).sum(), names={"x": x}).text()
    assert "DIFFERS" in told
    assert "gradcheck" in told
    assert "Wrong(x)" in told
    assert "the rule of Wrong" in told


def test_a_changed_parameter_is_not_checked() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x.exp().sum()
    x.data[:] = 5.0
    told = " ".join(explain(y).text().split())
    assert "a parameter or constant has changed since" in told


def test_influence() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    unused, data = Tensor([1.0], requires_grad=True), Tensor([3.0, 4.0])
    with keep_values():
        y = (x * data).sum()
    told = explain(y, names={"x": x, "unused": unused, "data": data}).text()
    assert "unused is not in this graph" in told
    assert "data enters as a constant: it does not require grad." in told


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda y, x: explain(3.0), TypeError, "explain: tensor: expected a Tensor; got 3.0"),
        (lambda y, x: explain(Tensor([1.0])), ValueError, "explain: no graph: nothing it was"),
        (lambda y, x: explain(y, 3), TypeError, "wrt: expected a Tensor, the name of one, or None"),
        (
            lambda y, x: explain(y, nn.ReLU()),
            TypeError,
            "got ReLU; pass a Module as names=, and as wrt one of its parameters",
        ),
        (lambda y, x: explain(y, "w"), ValueError, "no tensor is named 'w'; pass names="),
        (
            lambda y, x: explain(y, "w", names={"x": x}),
            ValueError,
            "no tensor is named 'w'; the names are 'x'",
        ),
        (lambda y, x: explain(y, Tensor(1.0)), ValueError, "does not require grad"),
        (
            lambda y, x: explain(y, Tensor([1.0], requires_grad=True), names={"x": x}),
            ValueError,
            "it, of shape (1,), is not in the graph: .* In the graph are x (2,)",
        ),
        (lambda y, x: explain(y, full=1), TypeError, "explain: full: expected True or False"),
        (lambda y, x: explain(y, names=[x]), TypeError, "explain: names: expected a Module"),
    ],
)
def test_errors(
    call: Callable[[Tensor, Tensor], object], error: type[Exception], message: str
) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    pattern = re.escape(message).replace(r"\.\*", ".*")
    with pytest.raises(error, match=pattern) as caught:
        call((x * 2.0).sum(), x)
    assert "\n" not in str(caught.value)


def test_a_result_without_a_graph_and_a_leaf() -> None:
    x = Tensor(2.0, requires_grad=True)
    with no_grad():
        y = x * 2
    with pytest.raises(ValueError, match="no graph"):
        explain(y)
    told = explain(x, names={"x": x}).text()
    assert "x is 2" in told


def test_modules_and_their_paths() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    with keep_values():
        loss = model(Tensor(np.ones((4, 3), np.float32))).cross_entropy(np.zeros(4, int))
        loss.backward()
    told = explain(loss, names=model).text()
    assert "layers.0.weight" in told or "0.weight" in told
    assert "Sequential" in told
    assert "DIFFERS" not in told


def test_long_graphs_are_shortened() -> None:
    x = Tensor([0.5], requires_grad=True)
    y = x
    for _ in range(300):
        y = (y * 0.99).tanh()
    short, whole = explain(y).text(), explain(y, full=True).text()
    assert "these 2 steps, 299 more times" in short
    assert len(short.splitlines()) < 120 < 1200 < len(whole.splitlines())
    assert "h₃₀₀" in whole


def test_a_very_long_graph() -> None:
    x = Tensor(0.5, requires_grad=True)
    y = x
    for _ in range(26_000):
        y = y * 0.9999
    assert "would take long" in explain(y).text()
    doubled = x
    for _ in range(40):
        doubled = doubled + doubled
    assert "more than 1,000,000 paths" in " ".join(explain(doubled).text().split())


def test_the_same_graph_gives_the_same_text() -> None:
    def told() -> tuple[str, str, str]:
        scores, labels = scores_and_labels()
        made = explain(scores.tanh().cross_entropy(labels))
        return made.text(), made.markdown(), made.latex()

    assert told() == told()


def test_numbers_and_other_constants() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with keep_values():
        y = (x * True + 1e-12 - np.float64(3.0)).sum() / 7
    told = explain(y, names={"x": x}).text()
    for line in ("x * True", "h₁ + 10⁻¹²", "h₂ - 3", "h₄ / 7"):
        assert line in told, line
    assert "DIFFERS" not in told


def test_a_hook_that_changed_a_gradient_is_named() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with keep_values():
        h = x * 2.0
        h.register_hook(lambda g: g * 10.0)
        y = h.exp().sum()
        y.backward()
    told = " ".join(explain(y, names={"x": x, "h": h}).text().split())
    assert "A hook on h may have changed what arrived there" in told


def test_a_backward_pass_that_began_with_something_else() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with keep_values():
        y = x * 3.0
        y.backward(Tensor([1.0, 2.0]))
    told = explain(y, names={"x": x}).text()
    assert "[3, 6]" in told
    assert "dL/dresult = what backward was given" in told
    assert "a gradient that it was given" in " ".join(told.split())
    assert "the backward pass did not begin with 1" in told


def test_a_result_of_several_elements() -> None:
    x = Tensor([[1.0, 2.0]], requires_grad=True)
    q = x.exp() * 2.0
    told = " ".join(explain(q, names={"x": x, "q": q}).text().split())
    assert "a derivative is that of the sum of its elements" in told
    assert "DIFFERS" not in told


def test_a_gradient_that_backward_was_given_is_not_taken_for_a_factor_of_the_loss() -> None:
    scores = Tensor([[1.0, 2.0], [0.0, 1.0]], requires_grad=True)
    for given in (1.0, 3.0):
        with keep_values():
            loss = scores.cross_entropy([0, 1])
            loss.backward(Tensor(given))
        text = explain(loss).text()
        assert ("one_hot(labels)) / N" in text) == (given == 1)
        assert ("What it comes to" in text) == (given == 1)
        assert ("itself this is 1" in text.replace("\n", " ")) == (given == 1)
