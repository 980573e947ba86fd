"""State: names, loading with every fault named at once, files."""

import json
import os
import pickle
import re
import struct
import sys

import numpy as np
import pytest

import nn
from nn.state import (
    get_parameters,
    get_state_dict,
    load_state_dict,
    safe_load,
    safe_load_metadata,
    safe_save,
)
from tinygrad_lite import Tensor


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))


class Tied(nn.Module):
    def __init__(self) -> None:
        self.first = nn.Linear(2, 2, bias=False)
        self.second = nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight


# Names


def test_names_and_prefix():
    names = ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"]
    net = model()
    assert list(get_state_dict(net)) == names
    assert list(get_state_dict(net, "net")) == [f"net.{name}" for name in names]
    assert list(get_state_dict(net, "net.")) == [f"net.{name}" for name in names]
    assert get_state_dict(net)["layers.0.bias"] is net[0].bias


def test_any_object_has_state():
    class Plain:
        def __init__(self):
            self.w = [Tensor([1.0], requires_grad=True), Tensor([2.0])]

    plain = Plain()
    assert list(get_state_dict(plain)) == ["w.0", "w.1"]
    assert get_parameters(plain) == [plain.w[0]]
    assert list(get_state_dict({"a": plain.w[0]})) == ["a"]
    assert get_parameters(plain.w[0]) == [plain.w[0]]
    assert get_parameters(None) == []


def test_a_shared_tensor_has_all_its_names_and_is_one_parameter():
    assert list(get_state_dict(Tied())) == ["first.weight", "second.weight"]
    assert len(get_parameters(Tied())) == 1


def test_what_was_computed_with_a_graph_is_no_state():
    net = model()
    net.last = net(Tensor.ones(1, 3))
    assert "last" not in get_state_dict(net)


def test_two_tensors_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"two tensors are called a\.b; rename a dict key"):
        get_state_dict({"a.b": Tensor(1.0), "a": {"b": Tensor(1.0)}})


# Loading


def test_loading_copies_into_the_memory_that_is_there():
    source, target = model(), model()
    memory = [p.data for p in target.parameters()]
    load_state_dict(target, get_state_dict(source))
    for mine, theirs, array in zip(target.parameters(), source.parameters(), memory, strict=True):
        assert mine.data is array
        assert np.array_equal(mine.data, theirs.data)
        assert not np.shares_memory(mine.data, theirs.data)


def test_every_fault_is_named_and_nothing_written():
    net = model()
    before = [p.data.copy() for p in net.parameters()]
    state = {
        "layers.0.weight": np.zeros((3, 2)),
        "layers.0.bias": np.zeros(2),
        "layers.2.weight": np.zeros((1, 2), np.complex64),
        "layers.9.weight": np.zeros(1),
        "extra": np.zeros(1),
    }
    with pytest.raises(ValueError, match="load_state_dict") as caught:
        load_state_dict(net, state)
    assert str(caught.value) == (
        "load_state_dict: missing layers.2.bias; unexpected layers.9.weight, extra; "
        "layers.0.weight has shape (3, 2), expected (2, 3); "
        "layers.2.weight has dtype complex64, expected float32"
    )
    for parameter, array in zip(net.parameters(), before, strict=True):
        assert np.array_equal(parameter.data, array)


def test_not_strict_lets_names_be_missing_but_not_shapes_differ():
    net = model()
    load_state_dict(net, {"layers.0.bias": np.array([5.0, 6.0]), "extra": np.ones(1)}, strict=False)
    assert net[0].bias.tolist() == [5, 6]
    with pytest.raises(ValueError, match=r"layers\.0\.bias has shape \(3,\), expected \(2,\)$"):
        load_state_dict(net, {"layers.0.bias": np.ones(3)}, strict=False)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64])
def test_dtypes_are_cast(dtype):
    holder = {"w": Tensor([0.0], requires_grad=True)}
    load_state_dict(holder, {"w": np.array([3], dtype)})
    assert holder["w"].data.dtype == np.float32
    assert holder["w"].tolist() == [3]


@pytest.mark.parametrize(
    ("dtype", "values", "line"),
    [
        (np.int8, np.array([1, 300]), "holds 300, beyond the range of int8"),
        (np.int64, np.array([1, 2**63], np.uint64), f"holds {2**63}, beyond the range of int64"),
        (np.uint8, np.array([1, 300], np.uint64), "holds 300, beyond the range of uint8"),
        (np.float32, np.array([1, -1e300]), "holds -1e+300, beyond the range of float32"),
        (np.float16, np.array([1, 70000]), "holds 70000, beyond the range of float16"),
        (np.float16, np.array([1, 1e5], np.float32), "holds 100000.0, beyond the range of float16"),
    ],
)
@pytest.mark.parametrize("errors", ["ignore", "warn", "raise"])
def test_a_value_beyond_the_dtype_is_named_and_nothing_written(dtype, values, line, errors):
    holder = {"a": Tensor([5.0]), "b": Tensor(np.ones(2, dtype)), "c": Tensor([6.0])}
    with (
        np.errstate(all=errors),
        pytest.raises(ValueError, match=f"^load_state_dict: b {re.escape(line)}$"),
    ):
        load_state_dict(holder, {"a": np.zeros(1), "b": values, "c": np.zeros(1)})
    assert [tensor.tolist() for tensor in holder.values()] == [[5], [1, 1], [6]]


def test_what_a_narrower_float_rounds_is_loaded_whatever_numpy_warns_of():
    holder = {"a": Tensor([5.0, 5.0, 5.0, 5.0]), "b": Tensor([6.0])}
    values = {"a": np.array([1e-300, np.inf, np.nan, 1 / 3]), "b": np.array([2.0])}
    with np.errstate(all="raise"):
        load_state_dict(holder, values)
    np.testing.assert_array_equal(holder["a"].data, np.array([0, np.inf, np.nan, 1 / 3], "f4"))
    assert holder["b"].tolist() == [2]


def test_floats_are_not_cut_to_integers():
    with pytest.raises(ValueError, match="count has dtype float32, expected int64"):
        load_state_dict({"count": Tensor([1])}, {"count": Tensor([1.5])})


def test_a_read_only_tensor_is_named():
    holder = {"w": Tensor([0.0])}
    holder["w"].data.flags.writeable = False
    with pytest.raises(ValueError, match="w is read-only in the model"):
        load_state_dict(holder, {"w": Tensor([1.0])})


def test_one_of_a_shared_tensors_names_is_enough():
    tied = Tied()
    load_state_dict(tied, {"second.weight": np.full((2, 2), 4.0)})
    assert tied.first.weight.data[0, 0] == 4


def test_a_models_own_tensors_can_change_places():
    holder = {"a": Tensor([1.0]), "b": Tensor([2.0])}
    load_state_dict(holder, {"a": holder["b"], "b": holder["a"]})
    assert (holder["a"].tolist(), holder["b"].tolist()) == ([2], [1])


def test_loading_is_seen_by_a_backward_that_needs_the_old_values():
    w = Tensor([2.0], requires_grad=True)
    loss = (w * w).sum()
    load_state_dict({"w": w}, {"w": Tensor([1.0])})
    with pytest.raises(RuntimeError, match="changed it in place"):
        loss.backward()


# Files


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3).T,
        np.arange(12, dtype=np.float64)[::-2],
        np.asfortranarray(np.arange(24, dtype=np.float16).reshape(2, 3, 4)),
        np.broadcast_to(np.array([1, 2], np.int64), (3, 2)),
        np.arange(6, dtype=">i4"),
        np.array(2.5, np.float32),
        np.zeros((2, 0), np.uint8),
        np.array([True, False]),
    ],
)
def test_a_file_holds_any_memory_layout(array, tmp_path):
    tensor = Tensor.zeros(1)
    tensor.data = array
    safe_save({"x": tensor, "y": array}, tmp_path / "file")
    for loaded in safe_load(tmp_path / "file").values():
        assert loaded.dtype == array.dtype.newbyteorder("=")
        assert loaded.shape == array.shape
        assert np.array_equal(loaded.data, array)
        assert loaded.data.flags.writeable
        assert not loaded.requires_grad


def test_a_model_survives_a_file(tmp_path):
    source, target = model(), model()
    path = str(tmp_path / "model.safetensors")
    safe_save(get_state_dict(source), path, {"epoch": "3"})
    load_state_dict(target, safe_load(path))
    x = Tensor.ones(4, 3)
    assert np.array_equal(source(x).data, target(x).data)
    assert safe_load_metadata(path) == {"epoch": "3"}


def test_metadata_is_optional(tmp_path):
    safe_save({}, tmp_path / "file")
    assert safe_load_metadata(tmp_path / "file") == {}
    assert safe_load(tmp_path / "file") == {}


def test_other_libraries_read_the_file(tmp_path):
    from safetensors.numpy import load_file

    safe_save(get_state_dict(Tied()), tmp_path / "file")
    assert list(load_file(tmp_path / "file")) == ["first.weight", "second.weight"]


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    safe_save({"x": Tensor([1.0])}, path)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        safe_save({"x": Tensor([2.0])}, path)
    assert os.listdir(tmp_path) == ["file"]
    assert safe_load(path)["x"].tolist() == [1]
    monkeypatch.undo()
    safe_save({"x": Tensor([2.0])}, path)
    assert os.listdir(tmp_path) == ["file"]
    assert safe_load(path)["x"].tolist() == [2]


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        safe_load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        safe_load_metadata(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        safe_save({}, tmp_path / "nowhere" / "file")


def whole() -> bytes:
    from safetensors.numpy import save

    return save({"x": np.arange(10.0)})


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", whole()[:-1], whole()[:20], whole() + b"\0", pickle.dumps([1] * 99), b"x" * 1000],
)
def test_a_truncated_or_foreign_file_is_one_line(content, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    for load in (safe_load, safe_load_metadata):
        with pytest.raises(ValueError, match="expected a whole safetensors file; ") as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


def test_a_dtype_that_numpy_lacks_is_named(tmp_path):
    header = json.dumps({"x": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    path = tmp_path / "file"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0")
    with pytest.raises(ValueError, match="holds numbers of type 'BF16', which NumPy lacks"):
        safe_load(path)


@pytest.mark.parametrize(
    ("tensors", "metadata", "text"),
    [
        (model(), None, "expected tensors by name; got Sequential; write get_state_dict(model)"),
        ({1: Tensor([1.0])}, None, "expected a name as key; got 1"),
        ({"__metadata__": Tensor([1.0])}, None, "expected a name as key; got '__metadata__'"),
        ({"x": [1.0]}, None, "expected numbers under x; got list"),
        ({"x": np.array(["a"])}, None, "expected numbers under x; got <U1"),
        ({}, {"epoch": 3}, "expected text as metadata; got 'epoch': 3"),
    ],
)
def test_what_cannot_be_saved_is_named(tensors, metadata, text, tmp_path):
    with pytest.raises(TypeError, match=f"^safe_save: {re.escape(text)}$"):
        safe_save(tensors, tmp_path / "file", metadata)
    assert os.listdir(tmp_path) == []


def test_a_missing_package_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    for call in (
        lambda: safe_save({}, tmp_path / "other"),
        lambda: safe_load(tmp_path / "file"),
        lambda: safe_load_metadata(tmp_path / "file"),
    ):
        with pytest.raises(ImportError, match=r"safetensors is missing; pip install safetensors$"):
            call()
