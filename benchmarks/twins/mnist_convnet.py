"""examples/mnist_convnet.py as one writes it in PyTorch: the same network, recipe and last line.

The images are moved by the same `nn.data.augment`, so what differs is the framework.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

# First, since this file has the same name.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
import mnist_convnet as ours
from _data import mnist_or_digits, sized

from nn.data import augment
from tinygrad_lite import Tensor


def block(channels: int, out: int, padding: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, out, 3, padding=padding, bias=False)
    return [convolution, nn.BatchNorm2d(out), nn.ReLU()]


def convnet() -> nn.Sequential:
    return nn.Sequential(
        *block(1, 32), *block(32, 32), nn.MaxPool2d(2),
        *block(32, 64), *block(64, 64), nn.MaxPool2d(2),
        *block(64, 128, padding=0), nn.Dropout(ours.DROPOUT), nn.Flatten(),
        nn.Linear(128 * 5 * 5, 10),
    )  # fmt: skip


@torch.no_grad()
def correct(model, images, labels, mean, std) -> int:
    model.eval()
    right = 0
    for x, y in zip(images.split(500), labels.split(500), strict=True):
        x = torch.from_numpy(augment.normalize(x.numpy(), mean, std))
        right += int((model(x).argmax(dim=1) == y).sum())
    model.train()
    return right


def main() -> None:
    began = time.perf_counter()
    parser = argparse.ArgumentParser()
    parser.add_argument("--data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=ours.EPOCHS)
    parser.add_argument("--images", type=int, default=ours.IMAGES)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    Tensor.manual_seed(args.seed)  # of the augmentation
    name, (X, Y, X_test, Y_test) = mnist_or_digits(args.data)
    X, X_test = (torch.from_numpy(sized(each)) for each in (X[: args.images], X_test))
    Y, Y_test = torch.from_numpy(Y[: args.images]), torch.from_numpy(Y_test)
    cut = len(X) - len(X) // ours.HELD_OUT
    mean, std = augment.mean_std(X[:cut].numpy())
    lr, model = ours.LR if name == "MNIST" else ours.DIGITS_LR, convnet()
    sgd = torch.optim.SGD(
        model.parameters(), lr, ours.MOMENTUM, weight_decay=ours.DECAY, nesterov=True
    )
    steps = -(-cut // ours.BATCH_SIZE)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        sgd, lr, total_steps=args.epochs * steps, cycle_momentum=False
    )
    for epoch in range(1, args.epochs + 1):
        total, right = 0.0, 0
        for rows in torch.randperm(cut).split(ours.BATCH_SIZE):
            x, _ = ours.changed(X[rows].numpy(), None, mean, std)
            scores = model(torch.from_numpy(x))
            loss = F.cross_entropy(scores, Y[rows], label_smoothing=ours.SMOOTHING)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            rate.step()
            total += loss.item() * len(rows)
            right += int((scores.argmax(dim=1) == Y[rows]).sum())
        held_out = 100 * correct(model, X[cut:], Y[cut:], mean, std) / len(Y[cut:])
        said = f"loss {total / cut:.4f}, train {100 * right / cut:.2f} %"
        print(f"epoch {epoch}: {said}, held out {held_out:.2f} %", flush=True)
    right, count = correct(model, X_test, Y_test, mean, std), len(Y_test)
    accuracy, seconds = 100 * right / count, time.perf_counter() - began
    print(f"{name}: test accuracy {accuracy:.2f} % ({right} of {count}) in {seconds:.1f} s")


if __name__ == "__main__":
    main()
