"""A 784-1024-10 network learns to read digits.

The network and its loss are written out as formulas; the gradients come from the graph they record.

    python examples/mnist_mlp.py --epochs 5 --out runs/first
"""

import _interrupts  # first: from here on, Ctrl-C ends the program in one line
import copy
import math
import time

import numpy as np
from _support import Report, Scaled, load, mean_and_deviation, parse_arguments

import nn
from tinygrad_lite import Tensor, no_grad

HIDDEN = 1024  # hidden units between the pixels and the ten scores
EPOCHS = 2  # passes over the training images of MNIST
DIGITS_EPOCHS = 15  # the same for the UCI digits, a data set forty times smaller
BATCH_SIZE = 128  # number of images in one step
LR = 0.15  # highest learning rate: it rises for a tenth of the steps, then falls to 0
MOMENTUM = 0.9  # fraction of the last step that is kept in the next
REG = 1e-4  # strength of the L2 penalty on the two matrices
HELD_OUT = 12  # one image in twelve, the last 5,000, is held out to choose the best weights
TARGET = 97.87  # percentage of the test images that the blog post reached


class MLP:
    """scores = relu(X W1 + b1) W2 + b2.  X: (N, pixels) -> (N, 10)."""

    def __init__(self, pixels: int, hidden: int) -> None:
        self.W1 = Tensor.randn(pixels, hidden) * math.sqrt(2 / pixels)  # He et al. 2015
        self.b1 = Tensor.zeros(hidden)
        self.W2 = Tensor.randn(hidden, 10) * math.sqrt(1 / hidden)
        self.b2 = Tensor.zeros(10)
        for parameter in (self.W1, self.b1, self.W2, self.b2):
            parameter.requires_grad = True

    def scores(self, X: Tensor) -> Tensor:
        """One score for each class; the highest is the answer."""
        return (X @ self.W1 + self.b1).relu() @ self.W2 + self.b2


def loss_by_formula(model: MLP, scores: Tensor, Y: np.ndarray, reg: float) -> Tensor:
    """Cross entropy, the mean of -log(probability of the true class), plus the L2 penalty."""
    shifted = scores - scores.max(axis=1, keepdim=True).detach()  # so exp cannot overflow
    log_probabilities = shifted - shifted.exp().sum(axis=1, keepdim=True).log()
    data_loss = -log_probabilities[np.arange(len(Y)), Y].mean()
    W1, W2 = model.W1, model.W2
    return data_loss + 0.5 * reg * (W1 * W1).sum() + 0.5 * reg * (W2 * W2).sum()


def loss_by_library(model: MLP, scores: Tensor, Y: np.ndarray, reg: float) -> Tensor:
    """The same cross entropy from the library; the optimiser's weight decay is the penalty."""
    return scores.cross_entropy(Y)


@no_grad()
def scores_of_all(model: MLP, X: Scaled) -> np.ndarray:
    """The scores of many images, (N, 10), a thousand at a time."""
    return np.concatenate([model.scores(x).numpy() for x in X.batches(batch_size=1000)])


def correct(model: MLP, X: Scaled, Y: np.ndarray) -> int:
    """The number of images whose highest score is that of the true class."""
    return int((scores_of_all(model, X).argmax(axis=1) == Y).sum())


def main() -> int:
    """Train, choose the best weights on the held-out images, then use the test images once."""
    began, args = time.perf_counter(), parse_arguments(__doc__, globals())
    name, (X, Y, images, Y_test) = load(args.data, args.quiet)
    cut, scale = len(X) - len(X) // HELD_OUT, mean_and_deviation(X)
    train, held_out, test = (Scaled(part, *scale) for part in (X[:cut], X[cut:], images))
    epochs = args.epochs or (EPOCHS if name == "MNIST" else DIGITS_EPOCHS)
    target = args.target if args.target is not None else TARGET if name == "MNIST" else 0.0
    Tensor.manual_seed(args.seed)
    model = MLP(X[0].size, args.hidden)
    batches = train.batches(Y[:cut], batch_size=args.batch_size, shuffle=True, seed=args.seed)
    loss_of, decay = (loss_by_library, args.reg) if args.library else (loss_by_formula, 0.0)
    optimisers = [
        nn.optim.SGD([model.W1, model.W2], args.lr, args.momentum, weight_decay=decay),
        nn.optim.SGD([model.b1, model.b2], args.lr, args.momentum),
    ]
    report = Report(name, epochs, images=cut, out=args.out, quiet=args.quiet)
    best, weights, step, steps = -1, {}, 0, epochs * len(batches)
    try:
        for _ in range(epochs):
            for x, y in batches:
                scores = model.scores(x)
                loss = loss_of(model, scores, y.numpy(), args.reg)
                loss.backward()
                for optimiser in optimisers:
                    optimiser.lr = args.lr * min(1, 10 * (step + 1) / steps, 1 - step / steps)
                    optimiser.step()
                    optimiser.zero_grad()
                step += 1
                report.step(loss.item(), scores.numpy().argmax(axis=1) == y.numpy())
            right = correct(model, held_out, Y[cut:])
            if right > best:
                best, weights = right, copy.deepcopy(nn.state.get_state_dict(model))
            report.epoch(right / len(held_out))
    except KeyboardInterrupt:
        report.stopped(step, steps)
    if weights:
        nn.state.load_state_dict(model, weights)
    answers = scores_of_all(model, test)
    right = int((answers.argmax(axis=1) == Y_test).sum())
    report.keep(nn.state.get_state_dict(model), images, Y_test, answers)
    accuracy, seconds = 100 * right / len(Y_test), time.perf_counter() - began
    report.result(f"test accuracy {accuracy:.2f} % ({right} of {len(Y_test)}) in {seconds:.1f} s")
    return report.judge(accuracy, target)


if __name__ == "__main__":
    raise SystemExit(_interrupts.run(main))
