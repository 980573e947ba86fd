"""The network and recipe of examples/mnist_mlp.py in plain PyTorch, for mnist_seconds.py."""

import argparse
import copy
import gzip
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

HIDDEN, LR, MOMENTUM, REG, HELD_OUT = 1024, 0.15, 0.9, 1e-4, 12


def read(path: Path, header: int) -> np.ndarray:
    """The bytes of an IDX file after its header."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


def load(folder: Path) -> tuple[torch.Tensor, ...]:
    """Training images (60000, 784) and labels, test images and labels; mean 0 and deviation 1."""
    X = read(folder / "train-images-idx3-ubyte.gz", 16).reshape(-1, 784).astype(np.float32)
    Y = read(folder / "train-labels-idx1-ubyte.gz", 8).astype(np.int64)
    X_test = read(folder / "t10k-images-idx3-ubyte.gz", 16).reshape(-1, 784).astype(np.float32)
    Y_test = read(folder / "t10k-labels-idx1-ubyte.gz", 8).astype(np.int64)
    mean, deviation = X.mean(), X.std()
    X, X_test = (X - mean) / deviation, (X_test - mean) / deviation
    return tuple(torch.from_numpy(array) for array in (X, Y, X_test, Y_test))


@torch.no_grad()
def correct(model: nn.Module, X: torch.Tensor, Y: torch.Tensor) -> int:
    """How many images have their highest score for the true class."""
    return int((model(X).argmax(dim=1) == Y).sum())


def network() -> tuple[nn.Module, torch.optim.Optimizer]:
    """The model with its start, and SGD with the L2 penalty on the two matrices."""
    first, second = nn.Linear(784, HIDDEN), nn.Linear(HIDDEN, 10)
    nn.init.normal_(first.weight, std=(2 / 784) ** 0.5)
    nn.init.normal_(second.weight, std=(1 / HIDDEN) ** 0.5)
    nn.init.zeros_(first.bias)
    nn.init.zeros_(second.bias)
    groups = [
        {"params": [first.weight, second.weight], "weight_decay": REG},
        {"params": [first.bias, second.bias]},
    ]
    return nn.Sequential(first, nn.ReLU(), second), torch.optim.SGD(groups, LR, MOMENTUM)


def train(X: torch.Tensor, Y: torch.Tensor, epochs: int, batch_size: int) -> nn.Module:
    """The model as it was after the epoch that was best on the held-out images."""
    model, optimiser = network()
    cut = len(X) - len(X) // HELD_OUT
    best, weights, step = -1, {}, 0
    steps = epochs * -(-cut // batch_size)
    for _ in range(epochs):
        for index in torch.randperm(cut).split(batch_size):
            loss = nn.functional.cross_entropy(model(X[index]), Y[index])
            optimiser.zero_grad()
            loss.backward()
            for group in optimiser.param_groups:
                group["lr"] = LR * min(1, 10 * (step + 1) / steps, 1 - step / steps)
            optimiser.step()
            step += 1
        held_out = correct(model, X[cut:], Y[cut:])
        if held_out > best:
            best, weights = held_out, copy.deepcopy(model.state_dict())
    model.load_state_dict(weights)
    return model


def main() -> None:
    """Train, and count the test images once."""
    began = time.perf_counter()
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=128)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    X, Y, X_test, Y_test = load(args.data)
    right = correct(train(X, Y, args.epochs, args.batch_size), X_test, Y_test)
    accuracy, seconds = 100 * right / len(Y_test), time.perf_counter() - began
    print(f"test accuracy {accuracy:.2f} % ({right} of {len(Y_test)}) in {seconds:.1f} s")


if __name__ == "__main__":
    main()
