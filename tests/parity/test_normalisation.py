"""Normalisation beside PyTorch: the functions, options changed later, and a network in training."""

import numpy as np
import pytest

import nn
from nn.functional import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)
from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
F = torch.nn.functional
pytestmark = pytest.mark.parity

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 6, 3, 5)) * 2 + 1
W, B, MEAN, VAR = (RNG.uniform(0.5, 1.5, 6) for _ in range(4))
LAST = RNG.standard_normal((2, 3, 5))


def both(ours, theirs, *args, **options):
    """The two functions of the same arguments; arrays among these are tensors, shared with both."""
    results = []
    for function, make in ((ours, Tensor), (theirs, torch.tensor)):
        given = [make(a) if isinstance(a, np.ndarray) else a for a in args]
        y = function(*given, **options)
        kept = [g.numpy() for g in given if hasattr(g, "numpy")]
        results.append([y.numpy(), *kept])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_the_functions_take_pytorchs_arguments_in_their_order():
    both(batch_norm, F.batch_norm, X, MEAN, VAR)
    both(batch_norm, F.batch_norm, X, MEAN, VAR, W, B, False, 0.1, 0.3)
    both(batch_norm, F.batch_norm, X, MEAN, VAR, W, B, True, 0.3, 1e-3)
    both(batch_norm, F.batch_norm, X, None, None, None, B, True)
    both(batch_norm, F.batch_norm, X[:, :, 0, 0], MEAN, VAR, W, training=True, momentum=1.0)
    both(instance_norm, F.instance_norm, X)
    both(instance_norm, F.instance_norm, X, MEAN, VAR, W, B, True, 0.3, 1e-3)
    both(instance_norm, F.instance_norm, X, MEAN, VAR, W, B, False)
    both(group_norm, F.group_norm, X, 3)
    both(group_norm, F.group_norm, X, 2, W, B, 0.1)
    both(group_norm, F.group_norm, X, 2, W)
    both(layer_norm, F.layer_norm, LAST, (5,), W[:5], B[:5], 0.1)
    both(layer_norm, F.layer_norm, LAST, (3, 5))
    both(layer_norm, F.layer_norm, LAST, (5,), None, B[:5])
    both(rms_norm, F.rms_norm, LAST, (5,), W[:5])
    both(rms_norm, F.rms_norm, LAST, (3, 5), None, 0.1)
    both(local_response_norm, F.local_response_norm, X, 3, 0.5, 0.3, 2.0)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_dtype_stays(dtype):
    x, w, b, mean, var = (a.astype(dtype) for a in (X, W, B, MEAN, VAR))
    for ours, theirs, args in (
        (batch_norm, F.batch_norm, (x, mean, var, w, b, True)),
        (batch_norm, F.batch_norm, (x, mean, var, w, b)),
        (instance_norm, F.instance_norm, (x, mean, var, w, b)),
        (group_norm, F.group_norm, (x, 2, w, b)),
        (layer_norm, F.layer_norm, (x, (5,), w[:5], b[:5])),
        (rms_norm, F.rms_norm, (x, (5,), w[:5])),
    ):
        a = ours(*(Tensor(each) if isinstance(each, np.ndarray) else each for each in args))
        expected = theirs(
            *(torch.tensor(each) if isinstance(each, np.ndarray) else each for each in args)
        )
        assert a.dtype == dtype
        tolerance = {"float16": 4e-3, "float32": 3e-6}[dtype]
        np.testing.assert_allclose(a.numpy(), expected.numpy(), rtol=tolerance, atol=tolerance)


def test_options_that_are_changed_later():
    ours, theirs = nn.BatchNorm2d(6), torch.nn.BatchNorm2d(6)
    x = X.astype(np.float32)
    for step in range(6):
        for layer in (ours, theirs):
            layer.momentum = [0.1, None, 0.5][step % 3]
            layer.track_running_stats = step != 3
            layer.train(step % 4 != 2)
        y, expected = ours(Tensor(x + step)), theirs(torch.tensor(x + step))
        np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-5)
        for name, buffer in theirs.state_dict().items():
            found = nn.state.get_state_dict(ours)[name].numpy()
            np.testing.assert_allclose(found, buffer.numpy(), rtol=1e-5, err_msg=name)


def network(lib, norm):
    return lib.Sequential(
        *(lib.Conv2d(1, 6, 3, padding=1), norm(lib, 6), lib.ReLU(), lib.MaxPool2d(2)),
        *(lib.Conv2d(6, 8, 3), norm(lib, 8), lib.ReLU(), lib.Flatten(), lib.Linear(128, 4)),
    )


NORMS = {
    "batch": lambda lib, n: lib.BatchNorm2d(n),
    "group": lambda lib, n: lib.GroupNorm(2, n),
    "instance": lambda lib, n: lib.InstanceNorm2d(n, affine=True, track_running_stats=True),
}


def trained(norm, dtype):
    """The state of both networks after the same ten steps from the same start."""
    torch.manual_seed(0)
    theirs = network(torch.nn, NORMS[norm]).to(getattr(torch, dtype))
    ours = network(nn, NORMS[norm])
    start = {name: value.numpy().copy() for name, value in theirs.state_dict().items()}
    for name, tensor in nn.state.get_state_dict(ours).items():
        tensor.data = start[name]
    rng = np.random.default_rng(1)
    batches = [
        (rng.standard_normal((16, 1, 12, 12)).astype(dtype), rng.integers(0, 4, 16))
        for _ in range(10)
    ]
    optimizer = nn.optim.SGD(list(ours.parameters()), lr=0.05, momentum=0.9)
    other = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9)
    for x, labels in batches:
        optimizer.zero_grad()
        ours(Tensor(x)).sparse_categorical_crossentropy(labels).backward()
        optimizer.step()
        other.zero_grad()
        F.cross_entropy(theirs(torch.tensor(x)), torch.tensor(labels)).backward()
        other.step()
    state = nn.state.get_state_dict(ours)
    return {name: (state[name].numpy(), t.numpy()) for name, t in theirs.state_dict().items()}


@pytest.mark.parametrize("norm", NORMS)
def test_a_network_trains_alike_and_drifts_no_more_in_float32(norm):
    exact, single = trained(norm, "float64"), trained(norm, "float32")
    drifts = np.zeros(2)
    for name, (ours, theirs) in exact.items():
        most = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9 * most, err_msg=name)
        if ours.dtype.kind == "f":
            drifts += [np.abs(one - theirs).max() / most for one in single[name]]
    assert drifts[0] < 3 * drifts[1] + 1e-5, drifts
