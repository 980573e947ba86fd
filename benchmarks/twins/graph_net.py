"""examples/graph_net.py in PyTorch: the same graph, network, gradient descent and last line."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
from graph_net import EPOCHS, HIDDEN, KNOWN, LR, MEMBERS, STEPS, karate_club


class Graph:
    def __init__(self, nodes, ties):
        itself = torch.arange(nodes)
        self.senders = torch.cat([ties[:, 0], ties[:, 1], itself])
        self.receivers = torch.cat([ties[:, 1], ties[:, 0], itself])
        degree = torch.bincount(self.receivers)
        self.weights = (degree[self.senders] * degree[self.receivers]).rsqrt().unsqueeze(1)

    def mix(self, x):
        return torch.zeros_like(x).index_add(0, self.receivers, x[self.senders] * self.weights)


class GraphNet(nn.Module):
    def __init__(self, features, clubs):
        super().__init__()
        self.first = nn.Linear(features, HIDDEN, bias=False)
        self.second = nn.Linear(HIDDEN, clubs, bias=False)
        for weight in self.parameters():
            nn.init.xavier_uniform_(weight)

    def forward(self, x, graph):
        return graph.mix(self.second(graph.mix(self.first(x)).relu()))


@torch.no_grad()
def right_of(model, x, graph, clubs):
    answers = model(x, graph).argmax(dim=1)
    return int(np.delete((answers == clubs).numpy(), KNOWN).sum())


def main():
    began = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    args = parser.parse_args()
    ties, clubs = (torch.from_numpy(array) for array in karate_club())
    graph, x, others = Graph(MEMBERS, ties), torch.eye(MEMBERS), MEMBERS - len(KNOWN)
    torch.manual_seed(args.seed)
    model = GraphNet(features=MEMBERS, clubs=2)
    sgd = torch.optim.SGD(model.parameters(), LR)
    for epoch in range(args.epochs):
        total = 0.0
        for _ in range(STEPS):
            loss = F.cross_entropy(model(x, graph)[KNOWN], clubs[KNOWN])
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            total += loss.item()
        right = right_of(model, x, graph, clubs)
        print(f"epoch {epoch + 1}: loss {total / STEPS:.4f}, {right} of {others} right")
    right, seconds = right_of(model, x, graph, clubs), time.perf_counter() - began
    print(f"karate club: {right} of {others} members right in {seconds:.1f} s")


if __name__ == "__main__":
    main()
