"""Several steps on a large array, a chunk at a time: all of them while it is in the cache."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from .recorded import recorder
from .threads import parallel, slices

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")

CHUNK = 1 << 19  # bytes: of two such arrays and a result at least one stays in the second level
LARGE = 1 << 21  # bytes from which on the pool pays off
SMALL = 1 << 15  # bytes up to which setting that buffer costs more than it saves
BUFFER = 512  # elements of NumPy's buffer meanwhile


def each_chunk(
    task: Callable[[Chunk], Result], chunks: Sequence[Chunk], nbytes: int
) -> list[Result]:
    """[task(chunk) for chunk in chunks], by the pool if the array has enough bytes.

    Where an operand is repeated along rows shorter than NumPy's buffer, NumPy copies it there
    first, which costs more than the arithmetic.  So that buffer is made small meanwhile.
    """
    if nbytes < SMALL:
        return [task(chunk) for chunk in chunks]
    recording = recorder.get()
    if recording is not None:
        recording.shares_work()
    before = np.setbufsize(BUFFER)
    try:
        if nbytes >= LARGE:
            return parallel(task, chunks, multiplies=True)
        return [task(chunk) for chunk in chunks]
    finally:
        np.setbufsize(before)


def chunks_of_rows(x: Any) -> list[slice]:
    """The rows of a matrix cut into slices of about CHUNK bytes each; one, if there are none."""
    return slices(x, CHUNK) or [slice(0, 1)]
