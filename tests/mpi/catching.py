"""A program that catches an error in the middle of an exchange, in rank 0, and goes on.

mpiexec -n 2 python catching.py leaves    what rank 0 does then
"""

import sys

import numpy as np

import nn
from tinygrad_lite import Tensor

way = sys.argv[1]
processes = nn.distributed.start()
layers = [nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 1)]
model = nn.Sequential(*layers)
other = nn.Linear(3, 1)
sgd, adam = (
    nn.distributed.DistributedOptimizer(each, model=net, bucket_bytes=1)
    for each, net in (
        (nn.optim.SGD(model.parameters(), lr=0.1), model),
        (nn.optim.Adam(other.parameters()), other),
    )
)
x = Tensor(np.ones((4, 3), "f"))


def refuse(gradient):
    raise ValueError("a bad gradient")


for step in range(4):
    hidden = layers[0](x)
    bad = step == 2 and processes.rank == 0
    if bad and way.startswith("is_interrupted"):
        wait = processes.wait

        def interrupted(request):
            raise KeyboardInterrupt

        processes.wait = interrupted
    elif bad:
        hidden.register_hook(refuse)
    try:
        if way == "is_interrupted":
            processes.broadcast(f"batch {step}", b"x" if processes.leads else None)
            continue
        model.zero_grad()
        layers[2](layers[1](hidden)).sum().backward()
        sgd.step()
    except (ValueError, KeyboardInterrupt):
        print("caught", flush=True)
        if way.startswith("is_interrupted"):
            processes.wait = wait
        elif way == "cleans_up":
            processes.sum("the loss", np.ones(1))
        if way in ("leaves", "is_interrupted_in_backward"):
            break
    if bad and way == "speaks":
        processes.sum("the loss", np.ones(1))
    elif bad and way == "trains_another":
        other(x).sum().backward()
