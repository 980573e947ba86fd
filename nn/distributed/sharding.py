"""Each process's share of the data: the parts of each batch that it computes."""

import zlib
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from tinygrad_lite import Tensor, arguments, generator

from .._processes import Fact, Processes, checksum, current
from ..data import DataLoader
from ..data.parts import facts_of, parts_of, seeds_of, served
from ..data.sharded import ShardedLoader

# How often `parts` was called: equally often in all processes.
_calls: "WeakKeyDictionary[Processes, int]" = WeakKeyDictionary()


def shard(loader: DataLoader) -> DataLoader:
    """A DataLoader that serves this process's parts of each batch, and takes the place of `loader`.

        batches = nn.distributed.shard(DataLoader(X, Y, batch_size=128, shuffle=True, seed=0))
        for x, y in batches:
            ...  # with four processes, x (32, ...) and y (32,)

    batch_size stays the number of rows in a batch of all processes together, and `len`, `epoch` and
    the position count whole batches: a state that was saved by four processes can be loaded by two.

    A batch is cut into as many contiguous parts as there are processes, or into `chunks` parts (see
    `DistributedOptimizer`); where the rows do not divide, the first ones have one more.  A process
    gets one part after the other.  If there are fewer rows than processes, those without one get a
    copy of the first row, which counts nothing, so that all take the same steps.

    All processes draw the same order, and compare it at the beginning of each epoch.  For a loader
    without seed=, it follows from `Tensor.manual_seed`; `start` gives all processes the same state.

    What the transform and the data set draw follows from seed, epoch, batch and number of the part,
    and what the loop body draws, as for dropout, too: it does not matter which process has the
    part, and the generator of `Tensor.manual_seed` is not moved by the loop body.

    A part may be short: of R rows, each of K parts has R // K or one more.  BatchNorm in training
    needs two rows; drop_last=True leaves a short last batch out.

    Of two such loops in one `zip`, a gradient counts by the rows of the second: take batches of as
    many rows, or of numbers that K divides.  Others are warned of.

    A part ends when the iterator goes on, or is closed: who looks at one batch, by `next`, closes
    the iterator afterwards (`close()`), or it counts for what follows the look.  Who collects
    parts in a list, and trains on them later, does that outside of the loop, where each process
    counts the same, however many rows it has.

    Errors: TypeError for what is no DataLoader, or one of a class derived from it.
    """
    if isinstance(loader, ShardedLoader):
        return loader
    if type(loader) is not DataLoader:
        fix = "; for loops without one there is nn.distributed.parts(*batch)"
        raise arguments.wrong("nn.distributed.shard", "a DataLoader", loader, fix)
    return ShardedLoader(loader)


def parts(*arrays: Any) -> Iterator[Any]:
    """This process's parts of a batch that all processes have made alike.

        for step in range(STEPS):
            for x, y in nn.distributed.parts(*random_windows(text, 64)):
                ...  # with four processes, 16 of the 64 rows

    arrays: ndarrays or Tensors of one length, (N, ...); each part is a tuple of their rows, which
        are views, or the rows alone if there is one array.

    For loops without a DataLoader; `shard` says how a batch is cut, and what the loop body draws,
    which follows here from one draw from the generator of `Tensor.manual_seed` for each batch.

    All processes call this equally often, and compare their batches, the first one and ever fewer
    of those that follow.

    Errors: ValueError if the lengths differ, or are 0; TypeError for what has no rows.
    """
    total = _common_length(arrays)
    processes = current()
    with generator.outside():
        entropy = generator.current().integers(1 << 32, size=4, dtype=np.uint32)
    number = _calls[processes] = _calls.get(processes, 0) + 1
    if processes.size > 1 and number & (number - 1) == 0:  # 1, 2, 4, 8, ...
        _compare(arrays, entropy, number, processes)
    return served(
        (
            part,
            seeds_of(entropy, part.number),
            tuple(_rows(array, rows, total) for array in arrays)
            if len(arrays) > 1
            else _rows(arrays[0], rows, total),
        )
        for part, rows in parts_of(total, processes)
    )


def _rows(array: Any, rows: slice, total: int) -> Any:
    return array if rows == slice(0, total) else array[rows]


def _common_length(arrays: tuple[Any, ...]) -> int:
    """The number of rows of each."""
    caller, expected = "nn.distributed.parts", "ndarrays or Tensors, (N, ...)"
    if not arrays:
        raise TypeError(f"{caller}: expected {expected}; got none")
    for array in arrays:
        if not isinstance(array, np.ndarray | Tensor) or not array.ndim:
            fix = "; pass them one by one: parts(*arrays)" if isinstance(array, tuple) else ""
            raise arguments.wrong(caller, expected, array, fix)
    lengths = [len(array) for array in arrays]
    if len({*lengths}) > 1 or not lengths[0]:
        got = ", ".join(map(str, lengths))
        raise ValueError(f"{caller}: expected arrays of one length, 1 or more; got {got}")
    return lengths[0]


def _compare(arrays: tuple[Any, ...], entropy: Any, number: int, processes: Processes) -> None:
    """See that all processes have the same batch."""
    contents = [array.data if isinstance(array, Tensor) else array for array in arrays]
    forms = ", ".join(f"{each.dtype} {each.shape}" for each in contents)

    def facts() -> Iterator[Fact]:
        drawn = "let all draw from Tensor's generator equally often, or from one of their own"
        fix = (
            "let all have the same whole batch, by Tensor's generator or one of the same seed; "
            "parts divides it"
        )
        draws = Fact(f"draws that follow from {entropy[0]}", drawn)
        return facts_of("array", contents, fix, draws)

    value = checksum(contents, checksum([entropy], zlib.crc32(forms.encode())))
    processes.agree(f"batch {number} of nn.distributed.parts", value, facts)
