"""Initialisers: the distributions that the papers state, the seed, the kind of tensor."""

import math

import numpy as np
import pytest

from nn import init
from tinygrad_lite import Tensor

SHAPE = (400, 500)
ALL = [
    lambda: init.kaiming_uniform(*SHAPE),
    lambda: init.kaiming_normal(*SHAPE),
    lambda: init.glorot_uniform(*SHAPE),
    lambda: init.uniform(*SHAPE, bound=0.1),
    lambda: init.normal(*SHAPE, std=0.1),
    lambda: init.zeros(*SHAPE),
    lambda: init.ones(*SHAPE),
]
COUNT = math.prod(SHAPE)


@pytest.mark.parametrize("name", ["kaiming_uniform", "kaiming_normal", "glorot_uniform", "zeros"])
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_each_takes_a_dtype(name, dtype):
    assert getattr(init, name)(4, 5, dtype=dtype).dtype == dtype
    assert init.uniform(4, bound=1.0, dtype=dtype).dtype == dtype


@pytest.mark.parametrize("make", ALL)
def test_each_gives_a_trainable_float32_leaf(make):
    tensor = make()
    assert tensor.requires_grad
    assert tensor.is_leaf
    assert (tensor.dtype, tensor.shape) == (np.float32, SHAPE)
    assert tensor.data.flags.writeable
    assert tensor.data.flags.c_contiguous


@pytest.mark.parametrize("make", ALL)
def test_the_seed_decides(make):
    Tensor.manual_seed(5)
    first = make().data
    Tensor.manual_seed(5)
    assert np.array_equal(make().data, first)


@pytest.mark.parametrize(
    ("make", "bound"),
    [
        (lambda: init.kaiming_uniform(*SHAPE), 1 / math.sqrt(500)),
        (lambda: init.kaiming_uniform(*SHAPE, a=0), math.sqrt(6 / 500)),
        (lambda: init.kaiming_uniform(400, 20, 5, 5), 1 / math.sqrt(500)),
        (lambda: init.glorot_uniform(*SHAPE), math.sqrt(6 / 900)),
        (lambda: init.glorot_uniform(400, 20, 5, 5), math.sqrt(6 / (20 * 25 + 400 * 25))),
        (lambda: init.uniform(*SHAPE, bound=0.3), 0.3),
    ],
)
def test_uniform_ones(make, bound):
    Tensor.manual_seed(0)
    values = make().data.astype(np.float64)
    assert 0.9999 * bound < np.abs(values).max() <= bound * (1 + 1e-6)
    # Five standard deviations: of the mean, and of the mean square bound^2 / 3.
    assert abs(values.mean()) < 5 * bound / math.sqrt(3 * COUNT)
    spread = bound**2 * math.sqrt(4 / 45 / COUNT)
    assert abs((values**2).mean() - bound**2 / 3) < 5 * spread


@pytest.mark.parametrize(
    ("make", "std"),
    [
        (lambda: init.kaiming_normal(*SHAPE), math.sqrt(2 / 500)),
        (lambda: init.kaiming_normal(*SHAPE, a=1), math.sqrt(1 / 500)),
        (lambda: init.normal(*SHAPE, std=0.2), 0.2),
    ],
)
def test_normal_ones(make, std):
    Tensor.manual_seed(0)
    values = make().data.astype(np.float64)
    assert abs(values.mean()) < 5 * std / math.sqrt(COUNT)
    assert abs((values**2).mean() - std**2) < 5 * std**2 * math.sqrt(2 / COUNT)
    assert abs((values**4).mean() - 3 * std**4) < 5 * std**4 * math.sqrt(96 / COUNT)


def test_zeros_and_ones():
    assert init.zeros(2).tolist() == [0, 0]
    assert init.ones(1, 2).tolist() == [[1, 1]]


@pytest.mark.parametrize("make", [init.kaiming_uniform, init.kaiming_normal, init.glorot_uniform])
@pytest.mark.parametrize("shape", [(), (3,), (3, 0)])
def test_shapes_without_a_fan_are_refused(make, shape):
    with pytest.raises(ValueError, match="expected a shape") as caught:
        make(*shape)
    assert str(caught.value) == (
        f"{make.__name__}: expected a shape (out, in, ...) without zeros; got {shape}"
    )
