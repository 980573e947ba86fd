"""The one observer of backward passes, for the exchanges of all optimisers."""

import weakref
from functools import partial
from typing import Any, Protocol

from tinygrad_lite import Observer, Tensor, warn

from .._processes import Processes, current


class Exchange(Protocol):
    """What is told of backward passes, while it is among the exchanges of `Passes`."""

    def leaf_done(self, node: Any) -> None:
        """The gradient of this leaf is final."""

    def backward_ends(self) -> None:
        """All gradients of a backward pass are there, as it made them."""

    def backward_done(self) -> None:
        """A backward pass is over, and every exchange knows its gradients."""

    def has(self, leaf: Tensor) -> bool:
        """Whether the gradient of this leaf is exchanged."""


class Passes(Observer):
    """Tells all exchanges of a pass, in the order in which they were made.

    It stays until the program ends; an exchange may leave it at any time.

    left: parameters of optimisers that are gone, and the names of these, by the parameters' ids.
    """

    def __init__(self) -> None:
        self.exchanges: tuple[Exchange, ...] = ()
        self.left: dict[int, tuple[weakref.ref[Tensor], str, Processes]] = {}

    def leaf_done(self, node: Any) -> None:
        """Tell all."""
        super().leaf_done(node)
        for each in self.exchanges:
            each.leaf_done(node)
        if self.left:
            self._warn_of_the_end(node.holder())

    def backward_done(self) -> None:
        """Tell all."""
        super().backward_done()
        exchanges = self.exchanges
        for each in exchanges:
            each.backward_ends()
        for each in exchanges:
            each.backward_done()

    def leave(self, exchange: Exchange) -> None:
        """This one is not told any more."""
        self.exchanges = tuple(each for each in self.exchanges if each is not exchange)

    def note_the_end(self, name: str, parameters: list[Tensor], processes: Processes) -> None:
        """The optimiser of these parameters is gone."""
        for one in parameters:
            forget = partial(self._forget, id(one))
            self.left[id(one)] = weakref.ref(one, forget), name, processes

    def _forget(self, key: int, _: object) -> None:
        self.left.pop(key, None)

    def _warn_of_the_end(self, leaf: Tensor | None) -> None:
        reference, name, processes = self.left.get(id(leaf), (lambda: None, "", None))
        if leaf is None or reference() is not leaf or processes is not current():
            return
        if not any(each.has(leaf) for each in self.exchanges):
            warn(
                f"the {name} of this gradient is gone, so it is not averaged over the processes; "
                "keep what DistributedOptimizer returns"
            )


def passes_here() -> Passes:
    """The observer of this context, which is entered at the first call."""
    found = Observer.current("leaf_done")
    while found is not None and not isinstance(found, Passes):
        found = found.outer
    if found is None:
        found = Passes()
        found.__enter__()  # until the program ends
    return found
