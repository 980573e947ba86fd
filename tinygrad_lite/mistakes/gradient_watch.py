"""The cause of a gradient that is not finite, for an optimiser that refuses one.

When the optimiser's step sees such a gradient, the graph is gone.  So while somebody watches, a
backward pass frees its graph only after a look at the gradients that it left, and trace_nan then
finds the op in it.  That takes more memory at the end of a pass, and so is only done when asked
for.
"""

import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import numpy as np

from ..arrays.locks import imported
from ..arrays.recorded import recorder
from ..engine.graph import TensorBase, topological_order

watching: "list[weakref.ref[GradientWatch]]" = []


class GradientWatch:
    """Looks at the gradients of some tensors after each backward pass, as long as it lives.

    tensors  a function that returns them
    cause    what trace_nan found when a gradient was first not finite; None while all are finite
    """

    __slots__ = ("__weakref__", "cause", "tensors")

    def __init__(self, tensors: Callable[[], Iterable[Any]]) -> None:
        self.tensors = tensors
        self.cause: Any = None
        watching.append(weakref.ref(self, watching.remove))

    def taken(self) -> Any:
        """The cause, which is then forgotten."""
        cause, self.cause = self.cause, None
        return cause

    def look(self, loss: TensorBase, nodes: set[Any]) -> None:
        """Note the cause in the graph of a loss, which is still there; `nodes` are its nodes."""
        bad = [
            tensor
            for tensor in self.tensors()
            if isinstance(tensor.grad, TensorBase) and not np.isfinite(tensor.grad._data).all()
        ]
        if not bad:
            self.cause = None
        elif self.cause is None and any(tensor._node in nodes for tensor in bad):
            with suppress(Exception):  # whatever happens there, the step says what it knows
                self.cause = imported("tinygrad_lite.show.finiteness.nonfinite").trace_nan(loss)


def look_at_gradients(loss: TensorBase, release: bool) -> None:
    """What happens after a backward pass that freed nothing, because somebody watches."""
    order = topological_order([loss._node])  # type: ignore[list-item]
    watches = [one() for one in [*watching]] if recorder.get() is None else []
    for watch in watches:
        if watch is not None:
            watch.look(loss, set(order))
    if release:
        for node in order:
            node.release()
