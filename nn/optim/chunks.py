"""Arrays cut into chunks that stay in the processor's cache, and are spread over the threads.

An optimiser's formula runs over its arrays several times.  On whole arrays each of these passes
would read and write main memory.  On a chunk they find it in the cache, so a step reads and writes
main memory once.
"""

from collections.abc import Callable, Iterable
from threading import get_ident
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import parallel

Array: TypeAlias = NDArray[Any]
State: TypeAlias = dict[str, Any]
Formula: TypeAlias = Callable[[Array, Array, State, Any], None]  # gradient, parameter, state, group
Chunk: TypeAlias = tuple[Formula, Array, Array, State, Any]  # what the formula is called with

# Number of elements in a chunk.  Smaller chunks would fit the level-2 cache, but then the threads,
# which take turns to hold Python's lock between two calls of NumPy, would wait for each other.
CHUNK = 196608

# Minimum number of full chunks before threads pay off.  With fewer, they wait for a core: the
# threads of BLAS stay busy for milliseconds after the last product of a backward pass.
MIN_PARALLEL = 20


HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)


class Chunks:
    """The chunks of one step, of all parameters.

    They are 1-d views of the arrays if the memory layout allows it, otherwise parts of a copy that
    is written back at the end.

    whole: each parameter is one chunk, in its own shape.
    """

    def __init__(self, whole: bool = False) -> None:
        self.whole = whole
        self.chunks: list[Chunk] = []
        self.size = 0  # number of elements in all chunks
        self.copies: list[tuple[Array, Array]] = []  # an array, and its copy in one dimension

    def add(
        self,
        formula: Formula,
        group: Any,
        parameter: Array,
        gradient: Array,
        state: State,
        names: Iterable[str],
        numbers: dict[str, float],
    ) -> None:
        """Cut one parameter, its gradient, and the arrays of these names in its state.

        numbers: those of the state in this update
        """
        part: State = {}
        size = parameter.size
        self.size += size
        if self.whole:
            for name in names:
                part[name] = state[name]
            part |= numbers
            self.chunks.append((formula, gradient, parameter, part, group))
            return
        axes = None if parameter.flags.c_contiguous else _memory_order(parameter)
        flat = parameter.ravel() if axes is None else self._flat(parameter, axes)
        for name in names:
            array = state[name]
            if axes is None and array.flags.c_contiguous:
                part[name] = array.ravel()
            else:
                part[name] = self._flat(array, axes)
        part |= numbers
        flat_gradient = (gradient if axes is None else gradient.transpose(axes)).ravel()
        if size <= CHUNK:
            self.chunks.append((formula, flat_gradient, flat, part, group))
            return
        for start in range(0, size, CHUNK):
            cut = slice(start, start + CHUNK)
            state = part | {name: part[name][cut] for name in names}
            self.chunks.append((formula, flat_gradient[cut], flat[cut], state, group))

    def _flat(self, array: Array, axes: list[int] | None) -> Array:
        """The array in one dimension, its axes in this order."""
        reordered = array if axes is None else array.transpose(axes)
        flat = reordered.reshape(-1)
        if not reordered.flags.c_contiguous and not np.may_share_memory(flat, reordered):
            self.copies.append((reordered, flat))
        return flat

    def apply(self) -> None:
        """Call formula(gradient, parameter, state, group) for all, on threads if that pays off."""
        if self.size < MIN_PARALLEL * CHUNK:
            _work(self.chunks)
        else:
            parallel(_work, self._bundles())
        for array, flat in self.copies:
            array[...] = flat.reshape(array.shape)

    def _bundles(self) -> list[list[Chunk]]:
        """The chunks in bundles of CHUNK elements or more, each the work of one thread at a time.

        So small parameters go together.
        """
        bundles: list[list[Chunk]] = []
        room = 0
        for chunk in self.chunks:
            if room <= 0:
                bundles.append([])
                room = CHUNK
            bundles[-1].append(chunk)
            room -= chunk[2].size
        return bundles


def _work(chunks: list[Chunk]) -> None:
    """The formula of each chunk, one after the other."""
    for formula, gradient, parameter, state, group in chunks:
        formula(gradient, parameter, state, group)


def _memory_order(array: Array) -> list[int]:
    """The axes from the longest stride to the shortest: in this order `reshape` rarely copies."""
    return sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))


class SpareArrays:
    """Uninitialised memory for intermediate results, used again for every chunk of a thread."""

    def __init__(self) -> None:
        self.arrays: dict[Any, Array] = {}

    def __call__(self, like: Array, number: int = 0) -> Array:
        """An array of this length and dtype; each number means separate memory."""
        if type(like) is not np.ndarray:  # while a step is captured: the program's own memory
            return np.empty_like(like)
        key = (get_ident(), number, like.itemsize)
        array = self.arrays.get(key)
        if array is None:
            array = self.arrays[key] = np.empty(CHUNK, like.dtype)
        return array[: like.size]


def computed_dtype(data: Array) -> np.dtype[Any]:
    """The dtype in which a parameter's formula is computed, and its state is kept."""
    return SINGLE if data.dtype == HALF else data.dtype


def empty_state(data: Array) -> Array:
    """An array of a parameter's state, in its memory layout; not yet filled."""
    return np.empty_like(data, computed_dtype(data))


def converted(
    formula: Formula, gradient: Array, parameter: Array, state: State, group: Any
) -> None:
    """A formula that cannot run on the arrays themselves.

    That of a float16 parameter is computed in float32; the gradient is cast, and negated to
    maximise.
    """
    computed = parameter.astype(computed_dtype(parameter), copy=False)
    gradient = gradient.astype(computed.dtype, copy=False)
    formula(-gradient if group.get("maximize") else gradient, computed, state, group)
    if computed is not parameter:
        parameter[...] = computed
