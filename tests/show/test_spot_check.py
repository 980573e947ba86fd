"""The look at one node: right rules agree, planted faults differ, what cannot be told is said."""

import random

import numpy as np
import pytest
from cases import CASES

import tinygrad_lite as tl
from tinygrad_lite import Tensor, keep_values
from tinygrad_lite.engine.graph import Leaf, Output
from tinygrad_lite.show.graph.history import History
from tinygrad_lite.show.page.spot_check import argument_names, checked


def looked_at(tensor):
    """The verdicts on all ops that a tensor was computed by, oldest first."""
    history = History(tensor)
    ops = [node for node in history.order if not isinstance(node, (Leaf, Output))]
    return [checked(op, history.inputs(op), argument_names(op)) for op in ops]


def test_the_rule_of_every_primitive_agrees_or_is_not_told_wrong():
    agreed = set()
    for case in CASES:
        variant = next((v for v in case.shapes if all(0 not in shape for shape in v)), None)
        if variant is None:
            continue
        tensors = [Tensor(array, requires_grad=True) for array in case.inputs(variant)]
        with keep_values():
            result = case.call(*tensors)
        results = result if isinstance(result, tuple) else (result,)
        found = next((one for one in results if one._node is not None), None)
        if found is None:
            continue
        for verdict in looked_at(found):
            assert verdict.verdict != "differs", (case.op, case.note, verdict)
            if verdict.verdict == "agrees":
                agreed.add(case.op)
    assert len(agreed) > 0.9 * len({case.op for case in CASES})


class Rule(tl.Function):
    """y = x^3 + x, whose rule is given."""

    saves = "inputs"

    def __init__(self, rule):
        self.rule = rule

    def forward(self, x):
        return x * x * x + x

    def backward(self, g, y, x):
        return (self.rule(g, x),)


VALUES = np.array([[0.3, -1.2, 2.0], [0.7, 1e-3, -0.4]])


def verdict_on(rule, values=VALUES):
    x = Tensor(values, requires_grad=True)
    with keep_values():
        y = Rule.apply(x, rule=rule)
    return looked_at(y)[0]


def test_a_right_rule_agrees_in_float32_too():
    for dtype in (np.float32, np.float64):
        found = verdict_on(lambda g, x: g * (3.0 * x * x + 1.0), VALUES.astype(dtype))
        assert found.verdict == "agrees"
        assert found.text.startswith("Largest relative difference")


@pytest.mark.parametrize(
    "rule",
    [
        lambda g, x: 2.0 * g * (3.0 * x * x + 1.0),
        lambda g, x: -g * (3.0 * x * x + 1.0),
        lambda g, x: g * 3.0 * x * x,
        lambda g, x: 3.0 * x * x + 1.0,
        lambda g, x: g * 0.0,
        lambda g, x: (g * (3.0 * x * x + 1.0))[:, ::-1],
        lambda g, x: g * (3.0 * x * x + 1.0) * 1.01,
    ],
    ids=["twice", "sign", "a term", "no cotangent", "zero", "order", "a hundredth"],
)
def test_a_planted_fault_differs(rule):
    found = verdict_on(rule)
    assert found.verdict == "differs"
    assert found.text.startswith("The gradient of x[")


class Told(tl.Function):
    saves = "both"

    def __init__(self, how):
        self.how, self.calls = how, 0

    def forward(self, x):
        self.calls += 1
        if self.how == "random":
            return x * np.random.default_rng().random(x.shape)
        if self.how == "float32":
            return x.astype(np.float32)
        if self.how == "raises" and self.calls == 2:
            raise ValueError("only once")
        return np.abs(x) if self.how == "kink" else np.log(x) if self.how == "inf" else x

    def backward(self, g, y, x):
        return (g * np.sign(x),)


@pytest.mark.parametrize(
    ("how", "values", "says"),
    [
        ("random", [1.0, 2.0], "other values the second time"),
        ("float32", [1.0, 2.0], "too coarse"),
        ("kink", [0.0], "at a kink"),
        ("inf", [0.0], "not finite"),
        ("plain", [np.nan], "an input is not finite"),
        ("raises", [1.0], "ValueError"),
    ],
)
def test_what_cannot_be_told_is_said(how, values, says):
    x = Tensor(np.array(values), requires_grad=True)
    with keep_values():
        y = Told.apply(x, how=how)
    y._node.how = how
    (found,) = looked_at(y)
    assert found.verdict == "none"
    assert says in found.text


def test_a_graph_without_kept_values_says_what_to_do():
    x = Tensor([1.0, 2.0], requires_grad=True)
    total = (x + 1.0).exp().sum()
    total.backward()
    for found in looked_at(total):
        assert found.verdict == "none" or found.text
    assert "keep_values" in looked_at(total)[1].text


def test_the_node_stays_as_it_is():
    x = Tensor(VALUES, requires_grad=True)
    with keep_values():
        y = (x * 2.0).max()
    before = {name: getattr(y._node, name, None) for name in type(y._node)._attributes}
    looked_at(y)
    assert before == {name: getattr(y._node, name, None) for name in type(y._node)._attributes}
    y.backward()
    expected = np.zeros(VALUES.shape)
    expected[0, 2] = 2.0
    assert np.array_equal(x.grad.numpy(), expected)


def test_random_numbers_of_the_program_stay_the_same():
    class Noisy(tl.Function):
        def __init__(self):
            self.seen = []

        def forward(self, x):
            self.seen.append(1)
            noise = np.random.rand() + random.random() + tl.generator.current().random()  # noqa: NPY002
            return x + noise

        def backward(self, g, y, x):
            return (g,)

    x = Tensor([1.0, 2.0], requires_grad=True)
    Tensor.manual_seed(1)
    with keep_values():
        y = Noisy.apply(x)
    states = str(np.random.get_state()), random.getstate(), tl.generator.get_state()  # noqa: NPY002
    (found,) = looked_at(y)
    after = str(np.random.get_state()), random.getstate(), tl.generator.get_state()  # noqa: NPY002
    assert states == after
    assert y._node.seen == [1]
    assert found.verdict == "agrees"  # with the same noise each time
