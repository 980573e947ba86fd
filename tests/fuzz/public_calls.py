"""One valid call or more of every public function: the fuzzer makes one thing in it wrong."""

import atexit
import inspect
import itertools
import operator
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from fuzz import training_rows
from methods import ROWS

import nn
import tinygrad_lite as tl
from tinygrad_lite import Tensor
from tinygrad_lite.numpy_protocol import FUNCTIONS, METHODS

Arguments = tuple[list[Any], dict[str, Any]]

# A method that is an operator by another name speaks of the operator.
OPERATORS = {
    **{
        "add": "+",
        "sub": "-",
        "mul": "*",
        "div": "/",
        "pow": "**",
        "mod": "%",
        "floor_divide": "//",
    },
    **{"bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^", "bitwise_not": "~"},
    **{"lshift": "<<", "rshift": ">>", "square": "*", "neg": "-"},
}


@dataclass(frozen=True)
class Call:
    """A valid call.

    name        of the function, with which a message begins
    function    what is called
    make        the arguments, made anew each time
    fixed       how many of the arguments are never replaced: the tensor whose method it is
    """

    name: str
    function: Callable[..., Any]
    make: Callable[[], Arguments]
    fixed: int = 0


def copied(value: Any) -> Any:
    """The argument in new memory, since a call may write into it."""
    if isinstance(value, Tensor):
        return Tensor(value.data, requires_grad=value.requires_grad)
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(copied(one) for one in value)
    return value


def fresh(args: list[Any], options: dict[str, Any]) -> Callable[[], Arguments]:
    kept = copied(args), {name: copied(value) for name, value in options.items()}
    return lambda: (copied(kept[0]), {name: copied(value) for name, value in kept[1].items()})


def calls_of_methods() -> Iterator[Call]:
    """What the rows of the table of methods call, caught in the act."""
    for row in ROWS:
        own = inspect.isfunction(inspect.getattr_static(Tensor, row.method))
        method, caught = getattr(Tensor, row.method), []

        def spy(*args: Any, method: Any = method, caught: Any = caught, **options: Any) -> Any:
            caught.append(fresh(list(args), options))
            return method(*args, **options)

        kinds = {"f": np.float32, "i": np.int64, "b": np.bool_}
        arrays = row.inputs(row.shapes[0], kinds[row.kinds[0]])
        with mock.patch.object(Tensor, row.method, spy if own else staticmethod(spy)):
            row.call(*(Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays))
        yield Call(row.method, method, caught[0], int(own))


def x(*shape: int) -> Tensor:
    return Tensor(np.linspace(0.1, 0.9, int(np.prod(shape))).reshape(shape), requires_grad=True)


def of_method(name: str, *args: Any, **options: Any) -> Call:
    """A call of a method on a float tensor of shape (3, 4)."""
    return Call(name, getattr(Tensor, name), fresh([x(3, 4).cast(np.float32), *args], options), 1)


def of_constructor(name: str, *args: Any, **options: Any) -> Call:
    return Call(name, getattr(Tensor, name), fresh([*args], options))


def weights() -> Tensor:
    return Tensor(np.full((2, 3), 0.5))


def written(name: str, *args: Any) -> Call:
    """A method that writes in place, on a tensor that may be written."""
    return Call(name, getattr(Tensor, name), fresh([Tensor(np.ones((3, 4))), *args], {}), 1)


CALLS_ELSEWHERE = [
    of_constructor("from_array", np.ones(3)),
    of_constructor("manual_seed", 3),
    *(
        of_constructor(name, 2, 3, dtype="float32", requires_grad=True)
        for name in (
            "rand",
            "randn",
            "scaled_uniform",
            "glorot_uniform",
            "kaiming_uniform",
            "kaiming_normal",
        )
    ),
    of_constructor("rand", (2, 3)),
    of_constructor("uniform", 2, 3, low=0.0, high=2.0, dtype="float32"),
    of_constructor("normal", 2, 3, mean=0.0, std=2.0, dtype="float32"),
    of_constructor("randint", 2, 3, low=0, high=4, dtype="int64"),
    of_constructor("randperm", 5, dtype="int64"),
    of_constructor("cat", [Tensor([1.0]), Tensor([2.0])], axis=0),
    of_constructor("stack", [Tensor([1.0]), Tensor([2.0])], axis=0),
    of_constructor("meshgrid", Tensor([1.0]), Tensor([2.0]), indexing="ij"),
    of_constructor("einsum", "ij,jk->ik", Tensor.ones(2, 3), Tensor.ones(3, 2)),
    of_method("rand_like", dtype="float32"),
    of_method("randn_like", dtype="float32"),
    Call("bernoulli", Tensor.bernoulli, fresh([weights()], {}), 1),
    Call("multinomial", Tensor.multinomial, fresh([weights(), 2, False], {}), 1),
    of_method("allclose", Tensor.ones(3, 4), rtol=1e-5, atol=1e-8, equal_nan=False),
    *(
        of_method(name)
        for name in (
            "tolist",
            "numel",
            "numpy",
            "detach",
            "zero_grad",
            "mark_changed",
            "retain_grad",
        )
    ),
    Call("item", Tensor.item, fresh([Tensor(1.0)], {}), 1),
    of_method("requires_grad_", True),
    of_method("register_hook", lambda g: None),
    Call(
        "backward",
        lambda x, *a, **o: (x * 2.0).backward(*a, **o),
        lambda: ([x(3, 4), np.ones((3, 4))], {"retain_graph": False, "create_graph": False}),
        1,
    ),
    *(written(name, 2.0) for name in ("add_", "sub_", "mul_", "div_", "fill_")),
    written("copy_", np.ones((3, 4))),
    written("zero_"),
    written("masked_fill_", np.ones((3, 4), bool), 1.0),
    Call("Tensor", Tensor, fresh([[1.0, 2.0]], {"dtype": "float32", "requires_grad": True})),
]


def reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: function(b, a)


def assigned(name: str) -> Callable[..., Any]:
    return lambda x, other: setattr(x, name, other)


CALLS_OF_OPERATORS = [
    *(
        Call(symbol, function, fresh([x(3, 4), other], {}), 1)
        for symbol, function in {
            "+": operator.add,
            "-": operator.sub,
            "*": operator.mul,
            "/": operator.truediv,
            "**": operator.pow,
            "//": operator.floordiv,
            "%": operator.mod,
            "matmul": operator.matmul,
            "<": operator.lt,
            "<=": operator.le,
            ">": operator.gt,
            ">=": operator.ge,
        }.items()
        for other in (x(4, 4) if symbol == "matmul" else x(3, 4),)
    ),
    *(
        Call(symbol, reflected(function), fresh([x(3, 4), x(3, 4)], {}), 1)
        for symbol, function in {
            "+": operator.add,
            "-": operator.sub,
            "*": operator.mul,
            "/": operator.truediv,
            "**": operator.pow,
            "<": operator.lt,
        }.items()
    ),
    *(
        Call(symbol, function, fresh([Tensor([1, 2]), 1], {}), 1)
        for symbol, function in {
            "&": operator.and_,
            "|": operator.or_,
            "^": operator.xor,
            "<<": operator.lshift,
            ">>": operator.rshift,
        }.items()
    ),
    *(
        Call(symbol, function, fresh([Tensor([1.0, 2.0]), 1.0], {}), 1)
        for symbol, function in {
            "+=": operator.iadd,
            "-=": operator.isub,
            "*=": operator.imul,
            "/=": operator.itruediv,
            "**=": operator.ipow,
            "%=": operator.imod,
            "//=": operator.ifloordiv,
        }.items()
    ),
    Call("==", operator.eq, fresh([x(3, 4), 1.0], {}), 1),
    Call("in", operator.contains, fresh([x(3, 4), 1.0], {}), 1),
    Call("index", operator.getitem, fresh([x(3, 4), 1], {}), 1),
    Call("index", operator.getitem, fresh([x(3, 4), (1, slice(0, 2))], {}), 1),
    Call("index", lambda x, start, step: x[start::step], fresh([x(3, 4), 1, 2], {}), 1),
    Call("index", lambda x, a, b: x[a, b], fresh([x(3, 4), 1, 2], {}), 1),
    Call(
        "x[i] = v",
        lambda x, i, v: operator.setitem(x, i, v),
        fresh([Tensor(np.ones((3, 4))), 1, 2.0], {}),
        1,
    ),
    Call("data", assigned("data"), fresh([x(3), np.ones(3)], {}), 1),
    Call("grad", assigned("grad"), fresh([x(3), Tensor(np.ones(3))], {}), 1),
    Call("requires_grad", assigned("requires_grad"), fresh([x(3), True], {}), 1),
    Call("format", format, fresh([Tensor(1.0), ".2f"], {}), 1),
]

# NumPy's functions on a tensor: what follows the tensor in a valid call; () where nothing does.
AFTER: dict[str, list[Any]] = {
    "full_like": [2.0],
    "where": [1.0, 2.0],
    "clip": [0.0, 1.0],
    "isclose": [1.0, 1e-5, 1e-8],
    "allclose": [1.0, 1e-5, 1e-8],
    "astype": ["float32"],
    "round": [1],
    "around": [1],
    "quantile": [0.5, 0],
    "percentile": [50, 0],
    "reshape": [(2, 8)],
    "transpose": [(1, 0)],
    "permute_dims": [(1, 0)],
    "swapaxes": [0, 1],
    "moveaxis": [0, 1],
    "expand_dims": [0],
    "broadcast_to": [(2, 4, 4)],
    "flip": [0],
    "roll": [1, 0],
    "repeat": [2, 0],
    "tile": [2],
    "pad": [1],
    "sliding_window_view": [2, 0],
    "split": [2, 0],
    "array_split": [3, 0],
    "take": [[0, 1], 0],
    "diag": [0],
    "diagonal": [0, 0, 1],
    "tril": [0],
    "triu": [0],
    "dot": [1.0],
    "tensordot": [np.ones((4, 4)), 1],
    "matrix_power": [2],
    "norm": [2, 0],
    "linalg.tensordot": [np.ones((4, 4))],
    "solve": [np.ones(4)],
    "trace": [],
    "average": [0, np.ones((4, 4))],
    **{name: [np.ones((4, 4))] for name in ("inner", "kron", "vdot", "outer", "matmul")},
    **{name: [0] for name in ("sum", "mean", "prod", "max", "min", "amax", "amin", "var", "std")},
    **{name: [0] for name in ("argmax", "argmin", "any", "all", "count_nonzero", "ptp", "median")},
    **{name: [0] for name in ("cumsum", "cumprod", "sort", "argsort", "nansum")},
}
LISTS = {"concatenate", "stack", "vstack", "hstack", "multi_dot"}


def square() -> Tensor:
    return Tensor(np.eye(4) + 0.1, requires_grad=True)


def calls_of_numpy() -> Iterator[Call]:
    for function in FUNCTIONS:
        module = function.__module__.replace("numpy", "np", 1)
        name = f"{module}.{function.__name__}"
        given: list[Any] = [[square(), square()] if function.__name__ in LISTS else square()]
        fixed = 0 if function.__name__ in LISTS else 1
        if function is np.einsum:
            given, fixed = ["ij,jk->ik", square(), square()], 0
        elif function is np.where:
            given = [square() > 0.5]
        elif function is np.meshgrid:
            given = [Tensor([1.0, 2.0])]
        elif function is np.take_along_axis:
            given = [square(), np.zeros((1, 4), int), 0]
        yield Call(
            name,
            function,
            fresh(
                [*given, *AFTER.get(name.removeprefix("np."), AFTER.get(function.__name__, []))], {}
            ),
            fixed,
        )
    for ufunc in METHODS["__call__"]:
        operand = Tensor([[True]]) if ufunc in (np.invert,) else square()
        if ufunc.__name__ in (
            "bitwise_and",
            "bitwise_or",
            "bitwise_xor",
            "left_shift",
            "right_shift",
        ):
            operand = Tensor([1, 2])
        given = [operand, *([copied(operand)] if ufunc.nin == 2 else [])]
        yield Call(f"np.{ufunc.__name__}", ufunc, fresh(given, {}), 1)
    for method in ("reduce", "accumulate"):
        for ufunc in METHODS[method]:
            yield Call(
                f"np.{ufunc.__name__}.{method}", getattr(ufunc, method), fresh([square(), 0], {}), 1
            )


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def of_layer(layer: Callable[[], Any], *inputs: Any) -> Call:
    return Call(
        type(layer()).__name__,
        lambda *args, **options: layer()(*args, **options),
        fresh([*inputs], {}),
    )


def trained() -> list[Tensor]:
    return [Tensor([1.0, 2.0], requires_grad=True)]


def step(optimizer: Any) -> Any:
    optimizer.params[0].grad = Tensor([1.0, 1.0])
    optimizer.step()
    return optimizer


def made_and_stepped(kind: Any) -> Callable[..., Any]:
    return lambda *args, **options: step(kind(*args, **options))


def calls_of_nn(folder: Path) -> Iterator[Call]:
    for kind, args, options in [
        (nn.Linear, [4, 3], {"bias": True}),
        (nn.LayerNorm, [4], {"eps": 1e-5, "elementwise_affine": True, "bias": True}),
        (nn.LayerNorm, [(3, 4)], {}),
        (nn.LSTMCell, [4, 3], {"bias": True}),
        (nn.GRUCell, [4, 3], {"bias": True, "dtype": np.float64}),
        (nn.RNNCell, [4, 3], {"bias": True, "nonlinearity": "relu"}),
        (nn.RNN, [4, 3, 2], {"nonlinearity": "relu", "bias": True, "batch_first": True}),
        (nn.GRU, [4, 3, 2], {"dropout": 0.5, "bidirectional": True, "dtype": np.float64}),
        (nn.LSTM, [4, 3], {"num_layers": 2, "batch_first": True, "proj_size": 2}),
        (nn.Dropout, [0.5], {}),
        (nn.Flatten, [], {"start_dim": 1, "end_dim": -1}),
        (nn.Unflatten, [1, (2, 2)], {}),
        (nn.Lambda, [Tensor.relu], {}),
        (nn.ReLU, [], {}),
        (nn.Parameter, [[1.0, 2.0], True], {}),
        (nn.ModuleList, [[nn.ReLU()]], {}),
        (nn.ModuleDict, [{"a": nn.ReLU()}], {}),
        (nn.ParameterList, [[Tensor([1.0])]], {}),
        (nn.ParameterDict, [{"a": Tensor([1.0])}], {}),
        (nn.Sequential, [nn.ReLU(), nn.ReLU()], {}),
        *((getattr(nn.init, name), [3, 4], {}) for name in (
            "kaiming_uniform", "kaiming_normal", "glorot_uniform", "zeros", "ones")),
        (nn.init.kaiming_uniform, [3, 4], {"a": 1.0}),
        (nn.init.kaiming_normal, [3, 4], {"a": 1.0}),
        (nn.init.uniform, [3, 4], {"bound": 1.0}),
        (nn.init.normal, [3, 4], {"std": 1.0}),
        (nn.CrossEntropyLoss, [], {"ignore_index": -1, "label_smoothing": 0.1}),
        (nn.BCEWithLogitsLoss, [np.ones(2)], {"reduction": "sum", "pos_weight": np.ones(2)}),
        (nn.MultiMarginLoss, [1, 1.0], {"weight": np.ones(2)}),
        (nn.PoissonNLLLoss, [True, False], {"eps": 1e-8}),
        (nn.TripletMarginLoss, [1.0, 2.0], {"eps": 1e-6, "swap": True}),
        (nn.data.DataLoader, [np.ones((6, 2)), np.ones(6)],
         {"batch_size": 2, "shuffle": True, "seed": 0, "drop_last": False}),
    ]:  # fmt: skip
        yield Call(kind.__name__, kind, fresh(args, options))
    for name, options in (
        ("uniform_", {"a": 0.0, "b": 1.0}), ("normal_", {"mean": 0.0, "std": 1.0}),
        ("trunc_normal_", {"std": 1.0, "a": -2.0, "b": 2.0}), ("constant_", {"val": 1.0}),
        ("xavier_uniform_", {"gain": 1.0}), ("orthogonal_", {"gain": 1.0}),
        ("kaiming_normal_", {"a": 0.0, "mode": "fan_out", "nonlinearity": "relu"}),
        ("sparse_", {"sparsity": 0.5, "std": 1.0}), ("eye_", {}),
    ):  # fmt: skip
        yield Call(name, getattr(nn.init, name), lambda o=options: ([Tensor.ones(3, 4)], dict(o)))
    images = np.ones((2, 4), np.float32)
    numbers, labels = np.ones(2, np.float32), np.array([1, 0])
    yield from (
        of_layer(nn.CrossEntropyLoss, images, labels),
        of_layer(nn.MSELoss, images, images),
        of_layer(nn.GaussianNLLLoss, images, images, numbers),
        of_layer(nn.MultiLabelMarginLoss, images, np.zeros((2, 4), np.int64)),
        of_layer(nn.CosineEmbeddingLoss, images, images, numbers),
        of_layer(nn.TripletMarginLoss, images, images, images),
        of_layer(lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 9, [3]), images, labels),
        of_layer(lambda: nn.LinearCrossEntropyLoss(4, 3), images, labels),
        of_layer(lambda: nn.Linear(4, 3), images),
        of_layer(lambda: nn.LayerNorm(4), images),
        of_layer(lambda: nn.LSTMCell(4, 3), images),
        of_layer(lambda: nn.LSTMCell(4, 3), images, (np.ones((2, 3)), np.ones((2, 3)))),
        of_layer(lambda: nn.GRUCell(4, 3), images, np.ones((2, 3), np.float32)),
        of_layer(lambda: nn.RNNCell(4, 3), images, np.ones((2, 3), np.float32)),
        of_layer(lambda: nn.RNN(4, 3), images, np.ones((1, 3), np.float32)),
        of_layer(lambda: nn.LSTM(4, 3), images[None], None, [1, 1]),
        of_layer(lambda: nn.GRU(4, 3), images[:, None], np.ones((1, 1, 3), np.float32), [2]),
        of_layer(lambda: nn.Dropout(0.5), images),
        of_layer(nn.Flatten, images),
        of_layer(nn.ReLU, images),
        of_layer(model, images),
    )
    for kind, options in (
        (nn.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
        (nn.optim.Adam, {"lr": 0.1, "betas": (0.9, 0.9), "eps": 1e-8}),
        (nn.optim.AdamW, {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True, "maximize": True}),
        (nn.optim.Adamax, {"lr": 0.1, "betas": (0.9, 0.9), "eps": 1e-8, "weight_decay": 0.1}),
        (nn.optim.NAdam, {"lr": 0.1, "momentum_decay": 0.1, "decoupled_weight_decay": True}),
        (nn.optim.RAdam, {"lr": 0.1, "betas": (0.9, 0.9), "decoupled_weight_decay": True}),
        (nn.optim.RMSprop, {"lr": 0.1, "alpha": 0.9, "momentum": 0.9, "centered": True}),
        (nn.optim.Adagrad, {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.1}),
        (nn.optim.Adadelta, {"lr": 0.1, "rho": 0.9, "eps": 1e-6, "weight_decay": 0.1}),
        (nn.optim.Lion, {"lr": 0.1, "betas": (0.9, 0.9), "weight_decay": 0.1}),
        (nn.optim.Rprop, {"lr": 0.1, "etas": (0.5, 1.2), "step_sizes": (1e-6, 50.0)}),
        (nn.optim.ASGD, {"lr": 0.1, "lambd": 0.1, "alpha": 0.75, "t0": 1.0}),
        (nn.optim.LARS, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "tcoef": 0.1}),
        (nn.optim.LAMB, {"lr": 0.1, "betas": (0.9, 0.9), "eps": 1e-8}),
    ):
        yield Call(kind.__name__, made_and_stepped(kind), lambda o=options: ([trained()], dict(o)))
    state = nn.state
    file = folder / "saved.safetensors"
    values = state.get_state_dict(model())
    state.safe_save(values, file)
    yield Call("load_state_dict", state.load_state_dict, lambda: ([model(), dict(values)], {}))
    yield Call(
        "load_state_dict", state.load_state_dict, lambda: ([model(), dict(values), True], {})
    )
    yield Call(
        "load_state_dict",
        lambda other: state.load_state_dict(model(), {**values, "0.bias": other}),
        lambda: ([values["0.bias"]], {}),
    )
    yield Call("get_state_dict", state.get_state_dict, lambda: ([model(), "a"], {}))
    yield Call("get_parameters", state.get_parameters, lambda: ([model()], {}))
    yield Call(
        "safe_save",
        state.safe_save,
        lambda: ([dict(values), str(folder / "w.safetensors"), {"a": "b"}], {}),
    )
    yield Call(
        "safe_save",
        lambda other: state.safe_save({"a": other}, folder / "w.safetensors"),
        lambda: ([Tensor([1.0])], {}),
    )
    yield Call("safe_load", state.safe_load, lambda: ([str(file)], {}))
    yield Call("safe_load_metadata", state.safe_load_metadata, lambda: ([str(file)], {}))
    (folder / "a.idx").write_bytes(b"\0\0\x08\x01\0\0\0\x02ab")
    yield Call("read_idx", nn.datasets.read_idx, lambda: ([str(folder / "a.idx")], {}))
    yield Call("Sequential", operator.getitem, lambda: ([model(), 1], {}), 1)
    yield from calls_of_modules(values)


def calls_of_data() -> Iterator[Call]:
    for kind, args, options in [
        (nn.data.DataLoader, [np.ones((6, 2))],
         {"num_workers": 0, "threads": False, "prefetch_factor": 2, "timeout": 0}),
        (nn.data.TensorDataset, [np.ones((6, 2)), np.ones(6)], {}),
        (nn.data.Subset, [[1, 2, 3], [0, 2]], {}),
        (nn.data.ConcatDataset, [[[1, 2], [3]]], {}),
        (nn.data.RandomSampler, [[1, 2, 3], True, 5, 0], {}),
        (nn.data.SubsetRandomSampler, [[0, 2]], {"seed": 0}),
        (nn.data.WeightedRandomSampler, [[0.5, 2.0], 3, True], {"seed": 0}),
        (nn.data.BatchSampler, [[0, 2], 2, False], {}),
        (nn.data.default_collate, [[(1, 2.0), (3, 4.0)]], {}),
    ]:  # fmt: skip
        yield Call(kind.__name__, kind, fresh(args, options))
    yield Call("DataLoader", rows_of, lambda: ([[(1,), (2,)]], {"sampler": [0, 1], "seed": 0}), 1)
    yield Call("DataLoader", rows_of, lambda: ([np.ones(3)], {"batch_sampler": [[0, 1], [2]]}))


def rows_of(*data: Any, **options: Any) -> list[Any]:
    """All batches of an epoch, if there are not too many."""
    return list(itertools.islice(nn.data.DataLoader(*data, **options), 100))


def of_model(method: str, *args: Any, said: str = "", fixed: int = 0) -> Call:
    """A call of a method of a Sequential; `said` is what a message begins with."""
    return Call(
        said or method,
        lambda *args, **options: getattr(model(), method)(*args, **options),
        fresh([*args], {}),
        fixed,
    )


def calls_of_modules(values: dict[str, Tensor]) -> Iterator[Call]:
    yield from (
        of_model("train", True),
        of_model("requires_grad_", True),
        of_model("zero_grad", True),
        of_model("to", np.float32),
        of_model("register_buffer", "x", np.ones(2), True, fixed=1),
        of_model("register_parameter", "x", None, fixed=1),
        of_model("named_parameters", "x", True, True),
        of_model("named_buffers", "x", True, True),
        of_model("named_modules", None, "x", True),
        of_model("state_dict", None, "x", False),
        of_model("load_state_dict", values, True, False),
    )
    for method, *args in (
        *(("append", nn.ReLU()), ("extend", [nn.ReLU()]), ("__add__", [nn.ReLU()])),
        *(("insert", 1, nn.ReLU()), ("pop", 1), ("__setitem__", 1, nn.ReLU())),
        ("__delitem__", 1),
    ):
        yield of_model(method, *args, said="Sequential")


def cube(value: Any) -> Any:
    return (value * value * value).sum()


def calls_of_derivatives(folder: Path) -> Iterator[Call]:
    def point() -> Tensor:
        return Tensor(np.array([1.0, 2.0]), requires_grad=True)

    for name in ("vjp", "jvp", "hvp"):
        last = np.ones(()) if name == "vjp" else np.ones(2)
        yield Call(name, getattr(tl, name), fresh([cube, point(), last], {"create_graph": False}))
    for name in ("jacobian", "hessian"):
        yield Call(name, getattr(tl, name), fresh([cube, point()], {"create_graph": False}))
    for name in ("gradcheck", "gradgradcheck"):
        yield Call(
            name,
            getattr(tl, name),
            fresh([cube, point()], {"atol": 1e-8, "rtol": 1e-6, "step": 1e-5, "seed": 0}),
        )

    def grad(start: Any = None, **options: Any) -> Any:
        p = point()
        return tl.grad(cube(p), p, start, **options)

    yield Call(
        "grad",
        grad,
        lambda: (
            [np.ones(())],
            {"retain_graph": False, "create_graph": False, "allow_unused": False},
        ),
    )
    yield Call(
        "grad",
        lambda outputs, inputs: tl.grad(outputs, inputs),
        lambda: ((lambda p: [cube(p), p])(point()), {}),
    )
    yield Call("checkpoint", tl.checkpoint, fresh([cube, point()], {}))
    yield Call(
        "draw",
        tl.draw,
        lambda: ([cube(point())], {"path": str(folder / "a.dot"), "names": {"x": point()}}),
    )
    yield Call("shares_memory", tl.shares_memory, fresh([point(), point()], {}))
    yield Call("parallel", tl.parallel, fresh([len, [[1], [2]], False], {}))
    yield Call("warn", tl.warn, fresh(["careful"], {}))
    yield Call("no_grad", lambda function: tl.no_grad()(function), fresh([cube], {}))


@cache  # each call makes its arguments anew
def calls_of_training() -> Iterator[Call]:
    for name, function, args, options in training_rows.ROWS:
        yield Call(name, function, fresh(args, options))
    for name, function, args in training_rows.WRITTEN:
        yield Call(name, function, lambda args=args: ([training_rows.weights(), *args], {}))
    yield Call(
        "vector_to_parameters",
        nn.utils.vector_to_parameters,
        lambda: ([Tensor.ones(3), training_rows.weights()], {}),
    )


def public_calls() -> list[Call]:
    folder = Path(tempfile.mkdtemp(prefix="wrong_arguments_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return [
        *calls_of_methods(), *CALLS_ELSEWHERE, *CALLS_OF_OPERATORS, *calls_of_numpy(),
        *calls_of_nn(folder), *calls_of_training(), *calls_of_derivatives(folder),
        *calls_of_data(),
    ]  # fmt: skip
