"""A topological order in two ways: sorting by serial number (ours), and Kahn's counting."""

from collections.abc import Callable
from functools import partial

import numpy as np
from pairing import Case, Outcome, Settings, Side, Stepper, compare_all

from tinygrad_lite import Tensor
from tinygrad_lite.engine.graph import Node, topological_order

Order = Callable[[list[Node]], list[Node]]


def kahn(roots: list[Node]) -> list[Node]:
    """Count the children of every node, then release each one when the last of them is done."""
    children = dict.fromkeys(roots, 0)
    stack = list(children)
    while stack:
        for parent in stack.pop().parents:
            if parent is None:
                continue
            if parent in children:
                children[parent] += 1
            else:
                children[parent] = 1
                stack.append(parent)
    ready = [root for root in children if not children[root]]
    order = []
    while ready:
        node = ready.pop()
        order.append(node)
        for parent in node.parents:
            if parent is not None:
                children[parent] -= 1
                if not children[parent]:
                    ready.append(parent)
    order.reverse()
    return order


def chain(length: int) -> Tensor:
    """x, x + 1, x + 2, ..."""
    x = Tensor(0.0, requires_grad=True)
    for _ in range(length):
        x = x + 1.0
    return x


def ladder(rungs: int) -> Tensor:
    """Diamonds, one on top of the other: each node has two children."""
    a = b = Tensor(0.0, requires_grad=True)
    for _ in range(rungs):
        a, b = a + b, a - b
    return a + b


def tree(leaves: int) -> Tensor:
    """A sum in pairs: as wide as it can be."""
    level = [Tensor(1.0, requires_grad=True) for _ in range(leaves)]
    while len(level) > 1:
        level = [a + b for a, b in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def mlp(batch: int) -> Tensor:
    """The loss of the network of examples/mnist_mlp.py, by formula, small."""
    sizes = [(4, 5), (5,), (5, 3), (3,)]
    W1, b1, W2, b2 = (Tensor.randn(*size, requires_grad=True) for size in sizes)
    scores = (Tensor.randn(batch, 4) @ W1 + b1).relu() @ W2 + b2
    shifted = scores - scores.max(axis=1, keepdim=True).detach()
    log_probabilities = shifted - shifted.exp().sum(axis=1, keepdim=True).log()
    data_loss = -log_probabilities[np.arange(batch), np.arange(batch)].mean()
    return data_loss + 0.5 * (W1 * W1).sum() + 0.5 * (W2 * W2).sum()


def sorting(order: Order, graph: Callable[[int], Tensor], size: int) -> Stepper:
    """One order of one graph: every node once, and after its parents."""
    loss = graph(size)
    roots = [loss._node]
    found = order(roots)
    number = {node: position for position, node in enumerate(found)}
    assert len(number) == len(found)
    for node in found:
        assert all(number[parent] < number[node] for parent in node.parents if parent is not None)

    def step() -> float:
        order(roots)
        return 0.0

    return step, lambda: [len(found)]


def run(settings: Settings) -> Outcome:
    graphs = [
        ("chain of 100,000", chain, 100_000, 1),
        ("ladder of 50,000", ladder, 50_000, 1),
        ("tree of 65,536 leaves", tree, 65_536, 1),
        ("MLP step of 26 nodes", mlp, 2, 1000),
    ]
    cases = []
    for what, graph, size, steps in graphs:
        if settings.quick:
            size = min(size, 64)
        sides = [
            Side("ours", partial(sorting, topological_order, graph, size)),
            Side("Kahn", partial(sorting, kahn, graph, size), "numpy"),
        ]
        cases.append(Case(what, sides, steps))
    return compare_all(cases, settings)
