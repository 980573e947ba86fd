"""SyncBatchNorm is BatchNorm over the rows of all processes."""

from pathlib import Path

import pytest
from mpi.launching import launch

PROGRAM = Path(__file__).with_name("sync_program.py")
REFUSED = """
    import numpy as np, nn
    from tinygrad_lite import Tensor
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    assert nn.SyncBatchNorm.convert_sync_batchnorm(model) is model
    sgd = nn.optim.SGD(model.parameters(), lr=0.1)
    processes = nn.distributed.start()
    try:
        nn.distributed.data_parallel(model, sgd, chunks=4)
    except ValueError as error:
        print(error, flush=True)
    x = Tensor(np.ones((1 if processes.leads else 0, 3), np.float32))
    try:
        model[1](x)
    except ValueError as error:
        print(error, flush=True)
"""


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_values_gradients_and_running_statistics_are_those_of_the_whole_batch(ranks):
    for how in ("eager", "captured"):
        run = launch(PROGRAM, ranks, how, check=True)
        assert run.out.split() == ["done"] * ranks


def test_what_cannot_be_is_refused_in_one_line():
    run = launch(REFUSED, 2, check=True)
    chunks = (
        "DistributedOptimizer: chunks: SyncBatchNorm computes with all rows of a batch at once, "
        "and with chunks each part is computed alone; expected BatchNorm, or no chunks"
    )
    single = (
        "SyncBatchNorm: expected more than one value for each channel in training; the batch of "
        "all processes has 1"
    )
    assert sorted(run.out.splitlines()) == [chunks, chunks, single, single]
