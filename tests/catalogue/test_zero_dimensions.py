"""Axis 0 and -1 of a 0-d tensor: one rule, and every method that has an axis keeps to it."""

from inspect import signature

import numpy as np
import pytest
from every import each

from tinygrad_lite import Tensor, gradcheck

HERE, THERE = np.array(0), np.array([0])

# Calls that take the tensor for a line of one element, and what they give at 2.5.
LINES = {
    "all": (lambda x, a: x.all(a), True),
    "amax": (lambda x, a: x.amax(a), 2.5),
    "amin": (lambda x, a: x.amin(a), 2.5),
    "any": (lambda x, a: x.any(a), True),
    "argmax": (lambda x, a: x.argmax(a), 0),
    "argmin": (lambda x, a: x.argmin(a), 0),
    "argsort": (lambda x, a: x.argsort(a), 0),
    "cosine_similarity": (lambda x, a: x.cosine_similarity(-x, a), -1.0),
    "count_nonzero": (lambda x, a: x.count_nonzero(a), 1),
    "cummax": (lambda x, a: x.cummax(a)[0], 2.5),
    "cummin": (lambda x, a: x.cummin(a)[0], 2.5),
    "cumprod": (lambda x, a: x.cumprod(a), 2.5),
    "cumsum": (lambda x, a: x.cumsum(a), 2.5),
    "flatten": (lambda x, a: x.flatten(a, a), [2.5]),
    "flip": (lambda x, a: x.flip(a), 2.5),
    "gather": (lambda x, a: x.gather(a, HERE), 2.5),
    "gather of a line": (lambda x, a: x.gather(a, THERE), [2.5]),
    "index_add": (lambda x, a: x.index_add(a, THERE, x * 2), 7.5),
    "index_fill": (lambda x, a: x.index_fill(a, THERE, 7.0), 7.0),
    "index_select": (lambda x, a: x.index_select(a, THERE), 2.5),
    "index_select of a number": (lambda x, a: x.index_select(a, 0), 2.5),
    "layernorm": (lambda x, a: x.layernorm(a), 0.0),
    "log_softmax": (lambda x, a: x.log_softmax(a), 0.0),
    "logcumsumexp": (lambda x, a: x.logcumsumexp(a), 2.5),
    "logsumexp": (lambda x, a: x.logsumexp(a), 2.5),
    "max": (lambda x, a: x.max(a), 2.5),
    "mean": (lambda x, a: x.mean(a), 2.5),
    "median": (lambda x, a: x.median(a), 2.5),
    "min": (lambda x, a: x.min(a), 2.5),
    "moveaxis": (lambda x, a: x.moveaxis(a, a), 2.5),
    "movedim": (lambda x, a: x.movedim(a, a), 2.5),
    "norm": (lambda x, a: x.norm(2, a), 2.5),
    "normalize": (lambda x, a: x.normalize(2, a), 1.0),
    "permute": (lambda x, a: x.permute(a), 2.5),
    "prod": (lambda x, a: x.prod(a), 2.5),
    "quantile": (lambda x, a: x.quantile(0.3, a), 2.5),
    "repeat_interleave": (lambda x, a: x.repeat_interleave(2, a), [2.5, 2.5]),
    "roll": (lambda x, a: x.roll(3, a), 2.5),
    "scatter": (lambda x, a: x.scatter(a, HERE, x * 2), 5.0),
    "scatter_add": (lambda x, a: x.scatter_add(a, THERE, x * 2), 7.5),
    "scatter_reduce": (lambda x, a: x.scatter_reduce(a, HERE, x * 2, "prod"), 12.5),
    "softmax": (lambda x, a: x.softmax(a), 1.0),
    "softmin": (lambda x, a: x.softmin(a), 1.0),
    "sort": (lambda x, a: x.sort(a)[0], 2.5),
    "squeeze": (lambda x, a: x.squeeze(a), 2.5),
    "stack": (lambda x, a: x.stack(x, axis=a), [2.5, 2.5]),
    "std": (lambda x, a: x.std(a, correction=0), 0.0),
    "std_mean": (lambda x, a: x.std_mean(a, correction=0)[1], 2.5),
    "sum": (lambda x, a: x.sum(a), 2.5),
    "swapaxes": (lambda x, a: x.swapaxes(a, -1), 2.5),
    "take_along_axis": (lambda x, a: x.take_along_axis(HERE, a), 2.5),
    "take_along_axis from the end": (lambda x, a: x.take_along_axis(THERE - 1, a), [2.5]),
    "topk": (lambda x, a: x.topk(1, a)[0], 2.5),
    "transpose": (lambda x, a: x.transpose(a, 0), 2.5),
    "unfold": (lambda x, a: x.unfold(a, 1, 1), [2.5]),
    "unsqueeze": (lambda x, a: x.unsqueeze(a), [2.5]),
    "var": (lambda x, a: x.var(a, correction=0), 0.0),
    "var_mean": (lambda x, a: x.var_mean(a, correction=0)[1], 2.5),
}

# Calls that divide a tensor along the axis, or name a part of it.
PARTS = {
    "cat": lambda x, a: x.cat(x, axis=a),
    "chunk": lambda x, a: x.chunk(1, a),
    "diagonal": lambda x, a: x.diagonal(0, a, -1),
    "glu": lambda x, a: x.glu(a),
    "narrow": lambda x, a: x.narrow(a, 0, 1),
    "select": lambda x, a: x.select(a, 0),
    "size": lambda x, a: x.size(a),
    "split": lambda x, a: x.split(1, a),
    "tensor_split": lambda x, a: x.tensor_split(1, a),
    "unbind": lambda x, a: x.unbind(a),
    "unflatten": lambda x, a: x.unflatten(a, (1, 1)),
}

NO_AXES = {"arange", "linspace", "tensordot"}  # which start, or take pairs of axes, and refuse


def test_every_method_with_an_axis_is_on_one_of_the_lists() -> None:
    names = {"axis", "axes", "axis1", "source", "start_axis", "start"}
    found = set()
    for name in dir(Tensor):
        method = getattr(Tensor, name)
        if (
            not name.startswith("_")
            and callable(method)
            and names & {*signature(method).parameters}
        ):
            found.add(name)
    assert found - NO_AXES == {line.split()[0] for line in LINES} | {*PARTS}


@pytest.mark.parametrize("name", LINES)
@each(axis=[0, -1])
def test_a_line_of_one_element(name: str, axis: int) -> None:
    call, expected = LINES[name]
    result = call(Tensor(np.array(2.5)), axis)
    np.testing.assert_array_equal(result.data, np.asarray(expected), strict=False)
    assert result.shape == np.shape(expected)
    if result.dtype.kind == "f" and name != "std":
        assert gradcheck(lambda x: call(x, axis), np.array(2.5))


@each(name=LINES, axis=[1, -2])
def test_there_is_no_other_axis(name: str, axis: int) -> None:
    if (name, axis) in (("unsqueeze", -2), ("stack", -2)):
        axis = -3
    with pytest.raises(ValueError, match=r"out of range for [012] dimensions"):
        LINES[name][0](Tensor(np.array(2.5)), axis)


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("name", PARTS)
def test_a_tensor_without_parts(name: str, axis: int) -> None:
    with pytest.raises(ValueError, match="out of range for 0 dimensions; there is no axis to name"):
        PARTS[name](Tensor(np.array(2.5)), axis)


def test_an_index_of_several_positions() -> None:
    with pytest.raises(ValueError, match=r"^gather: index: expected one position for a tensor of"):
        Tensor(2.5).gather(0, [0, 0])
    with pytest.raises(IndexError, match="index_select: 1 is out of range"):
        Tensor(2.5).index_select(0, [1])
