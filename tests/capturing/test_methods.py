"""Every method of Tensor in a captured step: on fresh inputs, the bits are those of eager.

One row of each method; all of them if EVERY_ROW is set.
"""

import os

import numpy as np
import pytest
from capturing.eager_and_captured import reason_not_captured, reason_of_program
from methods import ROWS, THEMES, listed
from test_methods import DTYPES, ELSEWHERE

from tinygrad_lite import Tensor, no_grad

# Which cannot be captured, by the names of their rows, and why.
TOGETHER = 30  # rows in one step
SHAPE = "whose shape depends on values"
NOT_CAPTURED = {
    **dict.fromkeys(("masked_select",), f"masked_select, {SHAPE}"),
    **dict.fromkeys(("nonzero", "nonzero-as a tuple"), f"nonzero, {SHAPE}"),
    **{
        f"multilabel_margin_loss-{kind}; PyTorch has no second derivative": (
            "multilabel_margin_loss, in which shapes depend on values"
        )
        for kind in ("mean", "sum", "none", "one sample")
    },
    "one_hot": f"one_hot without num_classes, {SHAPE}",
    **dict.fromkeys(
        ("scatter-multiplied", "scatter_reduce-prod", "scatter_reduce-prod, without self"),
        "products scattered, whose memory depends on values",
    ),
}


def draw(row, seed):
    """Other inputs of a row with every seed."""
    rng = np.random.default_rng(seed)
    drawn = [np.asarray(row.domain(rng, shape)) for shape in row.shapes[0]]
    kind = row.kinds[0]
    if kind == "i":
        drawn = [np.trunc(values * 3) for values in drawn]
    elif kind == "b":
        drawn = [values > 0.6 for values in drawn]
    return [np.asarray(values, np.float32 if kind == "f" else DTYPES[kind]) for values in drawn]


def step_of(rows):
    """A function that makes a step of several rows, with leaves to which gradients flow."""

    def make():
        inputs = [
            [Tensor(array, requires_grad=array.dtype.kind == "f") for array in draw(row, 0)]
            for row in rows
        ]
        leaves = [leaf for given in inputs for leaf in given]

        def step():
            for leaf in leaves:
                leaf.grad = None
            results = [listed(row.call(*given)) for row, given in zip(rows, inputs, strict=True)]
            terms = [
                (y * y * 0.5 + y).sum()
                for found in results
                for y in found
                if getattr(y, "_node", None)
            ]
            if terms:
                sum(terms[1:], start=terms[0]).backward()
            return results

        return step, leaves

    return make


def reason_of(rows):
    batches = [([array for row in rows for array in draw(row, seed)], ()) for seed in range(1, 5)]
    return reason_not_captured(step_of(rows), batches)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.__name__.rpartition(".")[2])
def test_every_row(theme):
    rows = [row for row in getattr(theme, "ROWS", ()) if row.name not in NOT_CAPTURED]
    if "EVERY_ROW" not in os.environ:
        rows = list({row.method: row for row in reversed(rows)}.values())
    for start in range(0, len(rows), TOGETHER):
        group = rows[start : start + TOGETHER]
        try:
            reason = reason_of(group)
        except AssertionError:
            reason = "another result"
        if reason is not None:  # of which?
            pytest.fail(f"{reason}; {[f'{row.name}: {alone(row)}' for row in group]}")


def alone(row):
    """What is wrong with a row; None if nothing is."""
    try:
        return reason_of([row])
    except AssertionError:
        return "another result"


@pytest.mark.parametrize("name", NOT_CAPTURED)
def test_what_cannot_be_captured_says_why(name):
    (row,) = [row for row in ROWS if row.name == name]
    assert f": {NOT_CAPTURED[name]}" in reason_of([row])


# The others, each in a step of x (4, 3), a Tensor, and w (3, 2), a leaf


def in_place(write):
    """A step that writes into what it computed, and into the leaf."""

    def step(x, w):
        y = x @ w
        write(y, y.detach() * 2)
        y.square().sum().backward()
        with no_grad():
            write(w, w.grad)
        return y

    return step


def drawing(draw_some):
    def step(x, w):
        loss = ((x @ w) * draw_some(x)).sum()
        loss.backward()
        return loss

    return step


def leaving(take):
    """A step that takes a value along."""

    def step(x, w):
        loss = (x @ w).sum()
        loss.backward()
        return loss, take(loss)

    return step


def made_around_an_array(name):
    def step(x, w):
        y = getattr(Tensor, name)(x.numpy() * 2)
        loss = ((y @ w) * getattr(Tensor, name)(np.ones(2, np.float32))).sum()
        loss.backward()
        return loss, y

    return step


def layers(x, w):
    y = x.sequential([lambda t: t @ w, Tensor.relu, lambda t: t * 2.0])
    y.sum().backward()
    return y


def metadata(x, w):
    y = (x @ w) / x.numel() * x.size(0) / x.element_size() + x.dim()
    assert y.is_floating_point()
    if not y.is_contiguous():
        y = y.contiguous()
    y.sum().backward()
    return y


def leaves_of_the_step(x, w):
    a, b = x.detach().requires_grad_(), Tensor(x, requires_grad=True)
    hidden = (a * b) @ w
    hidden.retain_grad()
    hidden.square().mean().backward()
    a.zero_grad()
    return hidden.grad, b.grad, a


def seeded_inside(x, w):
    before = Tensor.rand(2)
    Tensor.manual_seed(11)
    y = (x @ w) * Tensor.randn(2)
    y.sum().backward()
    return before, y


def changed_behind_the_graph(x, w):
    y = x @ w
    y.data[0] = 1.0
    y.mark_changed()
    y.sum().backward()
    return y


def hooked(x, w):
    y = x @ w
    y.register_hook(lambda g: g * 2)
    y.sum().backward()
    return y


OTHERS = {
    **{name: made_around_an_array(name) for name in ("from_array", "from_numpy")},
    "sequential": layers,
    "equal": leaving(lambda loss: loss.equal(loss)),
    "allclose": leaving(lambda loss: loss.allclose(2.0)),
    "item": leaving(Tensor.item),
    "tolist": leaving(Tensor.tolist),
    **dict.fromkeys(
        ("is_floating_point", "is_contiguous", "element_size", "dim", "numel", "size"), metadata
    ),
    "numpy": made_around_an_array("from_array"),
    **dict.fromkeys(("requires_grad_", "detach", "retain_grad", "zero_grad"), leaves_of_the_step),
    "backward": leaves_of_the_step,
    "register_hook": hooked,
    "mark_changed": changed_behind_the_graph,
    "manual_seed": seeded_inside,
    "rand": drawing(lambda x: Tensor.rand(4, 2)),
    "rand_like": drawing(lambda x: x.rand_like()[:, :2]),
    "randn": drawing(lambda x: Tensor.randn(4, 2, dtype=np.float64)),
    "randn_like": drawing(lambda x: x.randn_like()[:, :2]),
    "uniform": drawing(lambda x: Tensor.uniform(4, 2, low=-2.0, high=3.0)),
    "scaled_uniform": drawing(lambda x: Tensor.scaled_uniform(4, 2)),
    "normal": drawing(lambda x: Tensor.normal(4, 2, mean=1.0, std=0.5)),
    "glorot_uniform": drawing(lambda x: Tensor.glorot_uniform(4, 2)),
    "kaiming_uniform": drawing(lambda x: Tensor.kaiming_uniform(4, 2)),
    "kaiming_normal": drawing(lambda x: Tensor.kaiming_normal(4, 2)),
    "randint": drawing(lambda x: Tensor.randint(4, 2, low=-3, high=9)),
    "randperm": drawing(lambda x: Tensor.randperm(4).reshape(4, 1)),
    "bernoulli": drawing(lambda x: x.sigmoid().bernoulli()[:, :2]),
    "multinomial": drawing(
        lambda x: x.exp().multinomial(2) + x[0].exp().multinomial(2, replacement=True)
    ),
    "add_": in_place(lambda y, z: y.add_(z, alpha=-0.1)),
    "sub_": in_place(lambda y, z: y.sub_(z, alpha=0.1)),
    "mul_": in_place(lambda y, z: y.mul_(z)),
    "div_": in_place(lambda y, z: y.div_(3.0)),
    "copy_": in_place(lambda y, z: y[0].copy_(z[0])),
    "fill_": in_place(lambda y, z: y[0].fill_(0.25)),
    "zero_": in_place(lambda y, z: y[:1].zero_()),
    "masked_fill_": in_place(lambda y, z: y.masked_fill_(z > 0, 0.5)),
    "addcmul_": in_place(lambda y, z: y.addcmul_(z, z, value=0.1)),
    "addcdiv_": in_place(lambda y, z: y.addcdiv_(z, z.abs() + 1.0, value=0.1)),
    "lerp_": in_place(lambda y, z: y.lerp_(z, 0.25)),
    "clamp_": in_place(lambda y, z: y.clamp_(-1.0, 1.0)),
}
LEAVE = {name: f"{name}()" for name in ("item", "tolist", "equal", "allclose")}
LEAVE["register_hook"] = "a hook on a tensor that the step computed; return that gradient instead"


def test_the_others_are_complete():
    assert set(OTHERS) == set(ELSEWHERE)


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_method(name):
    def step(x, w):
        w.grad = None
        return OTHERS[name](x, w)

    reason = reason_of_program(step, (3, 2))
    assert LEAVE.get(name, "") in (reason or ""), reason
    assert (reason is None) == (name not in LEAVE), reason
