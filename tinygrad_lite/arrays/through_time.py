"""Recurrent networks over whole sequences: the states of all steps, and their gradients.

The rows of all steps stand below each other in one matrix, those of the first step on top.  `steps`
are their slices, in the order in which they are computed: from the first to the last, or backwards.
Each step has the first n rows of the batch, n at most that of the step before: a sequence that has
ended has no row.

z is the share of the inputs in all steps, which is one product.  v is the weight by which a state
enters the next step.  The gradients go through the steps in the opposite order (backpropagation
through time), on arrays or Tensors.  Those of arrays are written into one array, so that the
gradients of weights and inputs are one product each.

Source: P. Werbos, Backpropagation Through Time, 1990.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import accumulate
from typing import Any, TypeAlias

import numpy as np

from . import gates as step_of
from .threads import blas_held

Steps: TypeAlias = Sequence[slice]

FEW = 4  # steps: for so few, a transposed copy of a weight would cost more than it gains


def steps_of(sizes: Sequence[int], backwards: bool) -> Steps:
    """The rows of each step, given their number in each, in the order of computation."""
    ends = accumulate(sizes)
    steps = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    return steps[::-1] if backwards else steps


# The states of all steps


def rnn(z: Any, h: Any, v: Any, steps: Steps, relu: bool) -> Any:
    """h' = tanh(z + h v^T), or relu(z + h v^T), of all steps."""
    states = np.empty(z.shape, z.dtype)
    first, h, v = h, _start(h, steps), _right(v, steps)
    with _steady():
        for step in steps:
            a = np.matmul(fitted(h, step, first), v, out=states[step])
            a += z[step]
            h = np.maximum(a, 0.0, out=a) if relu else np.tanh(a, out=a)
    return states


def lstm(z: Any, h: Any, c: Any, v: Any, p: Any, steps: Steps) -> tuple[Any, Any, Any]:
    """h, c and the gates of all steps, by `gates.lstm`; with a projection p, h is (o tanh(c)) p^T.

    p may be None.
    """
    gates = np.empty(z.shape, z.dtype)
    cells = np.empty((len(z), c.shape[1]), z.dtype)
    states = outputs = np.empty_like(cells)
    if p is not None:
        states = np.empty((len(z), len(p)), z.dtype)
    first_h, first_c, room = h, c, np.empty((len(h), len(v)), z.dtype)
    h, c, v = _start(h, steps), _start(c, steps), _right(v, steps)
    with _steady():
        for step in steps:
            a = np.matmul(fitted(h, step, first_h), v, out=room[: step.stop - step.start])
            a += z[step]
            c = fitted(c, step, first_c)
            step_of.lstm(a, c, gates[step], cells[step], outputs[step])
            if p is not None:
                np.matmul(outputs[step], p.T, out=states[step])
            h, c = states[step], cells[step]
    return states, cells, gates


def gru(z: Any, h: Any, v: Any, d: Any, steps: Steps) -> tuple[Any, Any]:
    """h and the gates of all steps, by `gates.gru`, a being h v^T + d.  d may be None."""
    size = h.shape[1]
    gates, states = np.empty((len(z), 4 * size), z.dtype), np.empty((len(z), size), z.dtype)
    first, room = h, np.empty((len(h), len(v)), z.dtype)
    h, v = _start(h, steps), _right(v, steps)
    with _steady():
        for step in steps:
            h = fitted(h, step, first)
            a = np.matmul(h, v, out=room[: len(h)])
            if d is not None:
                a += d
            step_of.gru(z[step], a, h, gates[step], states[step])
            h = states[step]
    return states, gates


def _start(first: Any, steps: Steps) -> Any:
    """The state with which the computation begins; backwards, each sequence begins at its end."""
    return first if steps[0].start == 0 else first[:0]


def _right(v: Any, steps: Steps) -> Any:
    """v^T, in the memory order that is fastest for a product of few rows with it."""
    return np.ascontiguousarray(v.T) if len(steps) > FEW else v.T


def _steady() -> AbstractContextManager[Any]:
    """BLAS with one thread, once the pool has multiplied: see `products.multiply`."""
    return blas_held if blas_held.used else nullcontext()


def fitted(state: Any, step: slice, first: Any) -> Any:
    """The rows of a state that a step has.  Sequences that begin with it have the first state."""
    held, wanted = state.shape[0], step.stop - step.start
    if held >= wanted:
        return state if held == wanted else state[:wanted]
    return np.concatenate((state, first[held:wanted]))


def previous(first: Any, states: Any, steps: Steps) -> Any:
    """The state before each step, of all steps.  Array or Tensor."""
    rows, count = first.shape[0], states.shape[0]
    backwards = steps[0].start > 0
    if count == rows * len(steps):  # no sequence is shorter than another
        ends = (states[rows:], first) if backwards else (first, states[: count - rows])
        return np.concatenate(ends)
    parts, state = [], _start(first, steps)
    for step in steps:
        parts.append(fitted(state, step, first))
        state = states[step]
    return np.concatenate(parts[::-1] if backwards else parts)


# Their gradients


def rnn_gradient(k: Any, states: Any, v: Any, steps: Steps, relu: bool) -> tuple[Any, Any]:
    """The gradients of z and of the first h in `rnn`, given k, that of all states."""
    gz, g = _room(states), v[:0]
    parts: list[Any] = []
    firsts: list[Any] = []
    for step in reversed(steps):
        g = returned(g, step, firsts) + k[step]
        y = states[step]
        slope = np.where(y != 0.0, 1.0, 0.0).astype(y.dtype) if relu else 1.0 - y * y
        parts.append(g * slope if gz is None else np.multiply(g, slope, out=gz[step]))
        g = parts[-1] @ v
    return _whole(gz, parts, steps), _first(firsts, g)


def lstm_gradient(
    k: Any, p: Any, q: Any, c: Any, cells: Any, gates: Any, v: Any, w: Any, steps: Steps
) -> tuple[Any, Any, Any, Any]:
    """The gradients of z and of the first h and c in `lstm`, and the total ones of all states.

    k, p, q are the gradients of all h, c and gates, each of which may be None; w is the projection
    or None.  The last result is for w, and None without it.
    """
    gz, before = _room(gates), previous(c, cells, steps)
    of_h, of_c = v[:0], cells[:0]
    parts: list[Any] = []
    totals: list[Any] = []
    first_h: list[Any] = []
    first_c: list[Any] = []
    for step in reversed(steps):
        of_h, of_c = returned(of_h, step, first_h), returned(of_c, step, first_c)
        of_h = of_h if k is None else of_h + k[step]
        of_c = of_c if p is None else of_c + p[step]
        if w is not None:
            totals.append(of_h)
            of_h = of_h @ w
        part, of_c = step_of.lstm_gradient(
            *(of_h, of_c, None if q is None else q[step], gates[step], before[step]),
            *(np.tanh(cells[step]), None if gz is None else gz[step]),
        )
        parts.append(part)
        of_h = part @ v
    total = None if w is None else _whole(None, totals, steps)
    return _whole(gz, parts, steps), _first(first_h, of_h), _first(first_c, of_c), total


def gru_gradient(
    k: Any, q: Any, h: Any, states: Any, gates: Any, v: Any, steps: Steps
) -> tuple[Any, Any, Any, Any]:
    """The gradients of z, a and the first h in `gru`, and the state before each step.

    k, q: the gradients of all h and gates, each of which may be None.
    """
    before = previous(h, states, steps)
    gz, ga, g = _room(gates, v.shape[0]), _room(gates, v.shape[0]), v[:0]
    of_z: list[Any] = []
    of_a: list[Any] = []
    firsts: list[Any] = []
    for step in reversed(steps):
        g = returned(g, step, firsts)
        part_z, part_a, g = step_of.gru_gradient(
            *(g if k is None else g + k[step], None if q is None else q[step]),
            *(gates[step], before[step]),
            *((None, None) if gz is None else (gz[step], ga[step])),
        )
        of_z.append(part_z)
        of_a.append(part_a)
        g = g + part_a @ v
    return _whole(gz, of_z, steps), _whole(ga, of_a, steps), _first(firsts, g), before


def returned(g: Any, step: slice, firsts: list[Any]) -> Any:
    """The gradient of the state after a step, given that of what `fitted` made of it.

    What belongs to the first state is added to `firsts`.  Array or Tensor.
    """
    held, wanted = g.shape[0], step.stop - step.start
    if held > wanted:
        firsts.append(g[wanted:])
        return g[:wanted]
    if held < wanted:
        return np.concatenate((g, np.zeros((wanted - held, g.shape[1]), g.dtype)))
    return g


def _first(firsts: list[Any], g: Any) -> Any:
    """The gradient of the first state, g being that of its rows which are not in `firsts`."""
    return np.concatenate((g, *reversed(firsts))) if firsts else g


def _room(like: Any, width: int | None = None) -> Any:
    """Memory for the gradients of all steps; None for Tensors."""
    if type(like) is not np.ndarray:
        return None
    return np.empty((len(like), width or like.shape[1]), like.dtype)


def _whole(room: Any, parts: list[Any], steps: Steps) -> Any:
    """The gradients of all steps, from the last computed to the first, as one."""
    if room is not None:
        return room
    return np.concatenate(parts if steps[0].start > 0 else parts[::-1])
