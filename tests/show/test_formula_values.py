"""What the formulas of the ops say is what the ops compute: their LaTeX is evaluated with NumPy.

Every row of the catalogue runs under keep_values, and of each node the formula of the result is
compared with the result, and that of each gradient with what its rule returned.
"""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from cases import CASES
from show.formula_values import Unknown, value_of

from tinygrad_lite import Tensor, keep_values, ops
from tinygrad_lite.arrays.windows import Windows
from tinygrad_lite.engine.function import Primitive
from tinygrad_lite.engine.graph import topological_order
from tinygrad_lite.engine.reads import input_names
from tinygrad_lite.ops import activations, elementwise, losses, primitives
from tinygrad_lite.show.formulas.formulas import latex_of
from tinygrad_lite.show.graph.keeping import kept_of

# Formulas that are words, or the steps of a whole sequence.
IN_WORDS = {
    *("Getitem.x", "ScatterAdd.y", "Setitem.y", "Setitem.x", "Setitem.value", "Pad.y", "Pad.x"),
    *("ScatterExtreme.y", "ScatterExtreme.x", "ScatterExtreme.value", "Concatenate.y"),
    *("Concatenate.xs", "Split.y", "Split.x", "Unstack.y", "Unstack.x", "Cholesky.y", "QR.q"),
    *(
        "QR.r",
        "SVD.u",
        "SVD.s",
        "SVD.vh",
        "Eigh.w",
        "Eigh.v",
        "Sinc.y",
        "Sinc.x",
        "LSTMCell.gates",
        "Cofactor.y",
    ),
    *(f"{op}.{key}" for op in ("RNN", "LSTM", "GRU") for key in getattr(ops, op).latex),
}
# Of ops with several results, those whose gradients the formulas take account of.
COUNTED = {
    "LSTMCell": {"h_next", "c_next"},
    "LSTM": {"states", "cells"},
    "QR": {"q", "r"},
    "SVD": {"u", "s", "vh"},
    "Eigh": {"w", "v"},
    "Slogdet": {"logarithm"},
}
ATOL = 1e-11


def nodes_of(call: Any, *arrays: Any) -> list[Any]:
    """The nodes of a call that ran forward and backward, with all that they computed."""
    with keep_values():
        tensors = [Tensor(np.asarray(one, np.float64), requires_grad=True) for one in arrays]
        y = call(*tensors)
        y.backward(np.random.default_rng(0).standard_normal(y.shape))
    return [node for node in topological_order([y._node]) if isinstance(node, Primitive)]


def names_of(node: Any) -> dict[str, Any]:
    """What the names in the formulas of a node stand for."""
    kept, kind = kept_of(node), type(node)
    fixed, _ = input_names(kind)
    names = {name: getattr(node, name) for name in node._attributes if hasattr(node, name)}
    names |= dict(zip(fixed, kept.inputs, strict=False))
    values, gradients = kept.value, kept.gradient
    if isinstance(values, tuple):
        gradients = tuple(
            np.zeros_like(value) if gradient is None else gradient
            for gradient, value in zip(gradients, values, strict=True)
        )
    if kind.results:
        names |= dict(zip(kind.results, values, strict=True))
        bars = [rf"\bar{{{name}}}" for name in kind.results]
        names |= dict(zip(bars, gradients, strict=True))
    else:
        names |= {"y": values, r"\bar{y}": gradients}
    return names | OF_KIND.get(kind.__name__, lambda names: {})(names)


def kept_axes(names: dict[str, Any]) -> dict[str, Any]:
    """A reduced axis is kept, of size 1."""
    if names["keepdim"]:
        return {}
    return {name: np.expand_dims(names[name], names["axes"]) for name in ("y", r"\bar{y}")}


def of_channels(names: dict[str, Any]) -> dict[str, Any]:
    """Numbers for each channel, or for each group, as they broadcast against an image."""
    x, shaped = names["x"], {}
    groups = names.get("groups")
    for name in ("w", "b", "m", "a", "mean", "var"):
        value = names.get(name)
        if value is None:
            continue
        if groups and name in ("mean", "var"):
            value = np.repeat(value, x.shape[1] // groups, axis=1)
            shaped[name] = value.reshape(*value.shape, *(1,) * (x.ndim - 2))
        else:
            shaped[name] = value.reshape(-1, *(1,) * (x.ndim - 2))
    return shaped | {"batch, pixels": (0, *range(2, x.ndim))}


def of_rows(names: dict[str, Any]) -> dict[str, Any]:
    """The axes of features, those of w, and of rows, the others."""
    x, w = names["x"], names.get("w")
    count = len(names["axes"]) if "axes" in names else 1 if w is None else np.ndim(w)
    axes = tuple(range(x.ndim - count, x.ndim))
    return {"features": axes, "rows": tuple(range(x.ndim - count))}


def of_matrices(names: dict[str, Any]) -> dict[str, Any]:
    """The number of rows of the matrices that are written by their elements."""
    return {"size": names[next(name for name in ("s", "w", "r", "y") if name in names)].shape[-1]}


def of_windows(names: dict[str, Any]) -> dict[str, Any]:
    """The geometry of windows over one axis."""
    windows = names["windows"]
    return {name: getattr(windows, name)[0] for name in ("stride", "dilation", "before", "kernel")}


def of_lstm(names: dict[str, Any]) -> dict[str, Any]:
    gates = dict(zip("ifgo", np.split(names["gates"], 4, axis=-1), strict=True))
    return gates | {"rows": 0, "size": 0}


def of_recurrence(names: dict[str, Any]) -> dict[str, Any]:
    return {"size": names["y"].shape[-1]}


def of_cofactor(names: dict[str, Any]) -> dict[str, Any]:
    if names["x"].ndim > 2 or not names["x"].size:
        return {}
    u, s, vh = np.linalg.svd(names["x"])
    return {"u": u, "s": s, "v": vh.T, "size": len(s)}


OF_KIND = {
    **dict.fromkeys(("Sum", "Mean", "Max", "Min", "Prod", "Norm"), kept_axes),
    **dict.fromkeys(("BatchNorm", "GroupNorm", "ChannelAffine"), of_channels),
    **dict.fromkeys(("Linear", "LayerNormAffine", "RMSNorm"), of_rows),
    **dict.fromkeys(
        ("Conv", "ConvInput", "ConvWeight", "SlidingWindows", "OverlapAdd"), of_windows
    ),
    **dict.fromkeys(("SumPool", "MaxPool", "MaxUnpool"), of_windows),
    **dict.fromkeys(("QR", "SVD", "Eigh", "Cholesky"), of_matrices),
    "CrossEntropy": lambda names: {
        "classes": 1,
        r"\bar{loss}": np.expand_dims(names[r"\bar{loss}"], 1),
    },
    "Clip": lambda names: {
        "low": -np.inf if names["low"] is None else names["low"],
        "high": np.inf if names["high"] is None else names["high"],
    },
    "Cofactor": of_cofactor,
    "Det": lambda names: {r"\bar{y}": names[r"\bar{y}"][..., None, None]},
    "Slogdet": lambda names: {r"\bar{logarithm}": names[r"\bar{logarithm}"][..., None, None]},
    "LSTMCell": of_lstm,
    "Recurrence": of_recurrence,
}


def formulas_of(node: Any) -> dict[str, tuple[str, Any]]:
    """For each formula of a node, the array that it should give."""
    kept, kind, formulas = kept_of(node), type(node), latex_of(node)
    found: dict[str, tuple[str, Any]] = {}
    for index, name in enumerate(kind.results):
        found[name] = formulas[name], kept.value[index]
    if not kind.results:
        found["y"] = formulas["y"], kept.value
    further = set(kind.results[1:]) - COUNTED.get(kind.__name__, set())
    for name in further:  # a gradient of which the formulas take no account
        if kept.gradient[kind.results.index(name)] is not None:
            return found
    fixed, _ = input_names(kind)
    for name, pulled in zip(fixed, kept.pulled, strict=False):
        if pulled is not None:
            found[name] = formulas[name], pulled
    if kind.__name__ == "Mul" and kept.pulled[1] is None and node.needs[1]:
        found.pop("a")  # x * x: its rule returns the sum of both at once
    return found


def differs(node: Any, formula: str, expected: Any) -> bool:
    """Whether a formula gives anything but the expected array, or tuple of arrays."""
    shape = None if isinstance(expected, tuple) else np.shape(expected)
    with np.errstate(all="ignore"):
        value = value_of(formula, names_of(node), shape)
    if not isinstance(expected, tuple):
        value, expected = (value,), (expected,)
    for found, wanted in zip(value, expected, strict=True):
        array = np.asarray(found)
        if type(node).__name__ == "GroupNorm" and wanted.size < array.size and wanted.ndim == 2:
            array = array.reshape(*wanted.shape, -1)[..., 0]  # one number for each group
        while array.ndim > wanted.ndim and array.size > wanted.size:
            array = array.sum(0)  # over a stack for which one matrix was used
        if array.size != wanted.size:
            array = np.broadcast_to(array, wanted.shape)
        same = np.isclose(array.reshape(wanted.shape), wanted, 1e-9, ATOL, equal_nan=True)
        result = kept_of(node).value
        if not isinstance(result, tuple) and result.shape == wanted.shape:
            same |= np.isnan(result)  # where y is nan, so are its gradients, whatever they are
        if not same.all():
            return True
    return False


def skipped(node: Any, name: str) -> bool:
    """Whether a formula is in words, or is written for fewer axes than this node has."""
    kind, inputs = type(node).__name__, kept_of(node).inputs
    if f"{kind}.{name}" in IN_WORDS:
        return True
    if any(isinstance(one, np.ndarray) and not one.size for one in inputs):
        return True
    if kind in ("Matmul", "Linear") and 1 in (np.ndim(inputs[0]), np.ndim(inputs[1])):
        return True  # a vector is a row or a column
    if kind in ("SVD", "Eigh", "Cofactor") and np.ndim(inputs[0]) > 2:
        return True  # their F_ij is written for one matrix
    if " at each " in type(node).latex[name]:
        if hasattr(node, "windows"):
            return len(node.windows.kernel) > 1 or getattr(node, "groups", 1) > 1
        axes = 2 if kind in ("Fold", "Diagonal", "Cofactor") else 1
        return np.ndim(inputs[0]) != axes
    return False


def compare(nodes: list[Any], checked: Counter[str]) -> None:
    """Compare all formulas of the nodes that are not skipped, and count them."""
    for node in nodes:
        for name, (formula, expected) in formulas_of(node).items():
            if not skipped(node, name):
                full = f"{type(node).__name__}.{name}"
                assert not differs(node, formula, expected), f"{full}: {formula}"
                checked[full] += 1


LINE = Windows((5,), (2,), (2,), (2,), (1,), (3,))
rng = np.random.default_rng(3)
a34, a4, a66 = (
    rng.uniform(0.3, 2.0, (3, 4)),
    rng.uniform(0.3, 2.0, 4),
    rng.uniform(0.3, 2.0, (6, 6)),
)
# What the catalogue has only with more axes.
LINES = {
    "conv": lambda: nodes_of(
        lambda x, w, b: ops.Conv.apply(x, w, b, windows=LINE),
        *(rng.standard_normal(shape) for shape in ((2, 3, 5), (4, 3, 2), (4,))),
    ),
    "conv_input": lambda: nodes_of(
        lambda x, w: ops.ConvInput.apply(x, w, windows=LINE),
        *(rng.standard_normal(shape) for shape in ((2, 4, 3), (4, 3, 2))),
    ),
    "conv_weight": lambda: nodes_of(
        lambda x, h: ops.ConvWeight.apply(x, h, windows=LINE),
        *(rng.standard_normal(shape) for shape in ((2, 3, 5), (2, 4, 3))),
    ),
    **{
        name: lambda op=op, shape=shape: nodes_of(
            lambda x: op.apply(x, windows=LINE), rng.standard_normal(shape)
        )
        for name, op, shape in (
            ("windows", ops.SlidingWindows, (2, 3, 5)),
            ("overlap", ops.OverlapAdd, (2, 3, 2, 3)),
            ("sum_pool", ops.SumPool, (2, 3, 5)),
            ("max_pool", ops.MaxPool, (2, 3, 5)),
        )
    },
    "max_unpool": lambda: nodes_of(
        lambda x: ops.MaxUnpool.apply(
            x, windows=LINE, winners=np.array([[[1, 0, 1]]] * 2).repeat(3, 1)
        ),
        rng.standard_normal((2, 3, 3)),
    ),
    "cumsum": lambda: nodes_of(lambda x: x.cumsum(0), a4),
    "cumsum from the end": lambda: nodes_of(lambda x: ops.CumSum.apply(x, from_the_end=True), a4),
    "cumprod": lambda: nodes_of(lambda x: x.cumprod(0), a4),
    "logcumsumexp": lambda: nodes_of(lambda x: x.logcumsumexp(0), a4),
    "recurrence": lambda: nodes_of(ops.Recurrence.apply, a4, a4 - 1.0),
    "prod": lambda: nodes_of(lambda x: x.prod(), a4),
    "unfold": lambda: nodes_of(lambda x: ops.Unfold.apply(x, axis=0, size=2, step=2), a4),
    "fold": lambda: nodes_of(lambda x: ops.Fold.apply(x, axis=0, step=1, shape=(5,)), a34[:, :3]),
    "diagonal": lambda: nodes_of(ops.Diagonal.apply, a66),
    "cofactor": lambda: nodes_of(ops.Cofactor.apply, a66[:3, :3]),
    "huber": lambda: nodes_of(lambda d: losses.Huber.apply(d, delta=1.0), a34 - 1.0),
}


def test_every_formula_gives_what_its_op_computes():
    checked: Counter[str] = Counter()
    for case in CASES:
        if "nothing counts" not in case.note:  # softmax of nothing: 0 by definition, and not 0 / 0
            for variant in case.shapes[:3]:
                compare(nodes_of(case.call, *case.inputs(variant)), checked)
    for line in LINES.values():
        compare(line(), checked)
    stated = {f"{op.__name__}.{name}" for op in primitives() for name in op.latex}
    assert stated - set(checked) == IN_WORDS


NUMBERS = np.array([-2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, 3.0])
LEFT, RIGHT = (grid.ravel() for grid in np.meshgrid(NUMBERS, NUMBERS))
# Corners: ties, jumps, bounds, zeros, and the ends of domains.
CORNERS = {
    **{
        op.__name__: lambda op=op: nodes_of(op.apply, NUMBERS)
        for op in (
            *(ops.Relu, ops.Abs, ops.Sqrt, ops.Log, ops.Log1p, ops.Softplus, activations.Softsign),
            *(ops.Asin, ops.Acos, ops.Acosh, ops.Atanh, ops.Expm1, ops.Erf, ops.Tan),
        )
    },
    **{
        op.__name__: lambda op=op: nodes_of(op.apply, LEFT, RIGHT)
        for op in (
            *(ops.Maximum, ops.Minimum, ops.Hypot, ops.Atan2, elementwise.Xlogy, ops.Pow, ops.Mod),
            *(ops.Fmod, ops.FloorDivide, ops.Div, ops.Mul, ops.Logaddexp),
        )
    },
    **{
        f"clip {low} to {high}{note}": lambda low=low, high=high, edges=not note: nodes_of(
            lambda x, low, high: ops.Clip.apply(x, low, high, edges=edges), NUMBERS, low, high
        )
        for low, high in ((-1.0, 1.0), (1.0, -1.0), (0.5, 0.5))
        for note in ("", " without the bounds")
    },
    "where": lambda: nodes_of(
        lambda a, b: ops.Where.apply(a, b, condition=LEFT > RIGHT), LEFT, RIGHT
    ),
    "mask": lambda: nodes_of(lambda x: ops.Mask.apply(x, mask=NUMBERS > 0), NUMBERS),
    "mask of numbers": lambda: nodes_of(
        lambda x: ops.Mask.apply(x, mask=NUMBERS.clip(0.0)), NUMBERS
    ),
    "sign": lambda: nodes_of(lambda x: x.sign(), NUMBERS),
    "floor": lambda: nodes_of(lambda x: x.floor(), NUMBERS),
    "huber": lambda: nodes_of(lambda d: losses.Huber.apply(d, delta=1.0), NUMBERS),
    "max that tie": lambda: nodes_of(lambda x: x.max(1), [[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]]),
    "min that tie": lambda: nodes_of(lambda x: x.min(0), [[1.0, 2.0, 2.0], [1.0, 3.0, 2.0]]),
    "norm of 0": lambda: nodes_of(
        lambda x: ops.Norm.apply(x, axes=(1,), p=2), [[0.0, 0.0], [3.0, 0.0]]
    ),
    "norm 3 of 0": lambda: nodes_of(
        lambda x: ops.Norm.apply(x, axes=(1,), p=3), [[0.0, 0.0], [3.0, 0.0]]
    ),
    "prod of 0": lambda: nodes_of(lambda x: x.prod(), [0.0, 2.0, 3.0]),
    "cumprod of 0": lambda: nodes_of(lambda x: x.cumprod(0), [2.0, 0.0, 3.0, 0.0]),
    "det of a singular matrix": lambda: nodes_of(ops.Det.apply, [[1.0, 2.0], [2.0, 4.0]]),
    "cross entropy": lambda: nodes_of(
        ops.BinaryCrossEntropy.apply, [0.0, 1.0, 0.0, 1.0, 0.5], [0.0, 0.0, 1.0, 1.0, 0.3]
    ),
}


@pytest.mark.parametrize("name", CORNERS)
def test_formulas_hold_at_the_corners(name):
    checked: Counter[str] = Counter()
    compare(CORNERS[name](), checked)
    assert len(checked) >= 2


# Wrong formulas, each a mistake that one could make in writing.
WRONG = {
    "Tanh.x": r"\bar{y} \odot (1 + y^{2})",
    "Sigmoid.x": r"\bar{y} \odot y",
    "Sqrt.x": r"\frac{\bar{y}}{y}",
    "Cos.x": r"\bar{y} \odot \sin(x)",
    "Div.b": r"-\bar{y} \odot \frac{a}{b}",
    "Sub.b": r"\bar{y}",
    "Relu.x": r"\begin{cases} \bar{y} & \text{if } x \ge 0 \\ 0 & \text{otherwise} \end{cases}",
    "Maximum.a": r"\begin{cases} \bar{y} & \text{if } a \ge b \\ 0 & \text{otherwise} \end{cases}",
    "Matmul.a": r"\bar{y} \; b",
    "Matmul.b": r"\bar{y} \; a^{\top}",
    "Softmax.x": r"y \odot (\bar{y} - \sum_{\mathrm{axes}} \bar{y})",
    "Mean.x": r"\operatorname{repeated}_{\mathrm{axes}}(\bar{y})",
    "CumSum.x": r"\sum_{k \le i} \bar{y}_{k} \text{ at each } i",
    "Conv.w": (
        r"\sum_{n, p} \bar{y}_{n, o, p} \, x_{n, c, q(p, t)} \text{ at each } o, c, t, "
        r"\text{ where } q(p, t) = p \, \mathrm{stride} + t \, \mathrm{dilation}"
    ),
}
SQUARE = rng.standard_normal((3, 3))


def planted(name: str) -> list[Any]:
    """The nodes of a call of the op for which a wrong formula is planted."""
    op = getattr(ops, name.partition(".")[0])
    if op is ops.Conv:
        return LINES["conv"]()
    if op is ops.CumSum:
        return LINES["cumsum"]()
    if op in (ops.Mean, ops.Softmax):
        return nodes_of(lambda x: op.apply(x, axes=(1,)), SQUARE)
    if op is ops.Matmul:
        return nodes_of(op.apply, SQUARE, SQUARE + 1.0)
    return (
        CORNERS["Maximum" if op is ops.Maximum else "Relu"]()
        if op
        in (
            ops.Maximum,
            ops.Relu,
        )
        else nodes_of(op.apply, *[np.abs(SQUARE) + one for one in range(len(op.latex) - 1)])
    )


@pytest.mark.parametrize("name", WRONG)
def test_a_planted_wrong_formula_is_found(name):
    (node,) = planted(name)
    right, expected = formulas_of(node)[name.partition(".")[2]]
    assert not differs(node, right, expected)
    assert differs(node, WRONG[name], expected)
    if r"\text" not in right:
        assert differs(node, f"-({right})", expected)
        assert differs(node, f"2 ({right})", expected)


@pytest.mark.parametrize(
    "formula", [r"x \foo", r"x \; y z", "x y", r"\sum_{j} x", r"x_{", r"\frac{x}", "x = y"]
)
def test_unknown_notation_fails_loudly(formula):
    with pytest.raises((Unknown, KeyError, IndexError, ValueError)):
        value_of(formula, {"x": SQUARE, "y": SQUARE, "z": SQUARE})
