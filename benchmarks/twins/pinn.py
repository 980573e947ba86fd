"""examples/pinn.py in PyTorch: the same network, points, L-BFGS and last line."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
from pinn import EPOCHS, ITERATIONS, LR, NU, POINTS, STEPS, WIDTH, exact


class Solution(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Linear(2, WIDTH), *(nn.Linear(WIDTH, WIDTH) for _ in range(3))]
        for layer in layers:
            nn.init.xavier_normal_(layer.weight)
        hidden = [module for layer in layers for module in (layer, nn.Tanh())]
        self.network = nn.Sequential(*hidden, nn.Linear(WIDTH, 1))

    def forward(self, x, t):
        return t * (1 - x * x) * self.network(torch.cat([x, t], 1)) - torch.sin(np.pi * x)


def residual(model, x, t):
    u = model(x, t)
    u_x, u_t = torch.autograd.grad(u.sum(), (x, t), create_graph=True)
    (u_xx,) = torch.autograd.grad(u_x.sum(), x, create_graph=True)
    return u_t + u * u_x - NU * u_xx


def column(values, requires_grad=False):
    return torch.tensor(values.reshape(-1, 1), dtype=torch.float32, requires_grad=requires_grad)


def compared(model, x, t, true):
    with torch.no_grad():
        u = model(x, t).numpy().reshape(true.shape)
    return 100 * np.linalg.norm(u - true) / np.linalg.norm(true)


def main():
    began = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    model, rng = Solution(), np.random.default_rng(args.seed)
    x, t = (column(rng.uniform(low, 1, POINTS), requires_grad=True) for low in (-1, 0))
    grid = np.meshgrid(np.linspace(-1, 1, 201), np.arange(1, 101) / 100)
    test = column(grid[0]), column(grid[1]), exact(*grid)
    lbfgs = torch.optim.LBFGS(
        model.parameters(), LR, ITERATIONS, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        lbfgs.zero_grad()
        loss = (residual(model, x, t) ** 2).mean()
        loss.backward()
        return loss

    for epoch in range(args.epochs):
        for _ in range(STEPS):
            loss = lbfgs.step(closure)
        error = compared(model, *test)
        print(f"epoch {epoch + 1}: loss {loss:.3e}, relative error {error:.2f} %")
    error, seconds = compared(model, *test), time.perf_counter() - began
    print(f"Burgers' equation: relative error {error:.2f} % in {seconds:.1f} s")


if __name__ == "__main__":
    main()
