"""Steps that cannot be captured: they run eagerly, with one warning that says why and where."""

import itertools
import re
import time
import warnings

import numpy as np
import pytest
from capturing.test_calls import bits

from tinygrad_lite import Function, Tensor, capture


def x_of(seed):
    return Tensor(np.random.default_rng(seed).normal(size=4).astype(np.float32))


class Kept:
    values = None


W = Tensor([1.0, -2.0, 3.0, 0.5], requires_grad=True)


def item(x, kept):
    y = (x * W).sum()
    return y * y.item()


def branch(x, kept):
    return x if x.sum() > 0 else -x


def printed(x, kept):
    assert repr(x)
    return x * 2


def iteration(x, kept):
    return sum(float(v) for v in x.data) * x


def mask(x, kept):
    return x[x > 0].sum()


def nonzero(x, kept):
    return Tensor(x.data[np.nonzero(x.data)])


def converted(x, kept):
    return Tensor(np.asarray(x.data) + 1)


def inner_hook(x, kept):
    y = x * W
    y.register_hook(lambda g: g * 2)
    y.sum().backward()
    return W.grad


def append(x, kept):
    y = x * 2
    kept.append(y)
    return y.sum()


def attribute(x, kept):
    Kept.last.values = x * 3
    return x.sum()


def number(x, kept):
    Kept.last.count += 1
    return x * Kept.last.count


def other_result(x, kept):
    return {1, 2}


def set_of_numbers(x, kept):
    Kept.last.seen.add(len(Kept.last.seen))
    return x * 2


def function_attribute(x, kept):
    function_attribute.calls = getattr(function_attribute, "calls", 0) + 1
    return x * 2


def prints(x, kept):
    print("one step")
    return x * 2


ROWS = itertools.count()


def iterator(x, kept):
    next(ROWS)
    return x * 2


def clock(x, kept):
    return x * 2, time.perf_counter() * 0


CANNOT = {
    item: "item",
    branch: r"bool\(\)",
    printed: r"print\(\)",
    iteration: "float",
    mask: "mask",
    nonzero: "nonzero",
    converted: "np.array",
    inner_hook: "hook",
    append: "keeps a tensor of the step",
    attribute: "keeps a tensor of the step",
    number: "changes Kept.*count",
    other_result: "returns a set",
    set_of_numbers: "changes Kept.last.seen",
    function_attribute: "changes calls",
    prints: r"print\(\)",
    iterator: "uses ROWS, which gives another value each time",
    clock: "uses time, which gives another value each time",
}


@pytest.mark.parametrize("fn", CANNOT, ids=lambda fn: fn.__name__)
def test_it_runs_eagerly_with_one_warning(fn):
    outcomes = []
    for captured in (False, True):
        Kept.last = Kept()
        Kept.last.count = 0
        Kept.last.seen = set()
        W.grad = None
        kept, found = [], []
        step = capture(fn) if captured else fn
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            for seed in range(5):
                found.append([bits(step(x_of(seed), kept)), bits(W.grad)])
            found.append([bits(kept), bits(Kept.last.values), Kept.last.count])
        assert len(seen) == captured
        outcomes.append(found)
    assert outcomes[0] == outcomes[1]
    message = str(seen[0].message)
    assert re.search(CANNOT[fn], message), message
    assert "\n" not in message
    for one in (*kept, Kept.last.values):
        assert one is None or type(one.data) is np.ndarray
    if fn not in (append, attribute, number, other_result, iterator, clock):
        assert f"{__file__.rpartition('/')[2]}:" in message


@pytest.mark.parametrize("fn", CANNOT, ids=lambda fn: fn.__name__)
def test_strict_raises_and_nothing_is_written(fn):
    Kept.last = Kept()
    Kept.last.count = 0
    Kept.last.seen = set()
    W.grad = None
    kept = []
    parameter = Tensor([1.0, 1.0], requires_grad=True)

    def step(x):
        parameter.data[...] *= 2
        (parameter * 2).sum().backward()
        return fn(x, kept)

    strict = capture(step, strict=True)
    strict(x_of(0))
    before = bits([parameter, parameter.grad]), list(kept), Kept.last.count
    for _ in range(2):
        with pytest.raises(RuntimeError, match="capture: "):
            strict(x_of(1))
        assert (bits([parameter, parameter.grad]), list(kept), Kept.last.count) == before


def runs_eagerly(fn, calls, message):
    """The same results from an eager function and its captured step, which warns once."""
    step = capture(fn)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for args in calls:
            assert bits(step(*args)) == bits(fn(*args).detach())
    assert [bool(re.search(message, str(one.message))) for one in seen] == [True]


def test_a_graph_from_outside():
    y = W * 2
    fix = "and requires grad; detach\\(\\) it"
    runs_eagerly(
        lambda x: (x * 2).sum(),
        [(x_of(seed) * W,) for seed in range(3)],
        f"an argument was computed, {fix}",
    )
    calls = [(x_of(seed),) for seed in range(3)]
    runs_eagerly(lambda x: (x * y).sum(), calls, f"a tensor that was computed before, {fix}")


def test_foreign_arrays_and_iterators():
    for value in (memoryview(b"ab"), iter([1, 2]), np.ma.array([1.0])):
        calls = [(x_of(seed), value) for seed in range(3)]
        runs_eagerly(lambda x, value: x * 2, calls, "an argument is of type")


def test_an_error_is_the_one_of_the_eager_step():
    class Fails(Function):
        def forward(self, x):
            raise ValueError("no")

    def step(x, how):
        W.data[...] += 1
        if how == "op":
            return Fails.apply(x)
        if how == "python":
            raise KeyError("mine")
        return x.no_such_method()

    captured = capture(step)
    for how, error in (("op", ValueError), ("python", KeyError), ("attribute", AttributeError)):
        for _ in range(3):
            before = W.data.copy()
            with pytest.raises(error):
                captured(x_of(1), how)
            assert (W.data == before + 1).all()
    assert captured.eager is None
    assert type(W.data) is np.ndarray


def test_an_array_of_a_long_list():
    rows = [x_of(seed) for seed in range(300)]
    calls = [(x_of(seed),) for seed in range(3)]
    runs_eagerly(lambda x: x * rows[7], calls, "may be from rows, of which not all is looked at")
