"""What is saved of each kind of part, and how a resume is refused or remarked upon."""

import os
import random
import warnings
from typing import Any

import numpy as np
import pytest
import threadpoolctl

import nn
from nn.training import Snapshot
from tinygrad_lite import Tensor, generator

pytestmark = pytest.mark.usefixtures("no_waiting_for_the_disk", "global_generators")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


# Modules


def test_gradients_that_are_added_up_go_on(path):
    def gradients(model):
        return [tensor.grad.data.tobytes() for tensor in model.parameters()]

    x = Tensor.randn(3, 2)
    model = nn.Linear(2, 2)
    model(x).square().sum().backward()
    Snapshot(path, model=model).save()
    model(x).square().sum().backward()
    again = nn.Linear(2, 2)
    Snapshot(path, model=again).resume()
    again(x).square().sum().backward()
    assert gradients(again) == gradients(model)
    again.zero_grad()
    Snapshot(path, model=again).save()
    Snapshot(path, model=model).resume()
    assert all(tensor.grad is None for tensor in model.parameters())


def test_frozen_parameters_and_modules_in_evaluation_stay_so(path):
    def made():
        return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))

    model = made()
    model[0].weight.requires_grad_(False)
    model[1].eval()
    Snapshot(path, model=model).save()
    for other in (made(), made().eval().requires_grad_(False)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Snapshot(path, model=other).resume()
        assert [tensor.requires_grad for tensor in other.parameters()] == [False, True, True, True]
        assert [module.training for module in other.modules()] == [True, True, False, True]


class Remembering(nn.Module):
    """Buffers of every kind."""

    def __init__(self) -> None:
        self.weight = nn.Parameter(Tensor.randn(2))
        self.register_buffer("saved", Tensor(0))
        self.register_buffer("unsaved", Tensor([1.0]), persistent=False)
        self.register_buffer("later", None)
        self.register_buffer("array", None, persistent=False)

    def use(self) -> None:
        self.saved += 3
        self.unsaved = Tensor([1.0, 2.0])
        self.later = Tensor([5.0])
        self.array = np.arange(3)


def test_all_buffers_are_saved(path):
    model = Remembering()
    model.use()
    Snapshot(path, model=model).save()
    other = Remembering()
    saved = other.saved
    Snapshot(path, model=other).resume()
    assert other.saved is saved
    for name in ("saved", "unsaved", "later", "array"):
        found, expected = getattr(other, name), getattr(model, name)
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected), strict=True)
    Snapshot(path, model=Remembering()).save()
    Snapshot(path, model=other).resume()
    assert other.later is None


def test_the_memory_layout_of_weights_and_gradients_is_kept(path):
    def made(order):
        layer = nn.Linear(3, 4)
        layer.weight.data = np.array(layer.weight.data, order=order)
        return layer

    model = made("F")
    model(Tensor.randn(2, 3)).sum().backward()
    model.weight.grad = Tensor.from_array(np.asfortranarray(model.weight.grad.data))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    optimizer.step()
    Snapshot(path, model=model, optimizer=optimizer).save()
    for order in "CF":
        other = made(order)
        again = nn.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
        Snapshot(path, model=other, optimizer=again).resume()
        arrays = other.weight.data, other.weight.grad.data
        for array in (*arrays, again.state[other.weight]["momentum_buffer"]):
            assert array.flags.f_contiguous
        np.testing.assert_array_equal(other.weight.data, model.weight.data)


def test_tied_weights_are_stored_once_and_stay_tied(path):
    def made(tied=True):
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        if tied:
            model[1].weight = model[0].weight
        return model

    model = made()
    Snapshot(path, model=model).save()
    assert sorted(nn.state.safe_load(path)) == ["model.0.bias", "model.0.weight", "model.1.bias"]
    other = made()
    Snapshot(path, model=other).resume()
    assert other[1].weight is other[0].weight
    with pytest.raises(ValueError, match=r"parameter '1.weight' was not there when it was saved"):
        Snapshot(path, model=made(tied=False)).resume()
    Snapshot(path, model=made(tied=False)).save()
    with pytest.raises(ValueError, match=r"it has a parameter '1.weight', which is not there"):
        Snapshot(path, model=made()).resume()


def test_parts_may_share_tensors_and_one_may_be_given_twice(path):
    shared = nn.Linear(2, 2)
    first, second = nn.Sequential(shared), nn.Sequential(shared, nn.ReLU())
    parts: dict[str, Any] = {"first": first, "second": second, "again": first}
    parts |= {"tensor": shared.weight, "rng": (rng := np.random.default_rng(0)), "same": rng}
    expected = shared.weight.numpy().copy()
    Snapshot(path, **parts).save()
    assert sorted(nn.state.safe_load(path)) == ["first.0.bias", "first.0.weight"]
    drawn = rng.random()
    shared.weight.data[...] = 0
    Snapshot(path, **parts).resume()
    np.testing.assert_array_equal(shared.weight.numpy(), expected)
    assert rng.random() == drawn


class Counting(nn.Module):
    """A module with a state dict of its own."""

    def __init__(self) -> None:
        self.inner = nn.Linear(2, 2)
        self.seen: list[Any] = []

    def state_dict(self, **options):
        return {"inner": self.inner.state_dict(), "seen": self.seen}

    def load_state_dict(self, state_dict):
        self.inner.load_state_dict(state_dict["inner"])
        self.seen = list(state_dict["seen"])


def test_a_module_may_have_a_state_dict_of_its_own(path):
    model = Counting()
    model.seen += [1, "two"]
    model.inner.weight.requires_grad_(False)
    Snapshot(path, model=model).save()
    other = Counting()
    Snapshot(path, model=other).resume()
    assert other.seen == [1, "two"]
    assert not other.inner.weight.requires_grad
    np.testing.assert_array_equal(other.inner.weight.numpy(), model.inner.weight.numpy())


def test_averages_and_schedules_go_on(path):
    def made():
        Tensor.manual_seed(0)
        model = nn.Linear(2, 2)
        average = nn.optim.swa_utils.AveragedModel(model)
        return {
            "model": model,
            "average": average,
            "schedule": nn.optim.schedules.reduce_on_plateau(0.1, patience=1),
        }

    def go(model, average, schedule):
        for _ in range(2):
            model.weight.data += 1
            average.update_parameters(model)
            schedule(3.0)

    parts = made()
    go(**parts)
    Snapshot(path, **parts).save()
    go(**parts)
    others = made()
    Snapshot(path, **others).resume()
    go(**others)
    np.testing.assert_array_equal(
        others["average"].module.weight.numpy(), parts["average"].module.weight.numpy()
    )
    assert others["average"].n_averaged.item() == 4
    assert others["schedule"].state_dict() == parts["schedule"].state_dict()


# Optimisers


def test_what_the_options_do_not_use_now_is_saved_too(path):
    def go(model, optimizer):
        for tensor in model.parameters():
            tensor.grad = Tensor.ones(*tensor.shape)
        optimizer.step()

    model = nn.Linear(2, 2)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    go(model, optimizer)
    optimizer.momentum = 0.0
    go(model, optimizer)
    Snapshot(path, model=model, optimizer=optimizer).save()
    other = nn.Linear(2, 2)
    again = nn.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    Snapshot(path, model=other, optimizer=again).resume()
    for each, used in ((model, optimizer), (other, again)):
        used.momentum = 0.9
        go(each, used)
    np.testing.assert_array_equal(other.weight.numpy(), model.weight.numpy())


def test_an_optimiser_needs_the_model_that_it_trains(path):
    model = nn.Linear(2, 3)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    snapshot = Snapshot(path, optimizer=optimizer)
    for call in (snapshot.save, snapshot.resume):
        with pytest.raises(
            ValueError, match=r"optimizer trains a tensor of shape \(3, 2\) that no"
        ):
            call()
    Snapshot(path, optimizer=optimizer, weight=model.weight, bias=model.bias).save()
    Snapshot(path, optimizer=optimizer, loop=Own(model=model)).save()


def test_parameters_in_another_order_are_refused(path):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    optimizer = nn.optim.Adam(model.parameters())
    Snapshot(path, model=model, optimizer=optimizer).save()
    turned = nn.optim.Adam(list(model.parameters())[::-1])
    message = "optimizer: its parameter 0 is model.1.bias, and was 'model.0.weight' when it was"
    with pytest.raises(ValueError, match=message):
        Snapshot(path, model=model, optimizer=turned).resume()


def test_options_that_are_others_in_the_program_are_remarked(path):
    model = nn.Linear(2, 2)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    optimizer.lr = 0.05
    Snapshot(path, model=model, optimizer=optimizer).save()
    again = nn.optim.SGD(model.parameters(), lr=0.2)
    with pytest.warns(UserWarning, match="optimizer: lr 0.1 -> 0.2: the saved ones hold until"):
        Snapshot(path, model=model, optimizer=again).resume()
    assert again.lr == 0.05


# Generators


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_generators_go_on(kind, path):
    rng = np.random.Generator(getattr(np.random, kind)(1))
    rng.integers(0, 10, 3, dtype=np.int32)  # half of a number waits
    Snapshot(path, rng=rng).save()
    drawn = rng.integers(0, 1000, 10, dtype=np.int32), rng.normal(size=10)
    other = np.random.Generator(getattr(np.random, kind)(2))
    Snapshot(path, rng=other).resume()
    np.testing.assert_array_equal(other.integers(0, 1000, 10, dtype=np.int32), drawn[0])
    np.testing.assert_array_equal(other.normal(size=10), drawn[1])
    other = np.random.default_rng(0) if kind != "PCG64" else np.random.Generator(np.random.SFC64())
    with pytest.raises(ValueError, match=f"rng: it was saved from {kind}; this is"):
        Snapshot(path, rng=other).resume()


def test_the_global_generators_go_on(path):
    def draw():
        old = np.random.normal(), np.random.randint(0, 9, 3).tolist()  # noqa: NPY002
        return random.gauss(0, 1), random.random(), old, Tensor.randn(2).tolist()

    draw()
    Snapshot(path).save()
    drawn = draw()
    draw()
    Snapshot(path).resume()
    assert draw() == drawn


# Refusals


class Own:
    """A part of a user's own, which may refuse."""

    def __init__(self, error: BaseException | None = None, **held) -> None:
        self.error, self.held, self.position = error, held, 0

    def state_dict(self):
        return {"position": self.position}

    def load_state_dict(self, state):
        self.position = state["position"]
        if self.error is not None and self.position == 7:
            raise self.error


def everything(model, optimizer, rng) -> Any:
    arrays = [tensor.data.tobytes() for tensor in (*model.parameters(), *model.buffers())]
    kept = [
        {name: each.tobytes() for name, each in optimizer.state.get(tensor, {}).items()}
        for tensor in optimizer.params
    ]
    grads = [tensor.grad is None or tensor.grad.data.tobytes() for tensor in model.parameters()]
    drawn = generator.get_state(), random.getstate(), generator.get_state(rng)
    modules = [module.training for module in model.modules()]
    groups = [dict(group, params=None) for group in optimizer.param_groups]
    return arrays, kept, grads, drawn, modules, groups


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (ValueError("not like this"), ValueError, "own: not like this"),
        (TypeError("not\nlike this"), ValueError, r"own: not\\nlike this"),
        (KeyError("position"), ValueError, "own: KeyError: 'position'"),
        (MemoryError("none left"), MemoryError, "none left"),
        (AttributeError("a bug"), AttributeError, "a bug"),
        (KeyboardInterrupt("^C"), KeyboardInterrupt, "C"),
    ],
)
def test_a_part_that_refuses_takes_all_others_back(error, expected, message, path):
    def made(own):
        model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
        optimizer = nn.optim.Adam(model.parameters(), lr=0.1)
        rng = np.random.default_rng(0)
        for _ in range(2):
            optimizer.zero_grad()
            model(Tensor.randn(4, 2)).sum().backward()
            optimizer.step()
        other = Own()
        return {"other": other, "own": own, "model": model, "optimizer": optimizer, "rng": rng}

    saved = made(Own())
    saved["own"].position = saved["other"].position = 7
    saved["model"].eval()
    saved["optimizer"].lr = 0.5
    Snapshot(path, **saved).save()
    parts = made(Own(error))
    mine = parts["model"], parts["optimizer"], parts["rng"]
    before = everything(*mine)
    with pytest.raises(expected, match=message):
        Snapshot(path, **parts).resume()
    assert everything(*mine) == before
    assert (parts["own"].position, parts["other"].position) == (0, 0)


def saved_model(path, **parts):
    Snapshot(path, model=nn.Linear(2, 3), **parts).save()


MISFITS = {
    "shape": (
        lambda: nn.Linear(2, 4),
        r"weight: expected float32 of shape \(4, 2\); got ndarray of",
    ),
    "dtype": (lambda: nn.Linear(2, 3).double(), "weight: expected float64 of shape"),
    "more": (lambda: nn.Sequential(nn.Linear(2, 3)), "the parameter '0.weight' was not there"),
    "fewer": (lambda: nn.Linear(2, 3, bias=False), "it has a parameter 'bias', which is not there"),
    "buffers": (
        lambda: nn.BatchNorm1d(3, affine=False),
        "it has a parameter 'weight', which is not there",
    ),
    "optimiser": (
        lambda: nn.optim.SGD([Tensor([1.0], requires_grad=True)]),
        "it was saved from Linear; this is SGD",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_another_model_is_refused_in_one_line(name, path):
    make, message = MISFITS[name]
    saved_model(path)
    part = make()
    parts = {"model": part}
    if isinstance(part, nn.optim.Optimizer):
        parts["weight"] = part.params[0]
        saved_model(path, weight=Tensor([1.0]))
    with pytest.raises(ValueError, match=message) as caught:
        Snapshot(path, **parts).resume()
    text = str(caught.value)
    assert text.startswith(f"resume: '{path}': model: ")
    assert "\n" not in text


def test_other_optimisers_are_refused_in_one_line(path):
    def made(optimizer, bias=True, groups=1):
        model = nn.Linear(2, 2, bias=bias)
        params = list(model.parameters())
        given = params if groups == 1 else [{"params": [each]} for each in params]
        return {"model": model, "optimizer": optimizer(given, lr=0.1)}

    parts = made(nn.optim.Adam)
    parts["model"](Tensor.ones(1, 2)).sum().backward()
    parts["optimizer"].step()
    Snapshot(path, **parts).save()
    with pytest.raises(ValueError, match="optimizer: it was saved from Adam; this is AdamW"):
        Snapshot(path, **made(nn.optim.AdamW)).resume()
    with pytest.raises(
        ValueError, match="optimizer: Adam: load_state_dict: expected 2 groups; got"
    ):
        Snapshot(path, **made(nn.optim.Adam, groups=2)).resume()
    parts = made(nn.optim.Adam)
    parts["optimizer"] = nn.optim.Adam([parts["model"].weight], lr=0.1)
    with pytest.raises(ValueError, match="it was saved with 2 parameters; this one has 1"):
        Snapshot(path, **parts).resume()


def test_missing_and_additional_parts_are_named(path):
    saved_model(path, rng=np.random.default_rng())
    with pytest.raises(ValueError, match="it holds a part 'rng', which is not given here"):
        Snapshot(path, model=nn.Linear(2, 3)).resume()
    saved_model(path)
    with pytest.raises(ValueError, match="it holds no part 'schedule'; it was saved without"):
        Snapshot(path, model=nn.Linear(2, 3), schedule=Own()).resume()


@pytest.mark.parametrize(
    ("part", "error", "message"),
    [
        (3, TypeError, "Snapshot: part: expected a Module, an optimiser, .* got 3"),
        (nn.Linear, TypeError, "got the class Linear"),
        (lambda: 1, TypeError, "got the function <lambda>"),
        (np.random, TypeError, "got the module numpy.random"),
        (np.zeros(2), TypeError, r"got ndarray of shape \(2,\), float64"),
        ([nn.Linear(1, 1)], TypeError, r"got \[Linear\]"),
    ],
)
def test_what_is_no_part_is_refused_at_once(part, error, message, path):
    with pytest.raises(error, match=message):
        Snapshot(path, part=part)


def test_names_of_parts_are_names(path):
    with pytest.raises(ValueError, match=r"Snapshot: expected names for parts; got '\$tuple'"):
        Snapshot(path, **{"$tuple": nn.Linear(1, 1)})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"keep": 0}, ValueError, "Snapshot: keep: expected an integer of 1 or more; got 0"),
        ({"keep": True}, TypeError, "Snapshot: keep"),
        ({"config": [1]}, TypeError, r"Snapshot: config: expected a dict; got \[1\]"),
        ({"config": {"path": os}}, TypeError, "Snapshot: config.path: expected numbers"),
        ({"config": {"x": np.zeros(2)}}, TypeError, "Snapshot: config.x: expected JSON"),
    ],
)
def test_options_are_checked(options, error, message, path):
    with pytest.raises(error, match=message):
        Snapshot(path, **options)


def test_a_score_is_a_number(path):
    with pytest.raises(TypeError, match="save: score: expected a number; got 'high'"):
        Snapshot(path).save(score="high")
    assert not path.exists()


# Remarks


def the_remark(snapshot) -> str:
    with pytest.warns(UserWarning, match="resume: ") as caught:
        snapshot.resume()
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "\n" not in text
    return text.partition("': ")[2]


class Noise(nn.Module):
    def __init__(self, rng) -> None:
        self.layers, self.rngs = nn.Linear(2, 2), [rng]


def test_a_generator_in_a_module_is_a_part_too(path):
    """Otherwise the run goes on with other random numbers, and nobody says so."""
    rng = np.random.default_rng(0)
    model = Noise(rng)
    text = r"(save|resume): model.rngs.0 is a generator .* Snapshot\(path, rng="
    for method in (Snapshot(path, model=model).save, Snapshot(path, model=model).resume):
        with pytest.raises(ValueError, match=text):
            method()
    loader = nn.data.DataLoader(np.arange(4), shuffle=True, seed=rng)
    for held in ({"rng": rng}, {"loader": loader}):
        snapshot = Snapshot(path, model=model, **held)
        snapshot.save()
        drawn = rng.random()
        snapshot.resume()
        assert rng.random() == drawn


def test_another_config_is_remarked_once(path):
    before = {"lr": 0.1, "layers": [1, 2], "deep": {"a": 1, "b": None}, "name": "x", "gone": 1}
    Snapshot(path, config=before).save()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Snapshot(path, config=dict(reversed(before.items()))).resume()
    now = {"lr": 0.2, "layers": [1, 3], "deep": {"a": 1, "b": 2}, "name": "x", "new": True}
    assert the_remark(Snapshot(path, config=now)) == (
        "config: lr 0.1 -> 0.2, layers [1, 2] -> [1, 3], deep.b None -> 2, gone is gone, new is new"
    )


class Scaled(nn.Module):
    def __init__(self, function=Tensor.relu, scale=1.0, carried=None) -> None:
        self.layer, self.function, self.scale = nn.Linear(2, 2), function, scale
        self.dropout = nn.Dropout(0.5)
        self.carried = carried

    def forward(self, x):
        return self.function(self.layer(x)) * self.scale


def test_what_is_no_state_and_another_is_remarked(path):
    model = Scaled()
    Snapshot(path, model=model).save()
    model(Tensor.ones(1, 2))
    assert the_remark(Snapshot(path, model=Scaled(Tensor.tanh, 2.0))) == (
        "model: function is tanh (was relu), scale is 2.0 (was 1.0)"
    )
    other = Scaled()
    other.dropout.p = 0.1
    assert the_remark(Snapshot(path, model=other)) == "model: dropout.p is 0.1 (was 0.5)"
    other = Scaled()
    other.dropout = nn.Identity()
    assert "dropout is Identity (was Dropout)" in the_remark(Snapshot(path, model=other))
    carried = the_remark(Snapshot(path, model=Scaled(carried=(Tensor([1.0]), 2))))
    assert "carried.0 is the unregistered tensor float32[1] " in carried
    assert carried.endswith(
        "; tensors that change are saved if they are registered: register_buffer"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Snapshot(path, model=Scaled()).resume()


def test_other_threads_and_libraries_are_remarked_with_the_fix(path, monkeypatch):
    info = threadpoolctl.threadpool_info()

    def as_if(**changes):
        found = [one | changes if one["user_api"] == "blas" else one for one in info]
        monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda: found)

    as_if(num_threads=2, internal_api="openblas", architecture="Haswell", version="0.3.1")
    Snapshot(path).save()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Snapshot(path).resume()
    as_if(num_threads=1, internal_api="openblas", architecture="Haswell", version="0.3.1")
    assert the_remark(Snapshot(path)) == (
        "BLAS threads 1 (was 2): results will differ in their last bits; "
        "start with OPENBLAS_NUM_THREADS=2"
    )
    as_if(num_threads=2, internal_api="openblas", architecture="Zen", version="0.3.2")
    monkeypatch.setattr(np, "__version__", "9.9")
    assert the_remark(Snapshot(path)) == (
        f"NumPy 9.9 (was {np.version.version}), BLAS version 0.3.2 (was 0.3.1), BLAS for Zen (was "
        "Haswell): results will differ in their last bits; start with OPENBLAS_CORETYPE=Haswell"
    )
    monkeypatch.undo()


def test_our_own_threads_are_noted_and_no_reason_to_warn(path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_LITE_THREADS", "3")
    Snapshot(path).save()
    monkeypatch.setenv("TINYGRAD_LITE_THREADS", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Snapshot(path).resume()
    assert '"threads":"3"' in nn.state.safe_load_metadata(path)["state"]


def test_a_remark_that_is_made_an_error_changes_nothing(path):
    model = Scaled()
    Snapshot(path, model=model).save()
    other = Scaled(scale=3.0)
    before = other.layer.weight.numpy().copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match=r"scale is 3.0"):
            Snapshot(path, model=other).resume()
    np.testing.assert_array_equal(other.layer.weight.numpy(), before)


def test_a_long_or_hostile_config_takes_one_line_that_can_be_printed(path):
    Snapshot(path, config={"a\n\x1b[2J": {"b" * 500: 1}}).save()
    remark = the_remark(Snapshot(path, config={f"option{i}": i for i in range(100)}))
    assert remark.isprintable()
    assert "config: a\\n\\x1b[2J is gone, option0 is new, option1 is new" in remark
    assert remark.endswith("option8 is new and 91 more")
    long = the_remark(Snapshot(path, config={"a\n\x1b[2J": {"b" * 500: "2\n"}}))
    assert len(long) < 400
    assert long.isprintable()
