"""What NumPy and Python can do with a value in a captured step: recorded rightly, or not captured.

Each function gets arrays, as a step finds them in `x.data`; what it returns is compared with what
it returns eagerly, on other values in each call.
"""

import copy
import json
import math
import operator
import pickle
import warnings

import numpy as np
import pytest

from tinygrad_lite import Tensor, capture

PLAIN = np.arange(12, dtype=np.float32).reshape(3, 4) / 7


def batch(seed, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((3, 4)).astype(dtype), rng.integers(0, 3, 3)


def form(value):
    """Something that can be compared: the bits of arrays."""
    if isinstance(value, Tensor):
        value = value.data
    if isinstance(value, (tuple, list)):
        return [form(one) for one in value]
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        return array.dtype.str, array.shape, array.tobytes()
    return value


def outcome(call, *args):
    try:
        return form(call(*args))
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        return type(error)


def calls(fn, count=5):
    """Whether the step is captured; the same results in every call, and nothing else changed."""

    def step(x, labels):
        found = fn(x.data, labels.data)
        tuples = isinstance(found, (tuple, list))
        return [Tensor(one) for one in found] if tuples else Tensor(found)

    captured = capture(step)
    for seed in range(count):
        x, labels = batch(seed)
        mine, others = [Tensor(x), Tensor(labels)], [Tensor(x), Tensor(labels)]
        expected = outcome(step, *mine)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert outcome(captured, *others) == expected, seed
        assert form(others) == form(mine), seed
    return captured.eager is None


def writes(change):
    """A function that changes a copy of x in place."""

    def fn(x, n):
        y = x * 1.0
        change(y, x, n)
        return y

    return fn


def made():
    """An array of which only NumPy knows."""
    return np.arange(12, dtype=np.float32).reshape(3, 4)


def set_item(array, index, value):
    array[index] = value


RECORDED = {
    # Operators, on either side
    "plain + x": lambda x, n: PLAIN + x,
    "plain - x": lambda x, n: PLAIN - x,
    "2 ** x": lambda x, n: 2**x,
    "-2 ** n": lambda x, n: (-2) ** n,
    "x ** 2": lambda x, n: x**2,
    "x ** 0.5": lambda x, n: abs(x) ** 0.5,
    "x ** -1": lambda x, n: x**-1,
    "plain ** x": lambda x, n: (PLAIN + 1) ** x,
    "plain @ x": lambda x, n: PLAIN @ x.T,
    "x @ plain": lambda x, n: x @ PLAIN.T,
    "scalar * x": lambda x, n: np.float32(3) * x,
    "divmod": lambda x, n: divmod(x, 0.3),
    "floor division": lambda x, n: x // 0.3,
    "comparison": lambda x, n: (x > 0) & (x < 1) | ~(x == 0),
    "shift": lambda x, n: n << 2,
    "modf": lambda x, n: np.modf(x),
    "frexp": lambda x, n: np.frexp(x),
    "ldexp": lambda x, n: np.ldexp(x[:, 0], n),
    "where=": lambda x, n: np.add(x, 1, out=np.zeros_like(x), where=x > 0),
    "dtype=": lambda x, n: np.add(x, 1, dtype=np.float64),
    "casting": lambda x, n: np.add(x, n[:, None], dtype=np.float32, casting="same_kind"),
    "outer": lambda x, n: np.add.outer(x[0], x[1]),
    "reduceat": lambda x, n: np.add.reduceat(x, [0, 2], axis=1),
    "accumulate": lambda x, n: np.add.accumulate(x, axis=1),
    "reduce, initial and where": lambda x, n: np.add.reduce(x, 1, initial=2.0, where=x > 0),
    "out of two": lambda x, n: np.modf(x, out=(np.empty_like(x), None)),
    # NumPy's functions
    "concatenate": lambda x, n: np.concatenate([x, PLAIN, x * 2]),
    "stack": lambda x, n: np.stack([x, PLAIN]),
    "where": lambda x, n: np.where(x > 0, x, PLAIN),
    "einsum": lambda x, n: np.einsum("ij,kj->ik", x, PLAIN),
    "einsum out": lambda x, n: np.einsum("ij,kj->ik", x, x, out=np.zeros((3, 3), x.dtype, like=x)),
    "tensordot": lambda x, n: np.tensordot(x, PLAIN, axes=([1], [1])),
    "norm": lambda x, n: np.linalg.norm(x, axis=1),
    "svd": lambda x, n: np.linalg.svd(x),
    "solve": lambda x, n: np.linalg.solve(x @ x.T + 9 * np.eye(3, dtype=np.float32), x),
    "fft": lambda x, n: np.fft.irfft(np.fft.rfft(x)),
    "take": lambda x, n: np.take(x, n, axis=1),
    "plain at labels": lambda x, n: np.take(PLAIN, n, axis=0),
    "take_along_axis": lambda x, n: np.take_along_axis(x, n[:, None], 1),
    "fancy": lambda x, n: x[np.arange(3), n],
    "at one label": lambda x, n: x[n[0]],
    "argsort": lambda x, n: np.take_along_axis(x, np.argsort(x, 1), 1),
    "sort": lambda x, n: np.sort(x, axis=0),
    "quantile": lambda x, n: np.quantile(x, 0.3, axis=1),
    "cumsum": lambda x, n: np.cumsum(x, axis=1),
    "split": lambda x, n: np.split(x, 2, axis=1),
    "diff": lambda x, n: np.diff(x),
    "clip": lambda x, n: np.clip(x, -0.5, x.mean()),
    "interp": lambda x, n: np.interp(x, [0, 1], [2, 3]),
    "isclose": lambda x, n: np.isclose(x, PLAIN),
    "searchsorted": lambda x, n: np.searchsorted(np.arange(3.0), x),
    "pad": lambda x, n: np.pad(x, 1),
    "roll": lambda x, n: np.roll(x, 1, axis=0),
    "one hot": lambda x, n: np.eye(3, dtype=np.float32)[None].repeat(3, 0) * n[:, None, None],
    "zeros like": lambda x, n: np.zeros((2, 2), np.float32, like=x) + x[0, 0],
    "asarray like": lambda x, n: np.asarray(x, like=x) * 2,
    "sliding windows": lambda x, n: np.lib.stride_tricks.sliding_window_view(x, 2, 1) * 2,
    # Methods
    "copy": lambda x, n: x.copy(order="F"),
    "astype": lambda x, n: x.astype(np.float64),
    "view": lambda x, n: x.view(np.int32),
    "ravel": lambda x, n: x.T.ravel(),
    "std": lambda x, n: x.std(0, ddof=1),
    "method dot": lambda x, n: x.dot(PLAIN.T),
    "method take": lambda x, n: x.take(n, 1),
    "method clip": lambda x, n: x.clip(-0.5, 0.5),
    "argmax": lambda x, n: x.argmax(1),
    "trace": lambda x, n: x.trace(),
    "swapaxes": lambda x, n: x.swapaxes(0, 1),
    "copy.copy": lambda x, n: copy.copy(x),
    "copy.deepcopy": lambda x, n: copy.deepcopy(x.T),
    "rows": lambda x, n: [row * 2 for row in x],
    "unpacked": lambda x, n: (lambda a, b, c: a + b * c)(*x),
    "reversed": lambda x, n: list(reversed(x)),
    # 0-d arrays and numbers
    "sum of all": lambda x, n: x.sum(),
    "element": lambda x, n: x[0, 1] * x[1, 2],
    "power of numbers": lambda x, n: abs(x[0, 0]) ** 0.3,
    "+= of a number": lambda x, n: operator.iadd(x[0, 0], 2.0),
    "+= of one of two": lambda x, n: (a := x[0, 0], b := a, a := operator.iadd(a, 2.0), a * b)[3],
    "a gradient of all": lambda x, n: x.sum() + x.sum() ** 2,
    "mean of means": lambda x, n: (x.mean() + x.mean(0).mean()) / 2,
    # A plain array that the step finds outside
    "PLAIN[n]": lambda x, n: PLAIN[n],
    "a change of its copy": lambda x, n: (a := PLAIN.copy(), set_item(a, n, 1.0))[0],
    "its method": lambda x, n: PLAIN.dot(x.T),
    # Writes
    "setitem": writes(lambda y, x, n: set_item(y, (slice(None), 1), x[:, 2])),
    "setitem at labels": writes(lambda y, x, n: set_item(y, (np.arange(3), n), 7.0)),
    "setitem by mask": writes(lambda y, x, n: set_item(y, x > 0, -1.0)),
    "a view of a view": writes(lambda y, x, n: set_item(y.T[1:][:, ::2], ..., 5.0)),
    "fill": writes(lambda y, x, n: y.fill(2.0)),
    "method sort": writes(lambda y, x, n: y.sort(0)),
    "add.at": writes(lambda y, x, n: np.add.at(y, n, 1.0)),
    "copyto": writes(lambda y, x, n: np.copyto(y, x * 3, where=x > 0)),
    "putmask": writes(lambda y, x, n: np.putmask(y, x > 0, 9.0)),
    "put_along_axis": writes(lambda y, x, n: np.put_along_axis(y, n[:, None], 4.0, 1)),
    "fill_diagonal": writes(lambda y, x, n: np.fill_diagonal(y, 0.0)),
    "out=": writes(lambda y, x, n: np.multiply(x, 3.0, out=y)),
    "out= of a part": writes(lambda y, x, n: np.multiply(x[0], 3.0, out=y[1])),
    "+=": writes(lambda y, x, n: operator.iadd(y, x)),
    "**=": writes(lambda y, x, n: operator.ipow(y, 2)),
    "@=": writes(lambda y, x, n: operator.imatmul(y, np.ones((4, 4), np.float32))),
    "method out=": writes(lambda y, x, n: x.clip(0, 1, out=y)),
    "cumsum out=": writes(lambda y, x, n: np.cumsum(x, 1, out=y)),
}

NOT_CAPTURED = {
    # Conversions
    "asarray": lambda x, n: np.asarray(x),
    "array": lambda x, n: np.array([x, x]),
    "memory": lambda x, n: np.frombuffer(x.tobytes(), np.float32),
    "interface": lambda x, n: np.array(x.__array_interface__["shape"]),
    "ctypes": lambda x, n: np.array([x.ctypes.data > 0]),
    "flat": lambda x, n: np.array([v * 2 for v in x.flat]),
    "real": lambda x, n: x.real * 1.0,
    "imag": lambda x, n: x.imag * 1.0,
    "nditer": lambda x, n: np.array([float(v) for v in np.nditer(x)]),
    "ndenumerate": lambda x, n: np.array([float(v) for _, v in np.ndenumerate(x)]),
    "tolist": lambda x, n: np.array(x.tolist()),
    "pickle": lambda x, n: pickle.loads(pickle.dumps(x)),
    "as_strided": lambda x, n: np.lib.stride_tricks.as_strided(x, (2, 2)) * 1,
    "vectorize": lambda x, n: np.vectorize(lambda v: v * 2)(x),
    "apply_along_axis": lambda x, n: np.apply_along_axis(lambda row: row * 2, 1, x),
    # Numbers of Python
    "item": lambda x, n: PLAIN * x.item(0),
    "float": lambda x, n: PLAIN * float(x[0, 0]),
    "int": lambda x, n: PLAIN * int(n[0]),
    "complex": lambda x, n: PLAIN * complex(x[0, 0]).real,
    "round": lambda x, n: PLAIN * round(float(x[0, 0])),
    "math": lambda x, n: PLAIN * math.sin(x[0, 0]),
    "math.floor": lambda x, n: PLAIN * math.floor(x[0, 0]),
    "operator.index": lambda x, n: PLAIN[operator.index(n[0])],
    "range": lambda x, n: PLAIN[list(range(n[0]))],
    "list index": lambda x, n: [PLAIN, PLAIN * 2, PLAIN * 3][n[0]],
    "str": lambda x, n: np.array([len(str(x[0, 0]))]),
    "f-string": lambda x, n: np.array([float(f"{x[0, 0]:.3f}")]),
    "json": lambda x, n: np.array(json.loads(json.dumps(float(x[0, 0])))),
    "hash": lambda x, n: np.array([hash(x[0, 0]) % 1000]),
    "key": lambda x, n: PLAIN * {0: 1.0, 1: 2.0, 2: 3.0}[int(n[0])],
    "max of Python": lambda x, n: PLAIN * max(x[0]),
    # Decisions
    "bool": lambda x, n: x if x[0, 0] > 0 else -x,
    "and": lambda x, n: (x[0, 0] > 0) and x,
    "in": lambda x, n: PLAIN * (1.0 in (x > 0)),
    "any of Python": lambda x, n: PLAIN * any(x[0] > 0),
    "array_equal": lambda x, n: PLAIN * np.array_equal(x > 0, PLAIN > 1),
    "allclose": lambda x, n: PLAIN * np.allclose(x, PLAIN, 3),
    "assert": lambda x, n: x if np.all(x < 9) else None,
    # Shapes that depend on values
    "x[mask]": lambda x, n: x[x > 0],
    "x[:n]": lambda x, n: x[: n[0]],
    "nonzero": lambda x, n: np.nonzero(x > 0)[0],
    "where of one": lambda x, n: np.where(x > 0)[0],
    "unique": lambda x, n: np.unique(n),
    "bincount": lambda x, n: np.bincount(n),
    "compress": lambda x, n: np.compress(n > 0, x, axis=0),
    "repeat": lambda x, n: np.repeat(x, n, axis=0),
    "tile": lambda x, n: np.tile(x, (n[0] + 1, 1)),
    "reshape by values": lambda x, n: x.reshape(-1, 2 + 2 * (n[0] > 0)),
    "sum along a value": lambda x, n: x.sum(axis=n[0] % 2),
    "zeros of a value": lambda x, n: np.zeros(n[0]),
    "arange": lambda x, n: np.arange(n[0]),
    "linspace": lambda x, n: np.linspace(0, 1, n[0] + 2),
    "full": lambda x, n: np.full((n[0] + 1,), 2.0),
    "eigvals": lambda x, n: np.linalg.eigvals(x[:, :3]).real,
    "delete": lambda x, n: np.delete(x, n[0], axis=0),
    "histogram": lambda x, n: np.histogram(x, 3)[0],
    # Writes into arrays of NumPy
    "plain[...] = x": lambda x, n: (a := made(), set_item(a, ..., x))[0],
    "plain[n] = 1": lambda x, n: (a := made(), set_item(a, n, 1.0))[0],
    "plain += x": lambda x, n: operator.iadd(made(), x) * 1.0,
    "out=plain": lambda x, n: (a := made(), np.multiply(x, 2, out=a))[0] + 1,
    "copyto plain": lambda x, n: (a := made(), np.copyto(a, x))[0],
    "at plain": lambda x, n: (a := made(), np.add.at(a, n, x))[0],
    "einsum out plain": lambda x, n: np.einsum("ij->i", x, out=np.zeros(3, np.float32)),
    "plain[n]": lambda x, n: made()[n],
    "plain.dot(x)": lambda x, n: made().dot(x.T),
    "plain.take": lambda x, n: made().take(n, 0),
    "a change after its use": lambda x, n: (
        a := np.zeros(4, np.float32),
        b := x + a,
        set_item(a, 0, 5.0),
        b + a,
    )[3],
    "out by position": lambda x, n: (a := x * 1.0, np.cumsum(x, 1, None, a))[0],
    "nan_to_num in place": writes(lambda y, x, n: np.nan_to_num(y, copy=False)),
    # In place, in ways that no other array sees
    "shape =": writes(lambda y, x, n: setattr(y, "shape", (4, 3))),
    "flat =": writes(lambda y, x, n: setattr(y, "flat", 3.0)),
    "resize": lambda x, n: np.resize(x, (2, 2)),
    # Random numbers made with them
    "permutation": lambda x, n: np.random.default_rng(0).permutation(x),
    "normal": lambda x, n: np.random.default_rng(0).normal(x),
    "choice": lambda x, n: np.random.default_rng(0).choice(x),
}


@pytest.mark.parametrize("name", RECORDED)
def test_it_is_recorded(name):
    assert calls(RECORDED[name])


@pytest.mark.parametrize("name", NOT_CAPTURED)
@pytest.mark.filterwarnings("ignore")
def test_it_runs_eagerly(name):
    assert not calls(NOT_CAPTURED[name])
