"""examples/gan.py in PyTorch: the same images, networks, losses, judge and last line."""

import argparse
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
import gan as example

import nn as ours

ONE_HOT = torch.from_numpy(example.ONE_HOT)


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """A network with two hidden layers."""
    return nn.Sequential(
        nn.Linear(inputs, example.HIDDEN),
        nn.LeakyReLU(0.2),
        nn.Linear(example.HIDDEN, example.HIDDEN),
        nn.LeakyReLU(0.2),
        nn.Linear(example.HIDDEN, outputs),
    )


def draw(generator: nn.Module, digits: torch.Tensor) -> torch.Tensor:
    """Images from 0 to 1 of digits, one-hot."""
    noise = torch.randn(len(digits), example.NOISE)
    return generator(torch.cat([noise, digits], dim=1)).sigmoid()


def judgement(generator: nn.Module, X: torch.Tensor, Y: torch.Tensor) -> float:
    """The percentage of real images that a classifier reads which has seen only drawn ones."""
    classifier, digits = mlp(X.shape[1], 10), torch.arange(100) % 10
    adam = torch.optim.Adam(classifier.parameters())
    for _ in range(example.JUDGE_STEPS):
        with torch.no_grad():
            images = draw(generator, ONE_HOT[digits])
        adam.zero_grad()
        F.cross_entropy(classifier(images), digits).backward()
        adam.step()
    with torch.no_grad():
        return 100 * (classifier(X).argmax(dim=1) == Y).float().mean().item()


def main() -> None:
    """Train for the same number of steps, and tell the same figure."""
    began = time.perf_counter()
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=example.EPOCHS)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    images, labels, held_out, Y_test = map(torch.from_numpy, ours.datasets.digits())
    X, X_test = (each.flatten(1).float() / 16 for each in (images, held_out))
    generator, discriminator = mlp(example.NOISE + 10, X.shape[1]), mlp(X.shape[1] + 10, 1)
    average = AveragedModel(generator, avg_fn=get_ema_avg_fn(example.DECAY))
    adams = [
        torch.optim.Adam(network.parameters(), example.LR, example.BETAS)
        for network in (generator, discriminator)
    ]
    data = torch.utils.data.TensorDataset(X, ONE_HOT[labels])
    order = torch.utils.data.RandomSampler(data, num_samples=example.STEPS * example.BATCH_SIZE)
    batches = torch.utils.data.DataLoader(
        data,
        batch_size=None,  # a batch is read with one subscript, not image by image
        sampler=torch.utils.data.BatchSampler(order, example.BATCH_SIZE, drop_last=False),
    )
    taken, steps = 0, args.epochs * example.STEPS
    for epoch in range(args.epochs):
        totals = [0.0, 0.0]
        for real, digits in batches:
            for adam in adams:
                adam.param_groups[0]["lr"] = example.LR * min(1, 2 - 2 * taken / steps)
            drawn = draw(generator, digits)
            logits_of_real = discriminator(torch.cat([real, digits], dim=1))
            logits_of_drawn = discriminator(torch.cat([drawn.detach(), digits], dim=1))
            loss = F.softplus(-logits_of_real).mean() + F.softplus(logits_of_drawn).mean()
            loss.backward()
            adams[1].step()
            logits = discriminator(torch.cat([drawn, digits], dim=1))
            opposed = F.softplus(-logits).mean()
            opposed.backward()
            adams[0].step()
            for adam in adams:
                adam.zero_grad()
            average.update_parameters(generator)
            taken += 1
            totals = [totals[0] + loss.item(), totals[1] + opposed.item()]
        means = [total / example.STEPS for total in totals]
        print(f"epoch {epoch + 1}: discriminator {means[0]:.4f}, generator {means[1]:.4f}")
    score, seconds = judgement(average, X_test, Y_test), time.perf_counter() - began
    said = f"accuracy on real images after learning from drawn ones {score:.2f} %"
    print(f"UCI digits: {said} in {seconds:.1f} s")


if __name__ == "__main__":
    main()
