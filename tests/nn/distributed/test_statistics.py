"""Running statistics that follow from those of parts."""

import numpy as np
import pytest

import nn
from nn.distributed.statistics import RunningStatistics, normalising
from tinygrad_lite import Tensor


def model_with(momentum, dtype=np.float64):
    return nn.Sequential(
        nn.BatchNorm1d(3, momentum=momentum),
        nn.Linear(3, 2),
        nn.BatchNorm1d(2, momentum=None, affine=False),
        nn.BatchNorm1d(2, track_running_stats=False),
    ).to(dtype)


def values(model):
    return {name: x.data.copy() for name, x in nn.state.get_state_dict(model).items()}


@pytest.mark.parametrize("momentum", [0.1, 1.0, 0.0, None, np.float32(0.25)])
def test_parts_that_begin_alike_are_folded_as_if_one_process_had_seen_them_in_turn(momentum):
    rng = np.random.default_rng(0)
    Tensor.manual_seed(0)
    in_turn = model_with(momentum)
    Tensor.manual_seed(0)
    apart = model_with(momentum)
    layers = normalising(apart.modules())
    assert len(layers) == 2
    statistics = RunningStatistics(layers)
    for _ in range(3):  # batches
        statistics.remember()
        added = []
        for rows, calls in ((4, 1), (3, 2), (4, 0), (2, 1)):
            statistics.restore()
            for _ in range(calls):
                x = rng.standard_normal((rows, 3)) * 5 + 2
                in_turn(x)
                apart(x)
            added.append(statistics.added())
            assert len(added[-1]) == statistics.length == 2 + 2 * (3 + 2)
        statistics.fold(added)
        expected = values(in_turn)
        for name, found in values(apart).items():
            np.testing.assert_allclose(found, expected[name], rtol=1e-12, err_msg=name)
    assert values(apart)["0.num_batches_tracked"] == 12


def test_a_layer_that_no_part_called_keeps_its_bits():
    model = model_with(0.3, np.float32)
    model(np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32))
    before = values(model)
    statistics = RunningStatistics(normalising(model.modules()))
    model.eval()
    model(np.ones((4, 3), np.float32))
    assert all(statistics.is_unchanged(number) for number in range(4))
    statistics.fold([statistics.added(), statistics.added()])
    assert all(found.tobytes() == before[name].tobytes() for name, found in values(model).items())


def test_nan_counts_as_changed_and_goes_away_when_it_is_reset():
    model = nn.BatchNorm1d(1)
    statistics = RunningStatistics([model])
    model(np.array([[np.nan], [1]], np.float32))
    assert not any(statistics.is_unchanged(number) for number in range(2))
    statistics.remember()
    model.reset_running_stats()
    assert not any(statistics.is_unchanged(number) for number in range(2))
