"""One training in several processes, on one machine or many, by MPI: the index of this folder.

    sgd, batches = nn.distributed.data_parallel(model, sgd, batches)  # all of this in one line

    processes = nn.distributed.start()  # in a program that mpiexec started; otherwise it is alone
    batches = nn.distributed.shard(batches)  # a DataLoader of this process's parts of each batch
    for x, y in nn.distributed.parts(x, y):  # the same without one
    sgd = nn.distributed.DistributedOptimizer(sgd, model=model)  # mean gradients of all processes
    model = nn.distributed.SyncBatchNorm.convert_sync_batchnorm(model)  # mean over all processes

    rows = nn.distributed.sweep(train, {"lr": [0.1, 0.01], "seed": range(3)})  # six trainings

`arrivals` waits until all are there; `processes` finds them and lets them speak.  `endings` is how
one ends, and all others with it; `watcher` is a program of its own, which tells why, and
`addresses` is where it is reached;
`unfinished` sees that no process goes on after an error for the rest of which others wait.

`sharding` cuts batches, by nn.data.sharded and nn.data.parts.  `optimizer` makes all begin with the
same weights; `gradients` exchanges gradients in the backward pass, of which `passes` tells, in
`buckets`, by `transfers`, and `statistics` those of BatchNorm.  `ordered_gradients` does the same
with chunks, in the order of `ordered`.  `batch_normalisation` is SyncBatchNorm.  `comparing` sees
that options and weights stay the same in all processes.

`sweeping` is about trainings that do not depend on each other: `_trainings` has their options and
results, `_schedule` decides who gets which, `_ranks` sends that and `_child` runs it, `_kept`
writes the files, and `_table` the table.

MPI is imported when `start` finds that a launcher such as mpiexec started this program with others.
`pip install 'tinygrad-lite[mpi]'` brings it, with an mpiexec.
"""

from .batch_normalisation import SyncBatchNorm
from .optimizer import DistributedOptimizer, data_parallel
from .processes import Announcement, MPIProcesses, alone, start
from .sharding import parts, shard
from .sweeping import sweep

__all__ = [
    "Announcement",
    "DistributedOptimizer",
    "MPIProcesses",
    "SyncBatchNorm",
    "alone",
    "data_parallel",
    "parts",
    "shard",
    "start",
    "sweep",
]
