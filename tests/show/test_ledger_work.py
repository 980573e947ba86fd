"""Floating-point operations of every primitive, against numbers that are derived by hand."""

from math import prod

import numpy as np
import pytest

from tinygrad_lite import Tensor, cost, ops, profile
from tinygrad_lite.ops import primitives
from tinygrad_lite.show.graph.work import COUNTS, ELEMENTWISE, work


def test_every_primitive_has_a_count_and_no_other_class() -> None:
    assert not COUNTS.keys() & ELEMENTWISE.keys()
    assert COUNTS.keys() | ELEMENTWISE.keys() == set(primitives())


def test_an_elementwise_op_has_a_count_for_each_input() -> None:
    for op, counts in ELEMENTWISE.items():
        names = op.backward.__code__.co_varnames[3 : op.backward.__code__.co_argcount]
        assert len(counts) == 1 + len(names), op


def counted(result: Tensor, name: str) -> tuple[int, int]:
    (row,) = [row for row in cost(result).by("op") if row.op == name]
    assert row.calls == 1
    return row.forward_flops, row.backward_flops


def leaf(*shape: int) -> Tensor:
    return Tensor(np.full(shape, 0.5), requires_grad=True)


def test_matrix_products() -> None:
    # Each of the 3 * 5 results is 4 products and 4 additions.
    assert counted(leaf(3, 4) @ leaf(4, 5), "Matmul") == (120, 240)
    assert counted(leaf(3, 4) @ Tensor.ones(4, 5), "Matmul") == (120, 120)
    assert counted(leaf(4) @ leaf(4), "Matmul") == (8, 16)
    assert counted(leaf(3, 4) @ leaf(4), "Matmul") == (24, 48)
    assert counted(leaf(4) @ leaf(4, 5), "Matmul") == (40, 80)
    # Two matrices times one: the gradient of the one is a sum of two, which the product makes.
    assert counted(leaf(2, 3, 4) @ leaf(4, 5), "Matmul") == (240, 480)
    # A stack of one, broadcast to two: the sum of two (4, 5) gradients is 20 additions.
    assert counted(leaf(2, 3, 4) @ leaf(1, 4, 5), "Matmul") == (240, 500)


def test_linear() -> None:
    x, w, b = leaf(8, 4), leaf(3, 4), leaf(3)
    # 8 * 3 results of 4 products and 4 additions, and the bias; backward two such products, and
    # for the bias 3 sums of 8.
    assert counted(x.linear(w, b, transposed=True), "Linear") == (192 + 24, 2 * 192 + 3 * 7)
    assert counted(x.detach().linear(w, b, transposed=True), "Linear") == (216, 192 + 21)
    assert counted(x.detach().linear(w, transposed=True), "Linear") == (192, 192)


@pytest.mark.parametrize(
    ("options", "groups", "count"),
    [
        ({}, 1, (6, 6)),
        ({"stride": 2}, 1, (3, 3)),
        ({"dilation": 2}, 1, (4, 4)),
        ({"padding": 1}, 1, (8, 8)),
        ({}, 2, (6, 6)),
    ],
)
def test_convolutions(options, groups, count) -> None:
    x, w, b = leaf(2, 4, 8, 8), leaf(6, 4 // groups, 3, 3), leaf(6)
    y = x.conv2d(w, b, groups=groups, **options)
    assert y.shape == (2, 6, *count)
    results = 2 * 6 * prod(count)
    product = 2 * results * 9 * (4 // groups)
    assert counted(y, "Conv") == (product + results, 2 * product + results - 6)


def test_elementwise_and_the_sum_that_undoes_a_broadcast() -> None:
    assert counted(leaf(3, 4) + leaf(4), "Add") == (12, 12 - 4)
    assert counted(leaf(3, 4) * leaf(4), "Mul") == (12, 24 + 8)
    assert counted(leaf(3, 4) * 2.0, "Mul") == (12, 12)
    assert counted(leaf(5).exp(), "Exp") == (5, 5)
    assert counted(leaf(5).sigmoid(), "Sigmoid") == (20, 15)  # -x, exp, +, /; 1 - y, y, g
    assert counted(leaf(5).tanh(), "Tanh") == (5, 15)  # y y, 1 -, g


def test_sums() -> None:
    assert counted(leaf(3, 4).sum(), "Sum") == (11, 0)
    assert counted(leaf(3, 4).sum(axis=1), "Sum") == (9, 0)
    assert counted(leaf(3, 4).mean(axis=1), "Mean") == (12, 3)


def test_softmax_and_cross_entropy() -> None:
    # Of each row: 3 comparisons, 4 differences, 4 exp, 3 additions, 4 quotients.
    # Backward: 4 products, 3 additions, 4 differences, 4 products.
    assert counted(leaf(3, 4).softmax(), "Softmax") == (3 * 18, 3 * 15)
    # A logarithm and a difference more, and softmax for the rule; backward p - truth, times g.
    loss = leaf(3, 4).cross_entropy(np.zeros(3, np.int64), reduction="none")
    assert counted(loss, "CrossEntropy") == (3 * 20, 3 * 8)


def test_normalisation() -> None:
    x, w, b = leaf(3, 4), leaf(4), leaf(4)
    # Two means of 4 elements, a difference, a square, a product: 20 a row; eps, root, 1 / root.
    # Backward: two means, g n, n times one, two differences, times r: 28 a row.
    (y,) = ops.LayerNorm.apply(x, axes=(1,), eps=1e-5)[:1]
    assert counted(y, "LayerNorm") == (3 * 23, 3 * 28)
    (y,) = ops.LayerNormAffine.apply(x, w, b, eps=1e-5)[:1]
    # w and b: 2 for each element; backward g w, and sums of 3 for w, with g n, and for b.
    assert counted(y, "LayerNormAffine") == (3 * 23 + 24, 3 * 28 + 12 + (24 - 4) + (12 - 4))


def test_recurrent_networks() -> None:
    # Two steps of three sequences, 5 inputs, 2 units; a step: z (3, 8) + h (3, 2) @ v.T (2, 8).
    z, h, c, v = leaf(6, 8), leaf(3, 2), leaf(3, 2), leaf(8, 2)
    (states,) = ops.LSTM.apply(z, h, c, v, None, sizes=(3, 3))[:1]
    product = 2 * 6 * 8 * 2
    assert counted(states, "LSTM") == (product + 6 * 2 * 22, 2 * product + 6 * (26 * 2 + 2))
    x, w, u, b = leaf(3, 5), leaf(8, 5), leaf(8, 2), leaf(8)
    (state,) = ops.LSTMCell.apply(x, h, c, w, u, b, None)[:1]
    of_x, of_h = 2 * 3 * 8 * 5, 2 * 3 * 8 * 2
    # Gates: 3 sigmoids of 4, a tanh, c' 3, h' 2: 18 a unit; adding z and a bias 4 each.
    forward = of_x + of_h + 3 * 2 * (18 + 8)
    backward = 2 * of_x + 2 * of_h + 3 * 2 * 26 + 2 * 8
    assert counted(state, "LSTMCell") == (forward, backward)


def test_attention() -> None:
    """Two heads of 8 positions and 4 channels."""
    q, k, v = leaf(1, 2, 8, 4), leaf(1, 2, 8, 4), leaf(1, 2, 8, 4)
    rows = {row.op: row for row in cost(q.scaled_dot_product_attention(k, v)).by("op")}
    product = 2 * 2 * 8 * 8 * 4
    assert rows["Matmul"].calls == 2
    assert rows["Matmul"].forward_flops == 2 * product
    assert rows["Matmul"].backward_flops == 4 * product
    assert rows["Softmax"].forward_flops == 5 * 128 - 2 * 16


def test_a_profile_counts_the_same_as_the_graph() -> None:
    x, w, b = leaf(8, 4), leaf(3, 4), leaf(3)
    with profile() as ledger:
        loss = x.linear(w, b, transposed=True).relu().softmax().log().sum()
        counted = {row.op: row for row in cost(loss).by("op")}
        loss.backward()
    for row in ledger.by("op"):
        if row.op in counted:
            assert row.flops == counted[row.op].flops, row.op
            assert row.kept == counted[row.op].kept, row.op
            assert row.moved == counted[row.op].moved, row.op


def test_a_shape_that_is_not_known_gives_no_number() -> None:
    op = ops.Matmul()
    op.needs, op.ranks = (True, False), (2, 2)
    assert work(op, [(3, 4), (4, 5)], [(3, 5)]) == (120, 120)
    assert work(op, [(3, 4), None], [(3, 5)]) == (120, 120)
    assert work(op, [None, None], [(3, 5)]) is None
    assert work(op, [(3, 4), (4, 5)], [None]) is None
