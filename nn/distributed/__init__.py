"""One training in several processes, on one machine or many, by MPI: the index of this folder.

    processes = nn.distributed.start()  # in a program that mpiexec started; otherwise it is alone
    batches = nn.distributed.shard(batches)  # a DataLoader of this process's parts of each batch
    for x, y in nn.distributed.parts(x, y):  # the same without one

`processes` starts them and lets them speak; `sharding` cuts batches, by nn.data.sharded and
nn.data.parts.

MPI is imported when `start` finds that a launcher such as mpiexec started this program with others.
`pip install 'tinygrad-lite[mpi]'` brings it, with an mpiexec.
"""

from .processes import Announcement, MPIProcesses, start
from .sharding import parts, shard

__all__ = ["Announcement", "MPIProcesses", "parts", "shard", "start"]
