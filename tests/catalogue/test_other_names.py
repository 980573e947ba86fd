"""A name of PyTorch, NumPy or tinygrad that is called otherwise here: the error says how."""

import abc
import copy
import inspect
import pickle
import re
from typing import Any

import numpy as np
import pytest
from every import each

import nn
import tinygrad_lite
from nn._other_names import MODULES, UTILS
from nn._other_names import WRITE as LAYERS
from tinygrad_lite import Tensor
from tinygrad_lite.other_names import FUNCTIONS, WRITE


@each(name=WRITE)
def test_the_error_says_what_to_write(name: str) -> None:
    x = Tensor([1.0])
    line = f"'Tensor' object has no attribute '{name}'; here it is {WRITE[name]}"
    for home in (x, Tensor):
        assert not hasattr(home, name)
        with pytest.raises(AttributeError) as caught:
            getattr(home, name)
        assert str(caught.value) == line
        assert name not in dir(home)
    for method in re.findall(r"\b[xa]\.(\w+)", WRITE[name]):
        assert hasattr(Tensor, method), method


X, Y = np.array([[0.2, -1.5, 3.0], [1.0, 0.7, -0.4]]), np.array([[2.0, 1.5, 3.0]] * 2)
NUMPYS = {
    **dict.fromkeys(("absolute", "negative", "fix", "arctan", "arcsinh", "argwhere"), (X,)),
    **dict.fromkeys(("fliplr", "flipud", "isposinf", "isneginf", "ptp", "nansum"), (X,)),
    **dict.fromkeys(("nanmean", "rot90", "unique"), (X,)),
    **dict.fromkeys(("subtract", "multiply", "divide", "true_divide", "remainder"), (X, Y)),
    **dict.fromkeys(("greater", "greater_equal", "less", "less_equal", "not_equal"), (X, Y)),
    **dict.fromkeys(("arctan2", "inner", "float_power"), (X[:1] ** 2, Y)),
    **dict.fromkeys(("vdot",), (X[0], Y[0])),
    "diff": (X[0],),
    "bincount": (np.array([0, 3, 3]),),
}


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")  # since NumPy 2.5
@pytest.mark.parametrize("name", NUMPYS)
def test_what_is_written_there_is_what_numpys_function_gives(name: str) -> None:
    arrays = NUMPYS[name]
    names = {"np": np, **dict(zip("xy", map(Tensor, arrays), strict=False))}
    np.testing.assert_allclose(eval(WRITE[name], names), getattr(np, name)(*arrays), rtol=1e-12)


def test_a_subclass_may_be_one_of_an_abstract_class_too() -> None:
    class Described(abc.ABC):
        @abc.abstractmethod
        def describe(self) -> str: ...

    class Named(Tensor, Described):
        def describe(self) -> str:
            return f"of {self.numel()}"

    class Unfinished(Described, Tensor):
        pass

    named = Named([1.0, 2.0])
    assert (named * 2).describe() == "of 2"
    assert isinstance(named, Described)
    assert isinstance(named, Tensor)
    assert not isinstance(Tensor([1.0]), Named | Described)
    assert not isinstance(1.0, Tensor)
    assert issubclass(Named, Tensor)
    assert not issubclass(Tensor, Named)
    with pytest.raises(TypeError, match="abstract"):
        Unfinished([1.0])  # type: ignore[abstract]


def test_a_name_that_nobody_has_is_pythons_own_error() -> None:
    with pytest.raises(AttributeError, match=r"^'Tensor' object has no attribute 'summ'$"):
        _ = Tensor([1.0]).summ
    with pytest.raises(AttributeError) as caught:
        _ = Tensor([1.0]).summ
    assert caught.value.name == "summ"  # from which Python makes its "Did you mean: 'sum'?"


def test_copies_pickles_and_numpy_see_no_such_names() -> None:
    x = Tensor([1.0, 2.0])
    for y in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x)), np.add(x, 0)):
        assert y.tolist() == [1.0, 2.0]

    class Labelled(Tensor):
        values = "mine"

    assert Labelled([1.0]).values == "mine"
    with pytest.raises(AttributeError, match=r"^'Labelled' object has no attribute 'absolute'; "):
        _ = Labelled([1.0]).absolute


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_torch(name: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(tinygrad_lite, name)
    assert str(caught.value).endswith(f"'{name}'; here it is {FUNCTIONS[name]}")


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("zeros", "; here it is Tensor.zeros"),
        ("exp", "; here it is Tensor.exp"),
        ("absolute", "; here it is x.abs()"),
        ("float32", "; here it is np.float32"),
        ("hessien", "has no attribute 'hessien'"),
        ("_data", "has no attribute '_data'"),
        ("shape", "has no attribute 'shape'"),
    ],
)
def test_names_looked_for_in_the_package(name: str, end: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(tinygrad_lite, name)
    assert str(caught.value).endswith(end)
    assert caught.value.name == name


@pytest.mark.parametrize("name", LAYERS)
def test_names_looked_for_in_nn(name: str) -> None:
    assert not hasattr(nn, name)
    with pytest.raises(AttributeError) as caught:
        getattr(nn, name)
    assert str(caught.value) == f"module 'nn' has no attribute '{name}'; here it is {LAYERS[name]}"
    for method in re.findall(r"\b(?:Tensor|scores|x)\.(\w+)", LAYERS[name]):
        assert callable(getattr(Tensor, method)), method


@pytest.mark.parametrize("name", UTILS)
def test_names_looked_for_in_nn_utils(name: str) -> None:
    assert not hasattr(nn.utils, name)
    with pytest.raises(AttributeError) as caught:
        getattr(nn.utils, name)
    line = f"module 'nn.utils' has no attribute '{name}'"
    assert str(caught.value) == f"{line}; here it is {UTILS[name]}"
    lstm, x = nn.LSTM(2, 3), Tensor.ones(5, 3, 2)
    assert eval("lstm(x, lengths=[5, 3, 4])", {"lstm": lstm, "x": x})[0].shape == (5, 3, 3)


@pytest.mark.parametrize("name", MODULES)
def test_names_looked_for_in_a_module(name: str) -> None:
    layer = nn.Linear(2, 2)
    assert not hasattr(layer, name)
    assert name not in dir(layer)
    with pytest.raises(AttributeError) as caught:
        getattr(layer, name)
    assert (
        str(caught.value)
        == f"'Linear' object has no attribute '{name}'; here it is {MODULES[name]}"
    )
    assert caught.value.name == name
    setattr(layer, name, 1)  # a name that is free for the user's own
    assert getattr(layer, name) == 1
    assert name in dir(layer)


@pytest.mark.parametrize(
    ("call", "start"),
    [
        (lambda: Tensor.full(3), "Tensor.full() missing 1 required positional argument"),
        (lambda: Tensor.linspace(0, 1), "Tensor.linspace() missing 1 required positional"),
        (lambda: Tensor([1.0]).exp(2), "Tensor.exp() takes 1 positional argument"),
        (lambda: Tensor([1.0]).sum(0, False, None, 1), "Tensor.sum() takes from 1 to 4 positional"),
        (lambda: Tensor([[1.0]]).qr(full=1), "Tensor.qr() got an unexpected keyword"),
    ],
)
def test_pythons_own_errors_name_the_tensor(call: Any, start: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(start)}"):
        call()


def test_methods_survive_a_pickle() -> None:
    """As layers of a Sequential: pickle looks a function up by its module and qualified name."""
    for name in dir(Tensor):
        method = getattr(Tensor, name)
        if inspect.isroutine(method) and not name.startswith("_"):
            assert pickle.loads(pickle.dumps(method)) == method, name


def test_where_in_pytorchs_order_says_ours() -> None:
    x = Tensor([1.0, -1.0])
    with pytest.raises(
        TypeError, match=r"; the condition comes first: condition\.where\(x, other\)$"
    ):
        x.where(x > 0, 0.0)
