"""The same steps in PyTorch: DistributedDataParallel on gloo, each process with one thread.

python benchmarks/processes/ddp.py convnet --steps 30 --processes 2
"""

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed
import torch.multiprocessing
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "benchmarks" / "twins"), str(ROOT / "examples")]
WARM = 4


def twin(name):
    """A twin as a module of another name than its example's."""
    spec = importlib.util.spec_from_file_location(
        f"twin_{name}", ROOT / f"benchmarks/twins/{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def convnet(rank, size, times):
    import ours

    from nn.data import augment
    from tinygrad_lite import Tensor

    module = twin("mnist_convnet")
    example = module.ours
    model = module.convnet()
    sgd = torch.optim.SGD(
        model.parameters(), 0.01, example.MOMENTUM, weight_decay=example.DECAY, nesterov=True
    )
    batch = times * example.BATCH_SIZE
    share = batch // size
    X, Y = ours.images()
    rng = np.random.default_rng(rank)

    def batches():
        while True:
            rows = rng.choice(len(X), share, replace=False)
            x = augment.affine(
                Tensor(X[rows]), example.DEGREES, translate=example.SHIFT, scale=example.SCALE,
                shear=example.SHEAR,
            )  # fmt: skip
            x = augment.normalize(x, np.array(33.0), np.array(79.0)).numpy()
            yield torch.from_numpy(x), torch.from_numpy(Y[rows])

    def loss_of(model, x, y):
        return F.cross_entropy(model(x), y, label_smoothing=example.SMOOTHING)

    return model, sgd, loss_of, batches(), batch, None


def gpt(rank, size, times):
    import ours

    module = twin("char_gpt")
    example = module.example
    model = module.GPT(ours.CHARACTERS)
    adamw = torch.optim.AdamW(
        model.parameters(), example.LR, example.BETAS, weight_decay=example.WEIGHT_DECAY
    )
    batch = times * example.BATCH_SIZE
    share = batch // size

    def batches():
        for x, y in ours.texts(share):
            yield torch.from_numpy(x.copy()), torch.from_numpy(y.copy())

    def loss_of(model, x, y):
        return F.cross_entropy(model(x).flatten(0, 1), y.flatten())

    return model, adamw, loss_of, batches(), batch * example.CONTEXT, example.CLIP


def train(rank, size, args, meeting):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    made = {"convnet": convnet, "gpt": gpt}[args.what](rank, size, args.times)
    model, optimizer, loss_of, batches, rows, clip = made
    if size > 1:
        torch.distributed.init_process_group("gloo", meeting, rank=rank, world_size=size)
        model = DistributedDataParallel(model)
    for taken in range(WARM + args.steps):
        if taken == WARM:
            began = time.perf_counter()
        x, y = next(batches)
        loss = loss_of(model, x, y)
        optimizer.zero_grad()
        loss.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    seconds = time.perf_counter() - began
    if rank == 0:
        print(f"{rows * args.steps / seconds:.1f}", flush=True)
    if size > 1:  # PyTorch 2.13 may wait for ever in the destructor of its ProcessGroupGloo
        os._exit(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["convnet", "gpt"])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--times", type=int, default=1, help="the example's batch size, times this")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder, "meeting").as_uri()  # a port might be taken by then
        if args.processes == 1:
            train(0, 1, args, meeting)
        else:
            torch.multiprocessing.spawn(
                train, (args.processes, args, meeting), nprocs=args.processes
            )


if __name__ == "__main__":
    main()
