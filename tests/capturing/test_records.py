"""Dataclasses and namespaces of arrays, as arguments and as results."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from capturing.eager_and_captured import described

import nn
from tinygrad_lite import Tensor, capture

FACTOR = 2.0


@dataclass
class Batch:
    x: Any
    scale: float = 1.0
    name: str = "train"

    def scaled(self):
        return self.x * (self.scale * FACTOR)


@dataclass(frozen=True)
class Pair:
    first: Batch
    others: list = field(default_factory=list)


@dataclass
class Output:
    loss: Any
    more: Any = None


@dataclass
class Node:
    value: Any
    parent: Any = None


def randn(rng):
    return Tensor(rng.standard_normal((4, 3), np.float32))


def batches(rng):
    return [Batch(randn(rng), 1.0 + 0.1 * number) for number in range(6)]


def pairs(rng):
    return [Pair(batch, [randn(rng), batch.x.data.copy()]) for batch in batches(rng)]


def namespaces(rng):
    return [SimpleNamespace(x=batch.x, rate=batch.scale) for batch in batches(rng)]


def one_that_is_filled_again(rng):
    batch = Batch(None)
    for each in batches(rng):
        batch.x, batch.scale = each.x, each.scale
        yield batch


def of_batch(weight, batch):
    return Output((batch.scaled() @ weight).sum(), {"x": batch.x, "batch": batch})


def of_pair(weight, pair):
    x = pair.first.scaled() + pair.others[0] + pair.others[1]
    return SimpleNamespace(out=Output(x @ weight), rate=pair.first.scale * 2)


def of_namespace(weight, batch):
    return Output(batch.rate * (batch.x @ weight), [batch.rate, None, "text"])


def plain(value):
    """The same with dicts for the records."""
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict) or hasattr(value, "__dict__"):
        pairs = value if isinstance(value, dict) else vars(value)
        return type(value).__name__, {key: plain(one) for key, one in pairs.items()}
    return described(value)


def results(wrap, step, given):
    """What each call gives, and the gradient after it."""
    rng = np.random.default_rng(0)
    weight = nn.Parameter(rng.standard_normal((3, 2)).astype(np.float32))

    def call(batch):
        weight.grad = None
        result = step(weight, batch)
        (batch.x if hasattr(batch, "x") else batch.first.x).matmul(weight).sum().backward()
        return result

    call, kept = wrap(call), []
    for batch in given(rng):
        kept.append((call(batch), weight.grad))
    return [(plain(result), described(grad)) for result, grad in kept], call


@pytest.mark.parametrize(
    ("step", "given"),
    [
        (of_batch, batches),
        (of_batch, one_that_is_filled_again),
        (of_pair, pairs),
        (of_namespace, namespaces),
    ],
)
def test_records(step, given):
    found, call = results(capture, step, given)
    assert found == results(lambda call: call, step, given)[0]
    assert call.eager is None
    assert len(call.plans) == 1


@pytest.mark.filterwarnings("ignore:capture. not captured")
def test_a_step_that_changes_a_record_runs_eagerly():
    def step(batch):
        batch.x = batch.x * 2
        return batch.x

    step = capture(step)
    for number in range(4):
        batch = Batch(Tensor([1.0, number]))
        assert step(batch).tolist() == [2.0, 2.0 * number]
        assert batch.x.tolist() == [2.0, 2.0 * number]
    assert "changes" in step.eager or "keeps" in step.eager


def test_a_record_that_holds_itself():
    @capture
    def step(node):
        return node.value * 2

    node = Node(Tensor([1.0]))
    node.parent = node
    for number in range(4):
        node.value = Tensor([float(number)])
        assert step(node).tolist() == [2.0 * number]
