"""Averages of weights beside PyTorch's."""

import numpy as np
import pytest

import nn
from nn.optim import swa_utils
from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
theirs = torch.optim.swa_utils
pytestmark = pytest.mark.parity

KINDS = {
    "the default": lambda module: {},
    "ema": lambda module: {"avg_fn": module.get_ema_avg_fn(0.9)},
    "multi ema": lambda module: {"multi_avg_fn": module.get_ema_multi_avg_fn(0.8)},
    "multi swa": lambda module: {"multi_avg_fn": module.get_swa_multi_avg_fn()},
}


class Ours(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(4, 3)
        self.register_buffer("running", Tensor.zeros(3))


class Theirs(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)
        self.register_buffer("running", torch.zeros(3))


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_ten_updates_agree_and_the_state_goes_over(options, use_buffers):
    rng = np.random.default_rng(2)
    mine, other = Ours(), Theirs()
    average = swa_utils.AveragedModel(mine, use_buffers=use_buffers, **options(swa_utils))
    reference = theirs.AveragedModel(other, use_buffers=use_buffers, **options(theirs))
    for _ in range(10):
        for name, tensor in other.state_dict().items():
            value = rng.standard_normal(tuple(tensor.shape)).astype(np.float32)
            tensor.copy_(torch.tensor(value))
            mine.state_dict()[name].data[...] = value
        average.update_parameters(mine)
        reference.update_parameters(other)
        found, expected = average.state_dict(), reference.state_dict()
        assert set(found) == set(expected)
        for name in expected:
            np.testing.assert_allclose(
                found[name].numpy(), expected[name].numpy(), rtol=1e-5, atol=1e-6
            )
    again = swa_utils.AveragedModel(Ours())
    again.load_state_dict({name: tensor.numpy() for name, tensor in expected.items()})
    assert again.n_averaged.item() == 10


def test_update_bn_agrees():
    mine = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.BatchNorm2d(3, affine=False))
    other = torch.nn.Sequential(
        torch.nn.BatchNorm2d(3), torch.nn.ReLU(), torch.nn.BatchNorm2d(3, affine=False)
    )
    batches = np.random.default_rng(1).standard_normal((3, 4, 3, 5, 5)).astype(np.float32)
    for _ in range(2):
        swa_utils.update_bn([(Tensor(batch), 0) for batch in batches], mine)
        theirs.update_bn([(torch.tensor(batch), 0) for batch in batches], other)
        for name, tensor in other.state_dict().items():
            np.testing.assert_allclose(
                mine.state_dict()[name].numpy(), tensor.numpy(), rtol=1e-5, atol=1e-6
            )
