"""A training in which one process does something else.

mpiexec -n 3 python out_of_step.py breaks 1    what, and the rank that does it
"""

import sys

import numpy as np

import nn

way, chosen = sys.argv[1], int(sys.argv[2])
is_other = nn.distributed.start().rank == chosen


def of(name):
    return is_other and way == name


X = np.random.default_rng(0).standard_normal((96, 8)).astype("f")
model = nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 1))
sgd, batches = nn.distributed.data_parallel(
    model,
    nn.optim.SGD(model.parameters(), lr=0.1),
    nn.data.DataLoader(X, batch_size=16 if of("batch_size") else 32),
)
model[0].weight.requires_grad = not of("freezes")
if of("reports"):
    nn.training.Report(epochs=2, steps=3, rows=96, quiet=True)
for _ in range(3 if of("goes_on") else 2):
    for step, x in enumerate(batches):
        if of("breaks") and step == 1:
            break
        sgd.zero_grad()
        model(x).square().mean().backward()
        sgd.step()
    if of("saves"):
        nn.training.Snapshot("snapshot.npz", model=model).save()
