"""The numbers in pictures: statistics, gradients, what is not known, in every state of a graph."""

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, draw, keep_values, no_grad
from tinygrad_lite.show import Picture
from tinygrad_lite.show.outline.summaries import summary

ASK = "call inside `with keep_values():`"


def details(picture: Picture, title: str) -> list[str]:
    (box,) = (box for box in picture.outline.boxes if box.title == title)
    return [line for line in box.details if ".py:" not in line]


def cubes() -> tuple[Tensor, Tensor]:
    """sum(exp(2 w)): the gradient is 2 exp(2 w), worked out by hand."""
    w = Tensor(np.linspace(-1.0, 1.0, 20), requires_grad=True)
    return (w * 2.0).exp().sum(), w


W = np.linspace(-1.0, 1.0, 20)
EXP = [
    f"mean {np.exp(2 * W).mean():.4g}, std {np.exp(2 * W).std():.4g}",
    f"from {np.exp(-2.0):.4g} to {np.exp(2.0):.4g}",
]
OF_W = [
    f"gradient mean {2 * np.exp(2 * W).mean():.4g}, std {2 * np.exp(2 * W).std():.4g}",
    f"from {2 * np.exp(-2.0):.4g} to {2 * np.exp(2.0):.4g}",
]
MUL = [f"mean {abs((2 * W).mean()):.4g}, std {(2 * W).std():.4g}", "from -2 to 2"]


def test_a_live_graph_shows_what_is_saved_and_gradients_of_its_own_pass() -> None:
    loss, w = cubes()
    picture = draw(loss, names={"w": w}, values=True, grads=True)
    assert details(picture, "Exp") == ["(20,)", *EXP, "gradient all 1"]
    assert details(picture, "w")[-2:] == OF_W
    assert details(picture, "Sum")[-2:] == [f"output = {np.exp(2 * W).sum():.4g}", "gradient 1"]
    assert picture.caption.startswith("Only the values that backward reads are known")
    assert w.grad is None
    loss.backward()


@pytest.mark.parametrize("backward", [False, True])
def test_a_kept_graph_shows_everything_before_and_after_backward(backward: bool) -> None:
    with keep_values():
        loss, w = cubes()
        if backward:
            loss.backward()
    picture = draw(loss, names={"w": w}, values=True, grads=True)
    (mul,) = (box for box in picture.outline.boxes if box.title == "Mul")
    assert mul.details[-3] == "from -2 to 2"
    assert mul.details[-4].endswith(f"std {(2 * W).std():.4g}")
    assert details(picture, "Exp") == ["(20,)", *EXP, "gradient all 1"]
    assert details(picture, "w")[-2:] == OF_W
    assert picture.caption == ""


def test_a_released_graph_shows_leaves_and_says_what_to_do() -> None:
    loss, w = cubes()
    loss.backward()
    picture = draw(loss, names={"w": w}, values=True, grads=True)
    assert details(picture, "Exp") == ["(20,)", "gradient not computed"]
    assert details(picture, "w") == [
        "(20,)",
        *summary(W),
        "gradient not computed",
        OF_W[0].replace("gradient", ".grad"),
        OF_W[1],
    ]
    assert details(picture, "Sum")[-2:] == [
        f"output = {np.exp(2 * W).sum():.4g}",
        "gradient not computed",
    ]
    assert ASK in picture.caption


def test_without_being_asked_only_the_loss_shows_its_number() -> None:
    loss, w = cubes()
    picture = draw(loss, names={"w": w})
    assert details(picture, "Exp") == ["(20,)"]
    assert details(picture, "Sum") == ["axis 0", "()", f"output = {np.exp(2 * W).sum():.4g}"]


def test_a_number_without_a_graph_is_shown_too() -> None:
    with no_grad():
        loss, _ = cubes()
    assert details(draw(loss), "Tensor")[:2] == ["()", f"output = {np.exp(2 * W).sum():.4g}"]


def test_up_to_nine_elements_are_shown_in_full() -> None:
    w = Tensor([[1.0, -2.5], [0.0, 4.0]], requires_grad=True)
    picture = draw((w * w).sum(), names={"w": w}, values=True, grads=True)
    assert details(picture, "w") == [
        "(2, 2)",
        "[[1, -2.5], [0, 4]]",
        "gradient [[2, -5], [0, 8]]",
    ]


def test_gradients_of_a_result_that_is_no_number_say_of_what() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    assert "Gradients are those of the sum of the output." in draw(w * 3.0, grads=True).caption


def test_a_rule_that_fails_leaves_the_others_and_says_why() -> None:
    w = Tensor(np.ones(3), requires_grad=True)
    product = w * w
    loss = product.exp().sum()
    product += 1.0
    w.data = w.data * 2
    picture = draw(loss, grads=True)
    assert ("gradient not computed" in details(picture, "Mul")) == (
        "The backward pass failed" in picture.caption
    )


@pytest.mark.parametrize(
    ("array", "lines"),
    [
        (np.zeros(20), ["all 0"]),
        (np.arange(10) * 1.0, ["mean 4.5, std 2.872", "from 0 to 9, 10 % zeros"]),
        (np.arange(1000) % 3 * 1.0, ["mean 0.999, std 0.8167", "from 0 to 2, 33 % zeros"]),
        (np.full(20, np.nan), ["all nan"]),
        (
            np.array([np.inf, -np.inf, np.nan, *np.ones(97)]),
            ["finite ones all 1", "1 % nan, 1 % inf, 1 % -inf"],
        ),
        (np.array([1e308, -1e308] * 10), ["mean 0, std 1e+308", "from -1e+308 to 1e+308"]),
        (np.array([True, False] * 10), ["50 % True"]),
        (np.arange(12), ["mean 5.5, std 3.452", "from 0 to 11, 8 % zeros"]),
        (
            np.arange(12) + 2**60,
            ["mean 1.153e+18, std 3.452", f"from {2**60} to {2**60 + 11}"],
        ),
        (
            np.array([-(2**63), 2**63 - 1] * 6),
            ["mean 0, std 9.223e+18", f"from {-(2**63)} to {2**63 - 1}"],
        ),
        (np.full(1000, 60000, np.float16), ["all 6e+04"]),
        (np.append(np.ones(9999), np.nan), ["finite ones all 1", "1 of 10,000 nan"]),
        (np.zeros((0, 3)), ["[]"]),
        (np.array(2.5), ["2.5"]),
    ],
)
def test_summaries(array: np.ndarray, lines: list[str]) -> None:
    assert summary(array) == lines


def test_the_results_of_an_op_are_named() -> None:
    cell = nn.LSTMCell(2, 3)
    h, c = cell(Tensor(np.ones((1, 2), np.float32)))
    picture = draw(h.sum() * c.sum(), names=cell)
    labels = [text for box in picture.outline.boxes for _, text in box.inputs if text]
    assert labels == ["h (1, 3)", "c (1, 3)"]
    matrix = Tensor(np.diag([1.0, 2.0]), requires_grad=True)
    assert details(draw(matrix.eigh()[0]), "Eigh") == ["(2,)", "output: values"]
    parts = matrix.split(1)
    labels = [t for box in draw(parts[0] @ parts[1].T).outline.boxes for _, t in box.inputs if t]
    assert sorted(labels) == ["part 1 of 2 (1, 2)", "part 2 of 2 (1, 2)"]


def test_the_words_of_a_layer() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    picture = draw(model(Tensor(np.ones((1, 2), np.float32))), names=model)
    assert details(picture, "Linear") == ["layer 0", "weights transposed", "(1, 3)"]


def test_a_terminal_shows_a_tree() -> None:
    x = Tensor(np.ones((4, 3), np.float32))
    w = Tensor(np.ones((3, 2), np.float32), requires_grad=True)
    h = (x @ w).relu()
    loss = (h.exp() * h + h).mean()
    assert repr(draw(loss, names={"x": x, "w": w})) == (
        f"Mean: axes (0, 1), (), output = {3 * np.exp(3.0) + 3:.4g}\n"
        "Add: (4, 2)  <- [1]\n"
        "Mul: (4, 2)  <- [1]\n"
        "Exp: (4, 2)\n"
        "[1] Relu: (4, 2)\n"
        "Matmul: (4, 2)  <- x (4, 3), w (3, 2)"
    )
    both = (h.tanh() * x.exp().sum() + (h.exp() - h.sin())).sum()
    assert repr(draw(both, names={"x": x, "w": w})).splitlines()[1:] == [
        "Add: (4, 2)",
        "|-- Mul: (4, 2)  <- 32.62",
        "|   Tanh: (4, 2)",
        "|   [1] Relu: (4, 2)",
        "|   Matmul: (4, 2)  <- x (4, 3), w (3, 2)",
        "`-- Sub: (4, 2)",
        "    |-- Exp: (4, 2)  <- [1]",
        "    `-- Sin: (4, 2)  <- [1]",
    ]
