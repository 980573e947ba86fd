"""A run that is stopped, saved and resumed goes on to the same bits; a bad file changes nothing."""

import os
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nn
from nn.training import Snapshot
from tinygrad_lite import Tensor, generator

pytestmark = pytest.mark.usefixtures("no_waiting_for_the_disk")


@pytest.fixture(autouse=True)
def seeded(global_generators):
    """Every test may draw from the global generators."""
    Tensor.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002


def model_of(dtype=np.float32) -> nn.Module:
    layers = nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3), nn.Linear(6, 3)
    return nn.Sequential(*layers).to(dtype)


def train(model: nn.Module, optimizer: nn.optim.Optimizer, steps: int) -> None:
    """Steps that draw from all three global generators."""
    for _ in range(steps):
        x = Tensor.randn(8, 4).cast(next(iter(model.parameters())).dtype)
        labels = Tensor(np.random.randint(0, 3, 8))  # noqa: NPY002

        def closure(x=x, labels=labels):
            optimizer.zero_grad()
            loss = model(x * (1 + random.random())).sparse_categorical_crossentropy(labels)
            loss.backward()
            return loss

        optimizer.step(closure)


def bits(values: Any) -> Any:
    """Everything in nested values, with types, bit for bit, to be compared."""
    if isinstance(values, Tensor):
        return "tensor", bits(values.data), values.requires_grad, bits(values.grad)
    if isinstance(values, np.ndarray | np.generic):
        layout = np.argsort([-abs(s) for s in values.strides], kind="stable").tolist()
        return type(values).__name__, values.dtype.str, values.shape, layout, values.tobytes()
    if isinstance(values, dict):
        return type(values).__name__, [(bits(key), bits(value)) for key, value in values.items()]
    if isinstance(values, list | tuple):
        return type(values).__name__, [bits(value) for value in values]
    if isinstance(values, float | complex):
        return type(values).__name__, np.array(values).tobytes()
    return type(values).__name__, values


def memory(model: nn.Module, optimizer: nn.optim.Optimizer | None = None) -> Any:
    """Everything that a resume may change."""
    kept = [] if optimizer is None else [optimizer.state.get(p, {}) for p in optimizer.params]
    kept = [dict(sorted(state.items())) for state in kept]
    groups = [] if optimizer is None else optimizer.state_dict()["param_groups"]
    modules = [module.training for module in model.modules()]
    numpys = np.random.get_state(legacy=False)  # noqa: NPY002
    drawn = generator.get_state(), random.getstate(), numpys
    return bits([list(model.parameters()), list(model.buffers()), kept, groups, modules, drawn])


OPTIMIZERS: dict[str, Callable[[Any], nn.optim.Optimizer]] = {
    "SGD": lambda p: nn.optim.SGD(p, lr=0.1),
    "SGD momentum": lambda p: nn.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "ASGD": lambda p: nn.optim.ASGD(p, lr=0.1, t0=3),
    "Adam": lambda p: nn.optim.Adam(p, lr=0.01),
    "Adam amsgrad": lambda p: nn.optim.Adam(p, lr=0.01, amsgrad=True),
    "AdamW": lambda p: nn.optim.AdamW(p, lr=0.01),
    "Adamax": lambda p: nn.optim.Adamax(p, lr=0.01),
    "NAdam": lambda p: nn.optim.NAdam(p, lr=0.01),
    "RAdam": lambda p: nn.optim.RAdam(p, lr=0.01),
    "RMSprop": lambda p: nn.optim.RMSprop(p, lr=0.01, momentum=0.9, centered=True),
    "Adagrad": lambda p: nn.optim.Adagrad(p, lr=0.01, initial_accumulator_value=0.1),
    "Adadelta": lambda p: nn.optim.Adadelta(p, lr=1.0),
    "Lion": lambda p: nn.optim.Lion(p, lr=0.01),
    "Rprop": lambda p: nn.optim.Rprop(p, lr=0.01),
    "LARS": lambda p: nn.optim.LARS(p, lr=0.1),
    "LAMB": lambda p: nn.optim.LAMB(p, lr=0.01),
    "Muon": lambda p: nn.optim.Muon([each for each in p if each.ndim == 2], lr=0.01),
    "LBFGS": lambda p: nn.optim.LBFGS(p, lr=0.1, max_iter=3, line_search_fn="strong_wolfe"),
}


def test_every_optimiser_is_tried():
    names = {name.partition(" ")[0] for name in OPTIMIZERS}
    assert names == set(nn.optim.__all__) - {"Optimizer", "schedules", "swa_utils"}


# The same bits.


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, np.float32) for name in OPTIMIZERS),
        *(("Adam", dtype) for dtype in (np.float16, np.float64)),
        *(("SGD momentum", dtype) for dtype in (np.float16, np.float64)),
    ],
)
def test_a_run_goes_on_to_the_same_bits(name, dtype, tmp_path):
    path = tmp_path / "run.safetensors"
    model = model_of(dtype)
    optimizer = OPTIMIZERS[name](model.parameters())
    train(model, optimizer, 3)
    optimizer.lr = optimizer.lr * 0.7
    Snapshot(path, model=model, optimizer=optimizer).save(epoch=3)
    saved = memory(model, optimizer)
    train(model, optimizer, 3)
    expected = memory(model, optimizer)
    for used in (0, 2):  # into new parts, and into some that were used
        other = model_of(dtype)
        again = OPTIMIZERS[name](other.parameters())
        train(other, again, used)
        assert Snapshot(path, model=other, optimizer=again).resume() == {"epoch": 3}
        assert memory(other, again) == saved
        train(other, again, 3)
        assert memory(other, again) == expected


def test_parameters_are_written_in_place(tmp_path):
    model = model_of()
    snapshot = Snapshot(tmp_path / "run", model=model)
    snapshot.save()
    arrays = [tensor.data for tensor in model.parameters()]
    before = [array.copy() for array in arrays]
    for array in arrays:
        array += 1
    snapshot.resume()
    for tensor, array, values in zip(model.parameters(), arrays, before, strict=True):
        assert tensor.data is array
        np.testing.assert_array_equal(array, values)


VALUES = {
    "nothing": None,
    "flags": [True, False],
    "numbers": [0, -1, 2**63 - 1, -(2**63), 2**64, -(10**5000), 1.5, -0.0, 5e-324, 1e308],
    "no numbers": [float("nan"), float("inf"), -float("inf")],
    "complex": [1 + 2j, complex(float("nan"), -0.0)],
    "text": ["", "é\0\n\u2028\ud800", "$tuple", "NaN"],
    "tuples": ((), (1,), [((2,), [])]),
    "keys": {1: "a", "1": "b", (1, "x"): "c", None: "d", 2.5: "e", "$array": "f", "": {}},
    "dict": {"$tuple": [1], "a.b": {}, "a": {"b": {}}},
    "scalars": [np.float32(1.5), np.float64("nan"), np.int8(-1), np.bool_(True), np.complex64(1j)],
    "other scalars": [np.datetime64("2020-01-01"), np.str_("text"), np.float16(0.1)],
    "0-d": [np.array(1.5), np.array(True), np.array(3, np.uint8)],
    "empty": [np.zeros((0, 3)), np.zeros((2, 0), bool), np.zeros((0, 0, 0), np.float16)],
    "bools": np.array([[True, False], [False, True]]),
    "Fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "channels last": np.arange(120.0).reshape(2, 3, 4, 5).transpose(0, 3, 1, 2),
    "other dtypes": [np.arange(3) * 1j, np.array(["a", "ab"]), np.arange(3, dtype=">f4")],
    "dates": np.array(["2020-01-01", "NaT"], "M8[D]"),
    "bytes": np.array([b"a", b"bc"]),
    "nan payloads": np.array([0x7FC00001, 0xFFC12345, 0x7F800001, 0x80000000], "u4").view("f4"),
    "halves": np.arange(2**16, dtype=np.uint16).view(np.float16),
    "tensors": [Tensor([1.0, 2.0]), Tensor([1.0], requires_grad=True), Tensor(3)],
}


@pytest.mark.parametrize("name", VALUES)
def test_values_come_back_with_their_types_and_bits(name, tmp_path):
    snapshot = Snapshot(tmp_path / "run")
    snapshot.save(value=VALUES[name], score=None)
    assert bits(snapshot.resume()) == bits({"value": VALUES[name]})


def test_views_come_back_dense(tmp_path):
    whole = np.arange(24).reshape(4, 6)
    snapshot = Snapshot(tmp_path / "run")
    views = [whole[::2, 1:3], whole[::-1], np.broadcast_to(np.arange(3), (2, 3)), whole[:, 0]]
    views[0].flags.writeable = False
    snapshot.save(views=views)
    for found, view in zip(snapshot.resume()["views"], views, strict=True):
        np.testing.assert_array_equal(found, view)
        assert found.flags.writeable


def test_an_array_is_stored_once_and_comes_back_twice(tmp_path):
    array = np.arange(1000)
    snapshot = Snapshot(tmp_path / "run")
    snapshot.save(a=array, b=[array])
    assert list(nn.state.safe_load(tmp_path / "run")) == ["values.a"]
    values = snapshot.resume()
    assert not np.shares_memory(values["a"], values["b"][0])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1, 2}, r"save: values.x: expected numbers, .* got set; pass sorted\(...\)"),
        (object(), "save: values.x: expected numbers, .* got object"),
        (np.array([None]), "got ndarray of shape .1,., object; it holds objects"),
        (np.ma.masked_array([1], [True]), "got MaskedArray"),
        ([np.longdouble(1)], "save: values.x.0: expected"),
        ({"a": {frozenset(): 1}}, "save: values.x.a: expected text, numbers, None and tuples"),
        (np.zeros(2, [("a", "f4")]), "save: values.x: expected"),
        (b"bytes", "save: values.x: expected"),
    ],
)
def test_a_value_that_cannot_be_saved_is_named(value, message, tmp_path):
    snapshot = Snapshot(tmp_path / "run")
    with pytest.raises(TypeError, match=message) as caught:
        snapshot.save(x=value)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_values_are_not_nested_without_end(tmp_path):
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match=r"save: values.x.0.0.* expected at most 50 levels"):
        Snapshot(tmp_path / "run").save(x=endless)


def test_names_are_readable(tmp_path):
    model = nn.Sequential(nn.Linear(2, 3))
    optimizer = nn.optim.Adam(model.parameters())
    model(Tensor.ones(1, 2)).sum().backward()
    optimizer.step()
    Snapshot(tmp_path / "run", model=model, optimizer=optimizer).save()
    arrays = nn.state.safe_load(tmp_path / "run")
    assert {"model.0.weight", "model.grad.0.bias", "optimizer.state.0.exp_avg"} < set(arrays)
    metadata = nn.state.safe_load_metadata(tmp_path / "run")
    assert metadata["format"] == "tinygrad_lite snapshot"
    assert metadata["version"] == "1"
    assert set(metadata) == {"format", "version", "state", "checksum"}


def test_there_is_nothing_to_resume(tmp_path):
    assert Snapshot(tmp_path / "run", model=model_of()).resume() is None
    with pytest.raises(FileNotFoundError, match="resume"):
        Snapshot(tmp_path / "none" / "run").resume()


# The last files, and the best one.


def files_in(folder) -> dict[str, int]:
    """The names, with the epoch that is in each file."""
    return {name: Snapshot(folder / name).resume()["epoch"] for name in sorted(os.listdir(folder))}


def test_the_last_ones_and_the_best_one_stay(tmp_path):
    scores = [0.1, 0.7, 0.3, 0.7, float("nan"), 0.5]
    for epoch, score in enumerate(scores, 1):  # each time as after a restart
        Snapshot(tmp_path / "run.safetensors", keep=3).save(score=Tensor(score), epoch=epoch)
    assert files_in(tmp_path) == {
        "run.000004.safetensors": 4,
        "run.000005.safetensors": 5,
        "run.best.safetensors": 2,
        "run.safetensors": 6,
    }


def test_one_file_is_kept_unless_more_are_asked_for(tmp_path):
    snapshot = Snapshot(tmp_path / "run")
    for epoch in range(3):
        snapshot.save(epoch=epoch)
    assert files_in(tmp_path) == {"run": 2}
    snapshot.save(score=-1, epoch=3)
    assert files_in(tmp_path) == {"run": 3, "run.best": 3}
    snapshot.save(score=-2, epoch=4)
    assert files_in(tmp_path) == {"run": 4, "run.best": 3}


def refuse(*_):
    raise PermissionError(1, "Operation not permitted")


def test_without_hard_links_files_are_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse)
    for epoch in range(4):
        Snapshot(tmp_path / "run", keep=2).save(score=epoch % 3, epoch=epoch)
    assert files_in(tmp_path) == {"run": 3, "run.000003": 2, "run.best": 2}


def test_a_resume_removes_what_a_killed_save_had_still_to_remove(tmp_path, monkeypatch):
    for epoch in range(3):
        Snapshot(tmp_path / "run", keep=2).save(epoch=epoch)
    os.link(tmp_path / "run.000002", tmp_path / "run.000001")
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        assert Snapshot(tmp_path / "run", keep=2).resume() == {"epoch": 2}  # a read-only folder
    assert Snapshot(tmp_path / "run", keep=2).resume() == {"epoch": 2}
    assert files_in(tmp_path) == {"run": 2, "run.000002": 1}
    os.link(tmp_path / "run", tmp_path / "run.000003")  # a save that was killed after this
    assert Snapshot(tmp_path / "run", keep=2).resume() == {"epoch": 2}
    assert files_in(tmp_path) == {"run": 2, "run.000002": 1, "run.000003": 2}


class Killed(BaseException):
    pass


def test_wherever_it_is_killed_the_newest_and_the_best_are_there(tmp_path, monkeypatch):
    """Stopped before each call that changes names in the folder, and after it."""
    calls = ("link", "replace", "unlink")
    real = {name: getattr(os, name) for name in calls}
    stop, count = 0, 0

    def counted(name):
        def call(*arguments):
            nonlocal count
            count += 1
            if 0 < stop <= count:  # the dead do not clean up either
                raise Killed
            real[name](*arguments)

        return call

    stops = 0
    for score in (1, 5):  # the save that is killed is not the best one, or it is
        for stop in range(1, 100):
            folder = tmp_path / f"{score} {stop}"
            folder.mkdir()
            stop, at = -1, stop
            for epoch, before in enumerate((2, 4, 3)):
                Snapshot(folder / "run", keep=2).save(score=before, epoch=epoch)
            count, stop = 0, at
            with monkeypatch.context() as patch:
                for name in calls:
                    patch.setattr(os, name, counted(name))
                try:
                    Snapshot(folder / "run", keep=2).save(score=score, epoch=3)
                    finished = True
                except Killed:
                    finished = False
            names = [name for name in os.listdir(folder) if not name.startswith(".")]
            found = {name: Snapshot(folder / name).resume()["epoch"] for name in names}
            assert found["run"] in (2, 3)
            assert found["run.best"] in ((1,) if score == 1 else (1, 3))
            if score == 5 and found["run"] == 3:
                assert found["run.best"] == 3
            resumed = found["run"]
            for epoch in range(resumed + 1, 6):
                Snapshot(folder / "run", keep=2).save(score=score if epoch == 3 else 0, epoch=epoch)
            best = 1 if score == 1 else 3
            assert files_in(folder) == {"run": 5, "run.000005": 4, "run.best": best}
            stops += 1
            if finished:
                break
        else:
            pytest.fail("it never ends")
    assert stops > 8


def test_a_file_that_is_no_snapshot_is_not_taken_for_the_best_one(tmp_path):
    nn.state.safe_save({"a": Tensor(1.0)}, tmp_path / "run.best.safetensors")
    snapshot = Snapshot(tmp_path / "run.safetensors")
    with pytest.raises(ValueError, match=r"run.best.safetensors' is no snapshot.* move it away"):
        snapshot.save(score=1.0)
    snapshot.save()
    assert list(nn.state.safe_load(tmp_path / "run.best.safetensors")) == ["a"]
