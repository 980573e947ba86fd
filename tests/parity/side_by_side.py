"""Compares all values of one program, and their gradients, between our tensors and PyTorch's.

A printed program carries the text of this module: it uses nothing else of the tests.
"""

import numpy as np
import torch

from tinygrad_lite import Tensor, grad

# Of each value against its own largest element, and against the largest of all gradients: far
# above what rounding leaves in a program of thirty steps, far below any wrong derivative.
TOLERANCE = {"float64": (1e-7, 1e-10), "float32": (5e-3, 1e-4), "float16": (2e-2, 1e-3)}


def demand_the_same(ours, theirs, what, width, scale=1.0):
    """Shape, dtype, and values within rounding; nan and inf at the same positions."""
    assert ours.shape == theirs.shape, f"{what}: shape {ours.shape}, PyTorch {theirs.shape}"
    assert ours.dtype == theirs.dtype, f"{what}: {ours.dtype}, PyTorch {theirs.dtype}"
    if ours.dtype.kind != "f":
        np.testing.assert_array_equal(ours, theirs, err_msg=what)
        return
    relative, absolute = TOLERANCE["float16" if ours.dtype == np.float16 else width]
    finite = np.abs(theirs[np.isfinite(theirs)])
    allowed = relative * finite.max(initial=0.0) + absolute * scale
    np.testing.assert_allclose(ours, theirs, rtol=relative, atol=allowed, err_msg=what)


def demand_the_same_gradients(mine, theirs, ends, width, seed=0):
    """Of all values `ends`, by random cotangents: first order for every value, second for leaves.

    mine, theirs   pairs in the order of the program, the leaves first
    """
    rng = np.random.default_rng(seed)
    cotangents = [np.asarray(rng.standard_normal(mine[end].shape), mine[end].dtype) for end in ends]
    ours_end = [(mine[end], Tensor(c)) for end, c in zip(ends, cotangents, strict=True)]
    theirs_end = [(theirs[end], torch.tensor(c)) for end, c in zip(ends, cotangents, strict=True)]
    ours_end = [pair for pair in ours_end if pair[0].requires_grad]
    theirs_end = [pair for pair in theirs_end if pair[0].requires_grad]
    wanted = distinct(mine, theirs)
    first = grad(
        *([y for y, _ in ours_end], [mine[k] for k in wanted], [c for _, c in ours_end]),
        create_graph=True,
        allow_unused=True,
    )
    expected = torch.autograd.grad(
        *([y for y, _ in theirs_end], [theirs[k] for k in wanted], [c for _, c in theirs_end]),
        create_graph=True,
        allow_unused=True,
    )
    scale = compare_gradients("gradient", wanted, mine, first, expected, width)

    leaves = [k for k in wanted if mine[k].is_leaf]
    ours_sum, theirs_sum = Tensor(0.0), torch.tensor(0.0)
    for g, r in zip(first, expected, strict=True):
        if g is not None and r is not None:
            direction = np.asarray(rng.standard_normal(g.shape), g.dtype)
            ours_sum = ours_sum + (g * Tensor(direction)).sum()
            theirs_sum = theirs_sum + (r * torch.tensor(direction)).sum()
    nothing = [None] * len(leaves)
    second, expected = nothing, nothing
    if ours_sum.requires_grad:
        second = grad(ours_sum, [mine[k] for k in leaves], allow_unused=True)
    if theirs_sum.requires_grad:
        expected = torch.autograd.grad(theirs_sum, [theirs[k] for k in leaves], allow_unused=True)
    compare_gradients("second-order gradient", leaves, mine, second, expected, width, scale)


def compare_gradients(what, positions, mine, found, expected, width, scale=0.0):
    """None, where no gradient flows, counts as 0.  Returns the size of the largest.

    scale   the size of what cancelled on the way
    """
    pairs = []
    for position, g, r in zip(positions, found, expected, strict=True):
        zeros = np.zeros_like(mine[position].numpy())
        g = zeros if g is None else g.numpy()
        pairs.append((position, g, zeros if r is None else r.numpy(force=True)))
    sizes = [np.abs(r[np.isfinite(r)]).max(initial=0.0) for _, _, r in pairs]
    scale = max([scale, *sizes])
    for position, g, r in reversed(pairs):  # the fault lies behind the newest that is wrong
        demand_the_same(g, r, f"{what} of v{position}", width, scale)
    return scale


def distinct(mine, theirs):
    """The positions of values that carry a gradient, each node of either graph once.

    An operation with nothing to do may return its input itself; the gradient of that is the one of
    the value where it stood first.
    """
    found, seen, kept = [], set(), []
    for position, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        node = b.grad_fn or b
        kept.append(node)  # or another one could get its id
        marks = {("ours", id(a._node)), ("theirs", id(node), b.output_nr)}
        if a.requires_grad and b.requires_grad and not marks & seen:
            found.append(position)
        seen |= marks
    return found


def listed(results):
    """A result, or several, as a list."""
    return list(results) if isinstance(results, (tuple, list)) else [results]


def compare(program, ours, theirs, arrays, ends, width):
    """Run `program` on leaves of both libraries and demand the same of everything.

    ours, theirs   the first two arguments of `program` for each library
    """
    mine = program(*ours, *(Tensor(array, requires_grad=True) for array in arrays))
    others = program(*theirs, *(torch.tensor(array, requires_grad=True) for array in arrays))
    for position, (a, b) in enumerate(zip(mine, others, strict=True)):
        demand_the_same(a.numpy(), b.numpy(force=True), f"value of v{position}", width)
    demand_the_same_gradients(mine, others, ends, width)
