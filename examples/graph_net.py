"""A graph convolutional network guesses how a karate club split, from who met whom.

    python examples/graph_net.py --out runs/karate  # and look at runs/karate/graph.png

The club broke apart over a quarrel between its instructor, "Mr. Hi", and its president, "John A"
(Zachary 1977).  The network is told the choice of these two only, and nothing about a member but
the ties: each layer mixes the features of a node with those of its neighbours, so what is said of
two nodes spreads over the graph (Kipf and Welling 2017).  It errs about member 9, and so did
Zachary's own model: a friend of the president's side, but three weeks from the black belt.
"""

import _interrupts  # noqa: F401  # first: from here on, Ctrl-C ends the program in one line
import time
from pathlib import Path

import numpy as np

import nn
from nn import training
from tinygrad_lite import Tensor, no_grad

# The members who met outside the club.
TIES = """
1-2 1-3 1-4 1-5 1-6 1-7 1-8 1-9 1-11 1-12 1-13 1-14 1-18 1-20 1-22 1-32 2-3 2-4 2-8 2-14 2-18 2-20
2-22 2-31 3-4 3-8 3-9 3-10 3-14 3-28 3-29 3-33 4-8 4-13 4-14 5-7 5-11 6-7 6-11 6-17 7-17 9-31 9-33
9-34 10-34 14-34 15-33 15-34 16-33 16-34 19-33 19-34 20-34 21-33 21-34 23-33 23-34 24-26 24-28 24-30
24-33 24-34 25-26 25-28 25-32 26-32 27-30 27-34 28-34 29-32 29-34 30-33 30-34 31-33 31-34 32-33
32-34 33-34
"""
MR_HIS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 17, 18, 20, 22]  # who stayed with him
MEMBERS = 34  # numbered from 1; Mr. Hi is the first, John A the last
KNOWN = [0, MEMBERS - 1]  # the nodes whose club the network is told: these two
HIDDEN = 32  # features of a node between the two layers
EPOCHS = 10  # an epoch is the steps between two looks at the other members
STEPS = 20  # in one epoch, each on the whole graph
LR = 0.5  # learning rate of plain gradient descent
COLOURS = ["#56B4E9", "#E69F00"]  # of the clubs in the picture
TARGET = 31  # members, of the 32 whose club it is not told, that Zachary's own model got right


def karate_club() -> tuple[np.ndarray, np.ndarray]:
    """The ties as pairs of nodes from 0, (78, 2), and the club of each node: 0 is Mr. Hi's."""
    ties = np.array([pair.split("-") for pair in TIES.split()], dtype=np.int64) - 1
    return ties, 1 - np.isin(np.arange(1, MEMBERS + 1), MR_HIS)


class Graph:
    """Messages between neighbours.  Each tie carries one both ways, and each node one to itself."""

    def __init__(self, nodes: int, ties: np.ndarray) -> None:
        both_ways = np.concatenate([ties, ties[:, ::-1], np.arange(nodes).repeat(2).reshape(-1, 2)])
        self.senders, self.receivers = both_ways.T
        degree = np.bincount(self.receivers)  # with the message to itself
        weights = 1 / np.sqrt(degree[self.senders] * degree[self.receivers])
        self.weights = Tensor(weights[:, None]).float()

    def mix(self, x: Tensor) -> Tensor:
        """y = D^-1/2 (A + I) D^-1/2 x, without that matrix.  x: (nodes, features)."""
        messages = x[self.senders] * self.weights
        return Tensor.zeros(*x.shape).index_add(0, self.receivers, messages)


class GraphNet(nn.Module):
    """scores = mix(relu(mix(x W1)) W2).  x: (nodes, features) -> (nodes, clubs)."""

    def __init__(self, features: int, clubs: int) -> None:
        self.first = nn.Linear(features, HIDDEN, bias=False)
        self.second = nn.Linear(HIDDEN, clubs, bias=False)
        for weight in self.parameters():
            nn.init.xavier_uniform_(weight)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        """One score for each node and club; the highest is the answer."""
        return graph.mix(self.second(graph.mix(self.first(x)).relu()))


@no_grad()
def judge(model: GraphNet, x: Tensor, graph: Graph, clubs: np.ndarray) -> tuple[np.ndarray, int]:
    """The answer for each node, and how many are right where the club was not known."""
    answers = model(x, graph).argmax(axis=1).numpy()
    return answers, int(np.delete(answers == clubs, KNOWN).sum())


def draw_graph(ties: np.ndarray, answers: np.ndarray, clubs: np.ndarray, path: Path) -> None:
    """The graph, each node in the colour of its answer, with a black ring where that is wrong.

    Ties pull like springs and all nodes repel each other (Fruchterman and Reingold 1991).
    """
    tied = np.zeros((MEMBERS, MEMBERS))
    tied[ties[:, 0], ties[:, 1]] = tied[ties[:, 1], ties[:, 0]] = 1
    z = np.exp(2j * np.pi * np.arange(MEMBERS) / MEMBERS)  # positions, as complex numbers
    for step in np.linspace(0.3, 0, 300):
        apart = z[:, None] - z
        distance = np.abs(apart) + np.eye(MEMBERS)
        force = (apart / distance**2 - tied * apart * distance).sum(axis=1)
        z += step * force / np.abs(force)
    with training.figure(path, 8, 6) as figure:
        axes = figure.add_subplot(frame_on=False, xticks=[], yticks=[])
        axes.plot(z.real[ties.T], z.imag[ties.T], color="0.8", zorder=0)
        rings = ["white" if right else "black" for right in answers == clubs]
        axes.scatter(
            z.real, z.imag, 330, np.array(COLOURS)[answers], edgecolors=rings, linewidths=2
        )
        for member, at in enumerate(z, 1):
            axes.text(at.real, at.imag, str(member), ha="center", va="center", fontsize=9)


def main() -> int:
    """Train on the two known members, and judge by the others, whose clubs it never sees."""
    began = time.perf_counter()
    args = training.arguments(
        __doc__, without=("batch_size", "data"), lr=LR, seed=(0, "of the initial weights"),
        epochs=(EPOCHS, f"of {STEPS} steps"), target=(TARGET, "exit status 1 below so many right"),
    )  # fmt: skip
    ties, clubs = karate_club()
    graph, x, others = Graph(MEMBERS, ties), Tensor.eye(MEMBERS), MEMBERS - len(KNOWN)
    Tensor.manual_seed(args.seed)
    model = GraphNet(features=MEMBERS, clubs=2)  # a feature for each member: who it is
    sgd = nn.optim.SGD(model.parameters(), args.lr)
    with training.Report(
        epochs=args.epochs, steps=STEPS, rows=STEPS * MEMBERS, unit="nodes", name="karate club",
        out=args.out, resume=args.resume, quiet=args.quiet,
        kept=["weights.safetensors", "curves.png", "graph.png"],
    ) as report:  # fmt: skip
        report.resume(vars(args), model=model, sgd=sgd)
        try:
            for epoch in range(report.finished, args.epochs):
                for _ in range(report.taken, (epoch + 1) * STEPS):
                    loss = model(x, graph)[KNOWN].cross_entropy(clubs[KNOWN])
                    loss.backward()
                    sgd.step()
                    sgd.zero_grad()
                    report.step(MEMBERS, loss=loss.item())
                report.epoch(held_out_accuracy=judge(model, x, graph, clubs)[1] / others)
                report.save()
        except KeyboardInterrupt as stop:
            report.stopped(stop, "this judges the weights as they are")
        answers, right = judge(model, x, graph, clubs)
        weights, seconds = model.state_dict(), time.perf_counter() - began
        report.keep("weights.safetensors", lambda path: nn.state.safe_save(weights, path))
        report.keep("curves.png", lambda path: training.curves(report.metrics, path))
        report.keep("graph.png", lambda path: draw_graph(ties, answers, clubs, path))
        report.result(f"karate club: {right} of {others} members right in {seconds:.1f} s")
        return report.status(right, args.target, f" of {others}")


if __name__ == "__main__":
    raise SystemExit(training.run(main))
