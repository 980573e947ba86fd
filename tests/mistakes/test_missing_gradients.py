"""`.grad` is None where the program needs it: told. Where it only asks, or looks: silent."""

import copy
import inspect
import pickle
import unittest

import numpy as np
import pytest

from tinygrad_lite import Tensor, TrainingWarning, grad, no_grad

X = Tensor(np.random.default_rng(0).standard_normal((8, 3)))
Y = Tensor(np.random.default_rng(1).standard_normal(8))


def weights():
    return Tensor(np.zeros(3), requires_grad=True)


def loss_of(w):
    return ((X @ w - Y) ** 2).mean()


class Holder:
    pass


UPDATE = (
    r"^w\.grad is None: backward fills the \.grad of leaves, and w was computed by Sub, as in "
    r"`w = w - lr \* w\.grad`; update it in place, `with no_grad\(\): w -= lr \* w\.grad`$"
)


def rebound(w):
    w = w - 0.1 * w.grad
    return w


def rebound_the_other_way(w):
    w = w - w.grad * 0.1
    return w


def rebound_in_two_lines(w):
    g = w.grad
    return w - 0.1 * g


def rebound_with_arrays(w):
    return w - Tensor(0.1 * w.grad.data)


@pytest.mark.parametrize(
    "update", [rebound, rebound_the_other_way, rebound_in_two_lines, rebound_with_arrays]
)
def test_a_parameter_that_is_rebound_is_told_where_its_gradient_is_read(update):
    w = weights()
    loss_of(w).backward()
    w = update(w)
    loss_of(w).backward()
    with pytest.warns(TrainingWarning, match=UPDATE) as found, pytest.raises(Exception, match="N"):
        update(w)
    assert found[0].filename == __file__
    assert (
        "w.grad"
        in inspect.getsource(update).splitlines()[found[0].lineno - update.__code__.co_firstlineno]
    )


def test_an_attribute_is_named_too():
    m = Holder()
    m.w = weights() - 1.0
    loss_of(m.w).backward()
    told = pytest.warns(TrainingWarning, match=r"^m\.w\.grad is None: .* computed by Sub")
    with told, pytest.raises(TypeError):
        m.w = m.w - 0.1 * m.w.grad


def test_an_item_is_named_too():
    weights_of, layers = {"w": weights() - 0.1}, [weights() * 2.0]
    loss_of(weights_of["w"]).backward()
    with pytest.warns(TrainingWarning, match=r"^weights_of\['w'\]\.grad is None"):
        str(weights_of["w"].grad)
    loss_of(layers[0]).backward()
    with pytest.warns(TrainingWarning, match=r"^layers\[0\]\.grad is None"):
        str(layers[0].grad)


def test_inside_no_grad_the_new_tensor_has_no_graph():
    w = weights()
    loss_of(w).backward()
    with no_grad():
        w = w - 0.1 * w.grad
    text = r"^w\.grad is None, for w does not require grad; .* write `w -= \.\.\.`"
    with pytest.warns(TrainingWarning, match=text), pytest.raises(AttributeError):
        w.grad.zero_()


def test_of_an_intermediate_result_the_cure_is_retain_grad():
    h = (X @ weights()).tanh()
    h.sum().backward()
    with pytest.warns(TrainingWarning, match=r"computed by Tanh; call h\.retain_grad\(\) before"):
        str(h.grad)


def test_of_a_tensor_computed_from_a_leaf_that_is_gone_the_cure_is_a_leaf():
    w = Tensor.randn(3, requires_grad=True) * 0.1
    (X.float() @ w).sum().backward()
    text = r"by Mul from one that nothing holds .*, `w = \(\.\.\.\)\.detach\(\)\.requires_grad_"
    with pytest.warns(TrainingWarning, match=text), pytest.raises(AttributeError):
        w.data -= 0.1 * w.grad.data


def test_one_of_several_results_is_told_too():
    q, r = Tensor(np.eye(3), requires_grad=True).qr()
    (q.sum() + r.sum()).backward()
    with pytest.warns(TrainingWarning, match=r"^q\.grad is None: .* computed by QR"):
        str(q.grad)


def test_a_leaf_without_a_gradient_is_told_where_one_is_needed():
    w = weights()
    told = pytest.warns(TrainingWarning, match=r"^w\.grad is None: no gradient has arrived since w")
    with told, pytest.raises(AttributeError):
        w.data -= 0.1 * w.grad.data


def test_questions_and_looks_are_silent():
    w = weights()
    h = (X @ w).tanh()
    for _ in range(2):
        assert h.grad is None
        assert not h.grad
        found = "none" if h.grad is None else "some"
        found = h.grad is not None and h.grad.sum()
        if h.grad:
            found = "some"
        assert h.grad != 3
        assert found is False
        assert getattr(h, "grad") is None  # noqa: B009
        assert hasattr(h, "grad")
        g = h.grad
        if g is not None:
            found = "some"
        if (given := h.grad) is not None:
            found = given
        kept = h.grad
        found = kept and kept.sum()
        assert isinstance(h.grad, type(None))
        unittest.TestCase().assertIsNone(h.grad)  # noqa: PT009
        copy.copy(h), copy.deepcopy(h), pickle.loads(pickle.dumps(h)), repr(h), h.detach()
        if _ == 0:
            before = [w.grad, h.grad]  # before a backward pass nothing is missed
            h.sum().backward()
            assert before == [None, None]


def test_what_is_right_is_silent():
    w = weights()
    for _ in range(3):
        if w.grad is not None:
            w.grad.zero_()
        h = X @ w
        h.retain_grad()
        early = h.grad
        ((h - Y) ** 2).mean().backward()
        assert early is None
        assert h.grad.shape == (8,)
        with no_grad():
            w -= 0.1 * w.grad
        w.data -= 0.1 * w.grad.data
        w.data = w.data - 0.1 * w.grad.numpy()
        (slope,) = grad(loss_of(w), [w])
        w = (w - 0.1 * slope).detach().requires_grad_()
        assert w.grad is None


def test_grad_is_set_and_deleted_as_an_attribute():
    w = weights()
    w.grad = given = Tensor(np.ones(3))
    assert w.grad is given
    del w.grad
    assert w.grad is None
    loss_of(w).backward()
    assert w.grad.shape == (3,)
