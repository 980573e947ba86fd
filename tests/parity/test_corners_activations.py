"""Corners of activations, losses and attention, by the rows of TRAPS.md: beside PyTorch.

Where we differ from PyTorch on purpose, the test says so and asserts our number.
"""

import numpy as np
import pytest
from parity.beside_torch import check, gradients, same

from tinygrad_lite import Tensor, grad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

INF, NAN = np.inf, np.nan
functional = torch.nn.functional


def agree(ours, theirs, *arrays, second=True):
    """Value and gradients as PyTorch's; second order too unless told not."""
    arrays = [np.asarray(array, np.float64) for array in arrays]
    mine, expected = gradients(ours, theirs, *arrays)
    for position, (a, b) in enumerate(zip(mine, expected, strict=True)):
        same(a, b, "value" if position == 0 else f"gradient {position - 1}")
    if second:
        check(ours, theirs, *arrays)


def slope(function, *arrays):
    """Value and gradients of ours, as lists."""
    tensors = [Tensor(np.asarray(array, np.float64), requires_grad=True) for array in arrays]
    y = function(*tensors)
    found = grad(y, tensors, Tensor(np.ones(y.shape)))
    return [y.tolist(), *(gradient.tolist() for gradient in found)]


ZEROS = [0.0, -0.0]
BENT = {
    "relu6": (lambda x: x.relu6(), functional.relu6, [6.0, INF, -INF]),
    "hardtanh": (lambda x: x.hardtanh(), functional.hardtanh, [1.0, -1.0, INF, -INF]),
    "hardtanh int": (
        lambda x: x.hardtanh(0, 2),
        lambda x: functional.hardtanh(x, 0, 2),
        [2.0, INF, -INF],
    ),
    "hardswish": (lambda x: x.hardswish(), functional.hardswish, [3.0, -3.0]),
    "leaky_relu": (lambda x: x.leaky_relu(), functional.leaky_relu, [INF, -INF, NAN]),
    "elu": (lambda x: x.elu(), functional.elu, [1e-9, -1e-9, -800, INF, -INF, NAN]),
    "elu alpha": (lambda x: x.elu(2), lambda x: functional.elu(x, 2), [-800.0, INF, -INF, NAN]),
    "celu": (lambda x: x.celu(2), lambda x: functional.celu(x, 2), [-800.0, INF, -INF, NAN]),
    "selu": (lambda x: x.selu(), functional.selu, [-800.0, INF, -INF, NAN]),
    "prelu": (
        lambda x: x.prelu(Tensor([0.25], dtype=np.float64)),
        lambda x: functional.prelu(x, torch.tensor([0.25], dtype=x.dtype)),
        [INF, -INF],
    ),
    "softsign": (lambda x: x.softsign(), functional.softsign, [800.0, -800, NAN]),
}


@pytest.mark.parametrize("name", BENT)
def test_5_and_7_where_the_line_bends(name):
    ours, theirs, corners = BENT[name]
    # The slope of elu and its kin bends at 0 too: there the second derivative is ours from the
    # left, as the first one is, and PyTorch's from the right.
    agree(ours, theirs, ZEROS + corners, second=name not in ("elu", "elu alpha", "celu", "selu"))


def test_7_hardsigmoid_at_its_edges():
    # PyTorch's derivative is float32(1 / 6) also in float64.
    agree(
        lambda x: x.hardsigmoid(),
        lambda x: functional.relu6(x + 3) / 6,
        [-3.0, 3, 0, INF, -INF],
    )


@pytest.mark.parametrize("name", ["relu6", "hardtanh", "hardsigmoid"])
def test_7_nan(name):
    # PyTorch's derivative is 0 or 1 there, as the element falls into a block of its kernel.
    value, slopes = slope(lambda x: getattr(x, name)(), [NAN])
    assert np.isnan(value[0])
    assert slopes == [0]


def test_5_and_7_by_value():
    assert slope(lambda x: x.leaky_relu(), ZEROS)[1] == [0.01, 0.01]
    assert slope(lambda x: x.elu(), ZEROS)[1] == [1, 1]
    assert slope(lambda x: x.elu(2.0), ZEROS)[1] == [2, 2]
    assert slope(lambda x: x.relu6(), [0.0, 6]) == [[0, 6], [0, 0]]
    assert slope(lambda x: x.hardtanh(), [-1.0, 1]) == [[-1, 1], [0, 0]]


def test_5_relu_of_bools_raises_as_pytorchs():
    with pytest.raises(TypeError, match="relu: expected numbers"):
        Tensor([True]).relu()
    with pytest.raises(RuntimeError, match="Boolean"):
        torch.tensor([True]).relu()


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_22_a_score_of_minus_inf(name):
    agree(
        lambda x: getattr(x, name)(0)[1:],
        lambda x: getattr(torch, name)(x, 0)[1:],
        [-INF, 1, 2],
    )


GATES = {
    "sigmoid": torch.sigmoid,
    "softplus": functional.softplus,
    "logsigmoid": functional.logsigmoid,
    "gelu": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
    "mish": functional.mish,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", GATES)
def test_23_large_numbers(name, dtype):
    x = np.array([-800, -90, -30, -1e-9, 0, -0.0, 30, 90, 800, NAN], dtype)
    mine, expected = gradients(lambda x: getattr(x, name)(), GATES[name], x)
    for a, b in zip(mine, expected, strict=True):
        same(a, b, name)


@pytest.mark.parametrize("sign", [-1, 1])
def test_23_softplus_keeps_the_small_values_of_its_tail(sign):
    values, slopes = slope(lambda x: (x * sign).softplus(), [sign * -40.0, sign * -700.0])
    np.testing.assert_allclose(values, np.exp([-40.0, -700]), rtol=1e-13)
    np.testing.assert_allclose(slopes, sign * np.exp([-40.0, -700]), rtol=1e-13)


def test_23_softplus_is_exact_beyond_pytorchs_threshold():
    # On purpose: PyTorch gives 21 itself.
    assert slope(lambda x: x.softplus(), [21.0])[0] == [21 + np.log1p(np.exp(-21.0))]


def test_24_certain_and_wrong():
    # In float32: the 1e-12 of PyTorch's gradient is float32's also in float64.
    p, t = (np.array(x, np.float32) for x in ([0, 0, 1, 1, 0.3], [0, 1, 0, 1, 0.6]))
    mine, expected = gradients(
        lambda p: p.binary_crossentropy(t, reduction="none"),
        lambda p: functional.binary_cross_entropy(p, torch.tensor(t), reduction="none"),
        p,
    )
    for a, b in zip(mine, expected, strict=True):
        same(a, b, "value and gradient")
    value, slopes = slope(lambda p: p.binary_crossentropy(t, reduction="none"), p)
    assert value[:4] == [0, 100, 100, 0]
    assert slopes[:4] == [0, -1e12, 1e12, 0]


def test_24_gradient_of_the_target_of_a_certainty():
    # On purpose: PyTorch's is infinite, though its value is clamped.
    _, _, slopes = slope(lambda p, t: p.binary_crossentropy(t, "none"), [0.0, 1.0], [1.0, 1.0])
    assert slopes == [100, -100]


def test_24_from_scores():
    truth = np.array([0.0, 1, 0.5, 1, 0])
    agree(
        lambda x: x.binary_crossentropy_logits(truth, reduction="none"),
        lambda x: functional.binary_cross_entropy_with_logits(
            x, torch.tensor(truth), reduction="none"
        ),
        [800.0, -800, 0, 1, -1],
    )
    # On purpose: PyTorch's is 0, the difference of two numbers near 40.
    small, slopes = slope(lambda x: x.binary_crossentropy_logits(np.ones(1)), [40.0])
    np.testing.assert_allclose([small, -slopes[0]], np.exp(-40.0), rtol=1e-13)


@pytest.mark.parametrize(
    "options", [{}, {"label_smoothing": 0.1}, {"weight": [1.0, 2, 3]}], ids=str
)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_25_all_labels_ignored(reduction, options):
    theirs = dict(options)
    if "weight" in theirs:
        theirs["weight"] = torch.tensor(theirs["weight"], dtype=torch.float64)
    agree(
        lambda x: x.cross_entropy([-100, -100], reduction, **options),
        lambda x: functional.cross_entropy(
            x, torch.tensor([-100, -100]), reduction=reduction, **theirs
        ),
        [[1, 2, 3], [3, 2, 1]],
        second=False,
    )


def test_25_all_ignored_by_value():
    value, slopes = slope(lambda x: x.cross_entropy([-100]), [[1.0, 2.0]])
    assert np.isnan(value)
    assert slopes == [[0, 0]]


def test_25_a_score_of_minus_inf():
    agree(
        lambda x: x.cross_entropy([0, 1]),
        lambda x: functional.cross_entropy(x, torch.tensor([0, 1])),
        [[-INF, 1, 2], [-INF, 0, 1]],
        second=False,
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_26_cross_entropy_over_an_output_of_softmax_warns(dtype):
    # On purpose: PyTorch says nothing.
    x = Tensor(np.zeros((2, 3)), dtype=dtype, requires_grad=True)
    with pytest.warns(UserWarning, match="cross_entropy takes softmax itself") as caught:
        x.softmax().cross_entropy([0, 1])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    x.log_softmax().cross_entropy([0, 1])  # right, if slow: nothing is said


def test_26_its_relatives_warn_too():
    x = Tensor(np.zeros((2, 3)), requires_grad=True)
    with pytest.warns(UserWarning, match="nll_loss expects logarithms"):
        x.softmax().nll_loss([0, 1])
    with pytest.warns(UserWarning, match="takes sigmoid itself"):
        x.sigmoid().binary_crossentropy_logits(np.ones((2, 3)))


PAIRED = [
    "mse_loss",
    "l1_loss",
    "huber_loss",
    "smooth_l1_loss",
    "kl_div",
    "binary_crossentropy",
    "binary_crossentropy_logits",
]


@pytest.mark.parametrize("name", PAIRED)
def test_27_a_loss_never_broadcasts(name):
    # PyTorch warns in some of its losses, and broadcasts in most.
    for shapes in (((3, 1), (3,)), ((3,), (3, 1)), ((3, 1), (3, 3)), ((3,), ())):
        prediction, target = (Tensor.zeros(shape) for shape in shapes)
        with pytest.raises(ValueError, match=r"of the prediction's shape .*; got \("):
            getattr(prediction, name)(target)


def test_huber_and_smooth_l1_at_their_corner():
    x, zeros = [0.0, 1, -1, 0.5, 2, INF, -INF], np.zeros(7)
    for name in ("huber_loss", "smooth_l1_loss"):
        agree(
            lambda x, name=name: getattr(x, name)(zeros, reduction="none"),
            lambda x, name=name: getattr(functional, name)(
                x, torch.tensor(zeros), reduction="none"
            ),
            x,
        )


def test_margins_at_their_corner():
    signs = np.array([-1.0, -1, 1])
    agree(
        lambda x: x.hinge_embedding_loss(signs, reduction="none"),
        lambda x: functional.hinge_embedding_loss(x, torch.tensor(signs), reduction="none"),
        [1.0, 2, 0],
    )
    agree(
        lambda a, b: a.margin_ranking_loss(b, signs, margin=0.5, reduction="none"),
        lambda a, b: functional.margin_ranking_loss(
            a, b, torch.tensor(signs), margin=0.5, reduction="none"
        ),
        [3.0, 2, 1.5],
        [3.5, 1, 1],
    )


def test_l1_at_its_corner():
    agree(
        lambda x: x.l1_loss(np.array([1.0, -0.0]), "none"),
        lambda x: functional.l1_loss(x, torch.tensor([1.0, -0.0]), reduction="none"),
        [1.0, 0.0],
    )


def test_kl_div_where_the_target_is_0():
    agree(
        lambda x: x.kl_div(np.array([0.0, 0.5]), "none"),
        lambda x: functional.kl_div(x, torch.tensor([0.0, 0.5], dtype=x.dtype), reduction="none"),
        [-1.0, -2],
    )
    # On purpose: PyTorch's gradient of the target is nan there.
    assert slope(lambda x, t: x.kl_div(t, "none"), [-1.0], [0.0])[2] == [1]


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_a_query_that_sees_nothing(kind):
    mask = np.array([[True, False, True], [False] * 3])
    given = mask if kind == "bool" else np.where(mask, 0.0, -INF)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((2, 4), (3, 4), (3, 2))]
    attention = functional.scaled_dot_product_attention
    agree(
        lambda q, k, v: q.scaled_dot_product_attention(k, v, given),
        lambda q, k, v: attention(q, k, v, torch.tensor(given)),
        *arrays,
    )
    value, slopes, _, _ = slope(
        lambda q, k, v: q.scaled_dot_product_attention(k, v, given), *arrays
    )
    assert value[1] == [0, 0]
    assert slopes[1] == [0] * 4


def test_attention_in_half_precision():
    rng = np.random.default_rng(0)
    arrays = [(rng.standard_normal((3, 4)) * 100).astype(np.float16) for _ in range(3)]
    mine = Tensor(arrays[0]).scaled_dot_product_attention(*map(Tensor, arrays[1:]))
    theirs = functional.scaled_dot_product_attention(*map(torch.tensor, arrays))
    same(mine, theirs, "value")
