"""Writing in place: as in PyTorch where the gradients can be right, an error where they cannot."""

import operator

import numpy as np
import pytest

import nn
import tinygrad_lite as tl
from tinygrad_lite import Tensor, TrainingWarning, checkpoint, no_grad
from tinygrad_lite.engine.memory import changes

IN_PLACE = {
    "+=": (operator.iadd, operator.add),
    "-=": (operator.isub, operator.sub),
    "*=": (operator.imul, operator.mul),
    "/=": (operator.itruediv, operator.truediv),
    "**=": (operator.ipow, operator.pow),
}


@pytest.mark.parametrize("kind", ["tensor", "number", "ndarray", "itself"])
@pytest.mark.parametrize("name", IN_PLACE)
def test_value_memory_and_gradient(name, kind) -> None:
    """Against the same computation out of place, in NumPy with finite differences."""
    write, compute = IN_PLACE[name]
    values, others = np.array([1.5, 2.0, 0.5]), np.array([2.0, 0.5, 1.5])
    x = Tensor(values, requires_grad=True)
    w = Tensor(others, requires_grad=True)
    y = x * 2.0
    memory = y.data
    other = {"tensor": w, "number": 3.0, "ndarray": others, "itself": y}[kind]
    y = write(y, other)
    assert y.data is memory

    def final(v, o):
        return compute(2 * v, {"number": 3.0, "itself": 2 * v}.get(kind, o)) * o

    result = y * w
    np.testing.assert_allclose(result.data, final(values, others), rtol=1e-14)
    cotangent = np.array([1.0, -2.0, 0.5])
    result.backward(cotangent)
    step = 1e-6
    by_x = (final(values + step, others) - final(values - step, others)) / (2 * step)
    np.testing.assert_allclose(x.grad.data, cotangent * by_x, rtol=1e-8, atol=1e-9)
    if kind != "ndarray":  # that one is a constant there, and w stands at the end only
        by_w = (final(values, others + step) - final(values, others - step)) / (2 * step)
        np.testing.assert_allclose(w.grad.data, cotangent * by_w, rtol=1e-8)


def test_matmul_in_place() -> None:
    a, w = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.5, 1.0], [-1.0, 2.0]])
    x = Tensor(a, requires_grad=True)
    y = x * 1.0
    y @= w
    assert y.tolist() == (a @ w).tolist()
    y.sum().backward()
    np.testing.assert_allclose(x.grad.data, np.ones((2, 2)) @ w.T)


def test_without_a_graph_it_is_plain_numpy() -> None:
    x = Tensor([1.0, 2.0, 3.0])
    row = x[1:]
    row += 10.0
    assert x.tolist() == [1.0, 12.0, 13.0]
    x[0] = 7.0
    x[1:] *= 2.0
    assert x.tolist() == [7.0, 24.0, 26.0]
    images = Tensor(np.array([1, 2], np.uint8))
    images += 1
    assert images.dtype == np.uint8


def test_setitem_reaches_both_sides() -> None:
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    v = Tensor([5.0, 6.0], requires_grad=True)
    y = x * 2.0
    y[1:] = v * v
    (y * np.array([1.0, 10.0, 100.0], np.float32)).sum().backward()
    assert y.tolist() == [2.0, 25.0, 36.0]
    assert x.grad.tolist() == [2.0, 0.0, 0.0]
    assert v.grad.tolist() == [100.0, 1200.0]


def test_a_tensor_without_grad_joins_the_graph_by_what_is_written() -> None:
    buffer = Tensor.zeros(3)
    w = Tensor([2.0, 3.0], requires_grad=True)
    buffer[:2] = w
    buffer[2] = w[0] * w[1]
    buffer.sum().backward()
    assert w.grad.tolist() == [4.0, 3.0]


def test_the_last_of_duplicate_writes_gets_the_gradient() -> None:
    """TRAPS 34: PyTorch gives [1, 1], which is wrong; the value 7 stands, so [0, 1]."""
    x = Tensor([0.0, 0.0], requires_grad=True)
    v = Tensor([5.0, 7.0], requires_grad=True)
    y = x * 1.0
    y[[0, 0]] = v
    assert y.tolist() == [7.0, 0.0]
    y.sum().backward()
    assert v.grad.tolist() == [0.0, 1.0]
    assert x.grad.tolist() == [0.0, 1.0]


def test_copying_one_part_of_a_tensor_to_another() -> None:
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1.0
    y[0] = y[1]
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 2.0, 1.0]


# What is refused, before anything is written


def refused(act, tensor, message) -> None:
    before = tensor.data.copy()
    with pytest.raises(RuntimeError, match=message):
        act()
    np.testing.assert_array_equal(tensor.data, before)


def test_a_leaf_that_requires_grad() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    refused(
        lambda: operator.iadd(x, 1.0), x, r"^\+=: a leaf that requires grad cannot be written in"
    )
    refused(lambda: operator.setitem(x, 0, 5.0), x, r"^x\[i\] = v: a leaf that requires grad")
    with no_grad():
        x += 1.0
        x[0] = 9.0
    assert x.tolist() == [9.0, 3.0]
    assert x.requires_grad
    assert x.is_leaf


@pytest.mark.parametrize(
    "look",
    [
        lambda y: y[1:],
        lambda y: y[0],
        lambda y: y.T,
        lambda y: y.reshape(2, 2),
        lambda y: y.expand(3, 4),
        lambda y: y[::-1],
        lambda y: y.unsqueeze(0),
        lambda y: y[1:].reshape(3, 1),
    ],
)
def test_a_tensor_with_live_views_and_a_view_itself(look) -> None:
    x = Tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    y = x * 2.0
    view = look(y)
    refused(lambda: operator.iadd(y, 1.0), y, r"^\+=: another tensor of shape .* is a view of this")
    with pytest.raises(RuntimeError, match=r"is a view of this memory|expanded or read-only"):
        operator.iadd(view, 1.0)
    del view
    y += 1.0
    assert y.tolist() == [3.0, 5.0, 7.0, 9.0]


def test_a_view_of_another_part_does_not_matter() -> None:
    x = Tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    y = x * 2.0
    tail = y[2:]
    y[0] = 0.0
    (y.sum() + (tail * tail).sum()).backward()
    assert x.grad.tolist() == [0.0, 2.0, 2.0 + 24.0, 2.0 + 32.0]


def test_a_view_that_joins_a_graph_later() -> None:
    x = Tensor([1.0, 2.0])
    view = x[:1]
    w = Tensor(3.0, requires_grad=True)
    refused(lambda: operator.imul(x, w), x, r"is a view of this memory")
    assert view.tolist() == [1.0]


def test_an_expanded_tensor() -> None:
    x = Tensor([1.0]).expand(3)
    refused(lambda: operator.iadd(x, 1.0), x, "expanded or read-only view, whose elements share")


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (
            lambda x: operator.iadd(x, np.ones((3, 2))),
            ValueError,
            r"^\+=: the result has shape \(3, 2",
        ),
        (
            lambda x: operator.itruediv(x, 2),
            TypeError,
            r"^/=: the result is float32, which does not",
        ),
        (
            lambda x: operator.setitem(x, 0, [1, 2]),
            TypeError,
            r"x\[i\] = v: expected a Tensor, an nd",
        ),
        (
            lambda x: operator.setitem(x, slice(1), np.ones(3)),
            ValueError,
            r"v has shape \(3,\), which",
        ),
        (
            lambda x: operator.setitem(x, [0], np.ones(3)),
            ValueError,
            r"does not broadcast to \(1,\)",
        ),
        (
            lambda x: operator.setitem(x, 5, 1),
            IndexError,
            "index 5 is out of bounds for axis 0 with",
        ),
        (lambda x: operator.getitem(x, 1.0), TypeError, "index: expected integers, slices, None"),
        (
            lambda x: operator.getitem(x, Tensor([1.0])),
            TypeError,
            "index: expected integers or a bool",
        ),
    ],
)
def test_what_does_not_fit_is_refused(act, error, message) -> None:
    x = Tensor([1, 2])
    with pytest.raises(error, match=message):
        act(x)
    assert x.tolist() == [1, 2]


# What is written after an op has saved it: backward raises before any number is wrong


@pytest.mark.parametrize(
    ("op", "use"),
    [
        ("Exp", lambda y, x: (y.exp(), None)),
        ("Mul", lambda y, x: (y, y * x)),
        ("Matmul", lambda y, x: (y, y @ x)),
        ("Tanh", lambda y, x: (y.tanh(), None)),
        ("Relu", lambda y, x: (y.relu(), None)),
        ("Max", lambda y, x: (y, y.max())),
    ],
)
def test_a_changed_saved_array_is_named_with_its_line(op, use) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    changed, result = use(x * 2.0, x)
    changed += 1.0
    total = changed.sum() if result is None else changed.sum() + result.sum()
    here = r"test_inplace.py:\d+ changed it in place afterwards; change a clone\(\)"
    with pytest.raises(
        RuntimeError, match=rf"^backward: {op} saved an array of shape \(2,\), .*{here}"
    ):
        total.backward()
    assert x.grad is None


def test_the_line_that_saved_it_is_named_while_lines_are_recorded() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with tl.record_source_lines():
        y = (x * 2.0).exp()
    y += 1.0
    with pytest.raises(
        RuntimeError, match=r"Exp saved .* at .*test_inplace.py:\d+, and .*test_inpl"
    ):
        y.sum().backward()
    assert (x * 2.0)._node.line is None


@pytest.mark.parametrize("name", ["x[i] = v", "copy_", "fill_", "zero_", "masked_fill_"])
def test_the_line_is_the_users_for_every_way_to_write(name) -> None:
    """Not that of NumPy's errstate, which stands between the user and some of our functions."""
    y = Tensor([1.0, 2.0], requires_grad=True).exp()
    write = {
        "x[i] = v": lambda: y.detach().__setitem__(0, 3.0),
        "copy_": lambda: y.detach().copy_(3.0),
        "fill_": lambda: y.detach().fill_(3.0),
        "zero_": lambda: y.detach().zero_(),
        "masked_fill_": lambda: y.detach().masked_fill_(np.array([True, False]), 0.0),
    }
    with tl.no_grad():
        write[name]()
    with pytest.raises(RuntimeError, match=r", and \S*test_inplace.py:\d+ changed it"):
        y.sum().backward()


def test_a_change_under_no_grad_is_allowed_and_seen() -> None:
    """As an optimiser that steps between forward and backward."""
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    with no_grad():
        w -= 0.1
    with pytest.raises(RuntimeError, match="Mul saved an array of shape"):
        loss.backward()
    (w * w).sum().backward()
    np.testing.assert_allclose(w.grad.data, [1.8, 3.8], rtol=1e-6)


def test_a_change_through_a_view_or_detach_is_seen() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    for alias in (lambda: w.detach(), lambda: w.T.detach()):
        loss = (w * w).sum()
        other = alias()
        other += 1.0
        with pytest.raises(RuntimeError, match="Mul saved an array of shape"):
            loss.backward()


def test_a_change_through_data_is_no_error_unless_said() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    w.data += 1.0
    with pytest.warns(TrainingWarning, match=r"Mul saved an array of shape \(2,\), and .*\.data"):
        loss.backward()
    assert w.grad.tolist() == [4.0, 6.0]  # of the new values
    loss = (w * w).sum()
    w.data[...] = 1.0
    loss.backward()  # documented: unseen
    loss = (w * w).sum()
    w.data += 1.0
    w.mark_changed()
    with pytest.raises(RuntimeError, match="Mul saved an array of shape"):
        loss.backward()


def test_an_index_tensor_changed_afterwards_does_no_harm() -> None:
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    index = Tensor([0, 0])
    y = x[index]
    index += 2
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 0.0]


def test_a_tensor_in_a_slice_changed_afterwards_does_no_harm() -> None:
    x = Tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    start, stop = Tensor(0), Tensor(2)
    y = x[start:stop]
    start += 1
    stop += 1
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 0.0, 0.0]


def test_a_mask_array_changed_by_numpy_does_no_harm() -> None:
    x, mask = Tensor([1.0, 2.0], requires_grad=True), np.array([True, False])
    y = np.where(mask, x, 0.0)
    mask[:] = False
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]
    x.zero_grad()
    mask[:] = True, False
    z = Tensor([[1.0]]).scaled_dot_product_attention(x[:, None], x[:, None], mask)
    mask[:] = False
    z.sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]


def test_retain_grad_follows_a_write() -> None:
    """As in PyTorch: the gradient is that of the value which the tensor has now."""
    x = Tensor([1.0, 2.0], requires_grad=True)
    h = (x * 1.0).retain_grad()
    h *= 3.0
    h.sum().backward()
    assert h.grad.tolist() == [1.0, 1.0]
    assert x.grad.tolist() == [3.0, 3.0]


def test_an_unrecorded_view_of_a_recorded_tensor() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 1.0
    with no_grad():
        view = y[:1]
    refused(lambda: operator.iadd(y, 1.0), y, "another tensor of shape")
    assert view.tolist() == [1.0]
    plain = Tensor([1.0, 2.0])
    with no_grad():
        part = plain[:1]
    joined = plain[:1] * 1.0
    plain += 1.0
    assert part.tolist() == [2.0]
    assert joined.tolist() == [1.0]


@pytest.mark.parametrize(
    ("write", "left", "right"),
    [
        (operator.iand, True, False),
        (operator.ior, False, True),
        (operator.ixor, True, True),
        (operator.ilshift, 3, 2),
        (operator.irshift, 12, 2),
        (operator.ifloordiv, 7.5, 2.0),
        (operator.imod, 7.5, 2.0),
    ],
)
def test_the_other_operators_write_in_place_too(write, left, right) -> None:
    x = Tensor([left, left])
    view, memory = x[:1], x.data
    expected = write(np.array([left, left]), right).tolist()
    x = write(x, right)
    assert x.data is memory
    assert x.tolist() == expected
    assert view.tolist() == expected[:1]


def test_a_mask_changed_afterwards_is_seen() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    mask = Tensor([True, False])
    y = mask.where(x, 0.0)
    mask[0] = False
    with pytest.raises(RuntimeError, match="Where saved an array of shape"):
        y.sum().backward()


def test_changes_do_not_pile_up() -> None:
    before = len(changes.found)
    for _ in range(1000):
        x = Tensor(np.ones(3))
        x += 1.0
    assert len(changes.found) <= before + 1


def test_changing_what_no_rule_reads_is_fine() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x + 1.0
    z = y * 3.0  # keeps y for nobody: 3.0 needs no gradient
    y += 5.0
    (y + z).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]


@pytest.mark.parametrize("name", ["gelu", "cross_entropy", "lstm_cell"])
def test_changing_a_result_of_which_a_rule_reads_only_what_was_kept_beside_it(name) -> None:
    x = Tensor([[1.0, 2.0]], requires_grad=True)

    def apply():
        if name == "lstm_cell":
            state, weight = Tensor([[0.5]]), Tensor([[0.1, 0.2]] * 4)
            return x.lstm_cell((state, state), weight, weight[:, :1])[0]
        return x.gelu() if name == "gelu" else x.cross_entropy(np.array([0]), reduction="none")

    (expected,) = tl.grad((apply() * 3.0).sum(), [x])
    y = apply()
    y *= 3.0
    y.sum().backward()
    assert x.grad.tolist() == expected.tolist()


# The methods with an underscore

MASK = np.array([True, False, True])
UPDATES = {
    "add_": (lambda y, v: y.add_(v), lambda y, v: y + v),
    "sub_": (lambda y, v: y.sub_(v), lambda y, v: y - v),
    "mul_": (lambda y, v: y.mul_(v), lambda y, v: y * v),
    "addcmul_": (lambda y, v: y.addcmul_(v, y, value=0.5), lambda y, v: y + 0.5 * v * y),
    "addcdiv_": (lambda y, v: y.addcdiv_(v, y, value=-2), lambda y, v: y - 2 * v / y),
    "lerp_": (lambda y, v: y.lerp_(v, 0.3), lambda y, v: y + (v - y) * 0.3),
    "clamp_": (lambda y, v: y.clamp_(max=v - 0.25), lambda y, v: np.minimum(y, v - 0.25)),
    "div_": (lambda y, v: y.div_(v), lambda y, v: y / v),
    "copy_": (lambda y, v: y.copy_(v), lambda y, v: 0 * y + v),
    "fill_": (lambda y, v: y.fill_(v), lambda y, v: 0 * y + v),
    "zero_": (lambda y, v: y.zero_(), lambda y, v: 0 * y),
    "masked_fill_": (lambda y, v: y.masked_fill_(MASK, v), lambda y, v: np.where(MASK, v, y)),
}


def test_alpha_scales_what_is_written() -> None:
    p, g = Tensor([1.0, 2.0]), Tensor([0.5, -1.0])
    assert p.add_(g, alpha=-2) is p
    assert p.tolist() == [0.0, 4.0]
    assert p.sub_(g, alpha=2.0).tolist() == [-1.0, 6.0]


@pytest.mark.parametrize("kind", ["tensor", "number"])
@pytest.mark.parametrize("name", UPDATES)
def test_a_method_that_writes(name, kind) -> None:
    """Against the same computation out of place, in NumPy with finite differences."""
    write, compute = UPDATES[name]
    values, number = np.array([1.5, 2.0, 0.5]), 3.0
    x = Tensor(values, requires_grad=True)
    v = Tensor(np.array(number), requires_grad=True)
    y = x * 2.0
    memory = y.data
    assert write(y, v if kind == "tensor" else number) is y
    assert y.data is memory
    result = y * v
    np.testing.assert_allclose(result.data, compute(2 * values, number) * number, rtol=1e-14)
    cotangent = np.array([1.0, -2.0, 0.5])
    result.backward(cotangent)
    step = 1e-6
    by_x = [compute(2 * (values + s), number) * number for s in (step, -step)]
    expected = cotangent * (by_x[0] - by_x[1]) / (2 * step)
    np.testing.assert_allclose(x.grad.data, expected, rtol=1e-8, atol=1e-9)
    held = number if kind == "number" else None  # a number written is a constant
    by_v = [compute(2 * values, held or number + s) * (number + s) for s in (step, -step)]
    expected = (cotangent * (by_v[0] - by_v[1])).sum() / (2 * step)
    np.testing.assert_allclose(v.grad.data, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", UPDATES)
def test_a_method_that_writes_is_guarded(name) -> None:
    write, _ = UPDATES[name]
    leaf = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    refused(lambda: write(leaf, 2.0), leaf, rf"^{name}: a leaf that requires grad cannot be wri")
    y = leaf * 2.0
    view = y[1:]
    refused(lambda: write(y, 2.0), y, rf"^{name}: another tensor of shape \(2,\) is a view of")
    del view
    wide = Tensor([1.0]).expand(3)
    refused(lambda: write(wide, 2.0), wide, rf"^{name}: this tensor is an expanded or read-only")
    saved = y * y
    write(y, 2.0)
    with pytest.raises(RuntimeError, match=r"^backward: Mul saved an array of shape \(3,\), and"):
        saved.sum().backward()
    with no_grad():
        assert write(leaf, 2.0).requires_grad


def test_copy_broadcasts_and_casts() -> None:
    x = Tensor(np.zeros((2, 3), np.float32))
    x.copy_(Tensor([1, 2, 3]))
    assert x.tolist() == [[1, 2, 3], [1, 2, 3]]
    assert x.dtype == np.float32
    counts = Tensor([0, 0]).copy_(np.array([1.7, -2.2]))
    assert counts.tolist() == [1, -2]
    assert Tensor([1, 2]).zero_().tolist() == [0, 0]
    assert Tensor([True, False]).fill_(True).tolist() == [True, True]


@pytest.mark.parametrize(
    ("act", "error", "line"),
    [
        (
            lambda x: x.copy_(np.ones(3)),
            ValueError,
            "copy_: v has shape (3,), which does not broadcast to (2,)",
        ),
        (lambda x: x.fill_(x), ValueError, "fill_: value: expected one number; got shape (2,)"),
        (
            lambda x: x.fill_(np.nan),
            ValueError,
            "fill_: nan does not fit into int64, which holds integers; cast the tensor first",
        ),
        (
            lambda x: x.masked_fill_([True, False], x),
            ValueError,
            "masked_fill_: value: expected one number; got shape (2,)",
        ),
        (
            lambda x: x.masked_fill_([1, 0], 2.0),
            TypeError,
            "masked_fill_: mask: expected bools, as x > 0 gives; got [1, 0]",
        ),
        (
            lambda x: x.add_(0.5),
            TypeError,
            "add_: the result is float32, which does not fit in place into int64; "
            "cast the tensor first",
        ),
        (
            lambda x: x.mul_("3"),
            TypeError,
            "mul_: expected a Tensor, an ndarray or a number; got str",
        ),
        (
            lambda x: x.masked_fill_(np.ones((3, 2), bool), 1),
            ValueError,
            "masked_fill_: the result has shape (3, 2), which does not fit in place into (2,); "
            "write x = x + ... instead of x += ...",
        ),
    ],
)
def test_what_a_wrong_write_prints(act, error, line) -> None:
    x = Tensor([1, 2])
    with pytest.raises(error) as caught:
        act(x)
    assert str(caught.value) == line
    assert x.tolist() == [1, 2]


def test_views_of_every_kind_are_linked() -> None:
    for look in (
        lambda y: y.flip(0),
        lambda y: y.diagonal(),
        lambda y: y.unfold(0, 2, 1),
        lambda y: y.view(4),
        lambda y: y.moveaxis(0, 1),
        lambda y: y.split(1)[0],
        lambda y: y.shrink(((0, 1), None)),
        lambda y: y[Tensor(0)],
        lambda y: y[0].meshgrid(y[1])[0],
    ):
        y = Tensor(np.ones((2, 2)), requires_grad=True) * 1.0
        view = look(y)
        assert np.shares_memory(view.data, y.data)
        refused(lambda y=y: y.zero_(), y, "is a view of this memory")


def test_writing_into_0_dimensions() -> None:
    x, v = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    y = x * 1.0
    y[...] = v
    (y * y).backward()
    assert (x.grad.item(), v.grad.item()) == (0.0, 6.0)


def test_writing_through_a_view_reaches_the_tensor() -> None:
    x = Tensor(np.ones((3, 3)))
    x.diagonal().fill_(0.0)
    x.flip(0)[0] = 7.0
    assert x.tolist() == [[0, 1, 1], [1, 0, 1], [7, 7, 7]]
    windows = x.unfold(0, 2, 1)
    refused(lambda: windows.zero_(), windows, "^zero_: this tensor is an expanded or read-only")


def test_what_nobody_else_holds_is_not_noted() -> None:
    """Neither a running sum, nor an optimiser's step: a later backward has nothing to look for."""
    w = Tensor([0.5, 2.0], requires_grad=True)
    optimizer = nn.optim.Adam([w], lr=0.1)
    before = dict(changes.found)
    for _ in range(3):
        loss = (w * 0.0).sum()
        for factor in (1.0, 2.0, 3.0):
            loss += (w * w * factor).sum()
        optimizer.zero_grad()
        loss.backward()
        np.testing.assert_allclose(w.grad.data, 12.0 * w.data, rtol=1e-6)
        optimizer.step()
    assert changes.found == before


@pytest.mark.parametrize(
    "hold",
    [
        lambda x: x.data,
        lambda x: x.data[:1],
        lambda x: x.data.reshape(2, 1).T,
        lambda x: x.detach(),
        lambda x: x[1:],
        lambda x: memoryview(x.data),
        lambda x: [x.data],
    ],
)
def test_what_somebody_else_holds_is_noted(hold) -> None:
    x = Tensor([1.0, 2.0])
    kept = hold(x)
    x += 1.0
    key = id(x.data)
    assert key in changes.found
    del kept, x
    assert key not in changes.found


def test_every_saved_array_is_guarded_however_it_is_saved() -> None:
    """As it is, as a view of it, as a constant, by an op with several results, by a checkpoint."""
    saving = [
        lambda x, w: x * w,
        lambda x, w: x.reshape(2, 1) * w,
        lambda x, w: x[::-1] * w,
        lambda x, w: w.matmul(x),
        lambda x, w: Tensor.stack(x * w, w)[0],
        lambda x, w: checkpoint(lambda a, b: a * b, x, w),
        lambda x, w: checkpoint(lambda a, b: a * b[0], w, [x]),
        lambda x, w: checkpoint(lambda a, b: a * b["x"], w, b={"x": x}),
    ]
    for save in saving:
        x, w = Tensor([1.0, 2.0]), Tensor([3.0, 4.0], requires_grad=True)
        y = save(x, w).sum()
        with no_grad():
            x += 1.0
        with pytest.raises(RuntimeError, match="changed it in place afterwards"):
            y.backward()


def test_the_identity_of_an_array_that_is_gone_accuses_nobody() -> None:
    w = Tensor([1.0], requires_grad=True)
    for _ in range(200):  # the memory, and so the identity, of one is soon that of another
        noted = Tensor([2.0])
        held = noted.data
        y = Tensor([3.0]) * w
        noted += 1.0
        del noted, held
        z = Tensor([4.0]) * w
        (y + z).sum().backward()
    assert w.grad.item() == 1400.0


def test_a_write_that_fails_is_none() -> None:
    w, x = Tensor([3.0, 4.0], requires_grad=True), Tensor([1.0, 2.0])
    y = (w * x).sum()
    for index, value, error in ((slice(0, 2), np.ones(3), ValueError), ([5], 1.0, IndexError)):
        with pytest.raises(error):
            x[index] = value
    y.backward()
    assert w.grad.tolist() == [1.0, 2.0]
