"""PyTorch's initialisers: the distributions, the memory they write into, what they refuse."""

import math

import numpy as np
import pytest
from scipy import stats

from nn import init
from tinygrad_lite import Tensor, no_grad

FANS = math.sqrt(2 / (40 * 9 + 50 * 9))  # the standard deviation of Glorot for KERNEL
KERNEL = (50, 40, 3, 3)
DISTRIBUTIONS = {
    "uniform_": (lambda t: init.uniform_(t, -1, 3), stats.uniform(-1, 4)),
    "normal_": (lambda t: init.normal_(t, 1, 2), stats.norm(1, 2)),
    "trunc_normal_": (init.trunc_normal_, stats.truncnorm(-2, 2)),
    "trunc_normal_, wide": (lambda t: init.trunc_normal_(t, std=0.1), stats.norm(0, 0.1)),
    "trunc_normal_, one side": (
        lambda t: init.trunc_normal_(t, 1, 2, 0, math.inf),
        stats.truncnorm(-0.5, math.inf, 1, 2),
    ),
    "trunc_normal_, narrow": (
        lambda t: init.trunc_normal_(t, 0, 1, -0.3, 0.4),
        stats.truncnorm(-0.3, 0.4),
    ),
    "trunc_normal_, a tail": (
        lambda t: init.trunc_normal_(t, 1, 0.5, 3, 10),
        stats.truncnorm(4, 18, 1, 0.5),
    ),
    "trunc_normal_, the other tail": (
        lambda t: init.trunc_normal_(t, 0, 1, -9, -3),
        stats.truncnorm(-9, -3),
    ),
    "xavier_uniform_": (
        lambda t: init.xavier_uniform_(t, gain=2),
        stats.uniform(-2 * math.sqrt(3) * FANS, 4 * math.sqrt(3) * FANS),
    ),
    "xavier_normal_": (init.xavier_normal_, stats.norm(0, FANS)),
    "kaiming_uniform_": (
        init.kaiming_uniform_,
        stats.uniform(-math.sqrt(6 / 360), 2 * math.sqrt(6 / 360)),
    ),
    "kaiming_uniform_, as in Linear": (
        lambda t: init.kaiming_uniform_(t, a=math.sqrt(5)),
        stats.uniform(-math.sqrt(1 / 360), 2 * math.sqrt(1 / 360)),
    ),
    "kaiming_normal_": (
        lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"),
        stats.norm(0, math.sqrt(2 / 450)),
    ),
    "kaiming_normal_, tanh": (
        lambda t: init.kaiming_normal_(t, nonlinearity="tanh"),
        stats.norm(0, 5 / 3 / math.sqrt(360)),
    ),
}
CALLS = {
    **{name: call for name, (call, _) in DISTRIBUTIONS.items()},
    "constant_": lambda t: init.constant_(t, 0.3),
    "ones_": init.ones_,
    "zeros_": init.zeros_,
    "dirac_": lambda t: init.dirac_(t, groups=2),
    "orthogonal_": init.orthogonal_,
    "eye_": lambda t: init.eye_(t.flatten(1)),
    "sparse_": lambda t: init.sparse_(t.flatten(1), 0.3),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_the_distribution(name, dtype):
    call, expected = DISTRIBUTIONS[name]
    Tensor.manual_seed(0)
    tensor = Tensor.zeros(KERNEL, dtype=dtype, requires_grad=True)
    assert call(tensor) is tensor
    values = tensor.data.ravel().astype(np.float64)
    assert tensor.dtype == dtype
    low, high = expected.support()
    assert dtype(low) <= values.min()
    assert values.max() <= dtype(high)
    assert values.mean() == pytest.approx(expected.mean(), abs=5 * expected.std() / 134)
    assert values.std() == pytest.approx(expected.std(), rel=0.03)
    assert stats.kstest(values, expected.cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", CALLS)
def test_they_write_into_the_memory_of_any_tensor(name):
    def filled(tensor):
        Tensor.manual_seed(3)
        CALLS[name](tensor)
        return tensor.numpy()

    expected = filled(Tensor.zeros(KERNEL))
    assert np.any(expected) or name == "zeros_"
    leaf = Tensor.ones(KERNEL, requires_grad=True)
    memory = leaf.data
    assert np.array_equal(filled(leaf), expected)
    assert leaf.data is memory
    assert leaf.requires_grad
    assert leaf.is_leaf
    if name not in ("eye_", "sparse_"):  # which flatten, and so copy
        array = np.full((4, *KERNEL[1:], KERNEL[0]), 9.0, np.float32)
        view = Tensor.from_array(array[2]).moveaxis(-1, 0)
        assert np.array_equal(filled(view), expected)
        assert np.array_equal(array[2], np.moveaxis(expected, 0, -1))
        assert np.all(array[[0, 1, 3]] == 9.0)


def test_the_data_of_a_tensor_is_written():
    """As many a program of PyTorch's does: init.normal_(layer.weight.data, 0, 0.02)."""
    Tensor.manual_seed(3)
    expected = init.normal_(Tensor.zeros(4, 5), 0, 0.02).numpy()
    weight = Tensor.zeros(4, 5, requires_grad=True)
    Tensor.manual_seed(3)
    assert init.normal_(weight.data, 0, 0.02) is weight.data
    assert np.array_equal(weight.numpy(), expected)
    for name in ("constant_", "orthogonal_", "kaiming_uniform_", "eye_", "trunc_normal_"):
        options = {"val": 0.5} if name == "constant_" else {}
        getattr(init, name)(weight.data, **options)
        assert not np.array_equal(weight.numpy(), expected)


def test_a_backward_pass_that_needs_the_old_values_raises():
    w = Tensor.ones(2, 3, requires_grad=True)
    loss = (w * w).sum()
    init.normal_(w)
    with pytest.raises(RuntimeError, match="changed"):
        loss.backward()
    assert w.grad is None


def test_nothing_is_recorded():
    w = Tensor.ones(2, 3, requires_grad=True)
    assert init.uniform_(w).op is None
    with no_grad():
        assert init.uniform_(w).requires_grad


def test_fixed_values():
    assert init.constant_(Tensor.zeros(2), 0.5).tolist() == [0.5, 0.5]
    assert init.constant_(Tensor.zeros(dtype=np.float64), 0.1).item() == 0.1
    assert init.constant_(Tensor.zeros(2, dtype=np.int64), 3).tolist() == [3, 3]
    assert init.ones_(Tensor.zeros(2, dtype=np.int32)).tolist() == [1, 1]
    assert init.zeros_(Tensor.ones(1, 2)).tolist() == [[0, 0]]
    assert init.eye_(Tensor.ones(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("channels", [(3, 2), (4, 4), (2, 5)])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_dirac_kernel_returns_the_input(rank, channels, groups):
    outputs, inputs = channels
    kernel = Tensor.ones(outputs * groups, inputs, *(3, 5, 1)[:rank])
    init.dirac_(kernel, groups)
    x = Tensor(np.random.default_rng(0).standard_normal((2, inputs * groups, *(4, 6, 2)[:rank])))
    y = getattr(x, f"conv{rank}d")(kernel.double(), padding="same", groups=groups).numpy()
    x = x.numpy().reshape((2, groups, inputs, *x.shape[2:]))
    y = y.reshape((2, groups, outputs, *x.shape[3:]))
    both = min(channels)
    assert np.array_equal(y[:, :, :both], x[:, :, :both])
    assert not y[:, :, both:].any()


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (5, 5), (20, 2, 3, 4), (2, 3, 4, 5), (1, 7)])
@pytest.mark.parametrize("gain", [1, 0.5, -2.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_orthogonal(shape, gain, dtype):
    w = init.orthogonal_(Tensor.zeros(shape, dtype=dtype), gain).numpy()
    matrix = w.reshape(len(w), -1).astype(np.float64)
    product = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
    exact = gain**2 * np.eye(min(matrix.shape))
    np.testing.assert_allclose(product, exact, atol=8 * gain**2 * np.finfo(dtype).eps)


def test_orthogonal_matrices_are_all_equally_likely():
    Tensor.manual_seed(0)
    drawn = np.array([init.orthogonal_(Tensor.zeros(2, 2)).numpy() for _ in range(2000)])
    turned = np.arctan2(drawn[:, 1, 0], drawn[:, 0, 0])
    assert stats.kstest(turned, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3
    assert abs(np.linalg.det(drawn).mean()) < 0.1  # rotations and reflections


@pytest.mark.parametrize("sparsity", [0, 0.1, 1 / 3, 0.999, 1.0])
def test_sparse(sparsity):
    Tensor.manual_seed(0)
    w = init.sparse_(Tensor.ones(30, 400), sparsity, std=0.5).numpy()
    zeros = math.ceil(sparsity * 30)
    assert np.all((w == 0).sum(0) == zeros)
    if zeros < 30:
        assert stats.kstest(w[w != 0], stats.norm(0, 0.5).cdf).pvalue > 1e-3
        hits = (w == 0).sum(1)  # each row as often as another
        assert np.all(abs(hits - 400 * zeros / 30) < 50)


def test_gains():
    for name in ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose2d", "sigmoid"):
        assert init.calculate_gain(name) == 1
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("selu") == 0.75
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / 1.0001)
    assert init.calculate_gain("leaky_relu", 2) == pytest.approx(math.sqrt(2 / 5))


@pytest.mark.parametrize("name", ["kaiming_uniform_", "kaiming_normal_"])
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0, 2)])
def test_nothing_to_initialise(name, shape):
    tensor = Tensor.zeros(shape)
    with pytest.warns(UserWarning, match="no elements") as caught:
        assert getattr(init, name)(tensor) is tensor
    assert str(caught[0].message) == (
        f"{name}: the tensor has no elements, shape {shape}; nothing is initialised"
    )


def test_empty_tensors_elsewhere():
    for shape in ((0, 3), (3, 0), (0, 0)):
        for fill in (init.uniform_, init.normal_, init.trunc_normal_, init.ones_, init.eye_):
            assert fill(Tensor.zeros(shape)).shape == shape
        for fill in (init.xavier_uniform_, init.xavier_normal_, init.orthogonal_):
            assert fill(Tensor.zeros(shape)).shape == shape
        assert init.sparse_(Tensor.zeros(shape), 0.5).shape == shape
    assert init.dirac_(Tensor.zeros(2, 2, 0)).shape == (2, 2, 0)
    assert 0 <= init.uniform_(Tensor.zeros()).item() < 1


MATRIX = Tensor.ones(2, 3, requires_grad=True)
REFUSED = [
    (
        lambda: init.uniform_([0.0, 0.0]),
        "uniform_: tensor: expected a Tensor; got [0.0, 0.0]",
    ),
    (
        lambda: init.normal_(Tensor.zeros(2, dtype=np.int64)),
        "normal_: tensor: expected a float dtype; got int64",
    ),
    (
        lambda: init.zeros_(Tensor.ones(1).expand(3)),
        "zeros_: the tensor's memory is read-only or expanded; clone() it first",
    ),
    (lambda: init.uniform_(MATRIX, 2, 1), "uniform_: expected a <= b; got 2 and 1"),
    (lambda: init.uniform_(MATRIX, b=math.inf), "uniform_: b: expected a finite number; got inf"),
    (
        lambda: init.normal_(MATRIX, 0, -1),
        "normal_: std: expected a finite number of 0 or more; got -1",
    ),
    (
        lambda: init.normal_(MATRIX, generator=3),
        "normal_: generator: expected None, Tensor.manual_seed decides; got 3",
    ),
    (
        lambda: init.trunc_normal_(MATRIX, std=0),
        "trunc_normal_: std: expected a number above 0; got 0",
    ),
    (
        lambda: init.trunc_normal_(MATRIX, a=1, b=-1),
        "trunc_normal_: expected a <= b; got 1 and -1",
    ),
    (lambda: init.constant_(MATRIX, "1"), "constant_: val: expected a number; got '1'"),
    (lambda: init.eye_(Tensor.ones(3)), "eye_: expected a tensor with 2 axes; got (3,)"),
    (lambda: init.dirac_(MATRIX), "dirac_: expected a tensor with 3 to 5 axes; got (2, 3)"),
    (
        lambda: init.dirac_(Tensor.ones(4, 2, 3), 3),
        "dirac_: 3 groups do not divide the 4 output channels",
    ),
    (
        lambda: init.xavier_uniform_(Tensor.ones(3)),
        "xavier_uniform_: expected a shape (out, in, ...); got (3,)",
    ),
    (
        lambda: init.xavier_normal_(MATRIX, -1),
        "xavier_normal_: gain: expected a finite number of 0 or more; got -1",
    ),
    (
        lambda: init.kaiming_normal_(Tensor.ones(3)),
        "kaiming_normal_: expected a shape (out, in, ...) without zeros; got (3,)",
    ),
    (
        lambda: init.kaiming_uniform_(MATRIX, mode="fan"),
        'kaiming_uniform_: mode: expected "fan_in" or "fan_out"; got \'fan\'; '
        'did you mean "fan_in"?',
    ),
    (
        lambda: init.kaiming_uniform_(MATRIX, a="x"),
        "kaiming_uniform_: a: expected a number; got 'x'",
    ),
    (
        lambda: init.orthogonal_(Tensor.ones(3)),
        "orthogonal_: expected a shape (out, in, ...); got (3,)",
    ),
    (lambda: init.sparse_(Tensor.ones(3), 0.5), "sparse_: expected a tensor with 2 axes; got (3,)"),
    (
        lambda: init.sparse_(MATRIX, 1.5),
        "sparse_: sparsity: expected a number from 0 to 1; got 1.5",
    ),
    (
        lambda: init.calculate_gain("leaky_relu", True),
        "calculate_gain: param: expected a number; got True",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[text for _, text in REFUSED])
def test_refused_before_anything_is_written(call, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert str(caught.value) == message
    assert np.all(MATRIX.data == 1)


def test_an_unknown_nonlinearity():
    with pytest.raises(ValueError, match=r'nonlinearity: .* did you mean "relu"'):
        init.calculate_gain("Relu")
