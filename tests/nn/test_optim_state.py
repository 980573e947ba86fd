"""The state of optimisers: saved and loaded, copied, and following the dtype of a parameter."""

import copy
import pickle
import re

import numpy as np
import pytest

import nn
from nn import optim
from tinygrad_lite import Tensor

SHAPES = [(3, 4), (4,), ()]
OPTIMISERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.2),
    "plain SGD": lambda p: optim.SGD(p, lr=0.1),
    "Adam": lambda p: optim.Adam(p, lr=0.1, amsgrad=True),
    "AdamW": lambda p: optim.AdamW(p, lr=0.1),
    "Adamax": lambda p: optim.Adamax(p, lr=0.1),
    "NAdam": lambda p: optim.NAdam(p, lr=0.1),
    "RAdam": lambda p: optim.RAdam(p, lr=0.1),
    "RMSprop": lambda p: optim.RMSprop(p, momentum=0.9, centered=True),
    "Adagrad": lambda p: optim.Adagrad(p, initial_accumulator_value=0.5),
    "Adadelta": lambda p: optim.Adadelta(p),
    "Lion": lambda p: optim.Lion(p, lr=0.1),
    "Rprop": lambda p: optim.Rprop(p),
    "ASGD": lambda p: optim.ASGD(p, lr=0.1, lambd=0.1, t0=2),
}
every_optimiser = pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)


def parameters(dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    return [Tensor(rng.standard_normal(shape), dtype=dtype, requires_grad=True) for shape in SHAPES]


def train(optimizer, steps, seed):
    """Steps with gradients that the seed determines; the second has none at first."""
    rng = np.random.default_rng(seed)
    for step in range(steps):
        for position, parameter in enumerate(optimizer.params):
            gradient = np.asarray(rng.standard_normal(parameter.shape), parameter.dtype)
            absent = position == 1 and seed == 1 and step < 2
            parameter.grad = None if absent else Tensor(gradient)
        optimizer.step()


def values(optimizer):
    return [parameter.data.copy() for parameter in optimizer.params]


def twin(make, optimizer, dtype=np.float32):
    """A new optimiser of new parameters with the same values."""
    copies = parameters(dtype)
    for mine, other in zip(copies, optimizer.params, strict=True):
        np.copyto(mine.data, other.data)
    return make(copies)


def assert_goes_on_alike(optimizer, *others):
    train(optimizer, 4, seed=2)
    for other in others:
        train(other, 4, seed=2)
        for mine, theirs in zip(values(optimizer), values(other), strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("steps", [0, 1, 3])
@every_optimiser
def test_a_state_dict_goes_on_to_the_same_bits(make, steps):
    optimizer = make(parameters())
    train(optimizer, steps, seed=1)
    optimizer.lr = 0.05
    saved = optimizer.state_dict()
    other = twin(make, optimizer)
    train(other, 2, seed=3)  # a state that has to go
    for mine, theirs in zip(other.params, optimizer.params, strict=True):
        np.copyto(mine.data, theirs.data)
    other.load_state_dict(saved)
    assert other.lr == 0.05
    assert_goes_on_alike(optimizer, other)


@pytest.mark.parametrize("steps", [0, 1, 3])
@every_optimiser
def test_a_file_goes_on_to_the_same_bits(make, steps, tmp_path):
    optimizer = make(parameters())
    train(optimizer, steps, seed=1)
    flat = nn.state.get_state_dict(optimizer)
    nn.state.safe_save(flat, tmp_path / "state.safetensors")
    other = twin(make, optimizer)
    nn.state.load_state_dict(other, nn.state.safe_load(tmp_path / "state.safetensors"))
    assert_goes_on_alike(optimizer, other)


@every_optimiser
def test_copies_go_on_to_the_same_bits(make):
    """A copy of the optimiser has copies of the parameters, those of the model if it is copied."""
    optimizer = make(parameters())
    train(optimizer, 3, seed=1)
    deep, (model, both) = copy.deepcopy(optimizer), copy.deepcopy((optimizer.params, optimizer))
    pickled = pickle.loads(pickle.dumps(optimizer))
    assert all(a is b for a, b in zip(model, both.params, strict=True))
    assert not any(a is b for a, b in zip(deep.params, optimizer.params, strict=True))
    pickled.lr = pickled.lr
    assert_goes_on_alike(optimizer, deep, both, pickled)
    with pytest.raises(ValueError, match="lr: expected a number of 0 or more"):
        pickled.param_groups[0]["lr"] = -1


def test_a_state_dict_is_a_copy():
    optimizer = optim.Adam(parameters())
    train(optimizer, 1, seed=1)
    saved = optimizer.state_dict()
    before = saved["state"][0]["exp_avg"].tolist()
    train(optimizer, 1, seed=2)
    assert saved["state"][0]["exp_avg"].tolist() == before
    assert saved["state"][0]["step"].item() == 1
    optimizer.load_state_dict(saved)
    train(optimizer, 1, seed=2)
    assert saved["state"][0]["exp_avg"].tolist() == before


def test_the_layout_is_pytorchs():
    params = parameters()
    optimizer = optim.AdamW([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}])
    assert optimizer.state_dict()["state"] == {}
    train(optimizer, 2, seed=1)  # in which parameter 1 has no gradient
    saved = optimizer.state_dict()
    assert list(saved) == ["state", "param_groups"]
    assert list(saved["state"]) == [0, 2]
    assert list(saved["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    assert all(isinstance(value, Tensor) for value in saved["state"][0].values())
    assert saved["state"][2]["exp_avg"].shape == ()
    assert [group["params"] for group in saved["param_groups"]] == [[0], [1, 2]]
    assert [group["lr"] for group in saved["param_groups"]] == [0.001, 0.5]
    assert saved["param_groups"][0]["betas"] == (0.9, 0.999)


def test_flat_names_share_memory_with_the_state():
    optimizer = optim.SGD(parameters(), momentum=0.9)
    flat = nn.state.get_state_dict({"optimizer": optimizer})
    assert list(flat)[:2] == ["optimizer.state.0.step", "optimizer.state.0.momentum_buffer"]
    train(optimizer, 2, seed=3)
    assert flat["optimizer.state.0.step"].item() == 2
    assert np.any(flat["optimizer.state.0.momentum_buffer"].data)
    assert nn.state.get_state_dict(optim.SGD(parameters())) == {}  # it keeps nothing


def test_what_a_state_dict_leaves_out_stays():
    optimizer = optim.SGD(parameters(), lr=0.5, momentum=0.9)
    train(optimizer, 1, seed=2)
    saved = optimizer.state_dict()
    del saved["param_groups"][0]["momentum"]
    saved["param_groups"][0] |= {"foreach": True, "fused": None, "name": "all"}
    saved["state"][0].pop("step")  # PyTorch's SGD has none
    saved["state"][1]["momentum_buffer"] = None
    del saved["state"][1]["step"]
    optimizer.load_state_dict(saved)
    group = optimizer.param_groups[0]
    assert group["momentum"] == 0.9
    assert group["name"] == "all"
    assert "foreach" not in group
    assert optimizer.state[optimizer.params[0]]["step"] == 1
    assert optimizer.params[1] not in optimizer.state


def test_arrays_and_numbers_are_taken_and_cast():
    (parameter,) = params = [Tensor(np.ones((2, 2)), dtype=np.float16, requires_grad=True)]
    optimizer = optim.Adam(params)
    moments = {"exp_avg": np.ones((2, 2)), "exp_avg_sq": Tensor.ones(2, 2, dtype=np.float64)}
    state = {0: {"step": 3, **moments}}
    optimizer.load_state_dict({"state": state, "param_groups": [{"params": [0], "lr": 0.5}]})
    kept = optimizer.state[parameter]
    assert kept["step"] == 3
    assert kept["exp_avg"].dtype == kept["exp_avg_sq"].dtype == np.float32


def changed(**changes):
    """Something that changes a state dict: entries of parameter 0, or the whole."""

    def change(saved):
        for name, value in changes.items():
            if name in ("state", "param_groups"):
                saved[name] = value
            elif value is None:
                del saved["state"][0][name]
            else:
                saved["state"][0][name] = value

    return change


def two_groups(saved):
    saved["param_groups"] *= 2


def fewer(saved):
    saved["param_groups"][0]["params"].pop()


def wrong_lr(saved):
    saved["param_groups"][0]["lr"] = -1


def of_nobody(saved):
    saved["state"][7] = {}


BAD = [
    (two_groups, ValueError, "expected 1 groups; got 2"),
    (fewer, ValueError, "group 0: expected 3 parameters; got 2"),
    (wrong_lr, ValueError, "Adam: lr: expected a number of 0 or more; got -1"),
    (changed(param_groups=3), TypeError, "param_groups: expected a list; got 3"),
    (changed(param_groups=[3]), TypeError, 'group 0: expected a dict with a list "params"; got 3'),
    (
        changed(param_groups=[{"lr": 0.1}]),
        TypeError,
        'group 0: expected a dict with a list "params"; got dict',
    ),
    (
        changed(param_groups=[{"params": [[0], 1, 2]}]),
        TypeError,
        'group 0: expected a dict whose "params" are numbers of parameters; got [[0], 1, 2]',
    ),
    (changed(state={0: 3}), TypeError, "parameter 0: expected a dict; got 3"),
    (changed(step=-1), ValueError, "parameter 0: step: expected a number of 0 or more; got -1"),
    (
        changed(step=np.nan),
        ValueError,
        "parameter 0: step: expected a number of 0 or more; got nan",
    ),
    (of_nobody, ValueError, "no group has parameter 7"),
    (changed(exp_avg=None), ValueError, "parameter 0: missing exp_avg"),
    (changed(step=None), ValueError, "parameter 0: missing step"),
    (changed(momentum_buffer=np.ones(3)), ValueError, "parameter 0: unexpected momentum_buffer"),
    (
        changed(exp_avg=np.ones((4, 3))),
        ValueError,
        "parameter 0: exp_avg: expected numbers of shape (3, 4); got ndarray of shape (4, 3)",
    ),
    (
        changed(exp_avg="text"),
        ValueError,
        "parameter 0: exp_avg: expected numbers of shape (3, 4); got ndarray of shape ()",
    ),
    (
        changed(step=np.ones(2)),
        ValueError,
        "parameter 0: step: expected numbers of shape (); got ndarray of shape (2,), float64",
    ),
]


@pytest.mark.parametrize(("spoil", "error", "text"), BAD)
def test_a_state_dict_that_does_not_fit_changes_nothing(spoil, error, text):
    optimizer = optim.Adam(parameters())
    train(optimizer, 2, seed=2)
    saved = optimizer.state_dict()
    saved["state"][2]["exp_avg"].data += 1
    saved["param_groups"][0]["eps"] = 0.5
    spoil(saved)
    before = optimizer.state_dict()
    with pytest.raises(error, match=re.escape(text)):
        optimizer.load_state_dict(saved)
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for position, kept in before["state"].items():
        for name, value in kept.items():
            np.testing.assert_array_equal(after["state"][position][name].data, value.data)


@pytest.mark.parametrize(
    "saved", [None, [], {"state": {}}, {"lr": 1}, {"state": [1], "param_groups": []}]
)
def test_what_is_no_state_dict(saved):
    text = 'Adam: load_state_dict: expected a dict with "state" and "param_groups"; got'
    with pytest.raises(TypeError, match=f"^{re.escape(text)}"):
        optim.Adam(parameters()).load_state_dict(saved)


def test_flat_values_that_do_not_fit():
    optimizer = optim.Adam(parameters())
    flat = dict(nn.state.get_state_dict(optimizer))
    del flat["state.1.step"]
    with pytest.raises(ValueError, match=r"missing state\.1\.step"):
        nn.state.load_state_dict(optimizer, flat)


# Dtypes


@every_optimiser
@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_moments_follow_a_parameter_to_another_dtype(make, dtype):
    """They are cast, and the parameter goes on as in an optimiser that began in that dtype."""
    optimizer = make(parameters())
    train(optimizer, 3, seed=2)
    other = twin(make, optimizer, dtype)
    other.load_state_dict(optimizer.state_dict())
    for parameter in optimizer.params:
        parameter.data = parameter.data.astype(dtype)
    train(optimizer, 3, seed=4)
    train(other, 3, seed=4)
    for mine, theirs in zip(optimizer.params, other.params, strict=True):
        assert mine.dtype == dtype
        np.testing.assert_array_equal(mine.data, theirs.data)
        kept = [array for array in optimizer.state[mine].values() if array.shape == mine.shape]
        computed = np.float32 if dtype == np.float16 else dtype
        assert all(array.dtype == computed for array in kept if array.ndim)


def test_a_model_changes_its_dtype_between_steps():
    model = nn.Linear(3, 2)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    for dtype in (np.float32, np.float64, np.float16, np.float32):
        model.to(dtype)
        optimizer.zero_grad()
        model(Tensor(np.ones((4, 3)), dtype=dtype)).sum().backward()
        optimizer.step()
        assert model.weight.dtype == dtype
    assert optimizer.state[model.weight]["step"] == 4


def test_adam_learns_in_float16():
    """Where squares of gradients are below the smallest float16: 1e-4 squared is 1e-8."""
    parameter = Tensor(np.ones(4), dtype=np.float16, requires_grad=True)
    optimizer = optim.Adam([parameter], lr=0.01)
    for _ in range(10):
        parameter.grad = Tensor(np.full(4, 1e-4, np.float16))
        optimizer.step()
    np.testing.assert_allclose(parameter.data, 0.9, atol=5e-3)


def test_a_gradient_of_another_dtype_is_cast():
    parameter = Tensor(np.ones(3), dtype=np.float64, requires_grad=True)
    parameter.grad = Tensor(np.ones(3, np.float32))
    optim.SGD([parameter], lr=0.1, momentum=0.5).step()
    assert parameter.data.tolist() == [0.9] * 3
