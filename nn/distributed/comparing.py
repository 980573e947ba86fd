"""What the processes compare beside the gradients, so that they do not drift apart unseen.

An optimiser's options in each exchange, and its weights in some.  Different processors may round
differently, so that weights count as the same if they are close.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor

from .._processes import Processes, checksum

SAMPLED = 256  # elements that are compared where checksums differ
EVERY = 1000  # exchanges between two comparisons of the weights, after 1, 2, 4, ..., 512
CLOSE = 1e-3  # times the root mean square of the weights


def options_of(groups: Sequence[Any]) -> list[str]:
    """The options of an optimiser that are numbers or texts: numbers to six digits."""
    found = []
    for number, group in enumerate(groups):
        where = f" in group {number}" if len(groups) > 1 else ""
        for key, value in group.items():
            if isinstance(value, float):
                found.append(f"{key}={value:.6g}{where}")
            elif isinstance(value, int | str):
                found.append(f"{key}={value}{where}")
            elif isinstance(value, tuple) and key != "params":
                numbers = [f"{each:.6g}" for each in value if isinstance(each, int | float)]
                found.append(f"{key}=({', '.join(numbers)}){where}")
    return found


def changed(options: list[str], before: list[str]) -> str:
    """Those that are not what they were, as a line shows them: ' with lr=0.05'."""
    if options == before:
        return ""
    known = {*before}
    texts = [each for each in options if each not in known]
    return f" with {', '.join(texts)}" if texts else ""


def are_due(number: int) -> bool:
    """Whether the weights are compared in this exchange: the first is 1."""
    return number % EVERY == 0 or (number < EVERY and number & (number - 1) == 0)


def compare(name: str, number: int, tensors: Sequence[Tensor], processes: Processes) -> None:
    """See that all processes have these weights; all call this in the same exchange.

    RuntimeError if they have others, of which it shows an element.
    """
    content = (
        checksum(each.data for each in tensors).to_bytes(4, "little")
        + _sample(tensors, number).tobytes()
    )
    given = processes.gather(f"the weights of {name} in exchange {number}", content)
    if len({each[:4] for each in given}) == 1:
        return
    samples = [np.frombuffer(each[4:]) for each in given]
    found = furthest(samples, [len(each) for each in _positions(tensors, number)])
    if found is not None:
        rank, position = found
        raise RuntimeError(
            f"the weights of {name} are not the same in all processes: rank {rank} has "
            f"{samples[rank][position]:.6g} where rank 0 has {samples[0][position]:.6g}; expected "
            "all to change them alike: no number in a step may be that of one process, such as a "
            "regulariser's, a clip's or a loss's"
        )


def furthest(samples: Sequence[NDArray[Any]], lengths: Sequence[int]) -> tuple[int, int] | None:
    """The rank and the position of what is furthest from rank 0's; None if all are close.

    samples: of each rank; lengths: how many elements in them are of each tensor.
    """
    first = samples[0]
    with np.errstate(all="ignore"):
        ends = np.cumsum(lengths)
        squares = np.where(np.isfinite(first), first, 0.0) ** 2
        least = 1e-2 * np.sqrt(squares.mean())  # of a tensor of few elements that happen to be 0
        scale = np.empty(len(first))
        for end, length in zip(ends, lengths, strict=True):
            own = slice(end - length, end)
            scale[own] = max(np.sqrt(squares[own].mean()), least) if length else 0.0
        worst, found = CLOSE, None
        for rank, sample in enumerate(samples):
            same = (sample == first) | (np.isnan(sample) & np.isnan(first))
            away = np.where(same, 0.0, np.abs(sample - first) / scale)
            away[np.isnan(away)] = np.inf
            position = int(away.argmax())
            if away[position] > worst:
                worst, found = float(away[position]), (rank, position)
    return found


def _sample(tensors: Sequence[Tensor], number: int) -> NDArray[np.float64]:
    """Some elements of each tensor."""
    found = [
        tensor.data.reshape(-1)[chosen].astype(np.float64)
        for tensor, chosen in zip(tensors, _positions(tensors, number), strict=True)
    ]
    return np.concatenate(found)


def _positions(tensors: Sequence[Tensor], number: int) -> list[NDArray[np.int64]]:
    """Which elements of each tensor: others in each exchange, the same in all processes."""
    rng = np.random.default_rng(number)
    sizes = np.array([tensor.data.size for tensor in tensors])
    among = np.sort(rng.permutation(len(sizes))[:SAMPLED])
    found = [np.empty(0, np.int64) for _ in tensors]
    for position in among.tolist():
        if sizes[position]:
            found[position] = rng.integers(sizes[position], size=max(1, SAMPLED // len(among)))
    return found
