"""Weights on which a loss depends, and which get no gradient: the graph was lost on the way.

    hidden = encoder(x).detach()
    loss = decoder(hidden).mse_loss(y)

One step is observed: which memory was computed from these weights, and which operation read such
memory without a gradient wanted there.  If a backward pass then visits that operation, the loss
depends on the weights.  What is computed under no_grad is meant, and so is an auxiliary head whose
result no loss reads, a weight that something else than a gradient changes, and a target, as another
network makes it: `q(x) - target(x).detach()`.
"""

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays.ownership import Array, memory_owner
from ..engine.recording import Observer, is_grad_enabled, user_line

_OPERATIONS, _BATCHES = 100_000, 64  # that are observed at most
_FEW = 7  # numbers that may be equal by chance

# For each weight, by its position: the line where it was first read without a graph, or None.
Origins = dict[int, str | None]


class Unreached(Observer):
    """Observes one step, from `begin` to `found`.

    weights  tensors that had no gradient so far
    owner    whoever asks: when it is gone, nobody does, and observing ends
    """

    def __init__(self, weights: Sequence[Any], owner: object) -> None:
        self.weights = [weakref.ref(weight) for weight in weights]
        self.values = [weight.data.copy() for weight in weights]
        self.owner: Any = weakref.ref(owner, self._end)
        self.computed: dict[int, tuple[Array, Origins]] = {}
        self.results: dict[Any, list[tuple[Array, Origins]]] = {}  # by shape and dtype
        self.cuts: dict[int, tuple[Any, Origins]] = {}
        self.lines: dict[int, str] = {}
        self.passed = self.in_rule = False
        self.batches = self.ops = 0

    def begin(self) -> None:
        """Observe what this context does from now on."""
        self.__enter__()
        self._forget()

    def found(self) -> list[tuple[Any, str]]:
        """Stop; the weights on which the loss depends, each with the line that lacked the graph."""
        self._end()
        found = []
        for position, line in sorted(self.lines.items()):
            weight: Any = self.weights[position]()
            lacks = weight is not None and weight.grad is None
            if lacks and np.array_equal(weight.data, self.values[position]):
                found.append((weight, line))
        return found

    def forward(self, op: Any, arrays: list[Any]) -> Any:
        """Note what is computed from the weights."""
        result = super().forward(op, arrays)
        self.ops += 1
        if self.ops > _OPERATIONS or self.batches > _BATCHES:  # no step comes
            self._end()
        elif is_grad_enabled() and not (self.in_rule and not any(op.needs)):
            # Not what a rule computes on arrays, such as the mask of relu.
            if self.passed and not self.in_rule:
                # Another batch: what was computed before is of no use.
                self.batches += 1
                self._forget()
            self._follow(op, arrays, result if isinstance(result, tuple) else (result,))
        return result

    def backward(self, node: Any, gradient: Any) -> Any:
        """Note which of these operations the loss depends on."""
        self.passed = True
        cut = self.cuts.get(id(node))
        if cut is not None and cut[0] is node:
            for position, line in cut[1].items():
                self.lines.setdefault(position, line or "")
        outer, self.in_rule = self.in_rule, True
        try:
            return super().backward(node, gradient)
        finally:
            self.in_rule = outer

    def _follow(self, op: Any, arrays: Sequence[Any], results: Sequence[Any]) -> None:
        origins: Origins = {}
        lost: Origins = {}
        for array, wanted in zip(arrays, op.needs, strict=False):
            if not isinstance(array, np.ndarray):
                continue
            known = self._origins(array)
            if not known and not wanted:
                known = self._origins_of_a_copy(array)
            for position, line in known.items():
                if not wanted:
                    line = lost[position] = line or user_line()
                origins[position] = origins.get(position) or line
        if not origins:
            return
        if lost and any(op.needs) and not _has_a_target(op, arrays):
            self.cuts[id(op)] = op, lost
        for array in results:
            if isinstance(array, np.ndarray):
                owner = memory_owner(array)
                self.computed[id(owner)] = owner, {**self._origins(owner), **origins}
                self.results.setdefault((array.shape, array.dtype), []).append((array, origins))

    def _origins(self, array: Array) -> Origins:
        owner = array if array.base is None else memory_owner(array)
        known = self.computed.get(id(owner))
        return known[1] if known is not None else {}

    def _origins_of_a_copy(self, array: Array) -> Origins:
        """Those of what the array is a copy of, as Tensor(h.numpy()) makes one."""
        for other, origins in self.results.get((array.shape, array.dtype), ()):
            if array.size > _FEW and np.array_equal(array, other) and array.min() < array.max():
                return origins
        return {}

    def _forget(self) -> None:
        """Begin with the weights alone."""
        self.passed = False
        self.cuts.clear()
        self.computed.clear()
        self.results.clear()
        for position, reference in enumerate(self.weights):
            weight = reference()
            if weight is not None:
                owner = memory_owner(weight.data)
                self.computed[id(owner)] = owner, {position: None}

    def _end(self, _: object = None) -> None:
        self.__exit__()
        self.owner = None
        self.cuts.clear()
        self.computed.clear()
        self.results.clear()


def _has_a_target(op: Any, arrays: Sequence[Any]) -> bool:
    """Whether what has no gradient here is a target: subtracted, or probabilities that weigh."""
    given = [a for a, wanted in zip(arrays, op.needs, strict=False) if not wanted]
    shapes = {np.shape(array) for array in arrays}
    if len(shapes) > 1 or len(given) != 1:
        return False
    if type(op).__name__ in ("Sub", "Huber"):
        return True
    if type(op).__name__ != "Mul" or np.ndim(given[0]) < 2 or given[0].shape[-1] < 2:
        return False
    return bool(given[0].min(initial=0) >= 0 and np.allclose(given[0].sum(-1), 1, atol=1e-2))
