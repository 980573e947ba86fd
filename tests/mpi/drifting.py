"""Trainings in which each process would come to weights of its own.

mpiexec -n 2 python drifting.py learning_rate    what it changes
"""

import sys

import numpy as np

import nn
from tinygrad_lite import Tensor

way = sys.argv[1]
processes = nn.distributed.start()
X = np.random.default_rng(0).standard_normal((32, 8)).astype("f")
model = nn.Linear(8, 1)
sgd, batches = nn.distributed.data_parallel(
    model,
    nn.optim.SGD(model.parameters(), lr=0.1),
    nn.data.DataLoader(X, batch_size=8),
    chunks=3 if way == "counts_parts" else None,
)
for epoch in range(2):
    for step, x in enumerate(batches):
        if way == "counts_parts":
            sgd.lr = 0.1 / (1 + step)
        elif way == "none":
            sgd.lr = 0.1 / (1 + epoch)
        sgd.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        if way == "learning_rate":
            sgd.lr = 0.1 * (1 + loss.item())
        elif way == "regulariser":
            noise = np.random.default_rng(processes.rank).standard_normal((8, 1))
            model.weight.grad += Tensor(noise.astype("f").reshape(model.weight.shape))
        sgd.step()
print("ended", flush=True)
