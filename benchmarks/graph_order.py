"""A topological order in two ways: sorting by serial number (ours), and Kahn's counting."""

from collections.abc import Callable

import numpy as np
from pairing import ROUNDS, Row, alternate, compared, timed_block

from tinygrad_lite import Tensor
from tinygrad_lite.graph import Node, topological_order


def kahn(roots: list[Node]) -> list[Node]:
    """Count the children of every vertex, then release each one when the last of them is done."""
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
    """Diamonds, one on top of the other: each vertex has two children."""
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


def mlp_step() -> Tensor:
    """The loss of the network of examples/mnist_mlp.py, by formula, small."""
    sizes = [(4, 5), (5,), (5, 3), (3,)]
    W1, b1, W2, b2 = (Tensor.randn(*size, requires_grad=True) for size in sizes)
    scores = (Tensor.randn(2, 4) @ W1 + b1).relu() @ W2 + b2
    shifted = scores - scores.max(axis=1, keepdim=True).detach()
    log_probabilities = shifted - shifted.exp().sum(axis=1, keepdim=True).log()
    data_loss = -log_probabilities[np.arange(2), np.arange(2)].mean()
    return data_loss + 0.5 * (W1 * W1).sum() + 0.5 * (W2 * W2).sum()


def demand_order(order: list[Node]) -> None:
    """Raise unless every vertex stands once, and after its parents."""
    place = {node: position for position, node in enumerate(order)}
    assert len(place) == len(order)
    for node in order:
        assert all(place[parent] < place[node] for parent in node.parents if parent is not None)


def run(quick: bool) -> tuple[list[Row], list[str]]:
    """The rows of the table, and what else is to be said."""
    graphs = {
        "chain": (chain(100 if quick else 100_000), 1),
        "ladder": (ladder(50 if quick else 50_000), 1),
        "tree": (tree(64 if quick else 65_536), 1),
        "MLP step": (mlp_step(), 1 if quick else 1000),
    }
    rows = []
    for name, (tensor, repeats) in graphs.items():
        roots = [tensor._node]
        by_serial, by_count = topological_order(roots), kahn(roots)
        demand_order(by_serial)
        demand_order(by_count)
        assert set(by_serial) == set(by_count)
        ours, peer = "sort by serial number", "Kahn"
        blocks: dict[str, Callable[[], float]] = {
            ours: lambda roots=roots, n=repeats: timed_block(lambda: topological_order(roots), n),
            peer: lambda roots=roots, n=repeats: timed_block(lambda: kahn(roots), n),
        }
        times = alternate(blocks, 1 if quick else ROUNDS)
        rows.append(compared(f"graph order, {name} of {len(by_count):,}", times, ours, peer))
    return rows, []
