"""examples/reinforce.py in PyTorch: the same carts, networks, Adam and last line."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
from reinforce import (
    EPISODES,
    EPOCHS,
    FARTHEST,
    HIDDEN,
    JUDGED,
    LONGEST,
    LR,
    STEEPEST,
    STEPS,
    move,
    returns_of,
)


def network(outputs):
    return nn.Sequential(nn.Linear(4, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, outputs))


@torch.no_grad()
def play(policy, count, rng):
    states, up, played = rng.uniform(-0.05, 0.05, (count, 4)), np.ones(count, dtype=bool), []
    while up.any() and len(played) < LONGEST:
        right = policy(torch.tensor(states, dtype=torch.float32)).softmax(dim=1)[:, 1].numpy()
        actions = (rng.random(count) < right).astype(np.int64)
        played.append((states, actions, up))
        states = np.where(up[:, None], move(states, actions), states)
        up = up & (abs(states[:, 0]) <= FARTHEST) & (abs(states[:, 2]) <= STEEPEST)
    return tuple(np.stack(each) for each in zip(*played, strict=True))


def main():
    began = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng, steps = np.random.default_rng(args.seed), args.epochs * STEPS
    policy, baseline = network(2), network(1)
    play(policy, 1, rng)  # of which the example draws a picture
    adam = torch.optim.Adam([*policy.parameters(), *baseline.parameters()], LR)
    for epoch in range(args.epochs):
        episode_lengths = []
        for step in range(epoch * STEPS, (epoch + 1) * STEPS):
            states, actions, up = play(policy, EPISODES, rng)
            seen = torch.tensor(states[up], dtype=torch.float32)
            returns = torch.tensor(returns_of(up)[up], dtype=torch.float32)
            advantages = returns - baseline(seen).squeeze(1)
            log_prob = Categorical(logits=policy(seen)).log_prob(torch.from_numpy(actions[up]))
            loss = (advantages.square() - log_prob * advantages.detach()).mean()
            adam.zero_grad()
            loss.backward()
            adam.param_groups[0]["lr"] = LR * min(1, 10 * (step + 1) / steps, 1 - step / steps)
            adam.step()
            episode_lengths.append(up.sum(axis=0).mean())
        print(f"epoch {epoch + 1}: mean return {np.mean(episode_lengths):.1f}")
    _, _, up = play(policy, JUDGED, rng)
    score, seconds = up.sum(axis=0).mean(), time.perf_counter() - began
    print(f"CartPole: mean return {score:.1f} of {LONGEST} in {seconds:.1f} s")


if __name__ == "__main__":
    main()
