"""`nn.init` beside `torch.nn.init`: signatures, distributions, fixed values, gains, refusals."""

import inspect
import warnings

import numpy as np
import pytest

from nn import init
from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

NAMES = [name for name in torch.nn.init.__all__ if name.endswith("_") or name == "calculate_gain"]
MATRIX, KERNEL = (300, 200), (60, 20, 5, 3)
DRAWN = [
    ("uniform_", {}, MATRIX),
    ("uniform_", {"a": -1, "b": 2}, KERNEL),
    ("normal_", {}, MATRIX),
    ("normal_", {"mean": 1, "std": 0.1}, KERNEL),
    ("trunc_normal_", {}, MATRIX),
    ("trunc_normal_", {"std": 0.02}, MATRIX),
    ("trunc_normal_", {"mean": 1, "std": 2, "a": 0, "b": 1.5}, MATRIX),
    ("trunc_normal_", {"mean": 0, "std": 1, "a": 1.5, "b": 4}, MATRIX),
    ("xavier_uniform_", {}, MATRIX),
    ("xavier_uniform_", {"gain": 3}, KERNEL),
    ("xavier_normal_", {}, KERNEL),
    ("kaiming_uniform_", {}, KERNEL),
    ("kaiming_uniform_", {"a": 5**0.5}, MATRIX),
    ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "selu"}, KERNEL),
    ("kaiming_normal_", {"nonlinearity": "conv2d"}, KERNEL),
    ("kaiming_normal_", {"a": 1, "mode": "fan_out", "nonlinearity": "leaky_relu"}, MATRIX),
    ("orthogonal_", {}, MATRIX),
    ("orthogonal_", {"gain": 2.5}, KERNEL),
    ("sparse_", {"sparsity": 0.25}, MATRIX),
    ("sparse_", {"sparsity": 0.1, "std": 1}, (60, 300)),
]
FIXED = [
    ("constant_", {"val": 0.3}, KERNEL),
    ("ones_", {}, MATRIX),
    ("zeros_", {}, ()),
    ("eye_", {}, (3, 5)),
    ("eye_", {}, (5, 3)),
    *(("dirac_", {"groups": g}, (6, c, 3, 4, 5)[:n]) for g in (1, 2, 3) for c in (2, 4)
      for n in (3, 4, 5)),
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_signature(name):
    ours, theirs = (inspect.signature(getattr(lib, name)) for lib in (init, torch.nn.init))
    assert list(ours.parameters) == list(theirs.parameters)
    for mine, other in zip(ours.parameters.values(), theirs.parameters.values(), strict=True):
        assert (mine.default, mine.kind) == (other.default, other.kind)


@pytest.mark.parametrize(("name", "options", "shape"), DRAWN, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_the_same_distribution(name, options, shape, dtype):
    stats = pytest.importorskip("scipy.stats")
    if (name, dtype) == ("orthogonal_", "float16"):
        pytest.skip("PyTorch has no QR decomposition of float16")
    Tensor.manual_seed(1)
    torch.manual_seed(1)
    mine = getattr(init, name)(Tensor.zeros(shape, dtype=dtype), **options).numpy()
    other = getattr(torch.nn.init, name)(torch.zeros(shape, dtype=getattr(torch, dtype)), **options)
    other = other.double().numpy()
    assert mine.dtype == dtype
    assert mine.shape == other.shape
    mine = mine.astype(np.float64)
    assert np.count_nonzero(mine) == pytest.approx(np.count_nonzero(other), rel=2e-3)
    assert stats.ks_2samp(mine.ravel(), other.ravel()).pvalue > 1e-3
    assert mine.std() == pytest.approx(other.std(), rel=0.1)


@pytest.mark.parametrize(("name", "options", "shape"), FIXED, ids=str)
def test_the_same_values(name, options, shape):
    mine = getattr(init, name)(Tensor.full(shape, 7.0), **options)
    other = getattr(torch.nn.init, name)(torch.full(shape, 7.0), **options)
    assert np.array_equal(mine.numpy(), other.numpy())


@pytest.mark.parametrize("name", init.GAINS)
@pytest.mark.parametrize("param", [None, 0, 0.2, 3])
def test_the_same_gains(name, param):
    assert init.calculate_gain(name, param) == torch.nn.init.calculate_gain(name, param)


@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [
        ("eye_", (3,), {}),
        ("eye_", (3, 3, 3), {}),
        ("dirac_", (3, 3), {}),
        ("dirac_", (3, 3, 3), {"groups": 2}),
        ("xavier_uniform_", (3,), {}),
        ("xavier_normal_", (), {}),
        ("kaiming_uniform_", (3,), {}),
        ("kaiming_normal_", (3, 3), {"mode": "fans"}),
        ("kaiming_normal_", (3, 3), {"nonlinearity": "softmax"}),
        ("orthogonal_", (3,), {}),
        ("sparse_", (3, 3, 3), {"sparsity": 0.5}),
        ("uniform_", (3,), {"a": 2, "b": 1}),
        ("normal_", (3,), {"std": -1}),
    ],
)
def test_both_refuse(name, shape, options):
    with pytest.raises((ValueError, RuntimeError)):
        getattr(torch.nn.init, name)(torch.zeros(shape), **options)
    with pytest.raises(ValueError, match=f"^{name}: "):
        getattr(init, name)(Tensor.zeros(shape), **options)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_both_warn_or_neither(name, shape):
    options = {"constant_": {"val": 1}, "sparse_": {"sparsity": 0.5}}.get(name, {})
    found = []
    for lib, tensor in ((torch.nn.init, torch.zeros(shape)), (init, Tensor.zeros(shape))):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                getattr(lib, name)(tensor, **options)
            except (ValueError, ZeroDivisionError, TypeError):
                found.append("refused")
            else:
                found.append(len(caught))
    assert found[0] == found[1]
