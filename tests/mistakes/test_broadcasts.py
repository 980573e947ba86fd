"""A column of predictions against a row of targets is told; pairs on purpose are not."""

import re

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, TrainingWarning, no_grad

N = 8
rng = np.random.default_rng(5)
X = rng.standard_normal((N, 3)).astype(np.float32)
Y = rng.standard_normal(N).astype(np.float32)
BATCH = {"x": X, "y": Y}


class Data:
    def __init__(self):
        self.y = Tensor(Y)


model = nn.Linear(3, 1)
data = Data()
y, column = Tensor(Y), Tensor(Y[:, None])


def squares():
    pred = model(Tensor(X))
    return ((pred - y) ** 2).mean()


def with_a_call():
    return (model(Tensor(X)) - y).square().mean()


def the_other_way():
    return (Y - model(Tensor(X))).abs().sum()


def a_minibatch():
    i = rng.permutation(N)[:4]
    return ((model(Tensor(X[i])) - Y[i]) ** 2).mean()


def a_slice():
    return ((model(Tensor(X[:4])) - Y[:4]) ** 2).sum() / 4


def a_batch():
    return ((model(Tensor(BATCH["x"])) - BATCH["y"]) ** 2).mean()


def a_cast():
    labels = Tensor((Y > 0).astype(np.int64))
    return ((model(Tensor(X)) - labels.float()) ** 2).mean()


def a_tensor_of_an_array():
    return ((model(Tensor(X)) - Tensor(Y)) ** 2).mean()


def a_loss_function():
    class Loss:
        def __call__(self, p, t):
            return (p - t).pow(2).mean()

    return Loss()(model(Tensor(X)), y)


def an_attribute():
    return ((model(Tensor(X)) - data.y) ** 2).mean()


def a_row_and_a_column():
    pred = model(Tensor(X)).squeeze(1)
    return ((pred - column) ** 2).mean()


def in_several_lines():
    pred = model(Tensor(X))
    error = pred - y
    squared = error * error
    return squared.mean()


def two_networks():
    q, wanted = model(Tensor(X)), model(Tensor(X)).reshape(-1)
    return (q - wanted).square().mean()


def entropy():
    p = model(Tensor(X)).sigmoid()
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()


def hinge():
    pred = model(Tensor(X))
    return (1 - y * pred).relu().mean()


def huber():
    pred = model(Tensor(X))
    d = (pred - y).abs()
    return np.where(d < 1, 0.5 * d**2, d - 0.5).mean()


def q_learning():
    q = Tensor(rng.standard_normal((N, 3)), requires_grad=True)
    actions = Tensor(rng.integers(0, 3, (N, 1)))
    target = Tensor(Y) + 0.9 * Tensor(Y)
    return ((q.gather(1, actions) - target) ** 2).mean()


def a_leaf():
    pred = Tensor(Y[:, None], requires_grad=True)
    return ((pred - y) ** 2).mean()


def with_a_penalty():
    pred = model(Tensor(X))
    return 0.5 * ((pred - y) ** 2).mean() + 0.01 * (model.weight**2).sum()


def as_numpy_writes_it():
    pred = model(Tensor(X))
    return np.mean((pred - y) ** 2)


ROW_SECOND = "of shapes (8, 1) and (8,) broadcasts to (8, 8): every prediction meets every target"
ROW_FIRST = "of shapes (8,) and (8, 1) broadcasts to (8, 8): every prediction meets every target"


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (squares, f"mean: `pred - y` {ROW_SECOND}; make the shapes equal, with pred.reshape(-1)"),
        (with_a_call, f"mean: `... - y` {ROW_SECOND}; make the shapes equal, with reshape(-1) of"),
        (the_other_way, f"sum: `Y - ...` {ROW_FIRST}"),
        (a_minibatch, "mean: `... - Y[...]` of shapes (4, 1) and (4,) broadcasts to (4, 4)"),
        (a_slice, "sum: `... - Y[...]` of shapes (4, 1) and (4,) broadcasts to (4, 4)"),
        (a_batch, f"mean: `... - BATCH['y']` {ROW_SECOND}"),
        (a_cast, f"mean: `... - labels` {ROW_SECOND}"),
        (a_tensor_of_an_array, f"mean: `... - Y` {ROW_SECOND}"),
        (a_loss_function, f"mean: `p - t` {ROW_SECOND}; make the shapes equal, with p.reshape"),
        (an_attribute, f"mean: `... - data.y` {ROW_SECOND}"),
        (a_row_and_a_column, f"`pred - column` {ROW_FIRST}; make the shapes equal, with column.re"),
        (in_several_lines, f"mean: `pred - y` {ROW_SECOND}"),
        (two_networks, f"mean: `q - wanted` {ROW_SECOND}"),
        (entropy, f"mean: `y * ...` {ROW_FIRST}"),
        (hinge, f"mean: `y * pred` {ROW_FIRST}; make the shapes equal, with pred.reshape(-1)"),
        (huber, f"mean: `pred - y` {ROW_SECOND}"),
        (q_learning, f"mean: `... - target` {ROW_SECOND}"),
        (a_leaf, f"mean: `pred - y` {ROW_SECOND}"),
        (with_a_penalty, f"mean: `pred - y` {ROW_SECOND}"),
        (as_numpy_writes_it, f"mean: `pred - y` {ROW_SECOND}"),
    ],
)
def test_a_loss_of_a_column_and_a_row_is_told(program, text):
    with pytest.warns(TrainingWarning, match=re.escape(text)) as found:
        loss = program()
    assert len(found) == 1
    assert found[0].filename == __file__
    assert loss.shape == ()


def test_it_is_true_that_the_loss_is_of_all_pairs():
    with pytest.warns(TrainingWarning):
        loss = squares()
    pred = model(Tensor(X)).data
    pairs = [(p - t) ** 2 for p in pred[:, 0] for t in Y]
    np.testing.assert_allclose(loss.item(), np.mean(pairs), rtol=1e-5)


def test_equal_shapes_are_silent():
    pred = model(Tensor(X))
    for loss in (
        ((pred.reshape(-1) - y) ** 2).mean(),
        ((pred - column) ** 2).mean(),
        ((pred[:, 0] - Y) ** 2).sum(),
        ((pred - Y[:, None]) ** 2).mean(),
        ((model(Tensor(X[:1])) - Y[:1]) ** 2).mean(),
    ):
        loss.backward(retain_graph=True)


def test_pairs_on_purpose_are_silent():
    x, row, u = (Tensor(Y, requires_grad=True) for _ in range(3))
    net = model(Tensor(X))
    values, wide = net.squeeze(1), Tensor(Y)[None, :]
    inserted = values[:, None] * 2.0
    losses = [
        (x[:, None] - x[None, :]).abs().mean(),
        (x[:, None] - row).abs().mean(),
        (values[:, None] - y).square().mean(),
        (inserted - y).square().mean(),
        (values.unsqueeze(1) - Y).square().mean(),
        (net - wide).square().mean(),
        (net - column.T).square().mean(),
        (net - y.reshape(1, -1)).square().mean(),
        (net - y.unsqueeze(0)).square().mean(),
        (net - Y[None]).square().mean(),
        (net - Tensor(Y[None])).square().mean(),
        (net - Tensor(Y).reshape(1, -1).float()).square().mean(),
        (net - Tensor(Y).unsqueeze(0)).square().mean(),
        (y - values.reshape(-1, 1)).square().mean(),
        (net @ wide).square().mean(),
        (column - u).square().mean(),  # of each input to each centre
        (column * u).mean(),  # a layer of one input and N outputs
        (-u.exp() * column).exp().mean(),
        ((column * u + row).tanh() - Tensor(np.ones((N, N), np.float32))).square().mean(),
        (net.T - y).square().mean() + (net - y.expand(1, N)).square().mean(),
        (-(net - wide).square()).exp().mean(),
        (Tensor(np.ones((N, N), np.float32), requires_grad=True) - y).square().mean(),
        (Tensor(np.ones((N, N), np.float32), requires_grad=True) - column).square().mean(),
    ]
    for loss in losses:
        assert np.isfinite(loss.item())


def test_a_column_and_a_row_beside_a_matrix_are_silent():
    """As of distances, attention, factors of rows and of columns, and effects of both."""
    a, b = (Tensor(X.copy(), requires_grad=True) for _ in range(2))
    rows, columns = (a * a).sum(1, keepdim=True), (b * b).sum(1)
    score, other = model(Tensor(X)), model(Tensor(X)).reshape(-1)
    weights = Tensor(np.ones((N, N), np.float32), requires_grad=True)
    for loss in (
        (rows + columns - 2 * a @ b.T).mean(),
        (rows - 2 * (a @ b.T) + columns).relu().sqrt().sum(),
        (score * other * weights).sum(),
        ((a @ b.T) + score + other - np.ones((N, N), np.float32)).square().mean(),
        (score - score.squeeze(1)).sigmoid().mean(),
        (score.reshape(-1) - score).square().mean(),
    ):
        assert np.isfinite(loss.item())


def test_what_is_not_a_loss_is_silent():
    with no_grad():
        pred = model(Tensor(X))
        ((pred - y) ** 2).mean()
    (pred.detach() - y).mean()
    rows = (model(Tensor(X)) - y).square()
    assert rows.mean(1).shape == (N,)
    assert rows.sum(0).shape == (N,)
