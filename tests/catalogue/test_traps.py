"""The gradient traps, one test a row of the list that the project keeps of them, by value.

The numbers were derived by hand; comments say so where another library has other ones, or wrong
ones.  Beside PyTorch, and in more variants, the corners stand in tests/parity/test_corner*.py, and
the table of them that a reader wants is docs/gradients-at-corners.md.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import Function, Tensor, grad, gradcheck, gradgradcheck, no_grad

INF, NAN = np.inf, np.nan


def leaf(values: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def is_close(found: Any, expected: Any) -> None:
    """To fifteen digits, with nan and inf at the same places."""
    np.testing.assert_allclose(found, np.array(expected, float), rtol=1e-15, atol=1e-300)


def slopes(function: Any, *inputs: Any, value: Any, gradients: Any, cotangent: Any = None) -> None:
    """The value of the function, and the gradient of its sum (or by `cotangent`) for each input."""
    leaves = [leaf(values) for values in inputs]
    y = function(*leaves)
    is_close(y.data, value)
    start = np.ones(y.shape) if cotangent is None else np.array(cotangent, float)
    found = grad(y, leaves, Tensor(start), allow_unused=True)
    for gradient, expected, x in zip(found, gradients, leaves, strict=True):
        is_close(np.zeros(x.shape) if gradient is None else gradient.data, expected)


def test_trap_01_max_ties() -> None:
    slopes(lambda x: x.max(), [1, 3, 3], value=3, gradients=[[0, 0.5, 0.5]])
    slopes(lambda x: x.max(0), [1, 3, 3], value=3, gradients=[[0, 0.5, 0.5]])  # PyTorch: [0, 1, 0]
    slopes(lambda x: x.min(), [3, 1, 1, 1], value=1, gradients=[[0, *[1 / 3] * 3]])


def test_trap_02_maximum_and_minimum_tie() -> None:
    slopes(lambda a, b: a.maximum(b), 2, 2, value=2, gradients=[0.5, 0.5])
    slopes(lambda a, b: a.minimum(b), 2, 2, value=2, gradients=[0.5, 0.5])


def test_trap_03_max_with_nan() -> None:
    slopes(lambda x: x.max(), [1, NAN, 3], value=NAN, gradients=[[0, 1, 0]])


def test_trap_04_max_pool_ties_go_to_the_first() -> None:
    window = [[[[1, 5], [5, 5]]]]
    expected = [[[[0, 1], [0, 0]]]]
    slopes(lambda x: x.max_pool2d((2, 2)), window, value=[[[[5]]]], gradients=[expected])


def test_trap_05_relu_and_its_kin_at_0() -> None:
    slopes(lambda x: x.relu(), [0.0, -0.0], value=[0, 0], gradients=[[0, 0]])
    slopes(lambda x: x.leaky_relu(), [0.0, -0.0], value=[0, 0], gradients=[[0.01, 0.01]])
    slopes(lambda x: x.elu(), [0.0, -0.0], value=[0, 0], gradients=[[1, 1]])


def test_trap_06_abs_at_0() -> None:
    slopes(lambda x: x.abs(), [0.0, -0.0], value=[0, 0], gradients=[[0, 0]])  # JAX: 1


def test_trap_07_clamp_at_its_edges() -> None:
    slopes(lambda x: x.clamp(-1, 1), [-1, 1], value=[-1, 1], gradients=[[1, 1]])
    slopes(lambda x: x.relu6(), [0, 6], value=[0, 6], gradients=[[0, 0]])
    slopes(lambda x: x.hardtanh(), [-1, 1], value=[-1, 1], gradients=[[0, 0]])


def test_trap_08_clamp_with_min_above_max() -> None:
    slopes(lambda x: x.clamp(3, 1), [0, 2, 4], value=[1, 1, 1], gradients=[[0, 0, 0]])


def test_trap_09_sqrt_at_0() -> None:
    slopes(lambda x: x.sqrt(), 0, value=0, gradients=[INF])
    slopes(lambda x: (x * x).sqrt(), 0, value=0, gradients=[NAN])


def test_trap_10_norms_at_0() -> None:
    for p in (2, 3, 0.5, 1):  # the 2-norm's is nan in JAX and HIPS autograd
        slopes(lambda x, p=p: x.norm(p), [0, 0], value=0, gradients=[[0, 0]])
    slopes(lambda x: x.norm(1), [0, -3], value=3, gradients=[[0, -1]])
    slopes(lambda x: x.norm(INF), [-2, 2, 1], value=2, gradients=[[-0.5, 0.5, 0]])


def test_trap_11_std_of_a_constant_and_of_one() -> None:
    for correction in (0, 1):
        slopes(
            lambda x, c=correction: x.std(correction=c), [3, 3], value=0, gradients=[[0, 0]]
        )  # JAX, HIPS autograd, MyGrad: nan
    with pytest.warns(RuntimeWarning, match="std"):
        slopes(lambda x: x.std(), [3], value=NAN, gradients=[[NAN]])


def test_trap_12_power_0_of_0() -> None:
    slopes(lambda a, b: a**b, 0, 0, value=1, gradients=[0, 0])  # JAX: d/da nan


def test_trap_13_powers_of_0() -> None:
    slopes(lambda a, b: a**b, 0, 2, value=0, gradients=[0, 0])
    slopes(lambda a, b: a**b, 0, 0.5, value=0, gradients=[INF, 0])
    slopes(lambda a, b: a**b, 0, -1, value=INF, gradients=[-INF, -INF])


def test_trap_14_power_of_a_negative_number() -> None:
    slopes(lambda a, b: a**b, -2, 3, value=-8, gradients=[12, NAN])
    slopes(lambda a: a ** Tensor(np.array(3.0)), -2, value=-8, gradients=[12])
    slopes(lambda a: a**3.0, -2, value=-8, gradients=[12])


def test_trap_15_powers_by_a_number_at_0() -> None:
    for exponent, value, gradient in ((0, 1, 0), (1, 0, 1), (2, 0, 0)):
        slopes(lambda x, n=exponent: x**n, 0, value=value, gradients=[gradient])


def test_trap_16_prod_with_zeros() -> None:
    slopes(lambda x: x.prod(), [2, 0, 4], value=0, gradients=[[0, 8, 0]])
    slopes(lambda x: x.prod(), [0, 0, 4], value=0, gradients=[[0, 0, 0]])


def test_trap_17_second_order_of_prod_with_two_zeros() -> None:
    x = leaf([2, 3, 0, 0])
    (first,) = grad(x.prod(), x, create_graph=True)
    rows = [grad(first[k], x, retain_graph=True)[0].tolist() for k in range(4)]
    assert rows == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 6], [0, 0, 6, 0]]
    assert gradgradcheck(lambda x: x.prod(), leaf([2, 3, 0, 0]))


def test_trap_18_cumprod_with_zeros() -> None:
    # y = [a, a b, a b c]; d(sum y)/da = 1 + b + b c, /db = a + a c, /dc = a b.
    slopes(lambda x: x.cumprod(0), [2, 0, 4], value=[2, 0, 0], gradients=[[1, 10, 0]])


def test_trap_19_where_with_an_untaken_nan() -> None:
    x = [0.0, 1]
    slopes(lambda x: (x > 0).where(x.log(), 0.0), x, value=[0, 0], gradients=[[NAN, 1]])
    safe = lambda x: (x > 0).where((x > 0).where(x, 1.0).log(), 0.0)  # noqa: E731
    slopes(safe, x, value=[0, 0], gradients=[[0, 1]])


def test_trap_20_logsumexp_of_large_scores() -> None:
    large = 1000 + np.log(2)
    slopes(lambda x: x.logsumexp(), [1000, 1000], value=large, gradients=[[0.5, 0.5]])
    slopes(lambda x: x.logsumexp(), [-INF, 0], value=0, gradients=[[0, 1]])


def test_trap_21_logsumexp_of_infinities() -> None:
    # PyTorch: nan.  A sum of nothing stays nothing when one of its parts changes.
    slopes(lambda x: x.logsumexp(), [-INF, -INF], value=-INF, gradients=[[0, 0]])
    slopes(lambda x: x.logsumexp(), [INF, 1], value=INF, gradients=[[NAN, 0]])
    slopes(lambda a, b: a.logaddexp(b), -INF, -INF, value=-INF, gradients=[0, 0])


def test_trap_22_softmax_of_minus_inf() -> None:
    with pytest.warns(RuntimeWarning, match="softmax: all scores along axis 0 are -inf"):
        slopes(lambda x: x.softmax(), [-INF, -INF], value=[NAN] * 2, gradients=[[NAN] * 2])
    slopes(
        lambda x: x.log_softmax(),
        [-INF, 0],
        value=[-INF, 0],
        gradients=[[1, -1]],
        cotangent=[1, 0],
    )
    slopes(lambda x: x.log_softmax()[1:], [-INF, 0], value=[0], gradients=[[0, 0]])


def test_trap_23_sigmoid_and_its_kin_far_out() -> None:
    far = [-800, 800]
    slopes(lambda x: x.sigmoid(), far, value=[0, 1], gradients=[[0, 0]])
    slopes(lambda x: x.tanh(), far, value=[-1, 1], gradients=[[0, 0]])
    slopes(lambda x: x.softplus(), far, value=[0, 800], gradients=[[0, 1]])
    slopes(lambda x: x.logsigmoid(), far, value=[-800, 0], gradients=[[1, 0]])


def test_trap_24_binary_crossentropy_at_certainty() -> None:
    p, sure = [0, 1], np.array([1.0, 0.0])
    slopes(
        lambda p: p.binary_crossentropy(sure, reduction="none"),
        p,
        value=[100, 100],  # the logarithm is held above -100
        gradients=[[-1e12, 1e12]],
    )
    slopes(
        lambda x: x.binary_crossentropy_logits(sure, reduction="none"),
        [-800, 800],
        value=[800, 800],
        gradients=[[-1, 1]],
    )


def test_trap_25_cross_entropy_of_large_scores_and_of_wrong_labels() -> None:
    slopes(lambda x: x.cross_entropy([1]), [[1000, -1000]], value=2000, gradients=[[[1, -1]]])
    slopes(lambda x: x.cross_entropy([-100]), [[1, 2]], value=NAN, gradients=[[[0, 0]]])
    x = Tensor.zeros(2, 3)
    with pytest.raises(ValueError, match="label 3 at index 1 is outside 0 to 2"):
        x.cross_entropy([0, 3])
    with pytest.raises(TypeError, match="expected integers"):
        x.cross_entropy([0.0, 1.0])


def test_trap_26_cross_entropy_over_probabilities() -> None:
    with pytest.warns(UserWarning, match="cross_entropy takes softmax itself"):
        leaf([[1, 2, 3]]).softmax().cross_entropy([0])


def test_trap_27_mse_of_a_column_and_a_row() -> None:
    with pytest.raises(ValueError, match=r"\(3, 1\).*\(3,\)"):
        Tensor.zeros(3, 1).mse_loss(Tensor.zeros(3))


def test_trap_28_x_log_x_at_0() -> None:
    slopes(lambda x: x * x.log(), 0, value=NAN, gradients=[NAN])  # 0 times -inf, as IEEE has it
    slopes(lambda a, b: a.xlogy(b), 0, 0, value=0, gradients=[0, 0])  # JAX: d/da -inf, d/db nan


def test_trap_29_hypot_atan2_sinc_at_0() -> None:
    slopes(lambda a, b: a.hypot(b), 0, 0, value=0, gradients=[0, 0])  # PyTorch: nan, JAX: .5
    slopes(lambda a, b: a.atan2(b), 0, 0, value=0, gradients=[0, 0])  # JAX: nan
    slopes(lambda x: x.sinc(), 0, value=1, gradients=[0])  # HIPS autograd: nan


def test_trap_30_poles_at_the_edge_of_a_domain() -> None:
    slopes(lambda x: x.asin(), 1, value=np.pi / 2, gradients=[INF])
    slopes(lambda x: x.acosh(), 1, value=0, gradients=[INF])
    slopes(lambda x: x.log(), 0, value=-INF, gradients=[INF])
    slopes(lambda x: x.log1p(), -1, value=-INF, gradients=[INF])


def test_trap_31_remainders_and_steps() -> None:
    slopes(lambda a, b: a.fmod(b), -7, 3, value=-1, gradients=[1, 2])
    slopes(lambda a, b: a % b, -7, 3, value=2, gradients=[1, 3])
    x = leaf([-2.5, 0.5, 2.5])
    for steps, value in ((x // 2.0, [-2, 0, 1]), (x.round(), [-2, 0, 2]), (x.sign(), [-1, 1, 1])):
        assert steps.tolist() == value
        assert grad(steps.sum(), x)[0].tolist() == [0, 0, 0]


def test_trap_32_sort_topk_median() -> None:
    slopes(
        lambda x: x.sort()[0],
        [2, 1, 1],
        value=[1, 1, 2],
        gradients=[[3, 1, 2]],  # the order of equal elements stays
        cotangent=[1, 2, 3],
    )
    assert Tensor([2, 1, 1]).sort()[1].tolist() == [1, 2, 0]
    slopes(lambda x: x.topk(2)[0], [1, 3, 2], value=[3, 2], gradients=[[0, 1, 1]])
    # NumPy's: the mean of the two in the middle.  PyTorch takes the lower one.
    slopes(lambda x: x.median(), [4, 1, 3, 2], value=2.5, gradients=[[0, 0, 0.5, 0.5]])
    slopes(lambda x: x.median(), [3, 1, 2], value=2, gradients=[[0, 0, 1]])


def test_trap_33_reading_an_element_twice() -> None:
    slopes(
        lambda x: x[[0, 0, 1]],
        [1, 2],
        value=[1, 1, 2],
        gradients=[[11, 100]],
        cotangent=[1, 10, 100],
    )


def test_trap_34_writing_an_element_twice() -> None:
    def written(x: Tensor, v: Tensor) -> Tensor:
        y = x * 1.0
        y[[0, 0]] = v
        return y

    # PyTorch gives v the gradient [1, 1], though 5 was overwritten.
    slopes(written, [0, 0], [5, 7], value=[7, 0], gradients=[[0, 1], [0, 1]])
    slopes(
        lambda x, v: x.scatter(0, np.array([0, 0]), v),
        [0, 0],
        [5, 7],
        value=[7, 0],
        gradients=[[0, 1], [0, 1]],
    )


def test_trap_35_index_add_and_index_fill_with_duplicates() -> None:
    twice = np.array([0, 0])
    slopes(
        lambda x, v: x.index_add(0, twice, v),
        [1, 2],
        [10, 20],
        value=[31, 2],
        gradients=[[1, 1], [1, 1]],
    )
    slopes(lambda x, v: x.index_fill(0, twice, v), [1, 2], 9, value=[9, 2], gradients=[[0, 1], 1])


def test_trap_36_reuse() -> None:
    slopes(lambda x: x * x + x, 3, value=12, gradients=[7])
    slopes(lambda x: x - x, 3, value=0, gradients=[0])
    slopes(lambda x: (x * 2) * (x * 3), 5, value=150, gradients=[60])  # a diamond
    slopes(lambda x: x * x * x, 2, value=8, gradients=[12])
    slopes(lambda x: x.maximum(x), 2, value=2, gradients=[1])
    slopes(lambda x: x.cat(x, axis=0), [1, 2], value=[1, 2, 1, 2], gradients=[[2, 2]])


def test_trap_37_broadcasting() -> None:
    column, row = [[1], [2]], [10, 20, 30]
    both = [[11, 21, 31], [12, 22, 32]]
    slopes(lambda a, b: a + b, column, row, value=both, gradients=[[[3], [3]], [2, 2, 2]])
    slopes(lambda a, b: a * b, [[2]], 3, value=[[6]], gradients=[[[3]], 2])
    slopes(lambda a, b: a * b, [1, 2], 3, value=[3, 6], gradients=[[3, 3], 3])
    shapes = [((2, 1), (3,)), ((), (2,)), ((1, 1), (2,)), ((3, 1, 2), (2, 1))]
    binary = [
        *(lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b),
        *(lambda a, b: a**b, lambda a, b: a.maximum(b), lambda a, b: a.minimum(b)),
        *(lambda a, b: a % b, lambda a, b: a.hypot(b), lambda a, b: a.atan2(b)),
        *(lambda a, b: a.logaddexp(b), lambda a, b: a.xlogy(b)),
        lambda a, b: Tensor([True]).where(a, b),
    ]
    rng = np.random.default_rng(0)
    for first, second in shapes:
        for function in binary:
            a, b = leaf(rng.uniform(2.1, 2.9, first)), leaf(rng.uniform(0.3, 0.9, second))
            assert gradcheck(function, [a, b])


def test_trap_38_matrix_products_of_every_rank() -> None:
    slopes(lambda a, b: a @ b, [1, 2], [3, 4], value=11, gradients=[[3, 4], [1, 2]])
    slopes(lambda a, b: a @ b, [1, 2], [[3], [4]], value=[11], gradients=[[3, 4], [[1], [2]]])
    slopes(lambda a, b: a @ b, [[1, 2]], [3, 4], value=[11], gradients=[[[3, 4]], [1, 2]])
    rng = np.random.default_rng(0)
    for shapes in (((2, 1, 2, 3), (4, 3, 2)), ((3,), (4, 3, 2)), ((4, 2, 3), (3,))):
        assert gradcheck(lambda a, b: a @ b, [leaf(rng.standard_normal(s)) for s in shapes])


def test_trap_39_x_by_x_at_0() -> None:
    slopes(lambda x: x / x, 0, value=NAN, gradients=[NAN])


def test_trap_40_of_nothing() -> None:
    for name, value in (("sum", 0), ("prod", 1), ("mean", NAN), ("logsumexp", -INF)):
        slopes(lambda x, name=name: getattr(x, name)(), [], value=value, gradients=[[]])
    slopes(lambda x: x.cumprod(0), [], value=[], gradients=[[]])
    slopes(lambda a, b: a.cat(b, axis=0), [], [1], value=[1], gradients=[[], [1]])
    with pytest.raises(ValueError, match="has no elements"):
        leaf([]).max()
    x, w = leaf(np.zeros((0, 3))), leaf(np.ones((3, 2)))
    (x @ w).relu().sum().backward()  # a batch of none
    assert x.grad.shape == (0, 3)
    assert w.grad.tolist() == [[0, 0]] * 3


def test_trap_41_results_of_no_dimensions() -> None:
    x = leaf(2.0)
    for y in (x.sum(), x * x, x.reshape(()), x[...], leaf([2.0])[0], leaf([1.0, 2]).max()):
        assert type(y.data) is np.ndarray
        assert y.shape == ()
        (y * 3.0).backward()
    assert type(x.grad.data) is np.ndarray
    assert x.grad.shape == ()


def test_trap_42_float32_stays_float32() -> None:
    others = [2.0, 2, True, np.float64(2), np.array(2.0), np.array([1, 2]), np.array([True, False])]
    for other in others:
        x = leaf([1, 2], np.float32)
        y = x * other + other
        assert y.dtype == np.float32
        y.sum().backward()
        assert x.grad.dtype == np.float32
    single, double = leaf([1], np.float32), leaf([2])
    (single * double).sum().backward()
    assert (single.grad.dtype, double.grad.dtype) == (np.float32, np.float64)


def test_trap_43_float16_is_summed_in_float32() -> None:
    for name, value, gradient in (
        ("sum", INF, 1.0),  # float16 ends at 65504
        ("mean", 1.0, np.float16(1 / 70_000)),
        ("max", 1.0, np.float16(1 / 70_000)),
    ):
        x = leaf(np.ones(70_000), np.float16)
        y = getattr(x, name)()
        y.backward()
        assert (y.item(), x.grad.data[0]) == (value, gradient)


def test_trap_44_integers_and_bools_have_no_gradient() -> None:
    for dtype in (np.int64, np.uint8, np.bool_):
        with pytest.raises(TypeError, match="only float tensors have gradients; got"):
            Tensor([1, 0], dtype=dtype, requires_grad=True)


def test_trap_45_images_are_cast_when_they_are_loaded() -> None:
    paper, ink = np.array([1], np.uint8), np.array([2], np.uint8)
    assert (Tensor(paper) - ink).tolist() == [255]  # bytes wrap, in NumPy and PyTorch as well
    assert (Tensor(paper, dtype=np.float32) - ink).tolist() == [-1]
    assert (Tensor(paper) - 2.0).tolist() == [-1]


def test_trap_46_every_layout_in_memory() -> None:
    base = np.arange(1.0, 13).reshape(3, 4)
    weights = np.arange(12.0).reshape(3, 4)
    views = [
        *(lambda x: x.T, lambda x: x[::-1], lambda x: x[:, ::2], lambda x: x.T.reshape(6, 2)),
        *(lambda x: x.expand(2, 3, 4), lambda x: x.diagonal(), lambda x: x.transpose(0, 1)),
    ]
    for view in views:
        assert gradcheck(lambda x, view=view: view(x) * view(x), leaf(base))
    backing = base.copy()
    backing.flags.writeable = False
    for array in (np.asfortranarray(base), backing, np.repeat(base, 2, axis=1)[:, ::2]):
        x = leaf(base)
        x.data = array
        (x * x * weights).sum().backward()
        assert x.grad.tolist() == (2 * base * weights).tolist()


def test_trap_47_writing_in_place() -> None:
    x = leaf([1, 2])
    with pytest.raises(RuntimeError, match="a leaf that requires grad cannot be written in"):
        x += 1.0
    saved = x * 2.0
    total = saved.exp()
    total += 1.0  # exp needs its result again
    with pytest.raises(RuntimeError, match="Exp saved an array of shape"):
        total.sum().backward()
    y = x * 2.0
    view = y[:1]
    with pytest.raises(RuntimeError, match="is a view of this memory"):
        y += 1.0
    with pytest.raises(RuntimeError, match="expanded or read-only view"):
        Tensor([1.0]).expand(2).__iadd__(1.0)
    assert (x.tolist(), view.tolist()) == ([1, 2], [2])  # nothing was written
    product = (x * x).sum()
    x.data += 1.0  # by NumPy: unseen, and documented so
    product.backward()
    assert x.grad.tolist() == [4, 6]


def test_trap_48_backward_where_there_is_no_way() -> None:
    x = leaf([1, 2])
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="released by an earlier backward"):
        y.backward()
    with pytest.raises(RuntimeError, match=r"has shape \(2,\), and a gradient starts from one"):
        (x * x).backward()
    for nothing in (Tensor([1.0]).sum(), (x.detach() * 2.0).sum()):
        with pytest.raises(RuntimeError, match="no gradient flows to this tensor"):
            nothing.backward()


def test_trap_49_numpy_on_the_left() -> None:
    for left in (np.array([2.0, 3.0]), np.float64(2.0)):
        x = leaf([1, 2])
        y = left * x
        assert type(y) is Tensor
        y.sum().backward()
        is_close(x.grad.data, np.broadcast_to(left, 2))
    x = leaf([0, 1])
    y = np.exp(x)
    assert type(y) is Tensor
    y.sum().backward()
    is_close(x.grad.data, np.exp([0, 1.0]))


class TwiceTooLarge(Function):
    """y = x^2, with a planted fault in the derivative."""

    saves = "inputs"

    def forward(self, x: Any) -> Any:
        return x * x

    def backward(self, g: Any, y: Any, x: Any) -> Any:
        return (g * x * 4.0,)


def test_trap_50_the_checker_sees_what_is_planted() -> None:
    with pytest.raises(AssertionError, match="exactly 2 times too large"):
        gradcheck(TwiceTooLarge, leaf([1, 2]))
    with pytest.raises(AssertionError, match="kink"):
        gradcheck(lambda x: x.relu(), leaf([0.0, 1]))
    assert gradcheck(lambda x: x.relu(), leaf([-1.0, 1]))


def test_trap_51_a_recomputed_dropout_has_the_same_mask() -> None:
    Tensor.manual_seed(3)
    x = leaf(np.ones(100))
    y = tl.checkpoint(lambda x: (x * 2.0).dropout(0.5).exp(), x)
    kept = y.data > 1
    assert 0 < kept.sum() < 100
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data != 0, kept)


def test_trap_52_gradients_share_no_memory() -> None:
    x, y = leaf([1, 2]), leaf([3, 4])
    (x + y).sum().backward()
    assert not np.shares_memory(x.grad.data, y.grad.data)
    held = x.grad
    x.zero_grad()
    (x * 3.0).sum().backward()
    assert held.tolist() == [1, 1]
    held = x.grad
    with no_grad():
        x.grad *= 10.0  # by the user
    (x * 3.0).sum().backward()
    assert x.grad.tolist() == [33, 33]
    assert y.grad.tolist() == [1, 1]


def test_every_row_has_its_test() -> None:
    names = re.findall(r"^def test_trap_(\d\d)_", Path(__file__).read_text(), re.MULTILINE)
    assert names == [f"{number:02}" for number in range(1, 53)]
