"""Many optimisers one after the other, with few communicators left for them.

mpiexec -n 2 python many_optimizers.py
"""

import gc

import numpy as np

import nn
from nn._processes import current

OPTIMIZERS = 60

nn.distributed.start()
processes = current()
taken = []
try:
    while True:
        taken.append(processes.payload.Dup())
except processes.mpi.Exception:  # none is left
    for communicator in taken[-OPTIMIZERS:]:
        communicator.Free()

x = np.ones((4, 3), np.float32)
for number in range(OPTIMIZERS):
    model = nn.Linear(3, 1, bias=False)
    model.weight.data[...] = 0
    sgd = nn.optim.SGD(model.parameters(), lr=1.0)
    sgd = nn.distributed.DistributedOptimizer(sgd)
    if processes.rank == number % 2:
        sgd.itself = sgd  # collected later than in the other process
    (model(x) * (1 + processes.rank)).mean().backward()
    sgd.step()
    mean = (1 + processes.size) / 2  # of the gradients 1, 2, ...
    assert (model.weight.data == -mean).all(), model.weight.data
    if number % 8 == 7:
        gc.collect()
print("ended", flush=True)
