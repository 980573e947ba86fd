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

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, TypeAlias

import numpy as np

from . import gates as step_of
from .threads import blas_held

Steps: TypeAlias = Sequence[slice]

AT_ONCE = 1 << 18  # elements of an array for which slopes are computed together
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
    with blas_held:  # a step is too little work for several threads
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
    first_h, first_c = h, c
    whole = np.empty((len(h), len(v)), z.dtype)
    h, c, v = _start(h, steps), _start(c, steps), _right(v, steps)
    room = whole[: len(h)]
    with blas_held:  # a step is too little work for several threads
        for step in steps:
            if len(h) != step.stop - step.start:
                h, c = fitted(h, step, first_h), fitted(c, step, first_c)
                room = whole[: len(h)]
            np.matmul(h, v, out=room)
            room += z[step]
            h, c, _ = step_of.lstm(room, c, gates[step], cells[step], outputs[step])
            if p is not None:
                h = np.matmul(h, p.T, out=states[step])
    return states, cells, gates


def gru(z: Any, h: Any, v: Any, d: Any, steps: Steps) -> tuple[Any, Any]:
    """h and the gates of all steps, by `gates.gru`, a being h v^T + d.  d may be None."""
    size = h.shape[1]
    gates, states = np.empty((len(z), 4 * size), z.dtype), np.empty((len(z), size), z.dtype)
    first, room = h, np.empty((len(h), len(v)), z.dtype)
    h, v = _start(h, steps), _right(v, steps)
    with blas_held:  # a step is too little work for several threads
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
    slopes = (states != 0.0).astype(states.dtype) if relu else 1.0 - states * states
    g, parts, firsts = v[:0], list[Any](), list[Any]()
    for step in reversed(steps):
        g = returned(g, step, firsts) + k[step]
        parts.append(step_of.times(slopes[step], g))
        g = parts[-1] @ v
    return _whole(slopes, parts, steps), _first(firsts, g)


def lstm_gradient(
    k: Any, p: Any, q: Any, c: Any, cells: Any, gates: Any, v: Any, w: Any, steps: Steps
) -> tuple[Any, Any, Any, Any]:
    """The gradients of z and of the first h and c in `lstm`, and the total ones of all states.

    k, p, q are the gradients of all h, c and gates, each of which may be None; w is the projection
    or None.  The last result is for w, and None without it.
    """
    gz, before, of_h, of_c = _room(gates), previous(c, cells, steps), v[:0], cells[:0]
    more = None if q is None else step_of.lstm_gates_gradient(q, gates)
    f = step_of.blocks(gates, 4)[1]
    parts, totals, first_h, first_c = list[Any](), list[Any](), list[Any](), list[Any]()
    for rows, chunk in _chunks(gates, steps):
        t, out = np.tanh(cells[rows]), None if gz is None else gz[rows]
        slopes, through = step_of.lstm_slopes(gates[rows], before[rows], t, out)
        for step, here in chunk:
            if of_h.shape[0] != step.stop - step.start:
                of_h, of_c = returned(of_h, step, first_h), returned(of_c, step, first_c)
            of_h = of_h if k is None else of_h + k[step]
            of_c = of_c if p is None else of_c + p[step]
            if w is not None:
                totals.append(of_h)
                of_h = of_h @ w
            part, of_c = step_of.lstm_gradient(of_h, of_c, slopes[here], through[here], f[step])
            parts.append(part if more is None else _plus(part, more[step]))
            of_h = parts[-1] @ v
    total = None if w is None else _whole(None, totals, steps)
    return _whole(gz, parts, steps), _first(first_h, of_h), _first(first_c, of_c), total


def gru_gradient(
    k: Any, q: Any, h: Any, states: Any, gates: Any, v: Any, steps: Steps
) -> tuple[Any, Any, Any, Any]:
    """The gradients of z, a and the first h in `gru`, and the state before each step.

    k, q: the gradients of all h and gates, each of which may be None.
    """
    gz, ga = _room(gates, v.shape[0]), _room(gates, v.shape[0])
    before, u, g = previous(h, states, steps), step_of.blocks(gates, 4)[1], v[:0]
    more = None if q is None else step_of.gru_gates_gradient(q, gates)
    of_z, of_a, firsts = list[Any](), list[Any](), list[Any]()
    for rows, chunk in _chunks(gates, steps):
        room = (None, None) if gz is None else (gz[rows], ga[rows])
        slopes = step_of.gru_slopes(gates[rows], before[rows], *room)
        for step, here in chunk:
            g = returned(g, step, firsts)
            g = g if k is None else g + k[step]
            z, a = (step_of.times(each[here], g) for each in slopes)
            of_z.append(z if more is None else _plus(z, more[0][step]))
            of_a.append(a if more is None else _plus(a, more[1][step]))
            g = g * u[step] + of_a[-1] @ v
    return _whole(gz, of_z, steps), _whole(ga, of_a, steps), _first(firsts, g), before


def _chunks(x: Any, steps: Steps) -> Iterator[tuple[slice, list[tuple[slice, slice]]]]:
    """Some steps at a time, from the last computed to the first: as many as stay in the cache.

    The rows of all of them, and of each: its rows among all steps, and among these.  Those of a
    Tensor all at once.
    """
    most = max(1, AT_ONCE // x.shape[1]) if x.__class__ is np.ndarray else x.shape[0]
    chunk: list[slice] = []
    for step in reversed(steps):
        chunk.append(step)
        start, stop = min(chunk[0].start, step.start), max(chunk[0].stop, step.stop)
        if stop - start >= most or step is steps[0]:
            yield (
                slice(start, stop),
                [(each, slice(each.start - start, each.stop - start)) for each in chunk],
            )
            chunk = []


def _plus(part: Any, more: Any) -> Any:
    """part + more, in place in an array.  Array or Tensor."""
    return np.add(part, more, out=part) if part.__class__ is np.ndarray else part + more


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
    if like.__class__ is not np.ndarray:
        return None
    return np.empty((len(like), width or like.shape[1]), like.dtype)


def _whole(room: Any, parts: list[Any], steps: Steps) -> Any:
    """The gradients of all steps as one: `room`, if it is an array that holds them already.

    parts: the gradient of each step, from the last computed to the first.
    """
    if room.__class__ is np.ndarray:
        return room
    return np.concatenate(parts if steps[0].start > 0 else parts[::-1])
