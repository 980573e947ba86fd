"""Where the orders of a DataLoader and of the samplers come from: a stream of random numbers."""

from copy import deepcopy
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, generator, locks

State: TypeAlias = dict[str, Any] | None

_turns = locks.ProcessLock()  # two threads that begin an epoch take turns


class Stream:
    """Random numbers for one epoch after the other.

    generator: what all epochs draw from; None if each draws from a generator of its own, which
        follows from the one that Tensor draws from.
    """

    # Types of np.random are quoted here, since it is slow to import.
    generator: "np.random.Generator | None"

    def __init__(self, seed: Any, name: str) -> None:
        self.generator = None if seed is None else generator.from_seed(seed, name)

    def epoch(self) -> "np.random.Generator":
        """The generator that the next epoch draws from."""
        if self.generator is not None:
            return self.generator
        return generator.new_generator(_entropy(generator.current()))

    def permutation(self, rows: int | None) -> "tuple[np.random.Generator, Any]":
        """A copy of the generator as the next epoch finds it, and a random order of `rows`."""
        with _turns.lock:
            source = self.epoch()
            start = deepcopy(source)
            return start, None if rows is None else source.permutation(rows)

    def state(self) -> State:
        """The state of its generator; None if it follows from the one that Tensor draws from."""
        return None if self.generator is None else generator.get_state(self.generator)

    def checked(self, state: Any, where: str) -> "np.random.Generator | None":
        """A generator in this state, for `load`.

        Errors: ValueError if it is no state of this stream.
        """
        if (state is None) != (self.generator is None):
            made, other = ("seed=None", "a seed") if state is not None else ("a seed", "seed=None")
            raise ValueError(f"{where}: this is the state with {other}; here it is {made}")
        return None if state is None else self.at(state, where)

    def at(self, state: Any, where: str) -> "np.random.Generator":
        """A generator like the one of an epoch, in this state."""
        found = deepcopy(self.generator) or generator.new_generator(0)
        try:
            generator.set_state(state, found)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        return found

    def load(self, found: "np.random.Generator | None") -> None:
        """Continue as `found` would: also whoever else draws from the same generator."""
        if found is not None and self.generator is not None:
            self.generator.bit_generator.state = found.bit_generator.state


def batch_entropy(start: "np.random.Generator") -> NDArray[np.uint32]:
    """The entropy of the seed sequences of an epoch's batches; `start` is left as it is."""
    return _entropy(deepcopy(start))


def seed_globals(sequence: "np.random.SeedSequence", key: int) -> None:
    """Seed Python's `random`, NumPy's global state and Tensor's generator, in a worker process.

    key: which of several sequences that `sequence` spawns is taken.
    """
    import random

    spawned = np.random.SeedSequence(sequence.entropy, spawn_key=(*sequence.spawn_key, key))
    words = spawned.generate_state(12)
    random.seed(words[:4].tobytes())
    np.random.seed(words[4:8])  # noqa: NPY002  # for data sets that draw from it
    Tensor.manual_seed(int.from_bytes(words[8:].tobytes(), "little"))


def _entropy(source: "np.random.Generator") -> NDArray[np.uint32]:
    """128 bits from a generator."""
    return source.integers(1 << 32, size=4, dtype=np.uint32)
