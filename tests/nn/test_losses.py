"""Loss modules against formulas in NumPy's float64: each option reaches the formula it is for."""

import numpy as np
import pytest
from methods._losses import REDUCE, sigmoid
from methods.losses_classes import logs, multi_margin, multilabel_margin
from methods.losses_distances import cosine, distance
from methods.losses_probabilities import gaussian, logistic, poisson
from methods.losses_regression import huber

import nn
from tinygrad_lite import Tensor, gradcheck, gradgradcheck

RNG = np.random.default_rng(0)
X, Y, Z = RNG.standard_normal((3, 3, 4))
P, Q = RNG.uniform(0.1, 0.9, (2, 3, 4))
SHARES = P / P.sum(1, keepdims=True)
LABELS = np.array([2, 0, 3])
SETS = np.array([[2, 0, -1, 1], [-1, 3, 3, 3], [1, 1, 3, -1]])
SIGNS = RNG.choice([-1, 1], (3, 4))
WEIGHT = np.array([0.5, 2.0, 1.0, 3.0])
ONEHOT = np.eye(4)[LABELS]


def bce(p, t):
    return -t * np.log(p) - (1 - t) * np.log(1 - p)


# The loss as a function of its reduction, the inputs, and the losses before they are reduced.
CASES = {
    "MSELoss": ({}, (X, Y), (X - Y) ** 2),
    "L1Loss": ({}, (X, Y), np.abs(X - Y)),
    "HuberLoss": ({"delta": 0.7}, (X, Y), huber(X - Y, 0.7)),
    "SmoothL1Loss": ({"beta": 0.7}, (X, Y), huber(X - Y, 0.7) / 0.7),
    "CrossEntropyLoss": ({}, (X, LABELS), -(logs(X) * ONEHOT).sum(1)),
    "CrossEntropyLoss, smooth": (
        {"label_smoothing": 0.2},
        (X, LABELS),
        -(logs(X) * (ONEHOT * 0.8 + 0.05)).sum(1),
    ),
    "CrossEntropyLoss, probabilities": (
        {"weight": WEIGHT},
        (X, SHARES),
        -(logs(X) * SHARES * WEIGHT).sum(1),
    ),
    "NLLLoss": ({}, (logs(X), LABELS), -(logs(X) * ONEHOT).sum(1)),
    "BCELoss": ({"weight": WEIGHT}, (P, Q), bce(P, Q) * WEIGHT),
    "BCEWithLogitsLoss": ({}, (X, Q), bce(sigmoid(X), Q)),
    "BCEWithLogitsLoss, weights": (
        {"weight": WEIGHT, "pos_weight": WEIGHT[::-1]},
        (X, Q),
        logistic(X, Q, WEIGHT[::-1]) * WEIGHT,
    ),
    "KLDivLoss": ({}, (logs(X), SHARES), SHARES * (np.log(SHARES) - logs(X))),
    "KLDivLoss, logarithms": (
        {"log_target": True},
        (logs(X), np.log(SHARES)),
        SHARES * (np.log(SHARES) - logs(X)),
    ),
    "PoissonNLLLoss": ({"full": True}, (X, 3 * P), poisson(X, 3 * P, full=True)),
    "PoissonNLLLoss, rates": (
        {"log_input": False, "eps": 0.1},
        (Q, P),
        poisson(Q, P, False, eps=0.1),
    ),
    "GaussianNLLLoss": ({}, (X, Y, P), gaussian(X, Y, P)),
    "GaussianNLLLoss, options": (
        {"full": True, "eps": 0.5},
        (X, Y, P),
        gaussian(X, Y, P, True, 0.5),
    ),
    "SoftMarginLoss": ({}, (X, SIGNS), np.log1p(np.exp(-SIGNS * X))),
    "MultiLabelSoftMarginLoss": (
        {"weight": WEIGHT},
        (X, Q),
        (bce(sigmoid(X), Q) * WEIGHT).mean(1),
    ),
    "MultiLabelMarginLoss": ({}, (X, SETS), multilabel_margin(X, SETS)),
    "MultiMarginLoss": (
        {"p": 2, "margin": 0.6, "weight": WEIGHT},
        (X, LABELS),
        multi_margin(X, 2, 0.6, WEIGHT[LABELS]),
    ),
    "HingeEmbeddingLoss": (
        {"margin": 0.6},
        (X, SIGNS),
        np.where(SIGNS == 1, X, np.maximum(0, 0.6 - X)),
    ),
    "MarginRankingLoss": (
        {"margin": 0.6},
        (X, Y, SIGNS),
        np.maximum(0, 0.6 - SIGNS * (X - Y)),
    ),
    "CosineEmbeddingLoss": (
        {"margin": -0.2},
        (X, Y, SIGNS[:, 0]),
        np.where(SIGNS[:, 0] == 1, 1 - cosine(X, Y, 1), np.maximum(0, cosine(X, Y, 1) + 0.2)),
    ),
    "TripletMarginLoss": (
        {"margin": 2.0, "p": 3, "swap": True},
        (X, Y, Z),
        np.maximum(0, 2 + distance(X, Y, 3) - np.minimum(distance(X, Z, 3), distance(Y, Z, 3))),
    ),
    "TripletMarginWithDistanceLoss": (
        {"distance_function": lambda a, b: (a - b).square().sum(-1), "margin": 0.5, "swap": False},
        (X, Y, Z),
        np.maximum(0, 0.5 + ((X - Y) ** 2).sum(1) - ((X - Z) ** 2).sum(1)),
    ),
}


def make(case, **more):
    return getattr(nn, case.split(",")[0])(**CASES[case][0], **more)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("case", CASES)
def test_the_formula(case, reduction):
    _, inputs, losses = CASES[case]
    loss = make(case, reduction=reduction)
    for convert in (Tensor, lambda array: array, lambda array: Tensor(array.T.copy()).T):
        found = loss(*map(convert, inputs))
        np.testing.assert_allclose(found.numpy(), REDUCE[reduction](losses), rtol=1e-12)
        assert found.dtype == np.float64


@pytest.mark.parametrize("case", CASES)
def test_gradients_of_both_orders(case):
    loss, (x, *others) = make(case), CASES[case][1]
    assert gradcheck(lambda x: loss(x, *others), [Tensor(x, requires_grad=True)])
    assert gradgradcheck(lambda x: loss(x, *others), [Tensor(x, requires_grad=True)])


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("case", CASES)
def test_narrow_floats_stay_what_they_are(case, dtype):
    inputs = [a.astype(dtype) if a.dtype.kind == "f" else a for a in CASES[case][1]]
    x = Tensor(inputs[0], requires_grad=True)
    found = make(case)(x, *inputs[1:])
    assert found.dtype == dtype
    assert found.item() == pytest.approx(CASES[case][2].mean(), rel=2e-2)
    found.backward()
    assert x.grad.dtype == dtype


def test_the_mean_of_weighted_labels():
    losses = -(logs(X) * ONEHOT * WEIGHT).sum(1)
    for loss, x in ((nn.CrossEntropyLoss, X), (nn.NLLLoss, logs(X))):
        found = loss(Tensor(WEIGHT))(Tensor(x), LABELS).item()
        assert found == pytest.approx(losses.sum() / WEIGHT[LABELS].sum())
        found = loss(WEIGHT, ignore_index=0)(Tensor(x), LABELS).item()
        assert found == pytest.approx(losses[[0, 2]].sum() / WEIGHT[[2, 3]].sum())


def test_the_divergence_itself():
    found = nn.KLDivLoss(reduction="batchmean")(Tensor(logs(X)), SHARES).item()
    assert found == pytest.approx((SHARES * (np.log(SHARES) - logs(X))).sum() / 3)


def test_weights_are_buffers():
    loss = nn.BCEWithLogitsLoss(WEIGHT, pos_weight=Tensor(WEIGHT[::-1].astype(np.float32)))
    state = nn.state.get_state_dict(loss)
    assert list(state) == ["weight", "pos_weight"]
    assert state["weight"].tolist() == WEIGHT.tolist()
    assert list(loss.parameters()) == []
    assert not loss.weight.requires_grad
    assert not np.shares_memory(loss.weight.data, WEIGHT)
    for plain in (nn.CrossEntropyLoss(), nn.BCELoss(), nn.MultiMarginLoss()):
        assert plain.weight is None
        assert nn.state.get_state_dict(plain) == {}


def test_labels_that_do_not_count():
    loss = nn.CrossEntropyLoss()
    assert np.isnan(loss(Tensor(X), np.full(3, -100)).item())
    scores = Tensor(X, requires_grad=True)
    nn.CrossEntropyLoss(reduction="sum")(scores, np.full(3, -100)).backward()
    assert not scores.grad.numpy().any()


def test_a_loss_never_broadcasts():
    column, row = Tensor.zeros(3, 1), Tensor.zeros(3)
    for loss in (
        *(nn.MSELoss(), nn.L1Loss(), nn.HuberLoss(), nn.SmoothL1Loss(), nn.BCELoss()),
        *(nn.BCEWithLogitsLoss(), nn.KLDivLoss(), nn.PoissonNLLLoss(), nn.SoftMarginLoss()),
        *(nn.MultiLabelSoftMarginLoss(), nn.HingeEmbeddingLoss()),
        lambda x, y: nn.GaussianNLLLoss()(x, y, 1.0),
        lambda x, y: nn.TripletMarginLoss()(x, y, x),
        lambda x, y: nn.MarginRankingLoss()(x, y, np.ones((3, 1))),
    ):
        with pytest.raises(ValueError, match=r"expected .* \(3, 1\).*; got \(3,\)"):
            loss(column, row)


def test_scores_that_are_probabilities():
    with pytest.warns(UserWarning, match="cross_entropy applies softmax itself"):
        nn.CrossEntropyLoss()(Tensor(X, requires_grad=True).softmax(1), LABELS)
    with pytest.warns(UserWarning, match="binary_crossentropy_logits applies sigmoid itself"):
        nn.BCEWithLogitsLoss()(Tensor(X, requires_grad=True).sigmoid(), Q)


def test_the_loss_of_a_linear_layer():
    loss = nn.LinearCrossEntropyLoss(4, 3, bias=True, weight=WEIGHT[:3]).double()
    assert list(nn.state.get_state_dict(loss)) == ["weight", "linear.weight", "linear.bias"]
    labels = LABELS % 3
    scores = X @ loss.linear.weight.numpy().T + loss.linear.bias.numpy()
    losses = -logs(scores)[np.arange(3), labels] * WEIGHT[labels]
    assert loss(X, labels).item() == pytest.approx(losses.sum() / WEIGHT[labels].sum())
    several = nn.LinearCrossEntropyLoss(4, 3, out_features=(2,), reduction="none").double()
    targets = np.stack([labels, 2 - labels], 1)
    scores = (X @ several.linear.weight.numpy().T).reshape(3, 3, 2)
    expected = [
        [-logs(s[None, :, k])[0, t[k]] for k in range(2)]
        for s, t in zip(scores, targets, strict=True)
    ]
    np.testing.assert_allclose(several(X, targets).numpy(), expected)


def test_an_adaptive_softmax():
    Tensor.manual_seed(0)
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], 2.0).double()
    x = RNG.standard_normal((20, 8))
    labels = np.arange(20) % 10
    head = logs(x @ layer.head.weight.numpy().T)
    tails = [logs(x @ part[0].weight.numpy().T @ part[1].weight.numpy().T) for part in layer.tail]
    expected = np.concatenate(
        [head[:, :3], head[:, 3:4] + tails[0], head[:, 4:] + tails[1]], axis=1
    )
    np.testing.assert_allclose(np.exp(expected).sum(1), 1)
    output, loss = layer(x, labels)
    np.testing.assert_allclose(output.numpy(), expected[np.arange(20), labels])
    assert loss.item() == pytest.approx(-output.numpy().mean())
    np.testing.assert_allclose(layer.log_prob(x).numpy(), expected)
    assert np.array_equal(layer.predict(x).numpy(), expected.argmax(1))
    alone = layer(x[3], labels[3])
    assert alone.output.shape == ()
    assert alone.output.item() == pytest.approx(expected[3, 3])
    assert gradcheck(lambda x: layer(x, labels).loss, [Tensor(x, requires_grad=True)])
    assert layer(x[:0], labels[:0]).output.shape == (0,)


REFUSED = [
    (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 10, [6, 3]),
        "AdaptiveLogSoftmaxWithLoss: cutoffs: expected increasing integers from 1 to 9; got (6, 3)",
    ),
    (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6, 8]),
        "AdaptiveLogSoftmaxWithLoss: div_value: 4.0 leaves no features of 8 for cluster 1",
    ),
    (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 10, [3])(X.astype(np.float32), LABELS + 7),
        "AdaptiveLogSoftmaxWithLoss: expected integers from 0 to 9 as labels",
    ),
    (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 10, [3])(X.astype(np.float32), LABELS[:2]),
        "AdaptiveLogSoftmaxWithLoss: expected (N, 4) and labels (N,), or one sample and (); "
        "got (3, 4) and (2,)",
    ),
    (
        lambda: nn.LinearCrossEntropyLoss(4, 3, options=1),
        "LinearCrossEntropyLoss: options: expected None; got 1",
    ),
    (
        lambda: nn.MSELoss(True),
        'MSELoss: size_average: expected None; got True; write reduction="mean", "sum" or "none"',
    ),
    (
        lambda: nn.CrossEntropyLoss(reduce=False),
        "CrossEntropyLoss: reduce: expected None; got False; "
        'write reduction="mean", "sum" or "none"',
    ),
    (
        lambda: nn.HuberLoss("average"),
        'HuberLoss: reduction: expected "mean", "sum" or "none"; got \'average\'',
    ),
    (
        lambda: nn.MSELoss(reduction="batchmean"),
        'MSELoss: reduction: expected "mean", "sum" or "none"; got \'batchmean\'; '
        'did you mean "mean"?',
    ),
    (
        lambda: nn.CrossEntropyLoss(label_smoothing=2),
        "CrossEntropyLoss: label_smoothing: expected a number from 0 to 1; got 2",
    ),
    (lambda: nn.MultiMarginLoss(p=3), "MultiMarginLoss: p: expected 1 or 2; got 3"),
    (
        lambda: nn.TripletMarginLoss(margin=0),
        "TripletMarginLoss: margin: expected a number above 0; got 0",
    ),
    (
        lambda: nn.TripletMarginWithDistanceLoss(distance_function="l2"),
        "TripletMarginWithDistanceLoss: distance_function: expected a function; got 'l2'",
    ),
    (lambda: nn.MarginRankingLoss("1"), "MarginRankingLoss: margin: expected a number; got '1'"),
    (
        lambda: nn.NLLLoss(weight=[1.0, 2.0]),
        "NLLLoss: weight: expected a Tensor, an ndarray or None; got [1.0, 2.0]",
    ),
    (
        lambda: nn.CrossEntropyLoss(weight=WEIGHT[:3])(X, LABELS),
        "CrossEntropyLoss: cross_entropy: weight: expected one per class, shape (4,); got (3,)",
    ),
    (
        lambda: nn.MSELoss()([1.0], [1.0]),
        "MSELoss: expected a Tensor or an ndarray of numbers; got list",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[text for _, text in REFUSED])
def test_refused(call, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert str(caught.value) == message


def test_in_a_training_step():
    model = nn.Linear(4, 3)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.5)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    found = []
    for _ in range(20):
        found.append(loss(model(X.astype(np.float32)), LABELS % 3))
        optimizer.zero_grad()
        found[-1].backward()
        optimizer.step()
    assert found[-1].item() < 0.7 * found[0].item()
    assert repr(nn.MSELoss()) == "MSELoss()"
