"""examples/neural_ode.py in PyTorch: the same pendulum, measurements, steps and last line."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
from neural_ode import (
    EPOCHS,
    HIDDEN,
    LR,
    MEASURED,
    NOISE,
    PREDICTED,
    RELEASES,
    STEPS,
    H,
    path,
    released,
    runge_kutta,
)


def tensor(values):
    return torch.tensor(values, dtype=torch.float32)


def predicted(network, true):
    with torch.no_grad():
        states = path(network, tensor(true[0]), H, PREDICTED, runge_kutta)
    found = torch.stack(states).numpy()
    return 100 * np.linalg.norm(found - true) / np.linalg.norm(true)


def main():
    began = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    network = nn.Sequential(nn.Linear(2, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 2))
    rng = np.random.default_rng(args.seed)
    true, held_out = released(rng, RELEASES, MEASURED), released(rng, 50, PREDICTED)
    start = tensor(true[0])
    measured = tensor((true + NOISE * rng.standard_normal(true.shape))[1:])
    adam = torch.optim.Adam(network.parameters(), LR)
    steps, total = args.epochs * STEPS, 0.0
    for step in range(steps):
        adam.param_groups[0]["lr"] = LR * (1 - step / steps)
        states = path(network, start, H, MEASURED, runge_kutta)
        loss = ((torch.stack(states[1:]) - measured) ** 2).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        total += loss.item()
        if (step + 1) % STEPS == 0:
            error = predicted(network, held_out)
            mean, total = total / STEPS, 0.0
            print(f"epoch {(step + 1) // STEPS}: loss {mean:.4f}, held-out error {error:.2f} %")
    error = predicted(network, held_out)
    seconds = time.perf_counter() - began
    print(f"pendulum with friction: held-out error {error:.2f} % in {seconds:.1f} s")


if __name__ == "__main__":
    main()
