"""`w.data += 1` between forward and backward is told there, and nowhere else."""

import copy
import gc

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, TrainingWarning, checkpoint, no_grad, record_source_lines
from tinygrad_lite.engine.memory import changes

X, Y = np.random.default_rng(3).standard_normal((6, 3)), np.arange(6.0)


def made():
    return Tensor(X, requires_grad=True), Tensor(np.ones(3), requires_grad=True)


def add(w):
    w.data += 1


def scale(w):
    w.data *= 2.0


def step(w):
    w.data -= 0.1 * np.ones(3)


def in_no_grad(w):
    with no_grad():
        w.data /= 3


def through_a_name(w):
    data = w.data
    data += 1
    w.data = data


@pytest.mark.parametrize("write", [add, scale, step, in_no_grad, through_a_name])
def test_a_write_between_forward_and_backward_is_told_in_backward(write):
    x, w = made()
    loss = (x @ w).sum()
    write(w)
    text = (
        r"^backward: Matmul saved an array of shape \(3,\), and \S+test_data_writes\.py:\d+ wrote "
        r"into its \.data in place afterwards, so this gradient is not that of the loss which was "
        r"computed; write after backward\(\), or `w\.data = w\.data \+ \.\.\.`, which is a new"
    )
    with pytest.warns(TrainingWarning, match=text) as found:
        loss.backward()
    assert len(found) == 1
    assert found[0].filename == __file__


def test_it_is_true_that_the_gradient_is_wrong():
    x, w = made()
    loss = ((x @ w) * w.sum()).sum()
    old = w.data.copy()
    w.data += 1
    with pytest.warns(TrainingWarning):
        loss.backward()

    def slope(v):  # d/dx of (x @ v).sum() v.sum()
        return np.broadcast_to(v * v.sum(), X.shape)

    assert not np.allclose(x.grad.data, slope(old))
    assert not np.allclose(x.grad.data, slope(w.data))


def test_the_line_that_saved_it_is_told_if_it_is_known():
    x, w = made()
    with record_source_lines():
        loss = (x @ w).sum()
    w.data += 1
    with pytest.warns(TrainingWarning, match=r"shape \(3,\) at \S+test_data_writes\.py:\d+, and"):
        loss.backward()


def test_a_result_that_an_op_saved_is_seen_too():
    h = made()[1].exp()
    loss = (h * 2.0).sum()
    h.data *= 2
    with pytest.warns(TrainingWarning, match=r"^backward: Exp saved"):
        loss.backward()


def test_a_new_array_leaves_the_old_gradient_right():
    x, w = made()
    loss = (x @ w).sum()
    w.data = w.data + 1
    loss.backward()
    np.testing.assert_array_equal(x.grad.data, np.ones_like(X))


def test_what_was_not_saved_may_change():
    w = made()[1]
    loss = (w + 1.0).sum()
    w.data += 1
    loss.backward()
    np.testing.assert_array_equal(w.grad.data, np.ones(3))


def test_a_write_before_forward_or_after_backward_is_no_mistake():
    x, w = made()
    kept = [w.data]  # something else holds the array
    w.data += 1
    loss = ((x @ w - Y) ** 2).mean()
    loss.backward()
    for _ in range(3):
        w.data -= 0.1 * w.grad.data
        x.grad = w.grad = None
        loss = ((x @ w - Y) ** 2).mean()
        loss.backward()
    assert kept[0] is w.data


def test_a_graph_that_is_kept_for_another_pass_is_seen():
    x, w = made()
    loss = (x @ w).sum()
    loss.backward(retain_graph=True)
    w.data -= 0.1 * w.grad.data
    with pytest.warns(TrainingWarning, match="Matmul saved"):
        loss.backward()


def test_an_error_stays_an_error():
    x, w = made()
    loss = (x @ w).sum()
    with no_grad():
        w += 1
    w.data += 1
    with pytest.raises(RuntimeError, match="changed it in place afterwards; change a clone"):
        loss.backward()


def test_a_segment_that_is_computed_again_is_seen():
    x, w = made()
    loss = checkpoint(lambda x: (x @ w).tanh(), x).sum()
    w.data += 1
    with pytest.warns(TrainingWarning, match="wrote into its .data in place afterwards"):
        loss.backward()


def test_writes_that_no_graph_can_feel_are_not_even_noted():
    gc.collect()
    before = len(changes.found)
    x, w = made()
    average = copy.deepcopy(w)
    for _ in range(3):
        w.grad = None
        loss = ((x @ w - Y) ** 2).mean()
        loss.backward()
        w.data -= 0.1 * w.grad.data
        average.data *= 0.9
        average.data += 0.1 * w.data
        w.data = w.data.clip(-1, 1)
    assert len(changes.found) == before


def test_layers_and_their_running_numbers_are_no_mistake():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1))
    for _ in range(3):
        loss = model(Tensor(X.astype(np.float32))).square().mean()
        loss.backward()
        for weight in nn.state.get_parameters(model):
            if weight.grad is not None:
                weight.data -= 0.1 * weight.grad.data
                weight.grad = None
