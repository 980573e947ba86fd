"""A 784-1024-10 network learns to read digits.

    python examples/mnist_mlp.py --epochs 5 --out runs/first  # after Ctrl-C: the same, --resume

The network and its loss are written out as formulas; the gradients come from the graph they record.
"""

import _interrupts  # noqa: F401  # first: from here on, Ctrl-C ends the program in one line
import time
from functools import partial

import numpy as np
from _data import checksum, mnist_or_digits

import nn
from nn import training
from nn.data.augment import mean_std, normalize
from tinygrad_lite import Tensor, capture, no_grad

HIDDEN = 1024  # hidden units between the pixels and the ten scores
EPOCHS = 2  # passes over the training images of MNIST
DIGITS_EPOCHS = 15  # the same for the UCI digits, a data set forty times smaller
BATCH_SIZE = 128  # number of images in one step
LR = 0.15  # learning rate: an eleventh of the steps it rises, to 0.91 of this, then it falls to 0
MOMENTUM = 0.9  # fraction of the last step that is kept in the next
REG = 1e-4  # strength of the L2 penalty on the two matrices
HELD_OUT = 12  # one image in twelve, the last 5,000, is held out to choose the best weights
TARGET = 97.87  # percentage of the test images that the blog post reached


class MLP:
    """scores = relu(X W1 + b1) W2 + b2.  X: (N, pixels) -> (N, 10)."""

    def __init__(self, pixels: int, hidden: int) -> None:
        self.W1 = nn.Parameter(Tensor.randn(pixels, hidden) * (2 / pixels) ** 0.5)  # He et al. 2015
        self.b1 = nn.Parameter(Tensor.zeros(hidden))
        self.W2 = nn.Parameter(Tensor.randn(hidden, 10) * (1 / hidden) ** 0.5)
        self.b2 = nn.Parameter(Tensor.zeros(10))

    def scores(self, X: Tensor) -> Tensor:
        """One score for each class; the highest is the answer."""
        return (X @ self.W1 + self.b1).relu() @ self.W2 + self.b2


def loss_by_formula(model: MLP, scores: Tensor, Y: Tensor | np.ndarray, reg: float) -> Tensor:
    """Cross entropy, the mean of -log(probability of the true class), plus the L2 penalty."""
    shifted = scores - scores.max(axis=1, keepdim=True).detach()  # so exp cannot overflow
    log_probabilities = shifted - shifted.exp().sum(axis=1, keepdim=True).log()
    data_loss = -log_probabilities[np.arange(len(Y)), Y].mean()
    return data_loss + 0.5 * reg * ((model.W1 * model.W1).sum() + (model.W2 * model.W2).sum())


def loss_by_library(model: MLP, scores: Tensor, Y: Tensor | np.ndarray, reg: float) -> Tensor:
    """The same cross entropy from the library; the optimiser's weight decay is the penalty."""
    return scores.cross_entropy(Y)


@no_grad()
def scores_of_all(model: MLP, batches: nn.data.DataLoader) -> Tensor:
    """The scores of many images, (N, 10)."""
    return Tensor(np.concatenate([model.scores(x).numpy() for x, _ in batches]))


def correct(scores: Tensor, Y: Tensor | np.ndarray) -> Tensor:
    """The number of images whose highest score is that of the true class."""
    return (scores.argmax(axis=1) == Y).sum()


def main() -> int:
    """Train, choose the best weights on the held-out images, then use the test images once."""
    began = time.perf_counter()
    args = training.arguments(
        __doc__, batch_size=(BATCH_SIZE, "images in one step"), lr=(LR, "highest learning rate"),
        epochs=(None, f"passes over the images ({EPOCHS}; on the digits {DIGITS_EPOCHS})"),
        momentum=(MOMENTUM, "fraction of the last step kept"), reg=(REG, "strength of the penalty"),
        library=(False, "loss and penalty from the library"), hidden=(HIDDEN, "hidden units"),
        target=(None, f"exit status 1 below this accuracy ({TARGET} on MNIST)"), capture=False,
    )  # fmt: skip
    name, (X, Y, images, Y_test) = mnist_or_digits(args.data)
    usual, target = (EPOCHS, TARGET) if name == "MNIST" else (DIGITS_EPOCHS, 0.0)
    epochs, target = args.epochs or usual, target if args.target is None else args.target
    cut, count = len(X) - len(X) // HELD_OUT, len(Y_test)
    scale = mean_std(X[:cut])
    load = partial(nn.data.DataLoader, transform=lambda x, y: (normalize(x, *scale).flatten(1), y))
    batches = load(X[:cut], Y[:cut], batch_size=args.batch_size, shuffle=True, seed=args.seed)
    held_out = load(X[cut:], Y[cut:], batch_size=1000)
    Tensor.manual_seed(args.seed)
    model = MLP(X[0].size, args.hidden)
    loss_of, decay = (loss_by_library, args.reg) if args.library else (loss_by_formula, 0.0)
    matrices = {"params": [model.W1, model.W2], "weight_decay": decay}
    sgd = nn.optim.SGD([matrices, {"params": [model.b1, model.b2]}], args.lr, args.momentum)

    def step(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        scores = model.scores(x)
        loss = loss_of(model, scores, y, args.reg)
        loss.backward()
        sgd.step()
        sgd.zero_grad()
        return loss, correct(scores, y)

    train, best = capture(step) if args.capture else step, training.Best(model)
    with training.Report(epochs=epochs, steps=len(batches), rows=cut, unit="images", name=name,
                         out=args.out, resume=args.resume, quiet=args.quiet) as report:  # fmt: skip
        weights = nn.state.get_state_dict(model)
        options = vars(args) | {"data_checksum": checksum(X, Y)}
        report.resume(options, **weights, sgd=sgd, batches=batches, best=best)
        try:
            for _ in range(batches.epoch, epochs):
                for x, y in batches:
                    taken, steps = report.taken, epochs * len(batches)
                    sgd.lr = args.lr * min(1, 10 * (taken + 1) / steps, 1 - taken / steps)
                    loss, right = train(x, y)
                    report.step(len(y), loss=loss.item(), train_accuracy=int(right) / len(y))
                right = int(correct(scores_of_all(model, held_out), Y[cut:]))
                best.update(right)
                report.epoch(held_out_accuracy=right / len(Y[cut:]))
                report.save()
        except KeyboardInterrupt as stop:
            report.stopped(stop, f"this tests {best.words}")
        best.restore()
        answers = scores_of_all(model, load(images, Y_test, batch_size=1000))
        right = int(correct(answers, Y_test))
        accuracy, seconds = 100 * right / count, time.perf_counter() - began
        report.keep("weights.safetensors", lambda path: nn.state.safe_save(weights, path))
        report.keep("curves.png", lambda path: training.curves(report.metrics, path))
        report.keep("mistakes.png", lambda path: training.mistakes(images, Y_test, answers, path))
        said = f"{name}: test accuracy {accuracy:.2f} % ({right} of {count}) in {seconds:.1f} s"
        report.result(said)
        return report.status(accuracy, target, " %")


if __name__ == "__main__":
    raise SystemExit(training.run(main))
