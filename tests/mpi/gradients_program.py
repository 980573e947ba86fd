"""Trainings as a user writes them, in as many processes as there are: what each ends with, as JSON.

gradients_program.py '[{"model": "convnet", "chunks": 4, ...}, ...]'
"""

import json
import sys
import zlib

import numpy as np

import nn
from tinygrad_lite import Tensor, capture

OPTIONS = {
    "model": "mlp",  # or "convnet", with BatchNorm and dropout
    "dtype": "float64",
    "rows": 22,
    "batch_size": 8,
    "epochs": 2,
    "chunks": None,
    "captured": False,
    "zero": "optimizer last",  # who sets gradients to None: optimizer, model, assign; first or last
    "every": 1,  # how many batches of gradients are added up for a step; 0 for those of an epoch
    "momentum": 0.1,  # of BatchNorm
    "optimizer": "adam",
    "bucket_bytes": 1 << 20,
    "augment": False,
    "evaluates": False,  # in the body of the loop, over batches of as many rows
}


def network(options):
    dtype = np.dtype(options["dtype"])
    if options["model"] == "mlp":
        layers = nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3)
        return nn.Sequential(nn.Flatten(), *layers).to(dtype)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4, momentum=options["momentum"]),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 1),
        nn.BatchNorm2d(6, momentum=None),
        nn.Flatten(),
        nn.Linear(24, 3),
    ).to(dtype)


def noisy(x, y):
    return x + 0.1 * Tensor.randn(*x.shape, dtype=x.dtype), y


def train(options):
    options = OPTIONS | options
    assert options.keys() == OPTIONS.keys()
    rng = np.random.default_rng(1)
    X = rng.standard_normal((options["rows"], 1, 4, 4)).astype(options["dtype"])
    Y = rng.integers(0, 3, options["rows"])
    Tensor.manual_seed(0)
    model = network(options)
    if options["optimizer"] == "adam":
        trained = nn.optim.Adam(model.named_parameters(), lr=0.02, weight_decay=0.01)
    else:
        trained = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    batches = nn.data.DataLoader(
        X, Y, batch_size=options["batch_size"], shuffle=True, seed=5,
        transform=noisy if options["augment"] else None,
    )  # fmt: skip
    processes = nn.distributed.start()
    if processes.rank:  # rank 0's values are everybody's
        for tensor in nn.state.get_state_dict(model).values():
            tensor.data[...] = 7
    trained = nn.distributed.DistributedOptimizer(
        trained, model=model, chunks=options["chunks"], bucket_bytes=options["bucket_bytes"]
    )
    batches = nn.distributed.shard(batches)
    held_out = nn.distributed.shard(nn.data.DataLoader(X, batch_size=options["batch_size"]))
    who, when = options["zero"].split()

    def zero():
        if who == "assign":
            for parameter in model.parameters():
                parameter.grad = None
        else:
            {"optimizer": trained, "model": model}[who].zero_grad()

    def update():
        nn.utils.clip_grad_norm_(model.parameters(), 0.8)
        trained.step()

    def step(x, y, whole):
        if when == "first" and whole:
            zero()
        loss = model(x).sparse_categorical_crossentropy(y)
        loss.backward()
        if options["every"] == 1:
            update()
            if when == "last":
                zero()
        return loss

    run = capture(step, strict=True) if options["captured"] else step
    done = 0
    for _ in range(options["epochs"]):
        for x, y in batches:
            if options["evaluates"]:
                for each in held_out:
                    model(each)
            run(x, y, options["every"] == 1 or done % max(options["every"], 1) == 0)
            done += not processes.midway
            if options["every"] > 1 and done % options["every"] == 0:
                update()
                if when == "last":
                    zero()
        if not options["every"]:
            update()
            zero()
    state = {**nn.state.get_state_dict(model), **nn.state.get_state_dict(trained, "optimizer")}
    crc = 0
    for tensor in state.values():
        crc = zlib.crc32(tensor.data.tobytes(), crc)
    assert len({*processes.gather("the end", str(crc).encode())}) == 1, "processes differ"
    if options["captured"]:
        assert sum(plan.used for plan in run.plans) > 3, [plan.used for plan in run.plans]
    if processes.leads:
        found = {name: tensor.data.astype(float).ravel().tolist() for name, tensor in state.items()}
        print(json.dumps({"crc": crc, "state": found}), flush=True)


if __name__ == "__main__":
    for each in json.loads(sys.argv[1]):
        train(each)
