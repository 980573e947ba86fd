"""State: names, loading with every fault named at once, files."""

import gzip
import json
import os
import pickle
import re
import struct
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy
from mutations import check_messages, mutated

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

LONG = np.dtype(np.longdouble)  # float128 or float96, where it is longer


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))


class Tied(nn.Module):
    def __init__(self) -> None:
        self.first = nn.Linear(2, 2, bias=False)
        self.second = nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight


# Names


def test_names_and_prefix():
    names = ["0.weight", "0.bias", "2.weight", "2.bias"]
    net = model()
    assert list(get_state_dict(net)) == names
    assert list(get_state_dict(net, "net")) == [f"net.{name}" for name in names]
    assert list(get_state_dict(net, "net.")) == [f"net.{name}" for name in names]
    assert get_state_dict(net)["0.bias"] is net[0].bias


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


class Watching(nn.Module):
    """A module that looks at tensors that are none of its own."""

    def __init__(self) -> None:
        self.layer = nn.Linear(2, 1)
        self.constant = Tensor([1.0])
        self.stats = {"mean": Tensor.zeros(2), "weight": Tensor.ones(1, requires_grad=True)}
        self.register_buffer("count", np.zeros((), np.int64))

    def forward(self, x):
        self.last = x.detach()
        return self.layer(x)


def test_the_state_of_a_module_is_its_parameters_and_buffers():
    net = Watching()
    net(Tensor.ones(1, 2))
    names = ["count", "layer.weight", "layer.bias", "stats.weight"]  # tensors before modules
    assert list(get_state_dict(net)) == names
    assert list(get_state_dict({"net": net})) == [f"net.{name}" for name in names]


def test_outside_of_modules_every_tensor_is_state():
    class Holder:
        def __init__(self):
            self.net, self.constant, self.array = Watching(), Tensor([1.0]), np.ones(1)

    assert "constant" in get_state_dict(Holder())
    assert "array" not in get_state_dict(Holder())
    assert "net.constant" not in get_state_dict(Holder())


def test_what_is_inside_a_module_by_way_of_another_object_follows_the_rule_of_modules():
    class Plain:
        def __init__(self):
            self.trained, self.looked_at = Tensor([1.0], requires_grad=True), Tensor([1.0])

    net = nn.Module()
    net.plain = Plain()
    assert list(get_state_dict(net)) == ["plain.trained"]


def test_frozen_parameters_stay_in_the_state():
    net = model()
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    assert list(get_state_dict(net)) == list(get_state_dict(model()))
    assert get_parameters(net) == []


def test_a_shared_module_has_all_its_names():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, nn.ReLU(), layer, nn.Sequential(layer))
    names = ["0.weight", "0.bias", "2.weight", "2.bias", "3.0.weight", "3.0.bias"]
    assert list(get_state_dict(net)) == names
    assert [name for name, _ in net.named_parameters()] == names[:2]
    assert [name for name, _ in net.named_parameters(remove_duplicate=False)] == names
    outer = nn.Module()
    outer.a = outer.b = net
    assert list(get_state_dict(outer)) == [f"{part}.{name}" for part in "ab" for name in names]
    values = {name: np.full(x.shape, 3.0) for name, x in get_state_dict(layer).items()}
    load_state_dict(net, {f"2.{name}": value for name, value in values.items()})
    assert layer.bias.tolist() == [3, 3]


def test_a_module_that_holds_itself_has_names_that_end():
    outer, inner = nn.Module(), nn.Linear(1, 1)
    outer.inner, inner.outer, inner.me = inner, outer, inner
    assert list(get_state_dict(outer)) == ["inner.weight", "inner.bias"]


def test_a_state_is_that_of_the_model_and_has_no_graph():
    net = Watching()
    state = net.state_dict()
    assert not any(x.requires_grad for x in state.values())
    state["layer.bias"].copy_(Tensor([4.0]))
    assert net.layer.bias.tolist() == [4]
    assert net.state_dict(keep_vars=True)["layer.bias"] is net.layer.bias
    kept = {"epoch": 3}
    assert net.state_dict(kept, "net.") is kept
    assert list(kept) == ["epoch", *(f"net.{name}" for name in net.state_dict())]


def test_writing_into_a_state_is_seen_by_a_backward_that_needs_the_old_values():
    net = nn.Linear(1, 1)
    x = Tensor([[1.0]], requires_grad=True)
    loss = net(x).sum()
    net.state_dict()["weight"].add_(1.0)
    with pytest.raises(RuntimeError, match="changed it in place"):
        loss.backward()


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
        "0.weight": np.zeros((3, 2)),
        "0.bias": np.zeros(2),
        "2.weight": np.zeros((1, 2), np.complex64),
        "9.weight": np.zeros(1),
        "extra": np.zeros(1),
    }
    with pytest.raises(ValueError, match="load_state_dict") as caught:
        load_state_dict(net, state)
    assert str(caught.value) == (
        "load_state_dict: missing 2.bias; unexpected 9.weight, extra; "
        "0.weight has shape (3, 2), expected (2, 3); "
        "2.weight has dtype complex64, expected float32"
    )
    for parameter, array in zip(net.parameters(), before, strict=True):
        assert np.array_equal(parameter.data, array)


def test_not_strict_lets_names_be_missing_but_not_shapes_differ():
    net = model()
    load_state_dict(net, {"0.bias": np.array([5.0, 6.0]), "extra": np.ones(1)}, strict=False)
    assert net[0].bias.tolist() == [5, 6]
    with pytest.raises(ValueError, match=r"0\.bias has shape \(3,\), expected \(2,\)$"):
        load_state_dict(net, {"0.bias": np.ones(3)}, strict=False)


@pytest.mark.parametrize("load", [load_state_dict, nn.Module.load_state_dict])
def test_what_was_missing_and_unexpected_is_returned(load):
    net = model()
    found = load(net, {"0.bias": np.ones(2), "extra": np.ones(1), "x.y": np.ones(1)}, strict=False)
    assert found.missing_keys == ["0.weight", "2.weight", "2.bias"]
    assert found.unexpected_keys == ["extra", "x.y"]
    missing, unexpected = load(net, get_state_dict(net))
    assert (missing, unexpected) == ([], [])


def test_a_name_that_is_there_but_not_saved_says_so():
    """As in a file of before, when every tensor in an attribute was saved."""
    net = Watching()
    state = {**net.state_dict(), "constant": np.ones(1), "stats.mean": np.ones(2), "z": np.ones(1)}
    with pytest.raises(ValueError, match="unexpected") as caught:
        load_state_dict(net, state)
    assert str(caught.value) == (
        "load_state_dict: unexpected constant, stats.mean, z (constant, stats.mean is there, but "
        "not saved; a module saves its parameters and what it registers: "
        "register_buffer(name, tensor))"
    )


def test_buffers_of_every_kind_are_loaded_in_place():
    net = Watching()
    net.register_buffer("array", None)
    net.register_buffer("graph", None)
    net.array, net.graph = np.zeros(2), net.layer.bias * 2
    count, array, graph = net.count, net.array, net.graph.data
    state = {name: x.numpy() + 1 for name, x in net.state_dict().items()}
    net.load_state_dict(state)
    assert net.count is count
    assert (count.item(), array.tolist()) == (1, [1, 1])
    np.testing.assert_array_equal(graph, state["graph"])
    array.flags.writeable = False
    with pytest.raises(ValueError, match=r"^load_state_dict: array is read-only in the model$"):
        net.load_state_dict(state)


def test_buffers_and_frozen_weights_survive_a_file(tmp_path):
    source, target = Watching(), Watching()
    source.count += 7
    source.layer.requires_grad_(False)
    safe_save(source.state_dict(), tmp_path / "file")
    assert target.load_state_dict(safe_load(tmp_path / "file")) == ([], [])
    assert target.count.item() == 7
    assert target.layer.weight.requires_grad
    np.testing.assert_array_equal(target.layer.weight.data, source.layer.weight.data)


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


@pytest.mark.parametrize("state", [[1], None, "weights.safetensors", Tensor([1.0])])
def test_what_holds_no_names_cannot_be_loaded(state):
    with pytest.raises(
        TypeError, match=r"^load_state_dict: expected tensors by name, as safe_load"
    ):
        load_state_dict(model(), state)


def test_two_values_for_one_tensor_have_to_be_equal():
    tied = Tied()
    before = tied.first.weight.tolist()
    state = {"first.weight": np.ones((2, 2)), "second.weight": np.zeros((2, 2))}
    with pytest.raises(
        ValueError, match=r"^load_state_dict: second\.weight differs from first\.we"
    ):
        load_state_dict(tied, state)
    assert tied.first.weight.tolist() == before
    state["second.weight"] = state["first.weight"] = np.array([[np.nan, 1], [2, 3]])
    load_state_dict(tied, state)
    np.testing.assert_array_equal(tied.first.weight.data, state["first.weight"])


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
    safe_save(get_state_dict(Tied()), tmp_path / "file")
    assert list(safetensors.numpy.load_file(tmp_path / "file")) == ["first.weight", "second.weight"]


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


@pytest.mark.parametrize("path", [0, True, None, 1.5, Tensor([1.0])], ids=repr)
def test_what_is_no_path_is_refused(path):
    """`open(0)` would read standard input."""
    for call in (safe_load, safe_load_metadata, lambda path: safe_save({}, path)):
        with pytest.raises(
            TypeError, match=r"^safe_(load|save|load_metadata): expected a path: text"
        ):
            call(path)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        safe_load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        safe_load_metadata(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        safe_save({}, tmp_path / "nowhere" / "file")


# Files that are wrong.  The package safetensors says what is right.


def parts(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A file with this header: JSON text, or what becomes JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(first: int = 0, last: int = 4, shape: object = (1,), dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


def whole() -> bytes:
    arrays = {"x": np.arange(200.0), "y": np.ones((2, 3), np.float16), "z": np.array([True, False])}
    return safetensors.numpy.save(arrays, {"epoch": "3"})


DEEP = b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
WRONG = {
    "empty": (b"", "got 0 bytes"),
    "a zip archive": (b"PK\3\4" + bytes(99), "got a zip archive, such as torch.save"),
    "a pickle": (pickle.dumps([1] * 99), "got a pickle"),
    "a web page": (b"<!DOCTYPE html><html></html>", "got a web page"),
    "compressed": (gzip.compress(whole()), "got something compressed with gzip"),
    "text": (b"x" * 1000, "got 1000 bytes, which do not begin so"),
    "cut short": (whole()[:-1], "and its header speaks of"),
    "cut within the header": (whole()[:20], "got 20 bytes, which do not begin so"),
    "too long": (whole() + b"\0", "and its header speaks of"),
    "a header of 2^64 - 1 bytes": (parts({}, length=2**64 - 1), "which do not begin so"),
    "no JSON": (parts(b"{x}"), "its header is not JSON"),
    "a list": (parts([1]), "its header is not a JSON object"),
    "a number": (parts(b"12"), "its header is not a JSON object"),
    "deep": (parts(DEEP), "its header is not JSON"),
    "no UTF-8": (parts(b'{"\xff": 1}'), "its header is not JSON"),
    "half a character": (parts(b'{"\\ud800": 1}'), "its header is not JSON"),
    "a name twice": (
        parts(b'{"x": {}, "x": {}}'),
        "its header is not JSON: a name stands there twice",
    ),
    "NaN": (parts(b'{"x": NaN}'), "its header is not JSON: it holds NaN"),
    "metadata that is no text": (parts({"__metadata__": {"a": 1}}), "metadata is not text by name"),
    "metadata that is a list": (parts({"__metadata__": [1]}), "metadata is not text by name"),
    "no entry": (parts({"x": 1}), "'x' lacks a dtype, a shape or two offsets"),
    "no shape": (parts({"x": {"dtype": "F32", "data_offsets": [0, 4]}}, bytes(4)), "'x' lacks"),
    "a shape of text": (parts({"x": entry(shape="1")}, bytes(4)), "'x' lacks"),
    "three offsets": (
        parts({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 2, 4]}}, bytes(4)),
        "'x' lacks",
    ),
    "a fraction": (parts({"x": entry(shape=[1.0])}, bytes(4)), "a size or an offset that is no"),
    "a bool": (parts({"x": entry(shape=[True])}, bytes(4)), "a size or an offset that is no"),
    "negative": (parts({"x": entry(shape=[-1])}, bytes(4)), "a size or an offset that is no"),
    "negative offsets": (parts({"x": entry(-4, 0)}, bytes(4)), "a size or an offset that is no"),
    "swapped offsets": (parts({"x": entry(4, 0)}, bytes(4)), "do not fit its shape and dtype"),
    "more than there is": (
        parts({"x": entry(0, 2**40, [2**38])}, bytes(4)),
        "and its header speaks of",
    ),
    "a product of 2^64": (
        parts({"x": entry(0, 0, [2**32, 2**32])}),
        "do not fit its shape and dtype",
    ),
    "endless axes": (parts({"x": entry(0, 0, [0, 2**63])}), "'x' has a shape that NumPy lacks"),
    "a hundred axes": (parts({"x": entry(0, 0, [0] * 100)}), "'x' has a shape that NumPy lacks"),
    "digits without end": (parts(b'{"x": ' + b"9" * 5000 + b"}"), "its header is not JSON"),
    "overlapping": (
        parts({"x": entry(0, 4), "y": entry(0, 4)}, bytes(4)),
        "'y' begins at byte 0, where 4 was due",
    ),
    "a gap": (
        parts({"x": entry(0, 4), "y": entry(8, 12)}, bytes(12)),
        "'y' begins at byte 8, where 4 was due",
    ),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("load", [safe_load, safe_load_metadata])
def test_a_truncated_or_foreign_file_is_one_line(load, name, tmp_path):
    content, reason = WRONG[name]
    path = tmp_path / "file"
    path.write_bytes(content)
    if load is safe_load_metadata and "shape that NumPy lacks" in reason:
        assert load(path) == {}
        return
    with pytest.raises(ValueError, match="expected a whole safetensors file; ") as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_names_from_a_file_cannot_write_to_a_terminal(tmp_path):
    evil = "\x1b[2J\n\u202e" + "x" * 500
    path = tmp_path / "file\n\x1b[31m"
    for header in ({evil: entry(shape=[9])}, {"x": entry(dtype=evil)}, {evil: 0}):
        path.write_bytes(parts(header, bytes(4)))
        with pytest.raises(ValueError, match=r"file\\n\\x1b\[31m: .*\\x1b\[2J\\n\\u202e") as caught:
            safe_load(path)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500
    safe_save({evil: Tensor([1.0])} | {f"{evil}{i}": Tensor([1.0]) for i in range(5000)}, path)
    for own in ({"w": Tensor([1.0])}, {evil: Tensor([1.0, 2.0])}):
        with pytest.raises(ValueError, match=r"\\x1b\[2J.* and 49\d\d more") as caught:
            load_state_dict(own, safe_load(path))
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 5000
    with pytest.raises(TypeError, match=r"expected numbers under \\x1b\[2J") as refused:
        safe_save({evil: "text"}, path)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("value", ["text", None, np.ma.masked_array([1.0], [True])])
def test_a_value_that_is_no_tensor_is_refused_with_its_name(value, tmp_path):
    layer = nn.Linear(1, 1)
    before = layer.weight.data.copy()
    with pytest.raises(TypeError, match=r"^load_state_dict: bias: Tensor: "):
        load_state_dict(layer, {"weight": np.ones((1, 1)), "bias": value})
    assert layer.weight.data.tolist() == before.tolist()
    with pytest.raises(
        TypeError, match=r"^safe_save: (bias: Tensor: |expected numbers under bias)"
    ):
        safe_save({"bias": value}, tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_a_dtype_that_numpy_lacks_is_named(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(parts({"x": entry(0, 2, dtype="BF16")}, bytes(2)))
    with pytest.raises(
        ValueError, match="'x' holds numbers of type 'BF16', which NumPy lacks; save it as"
    ):
        safe_load(path)


def test_a_bool_is_false_or_true_whatever_its_byte(tmp_path):
    path = tmp_path / "file"
    header = {"x": entry(0, 3, [3], "BOOL"), "y": entry(3, 4, [], "BOOL")}
    path.write_bytes(parts(header, b"\0\1\xff\2"))
    loaded = safe_load(path)
    assert loaded["x"].data.tobytes() == b"\0\1\1"
    assert loaded["y"].data.tobytes() == b"\1"


def test_a_file_is_read_into_its_memory_once(tmp_path):
    array = np.ones(1_000_000)
    tracemalloc.start()
    try:
        safe_save({"x": array}, tmp_path / "file")
        saving = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        safe_load(tmp_path / "file")
        loading = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert saving < 0.1 * array.nbytes
    assert loading < 1.1 * array.nbytes


def test_a_lack_of_memory_names_the_file(tmp_path, monkeypatch):
    safe_save({"x": np.ones(3)}, tmp_path / "file")

    def empty(*_):
        raise MemoryError

    monkeypatch.setattr(np, "empty", empty)
    with pytest.raises(
        MemoryError, match=r"^safe_load: '.*file': this needs more memory than ther"
    ):
        safe_load(tmp_path / "file")


def test_mutated_files_are_read_or_refused_as_by_the_package(tmp_path):
    rng, path, content = np.random.default_rng(0), tmp_path / "file", whole()
    messages, read = [], 0
    for _ in range(1000):
        damaged = mutated(rng, content, 3, [8, 300, len(content), len(content)])
        path.unlink(missing_ok=True)  # some file systems sync a file that is written over
        path.write_bytes(damaged)
        try:
            loaded = safe_load(path)
        except ValueError as error:
            messages.append(str(error))
            continue
        expected = safetensors.numpy.load(damaged)  # what we read, it reads too
        assert loaded.keys() == expected.keys()
        for name, array in expected.items():
            assert loaded[name].dtype == array.dtype
            assert loaded[name].shape == array.shape
            if array.dtype != bool:  # the package leaves bytes that are no bool
                assert loaded[name].data.tobytes() == array.tobytes()
        read += 1
    assert min(read, len(messages)) > 50
    check_messages(messages, path)


def test_random_arrays_are_the_same_to_the_package(tmp_path):
    """Names, metadata, dtypes and shapes, written by either and read by the other."""
    rng, path = np.random.default_rng(0), tmp_path / "file"
    kinds = ["?", "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8"]
    for _ in range(100):
        arrays = {
            name: rng.integers(0, 99, shape).astype(rng.choice(kinds))
            for name, shape in {"é.weight": (2, 3), "b": (), "": (0, 4), 'q"\\\n': (5, 1)}.items()
        }
        metadata = {"note": "ü\n", "": ""}
        safe_save(arrays, path, metadata)
        theirs = safetensors.numpy.load_file(path)
        safetensors.numpy.save_file(arrays, tmp_path / "theirs", metadata)
        ours = {name: tensor.data for name, tensor in safe_load(tmp_path / "theirs").items()}
        for found in (theirs, ours):
            assert found.keys() == arrays.keys()
            for name, array in arrays.items():
                assert found[name].dtype == array.dtype
                assert found[name].shape == array.shape
                assert found[name].tobytes() == array.tobytes()
        with safetensors.safe_open(path, "np") as opened:
            assert opened.metadata() == metadata
        assert safe_load_metadata(tmp_path / "theirs") == metadata


def test_a_name_that_is_not_unicode_is_refused(tmp_path):
    for tensors, metadata in (({"\ud800": Tensor(1.0)}, None), ({}, {"note": "\udcff"})):
        with pytest.raises(
            ValueError, match=r"^safe_save: expected Unicode as a name or text; got '\\ud"
        ):
            safe_save(tensors, tmp_path / "file", metadata)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("tensors", "metadata", "text"),
    [
        (model(), None, "expected tensors by name; got Sequential; write get_state_dict(model)"),
        ({1: Tensor([1.0])}, None, "expected a name as key; got 1"),
        ({"__metadata__": Tensor([1.0])}, None, "expected a name as key; got '__metadata__'"),
        ({"x": [1.0]}, None, "expected numbers under x; got list"),
        ({"x": np.array(["a"])}, None, "expected numbers under x; got <U1"),
        ({}, {"epoch": 3}, "expected text as metadata; got 'epoch': 3"),
        ({}, ["epoch"], "expected text by name as metadata; got list"),
        ({"x": np.zeros(2, np.longdouble)}, None, f"expected numbers under x; got {LONG}"),
        ({"x": np.zeros(2, complex)}, None, "expected numbers under x; got complex128"),
    ],
)
def test_what_cannot_be_saved_is_named(tensors, metadata, text, tmp_path):
    with pytest.raises(TypeError, match=f"^safe_save: {re.escape(text)}$"):
        safe_save(tensors, tmp_path / "file", metadata)
    assert os.listdir(tmp_path) == []
