"""Training steps of an example by one process or several, and how many rows a second they take.

    mpiexec -n 2 python benchmarks/processes/ours.py convnet --steps 30 --chunks 2

The last line is that number: images for convnet, characters for gpt.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import nn
from nn import distributed
from nn import functional as F
from tinygrad_lite import Tensor, capture

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
import char_gpt
import mnist_convnet

WARM = 4  # steps before the clock starts: a captured one is recorded in the second
IMAGES = 12_800  # made up: what is in them costs nothing
CHARACTERS = 100  # in the alphabet


def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (IMAGES, 1, 28, 28)).astype(np.uint8)
    return pixels, rng.integers(0, 10, IMAGES)


def texts(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of windows without end, the same in every process."""
    rng = np.random.default_rng(0)
    while True:
        found = rng.integers(0, CHARACTERS, (count, char_gpt.CONTEXT + 1))
        yield found[:, :-1], found[:, 1:]


def convnet(args: argparse.Namespace) -> tuple[Any, Any, int]:
    example, batch = mnist_convnet, args.times * mnist_convnet.BATCH_SIZE
    moved = partial(example.changed, mean=np.array(33.0), std=np.array(79.0))
    batches = nn.data.DataLoader(
        *images(), batch_size=batch, shuffle=True, seed=0, drop_last=True, transform=moved
    )
    model = example.convnet()
    sgd = nn.optim.SGD(
        model.parameters(), 0.01, example.MOMENTUM, weight_decay=example.DECAY, nesterov=True
    )
    sgd, batches = distributed.data_parallel(model, sgd, batches, chunks=args.chunks)

    def step(x: Tensor, y: Tensor) -> Tensor:
        loss = model(x).cross_entropy(y, label_smoothing=example.SMOOTHING)
        loss.backward()
        sgd.step()
        sgd.zero_grad()
        return loss

    def parts() -> Iterator[Any]:
        while True:
            yield from batches

    return step, parts(), batch


def gpt(args: argparse.Namespace) -> tuple[Any, Any, int]:
    example, batch = char_gpt, args.times * char_gpt.BATCH_SIZE
    model = example.GPT(CHARACTERS)
    adamw = nn.optim.AdamW(
        model.parameters(), example.LR, example.BETAS, weight_decay=example.WEIGHT_DECAY
    )
    adamw, _ = distributed.data_parallel(model, adamw, chunks=args.chunks)

    def step(x: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), example.CLIP)
        adamw.step()
        adamw.zero_grad()
        return loss

    def parts() -> Iterator[Any]:
        for x, y in texts(batch):
            yield from distributed.parts(Tensor(x), Tensor(y))

    return step, parts(), batch * example.CONTEXT


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["convnet", "gpt"])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--times", type=int, default=1, help="the example's batch size, times this")
    parser.add_argument("--chunks", type=int)
    parser.add_argument("--capture", action="store_true")
    args = parser.parse_args()
    processes = distributed.start()
    Tensor.manual_seed(0)
    step, parts, rows = {"convnet": convnet, "gpt": gpt}[args.what](args)
    run = capture(step) if args.capture else step
    taken, began = 0, 0.0
    while taken < WARM + args.steps:
        x, y = next(parts)
        part = processes.part
        run(x, y)
        taken += part is None or part.last
        if taken == WARM and not began:
            began = time.perf_counter()
    seconds = time.perf_counter() - began
    if processes.leads:
        print(f"{rows * args.steps / seconds:.1f}")


if __name__ == "__main__":
    main()
