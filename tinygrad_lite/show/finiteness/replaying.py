"""The ops of a graph, run again with some of their inputs replaced: which element made the result?

An element of a result that is inf or nan was made by the op, or came from one of its inputs.  To
find out, the op is run again with 1 in place of what is not finite: if the result is finite then,
it came from there, and putting elements back by halves finds the one it came from.  This needs no
knowledge of any op.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...arrays.float_errors import restore, silence
from ...arrays.softmax import log_softmax, softmax
from ...engine.function import Function, Primitive
from ...engine.graph import Array, OutputGradients
from ...engine.recording import Mode, modes
from ...ops.activations import LogSoftmax, Softmax
from ..graph.twins import backward_of, forward_of, twin_of

Index = tuple[int, ...]

# What stands in for a number that is not finite.  Each of these is a pole of some op.
FILLERS = (1.0, 0.5, 2.0)


class CannotRun(Exception):
    """An op that cannot be run again; its reason is of no interest."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """No observer sees the ops inside, and NumPy warns of nothing."""
    token, errors = modes.set(Mode()), silence()
    try:
        yield
    finally:
        restore(errors)
        modes.reset(token)


def runs_again(op: Any) -> bool:
    """Whether an op may be run again: one of ours.  A user's may count or print."""
    return isinstance(op, Primitive) and not isinstance(op, Function)


def forward_again(op: Any, inputs: Sequence[Any]) -> Any:
    """What the forward of an op returns for these inputs.  The op itself stays as it is."""
    if type(op) is Softmax:  # without the warning
        return softmax(inputs[0], op.axes, op.mask)[0]
    if type(op) is LogSoftmax:
        return log_softmax(inputs[0], op.axes)[0]
    try:
        return forward_of(twin_of(op), inputs)
    except Exception as error:  # a matrix that is singular without its nan
        raise CannotRun from error


def backward_again(op: Any, gradient: Any, value: Any, inputs: Sequence[Any]) -> tuple[Any, ...]:
    """What the rule of an op returns for this gradient of its result."""
    try:
        return tuple(backward_of(twin_of(op), gradient, value, inputs))
    except Exception as error:
        raise CannotRun from error


def not_finite(value: Any) -> bool:
    """Whether an element of an array of floats is inf or nan."""
    if not isinstance(value, np.ndarray | np.floating) or value.dtype.kind != "f":
        return isinstance(value, float) and not np.isfinite(value)
    if np.isfinite(np.add.reduce(value, axis=None)):  # one pass, and no array of bools
        return False
    return not bool(np.isfinite(value).all())


def first_bad(array: Any) -> tuple[Index, bool]:
    """The index of the first nan or, if there is none, of the first inf; and whether it is nan."""
    nans = np.isnan(array)
    found = nans if nans.any() else ~np.isfinite(array)
    return _index(int(np.argmax(found)), found.shape), bool(nans.any())


def _index(position: int, shape: tuple[int, ...]) -> Index:
    return tuple(int(i) for i in np.unravel_index(position, shape)) if shape else ()


def aligned(at: Index, shape: tuple[int, ...]) -> Index | None:
    """The index of an elementwise op's input that belongs to this index of its result."""
    if len(shape) > len(at):
        return None
    tail = at[len(at) - len(shape) :]
    found = tuple(0 if size == 1 else i for i, size in zip(tail, shape, strict=True))
    return found if all(i < size for i, size in zip(found, shape, strict=True)) else None


def causes(
    run: Callable[[list[Any]], Any], inputs: Sequence[Any], at: Index, is_nan: bool
) -> list[tuple[int, Index]]:
    """The elements of the inputs that run(inputs)[at] came from, which is nan, or else inf.

    Each as the position of the input and an index in it; none if run makes it of finite numbers.
    If it is nan, elements that are nan come before those that are inf.

    Errors: CannotRun.
    """
    suspects = [k for k, one in enumerate(inputs) if _is_floats(one) and not_finite(one)]
    if not suspects:
        return []
    bad = {k: ~np.isfinite(inputs[k]) for k in suspects}
    filler = next((f for f in FILLERS if _finite_at(run, _kept(inputs, bad, {}, f), at)), None)
    if filler is None:  # as nan / 0, which would be inf: the nan was there before all the same
        places = [(k, aligned(at, np.shape(inputs[k]))) for k in suspects]
        before = np.isnan if is_nan else np.isinf
        return [(k, at) for k, at in places if at is not None and before(np.asarray(inputs[k])[at])]

    def only(masks: dict[int, Array]) -> Any:
        return np.asarray(run(_kept(inputs, bad, masks, filler)))[at]

    found: list[tuple[int, Index]] = []
    if is_nan:
        nans = {k: np.isnan(inputs[k]) for k in suspects}
        for k in suspects:
            if nans[k].any() and np.isnan(only({k: nans[k]})):
                found.append((k, _narrowed(only, k, nans[k], at)))
    if not found:
        for k in suspects:
            others = {j: mask for j, mask in bad.items() if j != k}
            if not np.isfinite(only({k: bad[k]})) or (is_nan and not np.isnan(only(others))):
                found.append((k, _narrowed(only, k, bad[k], at)))
    return found or [(k, first_bad(inputs[k])[0]) for k in suspects]


def _is_floats(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.floating | float)


def _kept(
    inputs: Sequence[Any], bad: dict[int, Array], masks: dict[int, Array], filler: float
) -> list[Any]:
    """The inputs with `filler` in place of what is not finite, except under these masks."""
    replaced = list(inputs)
    for k, mask in bad.items():
        gone = mask & ~masks[k] if k in masks else mask
        value = inputs[k]
        if isinstance(value, float) and not isinstance(value, np.floating):
            replaced[k] = filler if gone else value
        else:
            replaced[k] = np.where(gone, np.asarray(filler, value.dtype), value)
    return replaced


def _finite_at(run: Callable[[list[Any]], Any], inputs: list[Any], at: Index) -> bool:
    return bool(np.isfinite(np.asarray(run(inputs))[at]))


def _narrowed(only: Callable[[dict[int, Array]], Any], k: int, mask: Array, at: Index) -> Index:
    """One element under the mask that suffices."""

    def suffices(positions: Any) -> bool:
        some = np.zeros(mask.size, bool)
        some[positions] = True
        return not np.isfinite(only({k: some.reshape(mask.shape)}))

    mask = np.asarray(mask)
    guess = aligned(at, mask.shape)
    if (
        guess is not None
        and mask[guess]
        and suffices(np.ravel_multi_index(guess, mask.shape) if mask.shape else 0)
    ):
        return guess
    left = np.flatnonzero(mask)
    while len(left) > 1:
        half = len(left) // 2
        if suffices(left[:half]):
            left = left[:half]
        elif suffices(left[half:]):
            left = left[half:]
        else:  # only several together do, as inf and -inf
            break
    return _index(int(left[0]), mask.shape)


def as_results(value: Any) -> tuple[Any, ...]:
    """The results of an op, or the gradients of them: one, or several."""
    return tuple(value) if isinstance(value, tuple | OutputGradients) else (value,)
