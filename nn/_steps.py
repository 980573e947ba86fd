"""The steps of optimisers: what they notice of the training loop, and what others ask of them."""

import sys
import weakref
from collections.abc import Sequence
from itertools import count
from typing import Any, ClassVar
from weakref import ref

from numpy import ndarray

from tinygrad_lite import Tensor, mistakes

# Of the steps of all optimisers, and of other events in a training loop.
numbers = count(1)


class Steps:
    """The steps of one optimiser.  They outlive it, for as long as its parameters are there.

    count     how many there were, without the replays of captured ones
    captured  whether there may be such replays
    enough    how many gradients a step has that is not looked at more closely
    last      the number of the last one, from `numbers`
    trained   weak references to the parameters, from the first step on
    used      a weak reference to a gradient that the last step used: one stands for all, since
              zeroing is a matter of the loop, not of a parameter
    lacking   how many steps lacked gradients
    watch     what observes the step after the second of these
    """

    __slots__ = ("captured", "count", "enough", "lacking", "last", "trained", "used", "watch")

    known: ClassVar[list["Steps"]] = []  # those of all optimisers that made one
    begun: ClassVar[int] = 0  # how many optimisers did

    def __init__(self) -> None:
        self.count = self.last = self.lacking = 0
        self.captured = False
        self.enough = sys.maxsize
        self.watch: mistakes.Unreached | None = None
        self.trained: list[weakref.ref[Tensor]] = []
        self.used: weakref.ref[ndarray[Any, Any]] | None = None

    def train(self, chosen: set[int] | None) -> bool:
        """Whether one of the parameters is still there, and among those of these identities."""
        living = (reference() for reference in self.trained)
        return any(p is not None and (chosen is None or id(p) in chosen) for p in living)

    def note(self, optimiser: Any, gradients: Sequence[ndarray[Any, Any]]) -> None:
        """A step of this optimiser is about to use these gradients."""
        gradient = gradients[0]
        if mistakes.sums:
            self.look(gradient)
        self.used = ref(gradient)
        self.count += 1
        self.last = next(numbers)
        if len(gradients) < self.enough:
            self._look_at_all(optimiser, len(gradients))

    def _look_at_all(self, optimiser: Any, found: int) -> None:
        """The first step; one that lacks gradients; and one that was observed."""
        if not self.trained:
            self._begin(optimiser.params)
        if found < len(self.trained) or self.watch is not None:
            self._lack(optimiser)
        self.enough = len(self.trained) if self.watch is None else sys.maxsize

    def _begin(self, parameters: list[Tensor]) -> None:
        self.trained = [weakref.ref(parameter) for parameter in parameters]
        Steps.known[:] = [one for one in Steps.known if one.train(None)]
        Steps.known.append(self)
        Steps.begun += 1

    def capture(self, gradient: Any) -> None:
        """A step that uses this gradient is being captured."""
        self.captured = True
        self.look(gradient)

    def look(self, gradient: Any) -> None:
        """A warning if the gradient of this step still holds that of the last."""
        if mistakes.is_reused(gradient, self.used):
            mistakes.tell(
                "step: the gradients still hold those that the last step used, since backward adds "
                "to what is there; call zero_grad() in each step, before backward()"
            )

    def _lack(self, optimiser: Any) -> None:
        """A step found parameters without a gradient.

        A warning if the loss depends on one that never had one; the second such step asks for that,
        and the one after it tells.
        """
        watch, self.watch = self.watch, None
        found = watch.found() if watch is not None else []
        if found:
            weight, line = found[0]
            more = len(found) - 1
            mistakes.tell(
                f"step: {_name(optimiser, weight)}, of shape {weight.shape}"
                + (f", and {more} more get" if more else ", gets")
                + f" no gradient although the loss depends on it: {line} reads what was computed "
                "from it without its graph (detach(), data, a comparison); keep the graph, or "
                "freeze it with requires_grad_(False)"
            )
        self.lacking += 1
        if self.lacking == 2:
            weights = [p for p in optimiser.params if p.requires_grad and p not in optimiser.state]
            if weights:
                self.watch = mistakes.Unreached(weights, optimiser)
                self.watch.begin()


def _name(optimiser: Any, parameter: Tensor) -> str:
    """How a warning calls a parameter of an optimiser."""
    names: list[str] = []
    for group in optimiser.param_groups:
        first = len(names)
        unnamed = [f"parameter {first + i}" for i in range(len(group["params"]))]
        names += group.get("param_names", unnamed)
    return next(n for n, p in zip(names, optimiser.params, strict=True) if p is parameter)
