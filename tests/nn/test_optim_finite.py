"""check_finite=True: a step that has, or would make, an inf or nan raises and changes nothing."""

import copy
import gc
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, capture
from tinygrad_lite.mistakes.gradient_watch import watching

NAMES = [name for name in nn.optim.__all__ if name not in ("Optimizer", "schedules", "swa_utils")]

pytestmark = pytest.mark.filterwarnings("ignore:the loss is:tinygrad_lite.TrainingWarning")


def made(name: str, params: Any, **options: Any) -> Any:
    return getattr(nn.optim, name)(params, check_finite=True, **options)


def closure(optimizer: Any, loss: Callable[[], Tensor]) -> Callable[[], Tensor]:
    def run() -> Tensor:
        optimizer.zero_grad()
        found = loss()
        found.backward()
        return found

    return run


def numbers(state: Any) -> Any:
    """The state as plain numbers, to be compared."""
    if isinstance(state, dict):
        return {name: numbers(one) for name, one in state.items()}
    if isinstance(state, list):
        return [numbers(one) for one in state]
    return np.asarray(state.data if isinstance(state, Tensor) else state).tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_that_is_not_finite_is_refused_with_its_cause(name: str) -> None:
    w = Tensor([[1.0, 2.0], [4.0, 9.0]], requires_grad=True)
    b = Tensor([[1.0, 2.0]], requires_grad=True)
    optimizer = made(name, [("b", b), ("layer.w", w)], lr=0.01)
    healthy = closure(optimizer, lambda: (w * w).sum() + (b * b).sum())
    optimizer.step(healthy)
    before, state = (w.data.copy(), b.data.copy()), numbers(optimizer.state_dict()["state"])
    mask = Tensor([[1.0, 0.0], [1.0, 1.0]])
    with pytest.raises(FloatingPointError) as caught:
        optimizer.step(closure(optimizer, lambda: (w * mask).sqrt().sum() + b.sum()))
    text = str(caught.value)
    assert text.startswith(
        f"{name}: in step 2, the gradient of layer.w, of shape (2, 2), is nan at (0, 1); "
        "no parameter was changed; the loss is finite; the backward of Sqrt made the first inf"
    )
    assert "add eps inside" in text
    np.testing.assert_array_equal(w.data, before[0])
    np.testing.assert_array_equal(b.data, before[1])
    after = numbers(optimizer.state_dict()["state"])
    if name == "LBFGS":
        after[0].pop("func_evals"), state[0].pop("func_evals")
    assert after == state
    optimizer.step(healthy)  # and the training goes on
    assert np.isfinite(w.data).all()


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")  # LBFGS
@pytest.mark.parametrize("name", sorted({*NAMES} - {"Adadelta", "Rprop"}))  # they step as they like
def test_an_update_that_overflows_is_undone(name: str) -> None:
    w = Tensor([[3e38, 1.0], [1.0, 1.0]], requires_grad=True)
    sign = Tensor([[-1.0, 1.0], [1.0, 1.0]])
    optimizer = made(name, [w], lr=1e38)
    state = numbers(optimizer.state_dict()["state"])
    with pytest.raises(FloatingPointError) as caught:
        optimizer.step(closure(optimizer, lambda: (w * sign).sum()))
    text = str(caught.value)
    assert f"{name}: step 1 would make parameter 0, of shape (2, 2), " in text
    assert " at (0, 0), from 3e+38 with the gradient -1 and lr=1e+38" in text
    assert text.endswith("which is likely too high; no parameter was changed")
    np.testing.assert_array_equal(w.data, np.float32([[3e38, 1.0], [1.0, 1.0]]))
    if name != "LBFGS":
        assert numbers(optimizer.state_dict()["state"]) == state


@pytest.mark.parametrize("name", NAMES)
def test_healthy_steps_are_the_same(name: str) -> None:
    found = []
    for check in (False, True):
        w = Tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True)
        optimizer = getattr(nn.optim, name)([w], lr=0.01, check_finite=check)
        assert optimizer.check_finite is check
        for _ in range(3):
            optimizer.step(closure(optimizer, lambda w=w: (w * w).square().sum() + w.exp().sum()))
        found.append(w.data)
    np.testing.assert_array_equal(found[0], found[1])


def test_a_parameter_that_is_not_finite_already_is_named() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = nn.optim.SGD([w], lr=0.1, check_finite=True)
    (w * 2.0).sum().backward()
    w.data[1] = np.inf
    with pytest.raises(FloatingPointError, match=r"parameter 0, of shape \(2,\), is inf at \(1,\)"):
        optimizer.step()


def test_a_gradient_that_no_backward_pass_made_has_no_cause() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = nn.optim.SGD([w], lr=0.1, check_finite=True)
    w.grad = Tensor([1.0, np.nan])
    with pytest.raises(FloatingPointError, match="call trace_nan"):
        optimizer.step()


def test_the_first_cause_of_several_passes_is_told() -> None:
    w = Tensor([1.0, 0.0], requires_grad=True)
    optimizer = nn.optim.SGD([w], lr=0.1, check_finite=True)
    w.sqrt().sum().backward()
    (w * 2.0).sum().backward()  # the sum stays inf
    with pytest.raises(FloatingPointError, match="the backward of Sqrt made the first inf"):
        optimizer.step()


def test_what_a_hook_made_is_not_blamed_on_the_graph() -> None:
    w = Tensor([1.0, 4.0], requires_grad=True)
    optimizer = nn.optim.SGD([w], lr=0.1, check_finite=True)
    w.register_hook(lambda gradient: gradient * np.inf)
    w.sqrt().sum().backward()
    with pytest.raises(FloatingPointError, match="the graph makes none: look at hooks"):
        optimizer.step()


def test_a_cause_is_forgotten_with_its_gradients() -> None:
    w, other = Tensor([1.0, 0.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    optimizer = nn.optim.SGD([w], lr=0.1, check_finite=True)
    w.sqrt().sum().backward()
    (other * other).sum().backward()  # has nothing to do with it
    optimizer.zero_grad()
    (w * w).sum().backward()
    optimizer.step()
    w.data[:] = [0.0, 1.0]
    optimizer.zero_grad()
    Tensor.where(Tensor([False, True]), w.log(), 0.0).sum().backward()
    with pytest.raises(FloatingPointError, match="the backward of Log made the first nan"):
        optimizer.step()


def test_while_it_watches_a_graph_is_still_used_once() -> None:
    gc.collect()
    others = len(watching)
    w = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = nn.optim.SGD([w], lr=0.1, check_finite=True)
    loss = (w * w).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="released by an earlier backward"):
        loss.backward()
    kept = (w * w).sum()
    kept.backward(retain_graph=True)
    kept.backward()
    assert len(watching) == others + 1
    del optimizer  # nothing but the name held it
    assert len(watching) == others


def test_it_can_be_switched_and_survives_copies() -> None:
    w = Tensor([1.0], requires_grad=True)
    optimizer = nn.optim.Adam([w], check_finite=True)
    assert copy.deepcopy(optimizer).check_finite
    assert pickle.loads(pickle.dumps(optimizer)).check_finite
    optimizer.check_finite = False
    assert not copy.deepcopy(optimizer).check_finite
    w.grad = Tensor([np.nan])
    optimizer.step()
    assert np.isnan(w.data).all()
    with pytest.raises(TypeError, match="Adam: check_finite: expected True or False"):
        optimizer.check_finite = "yes"
    assert "check_finite" not in optimizer.param_groups[0]


def test_an_optimiser_of_ones_own_has_it_too() -> None:
    class SignSGD(nn.optim.Optimizer):
        def apply_single(self, gradient: Any, parameter: Any, state: Any, group: Any) -> None:
            parameter -= group["lr"] * np.sign(gradient)

    w = Tensor([1.0, 4.0], requires_grad=True)
    optimizer = SignSGD([("w", w)], lr=0.1, check_finite=True)
    (w * Tensor([0.0, 1.0])).sqrt().sum().backward()
    with pytest.raises(FloatingPointError, match="SignSGD: in step 1, the gradient of w"):
        optimizer.step()


@pytest.mark.parametrize("name", ["SGD", "Adam", "Muon"])
def test_in_a_captured_step(name: str) -> None:
    w = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    optimizer = made(name, [("w", w)], lr=0.01)

    @capture(strict=True)
    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = (w * x).sqrt().sum()
        loss.backward()
        optimizer.step()
        return loss

    x = Tensor([[1.0, 1.0], [1.0, 1.0]])
    for _ in range(5):
        step(x)
    before = w.data.copy()
    with pytest.raises(FloatingPointError, match=f"{name}: in step 6, the gradient of w"):
        step(x * Tensor([[1.0, 0.0], [1.0, 1.0]]))
    np.testing.assert_array_equal(w.data, before)
    step(x)
    assert (w.data != before).all()
