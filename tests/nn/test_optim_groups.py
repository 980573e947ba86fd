"""Parameter groups, their options, closures, and optimisers of a user's own."""

import math
import re

import numpy as np
import pytest

import nn
from nn import optim
from tinygrad_lite import Tensor, enable_grad, is_grad_enabled, no_grad


def leaf(*values):
    return Tensor(values, dtype=np.float64, requires_grad=True)


def with_gradient(*values):
    parameter = leaf(*values)
    parameter.grad = Tensor(np.ones(len(values)))
    return parameter


def test_groups_have_options_of_their_own():
    a, b, c = (with_gradient(1.0) for _ in range(3))
    groups = [{"params": [a], "lr": 0.5}, {"params": b}, {"params": iter([c]), "momentum": 0.5}]
    optimizer = optim.SGD(groups, lr=0.1, momentum=0.9)
    optimizer.step()
    optimizer.step()
    assert a.item() == pytest.approx(1 - 0.5 * (1 + 1.9))
    assert b.item() == pytest.approx(1 - 0.1 * (1 + 1.9))
    assert c.item() == pytest.approx(1 - 0.1 * (1 + 1.5))
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1, 0.1]
    assert [group["momentum"] for group in optimizer.param_groups] == [0.9, 0.9, 0.5]
    assert optimizer.params == [a, b, c]
    assert optimizer.defaults["lr"] == 0.1


def test_the_users_groups_are_not_changed():
    group = {"params": [leaf(1.0)], "lr": np.float64(0.5), "name": "head"}
    optimizer = optim.SGD([group])
    optimizer.lr = 0.1
    assert group.keys() == {"params", "lr", "name"}
    assert group["lr"] == 0.5
    assert optimizer.param_groups[0]["name"] == "head"


def test_an_option_is_read_and_assigned_in_all_groups():
    optimizer = optim.Adam([{"params": [leaf(1.0)], "lr": 0.5}, {"params": [leaf(1.0)]}])
    optimizer.lr = 0.25
    optimizer.betas = [0.5, 0.75]
    assert optimizer.lr == 0.25
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]
    assert [group["betas"] for group in optimizer.param_groups] == [(0.5, 0.75)] * 2
    optimizer.param_groups[1]["lr"] = 0.125
    text = (
        "Adam: lr: the groups have different values, [0.25, 0.125]; "
        'read optimizer.param_groups[0]["lr"]'
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        _ = optimizer.lr
    with pytest.raises(AttributeError, match="'Adam' object has no attribute 'momentum'"):
        _ = optimizer.momentum


SPELLINGS = {
    "item": lambda group, name, value: group.__setitem__(name, value),
    "update": lambda group, name, value: group.update({"eps": 0.5, name: value}),
    "keyword": lambda group, name, value: group.update(**{"eps": 0.5, name: value}),
    "|=": lambda group, name, value: group.__ior__({"eps": 0.5, name: value}),
}


@pytest.mark.parametrize("assign", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize(
    ("name", "value", "error", "text"),
    [
        ("lr", -1, ValueError, "Adam: lr: expected a number of 0 or more; got -1"),
        ("lr", math.nan, ValueError, "Adam: lr: expected a number of 0 or more; got nan"),
        ("lr", "1", TypeError, "Adam: lr: expected a number; got '1'"),
        ("betas", 0.9, TypeError, "Adam: betas: expected two numbers, as in (0.9, 0.999); got 0.9"),
        ("betas", (0.9,), TypeError, "Adam: betas: expected two numbers, as in (0.9, 0.999); got"),
        ("betas", (0.9, 1), ValueError, "Adam: betas[1]: expected a number from 0 to below 1"),
        ("amsgrad", 1, TypeError, "Adam: amsgrad: expected True or False; got 1"),
        ("maximize", None, TypeError, "Adam: maximize: expected True or False; got None"),
        ("params", [3], TypeError, "Adam: expected Tensors; got a int at position 0"),
    ],
)
def test_an_option_is_checked_when_it_is_assigned_to_a_group(assign, name, value, error, text):
    optimizer = optim.Adam([leaf(1.0)])
    before = dict(optimizer.param_groups[0])
    with pytest.raises(error, match=f"^{re.escape(text)}"):
        assign(optimizer.param_groups[0], name, value)
    assert dict(optimizer.param_groups[0]) == before


@pytest.mark.parametrize(
    "delete",
    [
        lambda group: group.pop("lr"),
        lambda group: group.clear(),
        lambda group: group.__delitem__("params"),
    ],
)
def test_an_option_cannot_be_deleted(delete):
    group = optim.SGD([leaf(1.0)], lr=0.5).param_groups[0]
    with pytest.raises(TypeError, match=r"^SGD: \w+: cannot be deleted; assign a value"):
        delete(group)
    assert group["lr"] == 0.5


def test_an_entry_of_the_users_own_is_kept_and_may_be_deleted():
    group = optim.SGD([leaf(1.0)]).param_groups[0]
    group["initial_lr"] = "anything"
    assert group.setdefault("lr", -1) == 0.001
    assert group.pop("initial_lr") == "anything"
    assert "initial_lr" not in group
    own = {"name": "head", "lr_scale": 0.1, "max_momentum": 0.9, "initial_lr": 0.1, 3: 4}
    assert own.items() <= optim.SGD([{"params": [leaf(1.0)], **own}]).param_groups[0].items()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda p: optim.SGD(p, momentum=0.9, dampening=0.1, nesterov=True), "SGD: nesterov needs"),
        (lambda p: optim.SGD(p, dampening=math.inf), "SGD: dampening: expected a finite number"),
        (
            lambda p: optim.RMSprop(p, alpha=-1),
            "RMSprop: alpha: expected a number of 0 or more; got -1",
        ),
        (lambda p: optim.Adadelta(p, rho=1.5), "Adadelta: rho: expected a number from 0 to 1"),
        (
            lambda p: optim.Adagrad(p, lr_decay=-1),
            "Adagrad: lr_decay: expected a number of 0 or more",
        ),
        (
            lambda p: optim.NAdam(p, momentum_decay=-1),
            "NAdam: momentum_decay: expected a number of 0 or more",
        ),
        (
            lambda p: optim.Rprop(p, etas=(1.2, 0.5)),
            "Rprop: etas: expected a number between 0 and 1, and one above 1; got 1.2, 0.5",
        ),
        (
            lambda p: optim.Rprop(p, step_sizes=(-1, 1)),
            "Rprop: step_sizes[0]: expected a number of 0 or more",
        ),
        (lambda p: optim.ASGD(p, t0=math.nan), "ASGD: t0: expected a finite number; got nan"),
        (lambda p: optim.ASGD(p, lambd=-1), "ASGD: lambd: expected a number of 0 or more; got -1"),
        (lambda p: optim.Lion(p, betas=(0.9, 1)), "Lion: betas[1]: expected a number from 0"),
        (
            lambda p: optim.SGD([{"params": p, "lr": -1}]),
            "SGD: lr: expected a number of 0 or more; got -1",
        ),
        (lambda p: optim.SGD([{"params": []}]), "SGD: got no parameters; those of a model"),
        (
            lambda p: optim.SGD([{"params": p, "weight_deacy": 0.1}]),
            "SGD: weight_deacy: no such option; did you mean weight_decay?",
        ),
        (
            lambda p: optim.Adam([{"params": p, "beta": (0.9, 0.99)}]),
            "Adam: beta: no such option; did you mean betas?",
        ),
        (
            lambda p: optim.SGD([{"params": p}, {"params": p}]),
            "SGD: parameter 0 of group 1, of shape (1,), is in another group; pass each one once",
        ),
    ],
)
def test_values_that_are_refused(make, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        make([leaf(1.0)])


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ([{"lr": 0.1}], 'SGD: group 0: expected a dict with "params"; got dict'),
        ([{"params": [leaf(1.0)]}, leaf(1.0)], 'SGD: group 1: expected a dict with "params"'),
        ({"params": [leaf(1.0)]}, "SGD: expected a list of Tensors; got a dict; write"),
        ([{"params": {leaf(1.0)}}], "SGD: expected a list of Tensors; got a set; write"),
        ([{"params": nn.Linear(2, 1)}], "SGD: expected a list of Tensors; got a Linear; write"),
        ([("weight", 3)], "SGD: expected Tensors; got a int at position 0"),
        ([("weight", leaf(1.0)), leaf(2.0)], "SGD: expected Tensors; got a tuple at position 0"),
    ],
)
def test_groups_of_the_wrong_kind(params, text):
    with pytest.raises(TypeError, match=f"^{re.escape(text)}"):
        optim.SGD(params, lr=0.1)


def test_parameters_may_come_with_names():
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    optimizer = optim.SGD(model.named_parameters(), lr=0.1)
    (group,) = optimizer.param_groups
    assert group["params"] == list(model.parameters())
    assert group["param_names"] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == group["param_names"]


def test_a_group_may_be_added_in_the_middle_of_training():
    first, second = with_gradient(1.0), with_gradient(1.0)
    optimizer = optim.Adam([first], lr=0.1)
    optimizer.step()
    optimizer.add_param_group({"params": [second], "lr": 0.5})
    optimizer.step()
    assert [optimizer.state[p]["step"] for p in (first, second)] == [2, 1]
    assert second.item() == pytest.approx(0.5)
    text = 'Adam: add_param_group: expected a dict with "params"; got Tensor of shape (1,), float64'
    with pytest.raises(TypeError, match=f"^{re.escape(text)}"):
        optimizer.add_param_group(second)
    with pytest.raises(ValueError, match="is in another group"):
        optimizer.add_param_group({"params": [first]})
    assert len(optimizer.param_groups) == 2


def test_a_frozen_parameter_may_be_in_a_group_and_stays():
    model = nn.Linear(2, 1)
    model.bias.requires_grad_(False)
    before = model.bias.tolist()
    optimizer = optim.AdamW(model.parameters(), lr=0.1)
    model(Tensor.ones(3, 2)).sum().backward()
    optimizer.step()
    assert model.bias.tolist() == before


def test_a_closure_is_called_with_grad_enabled_and_its_loss_returned():
    weight = leaf(2.0)
    optimizer = optim.SGD([weight], lr=0.25)

    def closure():
        assert is_grad_enabled()
        optimizer.zero_grad()
        loss = (weight * weight).sum()
        loss.backward()
        return loss

    with no_grad():
        assert optimizer.step(closure).item() == 4.0
        assert not is_grad_enabled()
    assert weight.tolist() == [1.0]
    assert optimizer.step() is None
    with pytest.raises(TypeError, match=r"^SGD\.step: closure: expected a function; got 3"):
        optimizer.step(3)


def test_an_error_in_a_closure_changes_nothing():
    weight = with_gradient(2.0)
    with no_grad():
        with pytest.raises(ZeroDivisionError):
            optim.SGD([weight], lr=0.25).step(lambda: 1 / 0)
        assert not is_grad_enabled()
    assert weight.tolist() == [2.0]


def test_enable_grad_is_a_context_and_a_decorator():
    weight = leaf(2.0)
    with no_grad(), enable_grad():
        assert (weight * 2).requires_grad
    assert not no_grad(lambda: weight * 2)().requires_grad
    assert no_grad(enable_grad()(lambda: weight * 2))().requires_grad


def test_zero_grad_may_leave_zeros():
    used, unused = with_gradient(1.0, 2.0), leaf(1.0)
    optimizer = optim.SGD([used, unused])
    optimizer.zero_grad(set_to_none=False)
    assert used.grad.tolist() == [0.0, 0.0]
    assert unused.grad is None
    optimizer.zero_grad(set_to_none=True)
    assert used.grad is None
    with pytest.raises(TypeError, match="zero_grad: set_to_none: expected True or False; got 0"):
        optimizer.zero_grad(0)


# Optimisers of a user's own


def test_one_needs_only_a_formula():
    class SignSGD(optim.Optimizer):
        def apply_single(self, gradient, parameter, state, group):
            parameter -= group["lr"] * np.sign(gradient)

    a, b = with_gradient(1.0), with_gradient(2.0)
    optimizer = SignSGD([{"params": a}, {"params": b, "maximize": True}], lr=0.5)
    optimizer.step()
    assert [a.item(), b.item()] == [0.5, 2.5]
    with pytest.raises(ValueError, match=r"^SignSGD: lr: expected a number of 0 or more; got -1"):
        optimizer.lr = -1


def test_one_that_needs_whole_parameters():
    class Normalised(optim.Optimizer):
        def apply_whole(self, gradient, parameter, state, group):
            assert gradient.shape == parameter.shape
            parameter -= group["lr"] * gradient / np.sqrt((gradient**2).sum())

    matrix = Tensor(np.zeros((2, 8)), requires_grad=True)
    matrix.data = np.zeros((2, 8), np.float16, order="F")
    number = Tensor(0.0, requires_grad=True)
    matrix.grad, number.grad = Tensor.full((2, 8), 3.0), Tensor(-2.0)
    Normalised([matrix, number], lr=1.0).step()
    assert matrix.dtype == np.float16
    assert matrix.tolist() == [[-0.25] * 8] * 2
    assert number.item() == 1.0


def test_one_with_a_step_of_its_own_as_in_pytorch():
    class Momentum(optim.Optimizer):
        def __init__(self, params, lr=0.1):
            super().__init__(params, {"lr": lr, "decay": 0.5})

        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    if len(state) == 0:
                        state["step"], state["mean"] = 0, Tensor.zeros(*p.shape, dtype=p.dtype)
                    state["step"] += 1
                    state["mean"] = state["mean"] * group["decay"] + p.grad
                    p.data -= group["lr"] * state["mean"].data

    parameter = with_gradient(1.0)
    optimizer = Momentum([parameter])
    optimizer.step()
    optimizer.step()
    assert parameter.item() == pytest.approx(1 - 0.1 - 0.15)
    other = Momentum([leaf(1.0)])
    other.load_state_dict(optimizer.state_dict())
    (state,) = other.state.values()
    assert state["step"] == 2
    assert state["mean"].tolist() == [1.5]


def test_one_without_a_formula():
    with pytest.raises(NotImplementedError, match="Optimizer has no apply_single"):
        optim.Optimizer([with_gradient(1.0)], lr=0.1).step()


def test_a_repr_shows_the_groups():
    optimizer = optim.SGD([{"params": [leaf(1.0, 2.0)], "lr": 0.5}, {"params": leaf(3.0)}])
    rest = "momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False"
    assert repr(optimizer) == (
        f"SGD(\n  group 0: lr=0.5, {rest}  # 2 parameters\n"
        f"  group 1: lr=0.001, {rest}  # 1 parameter\n)"
    )


def test_pytorchs_choices_of_an_implementation_are_no_arguments():
    for name in ("foreach", "fused", "capturable", "differentiable"):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
            optim.AdamW([leaf(1.0)], **{name: True})
