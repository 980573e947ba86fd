"""A convolutional network reads the digits of MNIST: at least 99.5 % of the test images.

    python examples/mnist_convnet.py --epochs 2 --out runs/first  # after Ctrl-C: the same, --resume
    python examples/mnist_convnet.py --images 4000 --epochs 1 --lr 0.02 --target 90  # in seconds
    mpiexec -n 4 python examples/mnist_convnet.py --distributed  # one training by four processes

No epoch shows the network an image as it is: each is turned, resized, slanted and shifted a little,
at random.  The learning rate rises and falls once, so the weights at the end are the ones to take:
the held-out images choose nothing, and the test images are counted once.
"""

import _interrupts  # noqa: F401  # first: from here on, Ctrl-C ends the program in one line
import time
from functools import partial

import numpy as np
from _data import checksum, mnist_or_digits, sized

import nn
from nn import training
from nn.data import augment
from nn.optim.schedules import one_cycle
from tinygrad_lite import Tensor, capture, no_grad

EPOCHS = 8  # passes over the training images
BATCH_SIZE = 128  # number of images in one step
LR = 0.2  # highest learning rate, after three tenths of the steps
DIGITS_LR = 0.05  # the same for the UCI digits: their cycle is forty times shorter
MOMENTUM = 0.9  # of Nesterov
DECAY = 5e-4  # weight decay
SMOOTHING = 0.1  # of the labels: what the ten classes share, and the true one gives up
DROPOUT = 0.3  # share of the last features that a training step leaves out
DEGREES = 12  # largest turn of a training image
SCALE = (0.88, 1.12)  # smallest and largest factor of its size
SHEAR = 11.3  # largest slant in degrees: a fifth of the height, to the side
SHIFT = 2.2 / 28  # largest shift, of the width; `affine` rounds it down to whole pixels
IMAGES = 60_000  # training images used, with those held out; fewer make a quick try
HELD_OUT = 12  # one image in twelve, the last 5,000, is held out
TARGET = 99.5  # percentage of the test images


def block(channels: int, out: int, kernel: int = 3, padding: int = 1) -> list[nn.Module]:
    """Convolution, normalisation, ReLU.  The normalisation would subtract a bias again."""
    convolution = nn.Conv2d(channels, out, kernel, padding=padding, bias=False)
    return [convolution, nn.BatchNorm2d(out), nn.ReLU()]


def convnet() -> nn.Sequential:
    """Images (N, 1, 28, 28) -> scores (N, 10), with 171,178 parameters."""
    return nn.Sequential(
        *block(1, 32), *block(32, 32), nn.MaxPool2d(2),  # (N, 32, 14, 14)
        *block(32, 64), *block(64, 64), nn.MaxPool2d(2),  # (N, 64, 7, 7)
        *block(64, 128, padding=0), nn.Dropout(DROPOUT), nn.Flatten(),  # (N, 128 * 5 * 5)
        nn.Linear(128 * 5 * 5, 10),
    )  # fmt: skip


def changed(x: Tensor, y: Tensor, mean: np.ndarray, std: np.ndarray) -> tuple[Tensor, Tensor]:
    """A batch to train on: each image moved by a random affine map of its own."""
    x = augment.affine(x, DEGREES, translate=SHIFT, scale=SCALE, shear=SHEAR)
    return augment.normalize(x, mean, std), y


@no_grad()
def scores_of_all(model: nn.Module, batches: nn.data.DataLoader) -> Tensor:
    """The scores of many images, (N, 10)."""
    model.eval()  # without dropout, and normalised by the running statistics
    scores = Tensor(np.concatenate([model(x).numpy() for x, _ in batches]))
    model.train()
    return scores


def correct(scores: Tensor, Y: Tensor | np.ndarray) -> Tensor:
    """The number of images whose highest score is that of the true class."""
    return (scores.argmax(axis=1) == Y).sum()


def main() -> int:
    """Train for one cycle of the learning rate, then use the test images once."""
    began = time.perf_counter()
    args = training.arguments(
        __doc__, epochs=EPOCHS, batch_size=(BATCH_SIZE, "images in one step"), capture=False,
        distributed=False, chunks=None,
        lr=(None, f"highest learning rate ({LR}; on the digits {DIGITS_LR})"),
        images=(IMAGES, "training images used", (100, None)),
        target=(None, f"exit status 1 below this accuracy ({TARGET} on MNIST)"),
    )  # fmt: skip
    if args.distributed or args.chunks:
        nn.distributed.start()  # before all that could end one process alone
    name, (X, Y, images, Y_test) = mnist_or_digits(args.data)
    lr, target = (LR, TARGET) if name == "MNIST" else (DIGITS_LR, 0.0)
    lr = lr if args.lr is None else args.lr
    target = target if args.target is None else args.target
    X, Y, X_test, count = sized(X[: args.images]), Y[: args.images], sized(images), len(Y_test)
    cut = len(X) - len(X) // HELD_OUT
    mean, std = augment.mean_std(X[:cut])
    batches = nn.data.DataLoader(
        X[:cut], Y[:cut], batch_size=args.batch_size, shuffle=True, seed=args.seed,
        transform=partial(changed, mean=mean, std=std),
    )  # fmt: skip
    fixed = partial(nn.data.DataLoader, batch_size=500,
                    transform=lambda x, y: (augment.normalize(x, mean, std), y))  # fmt: skip
    held_out, rate = fixed(X[cut:], Y[cut:]), one_cycle(lr, args.epochs * len(batches))
    Tensor.manual_seed(args.seed)
    model = convnet()
    sgd = nn.optim.SGD(model.parameters(), lr, MOMENTUM, weight_decay=DECAY, nesterov=True)
    if args.distributed or args.chunks:
        sgd, batches = nn.distributed.data_parallel(model, sgd, batches, chunks=args.chunks)

    def step(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        scores = model(x)
        loss = scores.cross_entropy(y, label_smoothing=SMOOTHING)
        loss.backward()
        sgd.step()
        sgd.zero_grad()
        return loss, correct(scores, y)

    train = capture(step) if args.capture else step
    with training.Report(epochs=args.epochs, steps=len(batches), rows=cut, unit="images", name=name,
                         out=args.out, resume=args.resume, quiet=args.quiet) as report:  # fmt: skip
        options = vars(args) | {"data_checksum": checksum(X, Y)}
        report.resume(options, model=model, sgd=sgd, batches=batches)
        try:
            for _ in range(batches.epoch, args.epochs):
                for x, y in batches:
                    sgd.lr = rate(report.taken)
                    loss, right = train(x, y)
                    report.step(len(y), loss=loss.item(), train_accuracy=int(right) / len(y))
                right = correct(scores_of_all(model, held_out), Y[cut:])
                report.epoch(held_out_accuracy=int(right) / len(Y[cut:]))
                report.save()
        except KeyboardInterrupt as stop:
            report.stopped(stop, "this tests the weights as they are now")
        scores, weights = scores_of_all(model, fixed(X_test, Y_test)), model.state_dict()
        right, answers = int(correct(scores, Y_test)), scores.argmax(axis=1)
        accuracy, seconds = 100 * right / count, time.perf_counter() - began
        report.keep("weights.safetensors", lambda path: nn.state.safe_save(weights, path))
        report.keep("curves.png", lambda path: training.curves(report.metrics, path))
        report.keep("confusion.png", lambda path: training.confusion(Y_test, answers, path))
        report.keep("mistakes.png", lambda path: training.mistakes(images, Y_test, scores, path))
        report.keep("filters.png", lambda path: training.filters(model[0].weight, path))
        said = f"{name}: test accuracy {accuracy:.2f} % ({right} of {count}) in {seconds:.1f} s"
        report.result(said)
        return report.status(accuracy, target, " %")


if __name__ == "__main__":
    raise SystemExit(training.run(main))
