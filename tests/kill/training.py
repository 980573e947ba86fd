"""A small real training, in a process of its own: it is killed, and started again.

    python -m kill.training --setup adam --folder FOLDER

It saves a snapshot every few steps, in the middle of epochs too, and after each epoch. Started
again, it continues from there. At its end it writes what it arrived at to result.json.
"""

import argparse
import hashlib
import json
import math
import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from kill import deaths
from kill.setups import SETUPS, Setup

import nn
from nn.data import augment
from nn.optim.swa_utils import AveragedModel, get_ema_avg_fn
from nn.training import Metrics, Snapshot
from tinygrad_lite import Tensor, files, generator, no_grad

ROWS, BATCH, EPOCHS = 70, 16, 3
EVERY = 3  # steps from one snapshot to the next; an epoch has 5, and the 15th is the end of one
SNAPSHOT, METRICS, RESULT = "run.safetensors", "metrics.jsonl", "result.json"


class Model(nn.Module):
    """A layer of each kind that has something to restore. x: (N, 1, 8, 8) -> (N, 10)."""

    def __init__(self, hidden: int) -> None:
        self.convolution = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)  # its running statistics
        self.hidden = nn.Linear(4 * 3 * 3, hidden)
        self.dropout = nn.Dropout(0.3)  # its random numbers
        self.last = nn.Linear(hidden, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.convolution(x)).relu().max_pool2d(2)
        return self.last(self.dropout(self.hidden(x.flatten(1)).relu()))


def augmented(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """A transform with random numbers, which are each batch's own."""
    return augment.affine(x, degrees=10, translate=0.1) + 0.1 * Tensor.randn(*x.shape), y


def images() -> tuple[np.ndarray, np.ndarray]:
    """Images of ten classes, and their labels."""
    rng = np.random.default_rng(1)
    labels = np.arange(ROWS) % 10
    means = rng.standard_normal((10, 1, 8, 8))
    return (means[labels] + rng.standard_normal((ROWS, 1, 8, 8))).astype(np.float32), labels


def train(setup: Setup, folder: Path, epochs: int, tell: Callable[..., None]) -> None:
    Tensor.manual_seed(2)
    random.seed(3)
    np.random.seed(4)  # noqa: NPY002  # the global state is restored too
    noise = np.random.default_rng(5)
    images_, labels = images()
    model = Model(setup.hidden)
    optimizers = setup.optimizers(model)
    loader = setup.loader(images_, labels, batch_size=BATCH, transform=augmented)
    schedule = setup.schedule(epochs * len(loader))
    parts: dict[str, Any] = {"model": model, **optimizers, "loader": loader, "noise": noise}
    if setup.plateau:
        parts["schedule"] = schedule
    if setup.average:
        parts["average"] = AveragedModel(model, avg_fn=get_ema_avg_fn(0.9))
    parts["metrics"] = metrics = Metrics(folder / METRICS)
    snapshot = Snapshot(folder / SNAPSHOT, keep=2, config={"hidden": setup.hidden}, **parts)

    values = snapshot.resume() or {"step": 0, "total": 0.0}
    step, total = values["step"], values["total"]
    tell("resumed", step)

    def save(**score: float) -> None:
        tell("save", step)
        snapshot.save(step=step, total=total, **score)
        tell("saved", step)

    for epoch in range(loader.epoch, epochs):
        for x, y in loader:
            if not setup.plateau:
                for each in optimizers.values():
                    each.lr = schedule(step)
            loss, norm = update(model, optimizers, x * (1 + 0.1 * noise.random()), y)
            if setup.average:
                parts["average"].update_parameters(model)
            assert math.isfinite(loss)  # nan would be the same as any other
            step, total = step + 1, total + loss
            lr = optimizers["optimizer"].lr
            metrics.add("step", step=step, loss=loss, lr=lr, norm=norm, seconds=time.time())
            tell("step", step)
            if step % EVERY == 0:
                save()
        loss, accuracy = test(model, images_, labels)
        if setup.plateau:
            for each in optimizers.values():
                each.lr = schedule(loss)
        metrics.add("epoch", epoch=epoch, mean=total, loss=loss, accuracy=accuracy)
        total = 0.0
        save(score=accuracy)
    with files.replacing(folder / RESULT) as file:
        file.write(json.dumps(result(parts, folder), indent=1).encode())
    tell("end")


def update(
    model: Model, optimizers: Mapping[str, nn.optim.Optimizer], x: Tensor, y: Tensor
) -> tuple[float, float]:
    """One step: the loss, and the norm of the gradient."""
    x = x * (1 + 0.01 * random.random() + 0.01 * np.random.random())  # noqa: NPY002
    parameters = [each for optimizer in optimizers.values() for each in optimizer.params]
    norm = 0.0

    def closure() -> Tensor:
        nonlocal norm
        for optimizer in optimizers.values():
            optimizer.zero_grad()
        loss = model(x).cross_entropy(y)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(parameters, 2.0).item()
        return loss

    model.train()
    first, *others = optimizers.values()
    loss = first.step(closure).item()
    for each in others:
        each.step()
    return loss, norm


def test(model: Model, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    model.eval()
    with no_grad():
        scores = model(Tensor(x))
    return scores.cross_entropy(Tensor(y)).item(), float((scores.numpy().argmax(1) == y).mean())


# The result


def result(parts: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """A digest of each thing that an uninterrupted run and a resumed one must have in common."""
    found: dict[str, Any] = {
        "Tensor's generator": generator.get_state(),
        "Python's random": random.getstate(),
        "NumPy's random": np.random.get_state(),  # noqa: NPY002
        "noise": parts["noise"].bit_generator.state,
        "records": records(folder / METRICS),
    }
    for name, part in parts.items():
        if name not in ("noise", "metrics"):
            flatten(name, part.state_dict(), found)
    return {name: digest(value) for name, value in found.items()}


def flatten(name: str, value: Any, found: dict[str, Any]) -> None:
    """Nested values by names with dots; a list of numbers stays one."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            flatten(f"{name}.{key}" if name else key, each, found)
    elif isinstance(value, list | tuple) and not all(isinstance(each, int) for each in value):
        for position, each in enumerate(value):
            flatten(f"{name}.{position}", each, found)
    else:
        found[name] = value


def digest(value: Any) -> str:
    """The bits of an array; of anything else, what repr shows, which is exact for floats."""
    if isinstance(value, Tensor | np.ndarray):
        array = value.numpy() if isinstance(value, Tensor) else value
        value = (str(array.dtype), array.shape, array.tobytes())
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def records(path: Path) -> list[dict[str, Any]]:
    """The lines of the metrics but for the time, in the order of the file."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def told_to(path: str) -> Callable[..., None]:
    """What appends a line to a file or a pipe, at once: the time, and what happened."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    write = os.write  # not one that counts calls

    def tell(*words: object) -> None:
        write(descriptor, f"{time.monotonic()} {' '.join(map(str, words))}\n".encode())

    return tell


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="train, save, resume, write what came out")
    parser.add_argument("--setup", choices=SETUPS, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--events", help="a file or a pipe that is told what happens, and when")
    parser.add_argument("--die-at", type=int, help="SIGKILL at this call that changes a file")
    parser.add_argument("--fault", help="plant one of kill.faults")
    options = parser.parse_args(arguments)
    tell = told_to(options.events or os.devnull)
    if options.fault:
        from kill.faults import FAULTS

        FAULTS[options.fault].plant()
    if options.die_at:
        deaths.die_at(options.die_at, options.folder, tell)
    tell("started")
    train(SETUPS[options.setup], options.folder, options.epochs, tell)


if __name__ == "__main__":
    main()
