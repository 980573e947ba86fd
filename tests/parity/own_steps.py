"""Operations with drawn axes, shapes and indices, for random programs.

The rows of catalogue/methods have shapes and options of their own; these take a value as it is.
An entry is name: (ours, PyTorch's, draw).  `draw(rng, *values)` gives the options of a call, or
None where the operation cannot take these values: our tensors, as many as draw has arguments.
"""

from math import prod

import numpy as np
import torch

from tinygrad_lite import Tensor


def room(*values):
    """The most elements of a result of these: a program's values stay small, and long ones long."""
    return max(120, min(200_000, 2 * max(prod(x.shape) for x in values)))


def plain(rng, x):
    return {}


def both_broadcast(rng, a, b):
    try:
        return {} if prod(np.broadcast_shapes(a.shape, b.shape)) <= room(a, b) else None
    except ValueError:
        return None


def some_axes(rng, x):
    """A number, a tuple or None, with keepdim."""
    if not x.ndim:
        return {"axis": None, "keepdim": False}
    count = int(rng.integers(0, x.ndim + 1))
    axes = tuple(int(a) for a in rng.permutation(x.ndim)[:count])
    axis = None if not axes else axes[0] - x.ndim if len(axes) == 1 else axes
    return {"axis": axis, "keepdim": bool(rng.integers(2))}


def filled_axes(rng, x):
    """As some_axes, of a value with elements."""
    return some_axes(rng, x) if x.numel() else None


def every_axis(x, axis):
    """PyTorch's spelling of axis=None."""
    return tuple(range(x.ndim)) if axis is None else axis


def one_axis(rng, x):
    return {"axis": int(rng.integers(-x.ndim, x.ndim))} if x.ndim else None


def filled_axis(rng, x):
    options = one_axis(rng, x)
    return options if options and x.shape[options["axis"]] else None


def a_short_axis(rng, x):
    """PyTorch's second derivative of cumprod takes the square of the length, in time and memory."""
    options = one_axis(rng, x)
    return options if options and x.shape[options["axis"]] <= 500 else None


def two_axes(rng, x):
    if x.ndim < 2:
        return None
    first, second = rng.permutation(x.ndim)[:2]
    return {"first": int(first), "second": int(second - x.ndim)}


def an_order(rng, x):
    return {"order": tuple(int(axis) for axis in rng.permutation(x.ndim))}


def another_shape(rng, x):
    """The factors of the size, dealt to one to four axes."""
    if not x.numel():
        return None
    sizes = [1] * int(rng.integers(1, 5))
    rest, factor = x.numel(), 2
    while rest > 1:
        if rest % factor:
            factor += 1
        else:
            sizes[int(rng.integers(len(sizes)))] *= factor
            rest //= factor
    return {"shape": tuple(sizes)}


def a_larger_shape(rng, x):
    if x.ndim > 4:
        return None
    lead = tuple(int(n) for n in rng.integers(1, 4, int(rng.integers(0, 2))))
    shape = lead + tuple(int(rng.integers(1, 4)) if n == 1 else n for n in x.shape)
    return {"shape": shape} if prod(shape) <= room(x) else None


def a_new_axis(rng, x):
    return {"axis": int(rng.integers(-x.ndim - 1, x.ndim + 1))} if x.ndim < 5 else None


def axes_to_flip(rng, x):
    return {"axes": tuple(axis for axis in range(x.ndim) if rng.integers(2))} if x.ndim else None


def slices(rng, x):
    """Of every axis a start, a stop and a step that may be negative."""
    if not x.ndim:
        return None
    found = []
    for size in x.shape:
        start, stop = sorted(int(n) for n in rng.integers(0, size + 1, 2))
        found.append((start, stop, int(rng.choice([1, 1, 2, -1, -2]))))
    return {"parts": tuple(found)}


def ours_slices(x, parts):
    """x[start:stop][::step] in one index."""
    return x[tuple(slice(a, b) for a, b, _ in parts)][
        tuple(slice(None, None, s) for *_, s in parts)
    ]


def torch_slices(x, parts):
    x = x[tuple(slice(a, b) for a, b, _ in parts)]
    x = x.flip([axis for axis, (*_, step) in enumerate(parts) if step < 0])
    return x[tuple(slice(None, None, abs(step)) for *_, step in parts)]


def positions(rng, x):
    """Row numbers of the first axis, with duplicates and negative ones."""
    if not x.ndim or not x.shape[0]:
        return None
    size = x.shape[0]
    return {"rows": [int(n) for n in rng.integers(-size, size, int(rng.integers(1, 5)))]}


def a_mask(rng, x):
    return {"mask": (rng.random(x.shape) < 0.6).tolist()} if x.ndim and x.numel() else None


def a_mask_to_broadcast(rng, a, b):
    """Of the common shape, or of one that broadcasts to it."""
    if both_broadcast(rng, a, b) is None:
        return None
    shape = np.broadcast_shapes(a.shape, b.shape)
    shape = shape[int(rng.integers(len(shape) + 1)) :]
    return {"mask": (rng.random(shape) < 0.5).tolist(), "shape": shape}


def distinct_rows(rng, x, v):
    """Rows of the first axis to write to, each once; PyTorch casts nothing there."""
    if not x.ndim or not x.shape[0] or x.dtype != v.dtype:
        return None
    rows = [int(n) for n in rng.permutation(x.shape[0])[: int(rng.integers(1, x.shape[0] + 1))]]
    region = (len(rows), *x.shape[1:])
    fits = v.ndim <= len(region) and all(
        n in (1, m) for n, m in zip(v.shape[::-1], region[::-1], strict=False)
    )
    return {"rows": rows} if fits else None


def write_rows(x, v, rows):
    y = x * 1.0
    y[rows] = v
    return y


def add_in_place(a, b):
    y = a * 1.0
    y += b
    y *= b
    return y


def keeps_the_first_shape(rng, a, b):
    fits = both_broadcast(rng, a, b) is not None
    same = a.dtype == b.dtype or a.dtype == np.float64
    return {} if fits and same and np.broadcast_shapes(a.shape, b.shape) == a.shape else None


def same_but_one_axis(rng, a, b):
    """An axis along which a and b may be joined."""
    if a.ndim != b.ndim or not a.ndim or a.numel() + b.numel() > room(a, b):
        return None
    differ = [axis for axis in range(a.ndim) if a.shape[axis] != b.shape[axis]]
    if len(differ) > 1:
        return None
    return {"axis": differ[0] if differ else int(rng.integers(-a.ndim, a.ndim))}


def equal_shapes(rng, a, b):
    if a.shape != b.shape or a.ndim > 4 or 2 * a.numel() > room(a, b):
        return None
    return {"axis": int(rng.integers(-a.ndim - 1, a.ndim + 1))}


def inner_sizes_agree(rng, a, b):
    if not a.ndim or not b.ndim or a.dtype != b.dtype:  # PyTorch multiplies equal dtypes only
        return None
    if a.shape[-1] != b.shape[max(b.ndim - 2, 0)]:
        return None
    try:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        return None
    size = prod(batch) * prod(a.shape[-2:-1]) * prod(b.shape[-1:] if b.ndim > 1 else ())
    return {} if size <= room(a, b) else None


def of_a_matrix(rng, x):
    return {} if x.ndim >= 2 and prod(x.shape[:-1]) * x.shape[-2] <= room(x) else None


def an_index_along_an_axis(rng, x):
    """For gather: positions along one axis, of a shape that is no larger along the others."""
    options = filled_axis(rng, x)
    if options is None or not x.numel():
        return None
    axis = options["axis"] % x.ndim
    shape = [int(rng.integers(1, n + 1)) for n in x.shape]
    shape[axis] = int(rng.integers(1, 5))
    return {"axis": axis, "index": rng.integers(0, x.shape[axis], shape).tolist()}


def prod_over(x, axis, keepdim):
    """torch.prod over several axes; it takes one."""
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for number in sorted((number % x.ndim for number in axes), reverse=True):
        x = x.prod(number, keepdim=keepdim)
    return x


# Of the value itself.
SMOOTH = {
    "tanh": (lambda x: x.tanh(), lambda x: x.tanh(), plain),
    "sigmoid": (lambda x: x.sigmoid(), lambda x: x.sigmoid(), plain),
    "exp": (lambda x: x.exp(), lambda x: x.exp(), plain),
    "neg": (lambda x: -x, lambda x: -x, plain),
    "square": (lambda x: x.square(), lambda x: x.square(), plain),
    "cube_plus": (lambda x: x**3 + x, lambda x: x**3 + x, plain),
    "bell": (lambda x: 1 / (1 + x * x), lambda x: 1 / (1 + x * x), plain),
    "log_of": (lambda x: (x * x + 0.5).log(), lambda x: (x * x + 0.5).log(), plain),
    "sqrt_of": (lambda x: (x * x + 0.5).sqrt(), lambda x: (x * x + 0.5).sqrt(), plain),
    "add": (lambda a, b: a + b, lambda a, b: a + b, both_broadcast),
    "sub": (lambda a, b: a - b, lambda a, b: a - b, both_broadcast),
    "mul": (lambda a, b: a * b, lambda a, b: a * b, both_broadcast),
    "div": (lambda a, b: a / (b * b + 1), lambda a, b: a / (b * b + 1), both_broadcast),
    "power": (
        lambda a, b: (a * a + 0.5) ** b,
        lambda a, b: (a * a + 0.5) ** b,
        both_broadcast,
    ),
    "where": (
        lambda a, b, mask, shape: Tensor(np.array(mask, bool).reshape(shape)).where(a, b),
        lambda a, b, mask, shape: torch.where(torch.tensor(mask).bool().reshape(shape), a, b),
        a_mask_to_broadcast,
    ),
    "add_in_place": (add_in_place, add_in_place, keeps_the_first_shape),
    "write_rows": (write_rows, write_rows, distinct_rows),
    "sum": (
        lambda x, axis, keepdim: x.sum(axis, keepdim),
        lambda x, axis, keepdim: x.sum(axis, keepdim),
        some_axes,
    ),
    "mean": (
        lambda x, axis, keepdim: x.mean(axis, keepdim),
        lambda x, axis, keepdim: x.mean(axis, keepdim),
        filled_axes,
    ),
    "var": (
        lambda x, axis, keepdim: x.var(axis, keepdim, correction=0),
        lambda x, axis, keepdim: x.var(axis, correction=0, keepdim=keepdim),
        filled_axes,
    ),
    "prod": (
        lambda x, axis, keepdim: x.prod(axis, keepdim),
        lambda x, axis, keepdim: prod_over(x, axis, keepdim),
        some_axes,
    ),
    "logsumexp": (
        lambda x, axis, keepdim: x.logsumexp(axis, keepdim),
        lambda x, axis, keepdim: x.logsumexp(every_axis(x, axis), keepdim),
        filled_axes,
    ),
    "softmax": (
        lambda x, axis: x.softmax(axis),
        lambda x, axis: x.softmax(axis),
        filled_axis,
    ),
    "log_softmax": (
        lambda x, axis: x.log_softmax(axis),
        lambda x, axis: x.log_softmax(axis),
        filled_axis,
    ),
    "cumsum": (lambda x, axis: x.cumsum(axis), lambda x, axis: x.cumsum(axis), one_axis),
    "cumprod": (lambda x, axis: x.cumprod(axis), lambda x, axis: x.cumprod(axis), a_short_axis),
    "logcumsumexp": (
        lambda x, axis: x.logcumsumexp(axis),
        lambda x, axis: x.logcumsumexp(axis),
        filled_axis,
    ),
    "permute": (
        lambda x, order: x.permute(order),
        lambda x, order: x.permute(order),
        an_order,
    ),
    "transpose": (
        lambda x, first, second: x.transpose(first, second),
        lambda x, first, second: x.transpose(first, second),
        two_axes,
    ),
    "reshape": (
        lambda x, shape: x.reshape(shape),
        lambda x, shape: x.reshape(shape),
        another_shape,
    ),
    "expand": (lambda x, shape: x.expand(shape), lambda x, shape: x.expand(shape), a_larger_shape),
    "unsqueeze": (lambda x, axis: x.unsqueeze(axis), lambda x, axis: x.unsqueeze(axis), a_new_axis),
    "squeeze": (lambda x: x.squeeze(), lambda x: x.squeeze(), plain),
    "flip": (lambda x, axes: x.flip(axes), lambda x, axes: x.flip(axes), axes_to_flip),
    "slices": (ours_slices, torch_slices, slices),
    "read_rows": (lambda x, rows: x[rows], lambda x, rows: x[rows], positions),
    "read_mask": (
        lambda x, mask: x[np.array(mask)],
        lambda x, mask: x[torch.tensor(mask)],
        a_mask,
    ),
    "gather": (
        lambda x, axis, index: x.gather(axis, Tensor(index)),
        lambda x, axis, index: x.gather(axis, torch.tensor(index)),
        an_index_along_an_axis,
    ),
    "cat": (
        lambda a, b, axis: a.cat(b, axis=axis),
        lambda a, b, axis: torch.cat((a, b), axis),
        same_but_one_axis,
    ),
    "stack": (
        lambda a, b, axis: a.stack(b, axis=axis),
        lambda a, b, axis: torch.stack((a, b), axis),
        equal_shapes,
    ),
    "matmul": (lambda a, b: a @ b, lambda a, b: a @ b, inner_sizes_agree),
    "gram": (lambda x: x @ x.mT, lambda x: x @ x.mT, of_a_matrix),
}

# Of the value's shape, and of numbers that keep away from each other: at a tie of two numbers that
# differ by rounding, any two libraries may choose differently.
KINKED = {
    "max": (
        lambda x, axis, keepdim: x.max(axis, keepdim),
        lambda x, axis, keepdim: x.amax(every_axis(x, axis), keepdim),
        filled_axes,
    ),
    "min": (
        lambda x, axis, keepdim: x.min(axis, keepdim),
        lambda x, axis, keepdim: x.amin(every_axis(x, axis), keepdim),
        filled_axes,
    ),
    "relu_of": (lambda x: x.relu() * x, lambda x: x.relu() * x, plain),
    "sort": (lambda x, axis: x.sort(axis)[0], lambda x, axis: x.sort(axis)[0], filled_axis),
    "cummax": (lambda x, axis: x.cummax(axis)[0], lambda x, axis: x.cummax(axis)[0], filled_axis),
}
