"""examples/vae.py in PyTorch: the same images, network, loss, steps and last line."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
import vae as example

import nn as ours


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """A network with two hidden layers."""
    return nn.Sequential(
        nn.Linear(inputs, example.HIDDEN),
        nn.ReLU(),
        nn.Linear(example.HIDDEN, example.HIDDEN),
        nn.ReLU(),
        nn.Linear(example.HIDDEN, outputs),
    )


class VAE(nn.Module):
    """An encoder, x -> mean and log deviation of z, and a decoder, z -> logits of ink."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.encoder = mlp(pixels, 2 * example.LATENT)
        self.decoder = mlp(example.LATENT, pixels)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits, and the mean and the log deviation of z."""
        mean, log_deviation = self.encoder(x).chunk(2, dim=1)
        z = mean + log_deviation.exp() * torch.randn_like(mean)
        return self.decoder(z), mean, log_deviation


def negative_elbo(
    model: VAE, x: torch.Tensor, ways: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """-log p(x | z) and the KL divergence of each image."""
    logits, mean, log_deviation = model(x / example.DOTS)
    of_a_dot = F.binary_cross_entropy_with_logits(logits, x / example.DOTS, reduction="none")
    kl = 0.5 * (mean.square() + (2 * log_deviation).exp() - 1) - log_deviation
    return example.DOTS * of_a_dot.sum(dim=1) - ways, kl.sum(dim=1)


@torch.no_grad()
def held_out_nats(model: VAE, x: torch.Tensor, ways: torch.Tensor) -> float:
    """-ELBO per image."""
    draws = [sum(negative_elbo(model, x, ways)) for _ in range(example.DRAWS)]
    return torch.stack(draws).mean().item()


def main() -> None:
    """Train for the same number of steps, and tell the same figure."""
    began = time.perf_counter()
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=example.EPOCHS)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    images, _, others, _ = ours.datasets.digits()
    whole = np.concatenate([images, others]).reshape(-1, 64).astype(np.float32)
    (X, ways), (X_held_out, ways_held_out) = (
        (torch.from_numpy(x), torch.from_numpy(example.log_ways(x)))
        for x in ours.data.train_test_split(whole, test_size=example.HELD_OUT, seed=1)
    )
    model = VAE(X.shape[1])
    adam = torch.optim.AdamW(model.parameters(), example.LR, weight_decay=example.WEIGHT_DECAY)
    data = torch.utils.data.TensorDataset(X, ways)
    order = torch.utils.data.RandomSampler(data, num_samples=example.STEPS * example.BATCH_SIZE)
    batches = torch.utils.data.DataLoader(
        data,
        batch_size=None,  # a batch is read with one subscript, not image by image
        sampler=torch.utils.data.BatchSampler(order, example.BATCH_SIZE, drop_last=False),
    )
    taken, steps = 0, args.epochs * example.STEPS
    for epoch in range(args.epochs):
        total = 0.0
        for x, ways_of_x in batches:
            done = (taken + 1) / steps
            adam.param_groups[0]["lr"] = example.LR * min(1, 20 * done, 2.01 - 2 * done)
            ink, kl = (each.mean() for each in negative_elbo(model, x, ways_of_x))
            loss = ink + kl
            adam.zero_grad()
            loss.backward()
            adam.step()
            taken += 1
            total += loss.item()
        nats = held_out_nats(model, X_held_out, ways_held_out)
        print(f"epoch {epoch + 1}: loss {total / example.STEPS:.2f}, held-out loss {nats:.2f}")
    nats = held_out_nats(model, X_held_out, ways_held_out)
    seconds = time.perf_counter() - began
    print(f"UCI digits: held-out nats per image {nats:.2f} in {seconds:.1f} s")


if __name__ == "__main__":
    main()
