"""Where a graph would be lost: an operation keeps it or raises, never with a silent constant."""

import importlib.util
import logging
import operator
import warnings
from collections import deque
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Tensor, grad, no_grad

VALUES = np.array([1.0, 2.0, 3.0])
VALUES.flags.writeable = False
SQUARE = np.array([[2.0, 1.0], [1.0, 3.0]])


def leaf() -> Tensor:
    return Tensor(VALUES, requires_grad=True)


def scalars() -> list[Any]:
    return list(leaf())


def _objects(*values: Any) -> Any:
    found = np.empty(len(values), object)
    for number, value in enumerate(values):
        found[number] = value
    return found


# Lists of tensors


@pytest.mark.parametrize(
    "nest",
    [
        lambda a, b, x: [a * 2, b],
        lambda a, b, x: (a * 2, b),
        lambda a, b, x: [[a, 1], [2.5, b]],
        lambda a, b, x: [[a, b], (1, 2)],
        lambda a, b, x: [a, np.float32(3), np.array(2.0)],
        lambda a, b, x: [x, x * 2, VALUES],
        lambda a, b, x: [[x[:2], [a, b]], [[1, 2], x[1:]]],
        lambda a, b, x: [x.reshape(1, 3)],
    ],
)
def test_a_list_of_tensors_keeps_their_graph(nest: Any) -> None:
    x = leaf()
    made = Tensor(nest(x[0], x[1], x))
    expected = np.array(nest(VALUES[0], VALUES[1], VALUES), np.float64)
    np.testing.assert_array_equal(made.data, expected)
    assert (made.dtype, made.requires_grad, made.is_leaf) == (np.float64, True, False)
    weights = np.arange(1.0, expected.size + 1).reshape(expected.shape)
    (made * weights).sum().backward()
    step = 1e-6 * np.eye(3)  # linear, so that differences are exact but for rounding
    slopes = [
        (np.array(nest(v[0], v[1], v), np.float64) * weights - expected * weights).sum() / 1e-6
        for v in VALUES + step
    ]
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.data, slopes, atol=1e-6)


def test_a_list_of_tensors_by_dtype_and_mode() -> None:
    a, b, _ = scalars()
    assert Tensor([a, b], dtype=np.float32).requires_grad
    assert Tensor([a, b], dtype=np.float32).dtype == np.float32
    assert not Tensor([a, b], dtype=np.int64).requires_grad  # as any cast to integers
    assert Tensor([Tensor(1.0, requires_grad=True), 2]).dtype == np.float32
    with no_grad():
        assert not Tensor([a, b]).requires_grad
        assert Tensor([a, b], requires_grad=True).is_leaf
    assert not Tensor([a.detach(), b.detach()]).requires_grad


@pytest.mark.parametrize(
    ("call", "error", "line"),
    [
        (lambda a, b: Tensor([a, [b]]), ValueError, "stack: expected tensors of one shape"),
        (
            lambda a, b: Tensor([a, b], requires_grad=True),
            ValueError,
            "Tensor: requires_grad=True makes a leaf, and a Tensor in the list requires grad",
        ),
        (lambda a, b: Tensor(one for one in (a, b)), TypeError, "got generator; write Tensor(list"),
        (lambda a, b: Tensor({"a": a}.values()), TypeError, "Tensor: expected bools, integers or "),
        (
            lambda a, b: Tensor(_objects(a, b)),
            TypeError,
            "got Tensor; write Tensor(array.tolist())",
        ),
        (
            lambda a, b: Tensor(deque([a, b])),
            RuntimeError,
            "Tensor: a Tensor that requires grad would become a constant",
        ),
    ],
)
def test_what_is_no_list_is_refused(call: Any, error: Any, line: str) -> None:
    with pytest.raises(error) as caught:
        call(*scalars()[:2])
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


LISTS = {
    "np.exp": lambda ts: np.exp(ts),
    "a name of one's own": lambda ts: EXP(ts),
    "np.add": lambda ts: np.add(ts, VALUES),
    "np.add.reduce": lambda ts: np.add.reduce(ts),
    "np.maximum.accumulate": lambda ts: np.maximum.accumulate(ts),
    "np.matmul": lambda ts: np.matmul(np.eye(3), ts),
    "array + list": lambda ts: VALUES + ts,
    "list + array": lambda ts: ts + VALUES,
    "array @ list": lambda ts: VALUES @ ts,
    "list in array": lambda ts: ts in np.stack([VALUES, VALUES]),
    "array == list": lambda ts: ts == VALUES,
    "array += list": lambda ts: exec("a += ts", {"a": VALUES.copy(), "ts": ts}),
    "operator.iadd": lambda ts: operator.iadd(VALUES.copy(), ts),
    "np.mean": lambda ts: np.mean(ts),
    "np.sum": lambda ts: np.sum([ts, ts]),
    "np.max": lambda ts: np.max(ts),
    "np.dot": lambda ts: np.dot(VALUES, ts),
    "np.einsum": lambda ts: np.einsum("i,i", VALUES, ts),
    "np.where": lambda ts: np.where(VALUES > 1, ts, 0.0),
    "np.stack": lambda ts: np.stack([ts, ts]),
    "np.concatenate": lambda ts: np.concatenate([ts, ts]),
    "np.hstack": lambda ts: np.hstack([ts, ts]),
    "np.r_": lambda ts: np.r_[ts[0], ts[1]],
    "np.r_ of tensors": lambda ts: np.r_[Tensor.stack(ts), 1.0],
    "np.c_": lambda ts: np.c_[Tensor.stack(ts), VALUES],
    "np.append": lambda ts: np.append(VALUES, ts),
    "np.full": lambda ts: np.full(3, ts[0]),
    "np.interp": lambda ts: np.interp(1.5, VALUES, ts),
    "np.average": lambda ts: np.average(ts, weights=Tensor.stack(ts)),
    "np.vectorize": lambda ts: np.vectorize(float)(Tensor.stack(ts)),
    "np.linalg.inv": lambda ts: np.linalg.inv([ts[:2], ts[1:]]),
    "array.dot": lambda ts: VALUES.dot(Tensor.stack(ts)),
    "Tensor.einsum": lambda ts: Tensor.einsum("i,i", ts, ts),
    "weights": lambda ts: Tensor(np.eye(3)).cross_entropy([0, 1, 2], weight=ts),
}
EXP = np.exp


@pytest.mark.filterwarnings("ignore:.*deprecated")
@pytest.mark.parametrize("name", LISTS)
def test_numpy_of_a_list_raises(name: str) -> None:
    with pytest.raises(RuntimeError, match="a Tensor that requires grad would become a constant, "):
        LISTS[name](scalars())
    with no_grad():
        LISTS[name](scalars())  # nothing to lose
    LISTS[name]([one.detach() for one in scalars()])


@pytest.mark.parametrize(
    "call",
    [
        lambda ts: Tensor(np.eye(3)).cross_entropy(ts),
        lambda ts: (leaf() * 2).backward(gradient=ts),
        lambda ts: setattr(Tensor(VALUES), "data", ts),
    ],
)
def test_our_own_of_a_list_raises(call: Any) -> None:
    with pytest.raises(RuntimeError, match="a Tensor that requires grad would become a constant, "):
        call(scalars())


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (
            lambda x: operator.add([1, 2, 3], x),
            "+: expected a Tensor, an ndarray or a number; got list; make it",
        ),
        (lambda x: [x[0], 2, 3] * x, "*: expected a Tensor, an ndarray or a number; got list"),
        (lambda x: x * (x[0], 2, 3), "*: expected a Tensor, an ndarray or a number; got tuple"),
        (lambda x: np.add(x, [x[0], 2, 3]), "np.add: expected a Tensor, an ndarray or"),
        (lambda x: operator.iadd(x * 1, [x[0]]), "+=: expected a Tensor, an ndarray or a number"),
        (lambda x: operator.setitem(x * 1, 0, [x[0]]), "x[i] = v: expected a Tensor, an ndarray"),
        (lambda x: np.block([x, x]), "np.block is not supported on a Tensor; use"),
        (lambda x: np.linspace(x[0], x[1], 3), "np.linspace is not supported on a Tensor; use"),
    ],
)
def test_a_list_beside_a_tensor_is_refused(call: Any, line: str) -> None:
    with pytest.raises(TypeError) as caught:
        call(leaf())
    assert str(caught.value).startswith(line)


def test_python_keeps_the_graph() -> None:
    a, b, c = ones = scalars()
    assert sum(ones).requires_grad
    assert max(ones) is c
    assert sorted(ones, reverse=True) == [c, b, a]
    assert Tensor.stack(ones).requires_grad
    assert leaf().masked_fill(VALUES > 1, a).requires_grad


# Other libraries on the left


SERIES = """
import warnings
import numpy as np

class Series:  # computes on its array as pandas does, and makes an array of the result
    __array_priority__ = 1000
    def __init__(self, values):
        self.values = np.array(values)
        self.iloc = self
        self.shape = self.values.shape
    def _with(self, other, operation):
        return Series(operation(self.values, other))
    def __mul__(self, other): return self._with(other, np.multiply)
    def __rmul__(self, other): return self._with(other, np.multiply)
    def __add__(self, other): return self._with(other, np.add)
    def __lt__(self, other): return self._with(other, np.less)
    def __pow__(self, other): return Series(self.values ** float(other))
    def mul(self, other): return self * other
    def to_numpy(self): return self.values
    def map(self, function): return [function(value) for value in self.values]

class Sparse:  # SciPy's ask for an array before they compute
    def __init__(self, values): self.values = np.array(values)
    def _product(self, other): return self.values @ np.asanyarray(other)
    def __matmul__(self, other): return self._product(other)
    def __mul__(self, other): return self._product(other)
    def __add__(self, other): return NotImplemented
    def dot(self, other): return self._product(other)
    def toarray(self): return self.values
    def multiply(self, other): return self.values * np.asanyarray(other)

def hist(values, times=12):
    for _ in range(times):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            found = np.asarray(values)
        np.ma.ravel(values)
        float(values[0])
        np.asarray([values, values]), np.mean([values, values])
        np.may_share_memory(values, found), np.histogram2d(values, values)
    return found
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """A module in a folder site-packages that treats tensors as pandas, SciPy and plots do."""
    path: Path = tmp_path_factory.mktemp("lib") / "site-packages" / "foreign.py"
    path.parent.mkdir()
    path.write_text(SERIES)
    spec = importlib.util.spec_from_file_location("foreign", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LEFT = {
    "Series * t": lambda lib, x: lib.Series(VALUES) * x,
    "Series + t": lambda lib, x: lib.Series(VALUES) + x,
    "Series.mul": lambda lib, x: lib.Series(VALUES).mul(x),
    "Series * 0-d": lambda lib, x: lib.Series(VALUES) * x[0],
    "Series ** 0-d": lambda lib, x: lib.Series(VALUES) ** x[0],
    "sparse @ t": lambda lib, x: lib.Sparse(SQUARE) @ x[:2],
    "sparse * t": lambda lib, x: lib.Sparse(SQUARE) * x[:2],
    "sparse.dot": lambda lib, x: lib.Sparse(SQUARE).dot(x[:2]),
    "sparse.multiply": lambda lib, x: lib.Sparse(SQUARE).multiply(x[:2]),
    "masked * t": lambda lib, x: np.ma.array(VALUES, mask=[0, 1, 0]) * x,
    "masked - t": lambda lib, x: np.ma.array(VALUES) - x,
    "masked += t": lambda lib, x: operator.iadd(np.ma.array(VALUES.copy()), x),
    "masked[0] = t": lambda lib, x: operator.setitem(np.ma.array(VALUES.copy()), 0, x[0]),
    "masked.dot": lambda lib, x: np.ma.array(VALUES).dot(x),
    "np.ma.multiply": lambda lib, x: np.ma.multiply(np.ma.array(VALUES), x),
    "np.ma.exp": lambda lib, x: np.ma.exp(x),
    "np.ma.where": lambda lib, x: np.ma.where(np.ma.array(VALUES) > 1, x, 0.0),
    "np.ma.concatenate": lambda lib, x: np.ma.concatenate([np.ma.array(VALUES), x]),
}


@pytest.mark.parametrize("name", LEFT)
def test_a_library_on_the_left_raises(name: str, library: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="make an ndarray of the other operand"):
        LEFT[name](library, leaf())
    with no_grad():
        LEFT[name](library, leaf())
    LEFT[name](library, leaf().detach())


@pytest.mark.parametrize(
    ("call", "fix"),
    [
        (lambda lib, x: x * lib.Series(VALUES), "; take its to_numpy(), which goes by position"),
        (lambda lib, x: x.maximum(lib.Series(VALUES)), "; take its to_numpy(), which goes by"),
        (lambda lib, x: x[:2] @ lib.Sparse(SQUARE), "; take its toarray()"),
        (lambda lib, x: lib.Sparse(SQUARE) + x[:2], "; take its toarray()"),
        (lambda lib, x: Tensor(lib.Sparse(SQUARE)), "; take its toarray()"),
        (lambda lib, x: x[lib.Series(VALUES > 1)], "; take its to_numpy(), which goes by position"),
        (lambda lib, x: x * np.ma.array(VALUES), "filled(value)"),
        (lambda lib, x: np.matrix(SQUARE) * x[:2], "convert it to an ndarray first"),
        (lambda lib, x: np.matrix(SQUARE) + x[:2], "convert it to an ndarray first"),
    ],
)
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_a_library_on_the_right_is_refused(call: Any, fix: str, library: ModuleType) -> None:
    with pytest.raises(TypeError) as caught:
        call(library, leaf())
    assert fix in str(caught.value)


def test_what_goes_by_elements_keeps_the_graph(library: ModuleType) -> None:
    x = leaf()
    mapped = library.Series(VALUES).map(lambda value: value * x[0])
    assert all(one.requires_grad for one in mapped)
    (slope,) = grad(sum(mapped), x)
    np.testing.assert_array_equal(slope.data, [VALUES.sum(), 0, 0])


# Conversions, which warn


CONVERSIONS = {
    "np.asarray": lambda x: np.asarray(x),
    "np.asarray, dtype": lambda x: np.asarray(x, np.float32),
    "np.array": lambda x: np.array(x),
    "np.array of a list": lambda x: np.array([x, x]),
    "np.asarray of a list": lambda x: np.asarray(list(x)),
    "np.ascontiguousarray": lambda x: np.ascontiguousarray(x),
    "np.require": lambda x: np.require(x),
    "a[...] = t": lambda x: operator.setitem(np.zeros(3), ..., x),
    "a[0] = t": lambda x: operator.setitem(np.zeros(3), 0, x[0]),
    "np.float64": lambda x: np.float64(x[0]),
    "np.fromiter": lambda x: np.fromiter(x, float),
    "generator": lambda x: np.random.default_rng(0).normal(x),
    "float": lambda x: float(x[0]),
    "floats": lambda x: [float(one) for one in x],
    "math": lambda x: __import__("math").exp(x[0]),
    "statistics": lambda x: __import__("statistics").fmean(x),
    "a new leaf": lambda x: Tensor(x),
}
SILENT = {
    "numpy": lambda x: x.numpy(),
    "data": lambda x: np.asarray(x.data),
    "detach": lambda x: np.asarray(x.detach()),
    "item": lambda x: x[0].item(),
    "tolist": lambda x: x.tolist(),
    "format": lambda x: f"{x[0]:.3f}",
    "percent": lambda x: "%.3f" % x[0],  # noqa: UP031  # as loggers do
    "logging": lambda x: logging.getLogger("none").error("%.3f", x[0]),
    "repr": lambda x: repr(x),
    "bool": lambda x: bool(x[0]) and int(x[0]),
    "sizes": lambda x: (np.shape([x, x]), np.ndim([x]), np.size([x[0], x[1]]), np.shape(x), len(x)),
    "looks": lambda x: np.allclose([x, x], VALUES) and np.isclose(list(x), VALUES).all(),
    "testing": lambda x: np.testing.assert_allclose(x, VALUES),
    "testing, almost equal": lambda x: np.testing.assert_almost_equal(x, VALUES),
    "testing, spacing": lambda x: np.testing.assert_array_max_ulp(x, x.clone()),
    "testing, of a list": lambda x: np.testing.assert_array_equal([x, x], [VALUES, VALUES]),
    "graph": lambda x: grad((x.relu() ** 2).sum(), x, create_graph=True)[0].sum().backward(),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_conversion_warns_at_the_line(name: str) -> None:
    call = CONVERSIONS[name]
    for _ in range(2):  # each time that someone listens
        with pytest.warns(UserWarning, match="^a Tensor that requires grad became .* if that is"):
            call(leaf())
    with pytest.warns(UserWarning, match="requires grad") as caught:
        call(leaf())
    (warning,) = caught
    assert (warning.filename, warning.lineno) == (__file__, call.__code__.co_firstlineno)
    with no_grad():
        call(leaf())
    call(leaf().detach())


@pytest.mark.parametrize("name", SILENT)
def test_what_is_asked_for_is_silent(name: str) -> None:
    SILENT[name](leaf())


def test_a_line_warns_once(library: ModuleType) -> None:
    def lines_of_code() -> None:
        for _ in range(3):
            np.asarray(leaf())
        np.asarray(leaf())
        library.hist(leaf())
        library.hist(leaf()), library.hist(leaf())

    with pytest.warns(UserWarning, match="requires grad") as caught:
        lines_of_code()
    assert len(caught) == 4
    assert {warning.filename for warning in caught} == {__file__}
    lines = [warning.lineno for warning in caught]
    assert lines == sorted(set(lines))


def test_a_line_that_raised_warns_again() -> None:
    for _ in range(2):
        with pytest.raises(UserWarning, match="requires grad"):  # warnings are errors here
            np.asarray(leaf())


def test_if_all_is_in_libraries_the_innermost_is_blamed(library: ModuleType) -> None:
    ours = {"np": np, "__name__": "installed", "x": leaf()}
    path = f"{Path(library.__file__ or '').parent}/installed.py"
    with pytest.warns(UserWarning, match="requires grad") as caught:
        exec(compile("np.asarray(x)", path, "exec"), ours)
    assert caught[0].filename == __file__  # this file calls it


def test_plots_warn_once_for_each_line() -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axes = figure.subplots()
    x = leaf()
    calls = [
        lambda: axes.plot(x),
        lambda: axes.hist(x),
        lambda: axes.scatter(x, x, c=x),
        lambda: axes.hist2d(x, x),
        lambda: axes.imshow(x.reshape(1, 3)),
        lambda: axes.errorbar(VALUES, x, yerr=x),
        lambda: axes.set_title(f"{x[0]:.3f}"),
    ]
    counts = []
    for call in calls:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        counts.append(len(caught))
        assert {warning.filename for warning in caught} <= {__file__}
    assert counts == [1] * 6 + [0]


# Writing into an ndarray


IN_PLACE = {
    "-=": (operator.isub, np.subtract),
    "+=": (operator.iadd, np.add),
    "*=": (operator.imul, np.multiply),
    "/=": (operator.itruediv, np.true_divide),
    "//=": (operator.ifloordiv, np.floor_divide),
    "%=": (operator.imod, np.remainder),
    "**=": (operator.ipow, np.power),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_an_array_is_written_where_no_graph_is_involved(name: str) -> None:
    write, ufunc = IN_PLACE[name]
    p = Tensor(VALUES, dtype=np.float32, requires_grad=True)
    (p * p).sum().backward()
    before, memory = p.data.copy(), p.data
    assert p.grad is not None
    p.data = write(p.data, 0.1 * p.grad)
    assert p.data is memory
    assert (p.requires_grad, p.is_leaf, p.dtype) == (True, True, np.float32)
    np.testing.assert_array_equal(p.data, ufunc(before, np.float32(0.1) * (2 * before)))
    with no_grad():
        write(memory, p)
    with pytest.raises(TypeError) as caught:
        write(memory, p)
    assert str(caught.value) == (
        f"np.{ufunc.__name__}: a Tensor that requires grad cannot be written into an ndarray "
        "(out= or +=), which has no graph; write y = x + t, or do it in no_grad(), or with "
        "t.detach()"
    )


def test_gradient_descent_through_data() -> None:
    p = Tensor([3.0, -2.0], requires_grad=True)
    for _ in range(3):
        p.grad = None
        (p * p).sum().backward()
        p.data -= 0.25 * p.grad
    np.testing.assert_allclose(p.data, np.array([3.0, -2.0]) / 8)


def test_out_and_at() -> None:
    t, array = Tensor(VALUES), np.zeros(3)
    assert np.exp(t, out=array) is array
    np.testing.assert_array_equal(array, np.exp(VALUES))
    assert np.greater(t, 1.5, out=np.zeros(3, bool)).tolist() == [False, True, True]
    np.add.at(array, [0, 0], Tensor([1.0, 2.0]))
    np.testing.assert_allclose(array[0], np.exp(1.0) + 3)
    total = np.zeros(())
    assert np.add.reduce(t, out=total) is total
    assert total == 6
    np.add(t, 1.0, out=array, where=Tensor([True, False, False]))
    assert array[0] == 2
    with pytest.raises(
        TypeError, match=r"^np\.add: a Tensor takes no out=; write t = \.\.\., or out=t"
    ):
        np.add(VALUES, 1.0, out=t)
    with pytest.raises(TypeError, match=r"^np\.add\.at: a Tensor that requires grad cannot be wri"):
        np.add.at(array, [0], leaf()[0])
    with pytest.raises(TypeError, match=r"^np\.exp: a Tensor that requires grad cannot be written"):
        np.exp(leaf(), out=array)


def test_every_operator_in_place_writes_the_array_given() -> None:
    matrix = np.eye(2)
    assert operator.imatmul(matrix, Tensor([[1.0, 2.0], [3.0, 4.0]])) is matrix
    assert matrix.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    whole, bools = np.array([1, 2]), np.array([True, False])
    assert operator.ilshift(whole, Tensor([1, 2])) is whole
    assert operator.ixor(whole, Tensor([1, 1])) is whole
    assert operator.iand(bools, Tensor([True, True])) is bools
    assert (whole.tolist(), bools.tolist()) == ([3, 9], [True, False])
    quotient = np.zeros(3)
    assert np.divmod(Tensor(VALUES), 2.0, out=(quotient, None))[0] is quotient
    with pytest.raises(TypeError, match="same_kind"):
        operator.isub(whole, Tensor([0.5, 0.5]))  # NumPy's own rule
