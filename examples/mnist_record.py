"""Three networks that differ vote on MNIST, for the 99.79 % that researchers reached in 2013.

    python examples/mnist_record.py --out runs/record  # hours; after Ctrl-C: the same, --resume
    python examples/mnist_record.py --out runs/record --train b  # side by side; then --resume

The test images choose nothing: networks, epochs and seeds stand below, all of them vote, and what
they reach is counted on held-out training images.  The last lines open the test images, once.
"""

import _interrupts  # noqa: F401  # first: from here on, Ctrl-C ends the program in one line
import time
from argparse import Namespace
from functools import partial

import numpy as np
from mnist_convnet import BATCH_SIZE, DECAY, LR, MOMENTUM, SMOOTHING, block, changed, convnet

import nn
from nn import training
from nn.data.augment import mean_std, normalize
from nn.optim.swa_utils import AveragedModel
from tinygrad_lite import Tensor, no_grad

AVERAGED, KEEP = 8, 0.99  # every eighth step, the average of the weights keeps 0.99 of itself
VIEWS = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]  # shifts in pixels; the mean of five answers
HELD_OUT = 24  # one image in 24, the last 2,500, is held out
TARGET = 99.79  # percentage of the test images: Wan et al. 2013


def medium_kernels() -> nn.Module:
    """Two convolutions of 5x5, three of 3x3, and more dropout: (N, 1, 28, 28) -> (N, 10)."""
    return nn.Sequential(
        *block(1, 32, 5, 0), *block(32, 32, 5, 0), nn.MaxPool2d(2),
        *block(32, 64), *block(64, 64), nn.MaxPool2d(2),
        *block(64, 128), nn.Dropout(0.5), nn.Flatten(), nn.Linear(128 * 5 * 5, 10),
    )  # fmt: skip


def large_kernels() -> nn.Module:
    """Four convolutions of 7x7 without pooling, half as wide as those of An et al. 2020."""
    return nn.Sequential(
        *block(1, 24, 7, 0), *block(24, 48, 7, 0), *block(48, 72, 7, 0), *block(72, 96, 7, 0),
        nn.Flatten(), nn.Linear(96 * 4 * 4, 10),
    )  # fmt: skip


# The members by name: network and epochs.  Their seeds are --seed, --seed + 1, --seed + 2.
MEMBERS = {"a": (convnet, 30), "b": (medium_kernels, 30), "c": (large_kernels, 20)}


@no_grad()
def opinion(model: nn.Module, images: np.ndarray, scale: np.ndarray, views: int = 5) -> np.ndarray:
    """The probability of each class, the mean over shifted views of the images, (N, 10)."""
    model.eval()
    mean = np.zeros((len(images), 10))
    for shift in VIEWS[:views]:
        for start in range(0, len(images), 500):
            seen = np.roll(images[start : start + 500], shift, axis=(2, 3))
            answers = model(Tensor(normalize(seen, *scale))).softmax(axis=1)
            mean[start : start + 500] += answers.numpy() / views
    return mean


def errors(answers: np.ndarray, Y: np.ndarray) -> int:
    """The number of images whose most probable class is not theirs."""
    return int((answers.argmax(axis=1) != Y).sum())


def averaged(average: Tensor, new: Tensor, count: Tensor) -> Tensor:
    """The next exponential average; after few values, their usual mean rather than the first."""
    return average.lerp(new, max(1 - KEEP, 1 / (1 + count.item())))


def trained(name: str, args: Namespace, X: np.ndarray, Y: np.ndarray, cut: int) -> nn.Module:
    """Train a member on the first `cut` images, or resume that: the average of its weights."""
    (network, usual), seed = MEMBERS[name], args.seed + "abc".index(name)
    epochs, scale = args.epochs or usual, np.array(mean_std(X))
    Tensor.manual_seed(seed)
    model = network()
    with training.about("--batch-size"):  # which may be more than all images
        batches = nn.data.DataLoader(X[:cut], Y[:cut], batch_size=args.batch_size, shuffle=True,
            drop_last=True, seed=seed, transform=partial(changed, mean=scale[0], std=scale[1])
        )  # fmt: skip
    sgd = nn.optim.SGD(model.parameters(), args.lr, MOMENTUM, weight_decay=DECAY, nesterov=True)
    rate = nn.optim.schedules.one_cycle(args.lr, epochs * len(batches))
    average = AveragedModel(model, avg_fn=averaged, use_buffers=True)
    with training.Report(epochs=epochs, steps=len(batches), rows=len(batches) * args.batch_size,
                         unit="images", name=name, out=args.out and f"{args.out}/{name}",
                         resume=args.resume, quiet=args.quiet) as report:  # fmt: skip
        config = {"member": name, "epochs": epochs, "seed": seed, "lr": args.lr}
        report.resume(config, model=model, sgd=sgd, batches=batches, average=average)
        try:
            for _ in range(batches.epoch, epochs):
                for x, y in batches:
                    sgd.lr = rate(report.taken)
                    loss = model(x).cross_entropy(y, label_smoothing=SMOOTHING)
                    loss.backward()
                    sgd.step()
                    sgd.zero_grad()
                    if report.taken % AVERAGED == AVERAGED - 1:
                        average.update_parameters(model)
                    report.step(len(y), loss=loss.item())
                    if report.taken == 20:
                        seconds = (time.perf_counter() - report.since) / 20 * epochs * len(batches)
                        report.say(f"{name}: {epochs} epochs take about {seconds / 60:.1f} minutes")
                report.epoch(held_out_errors=errors(opinion(average, X[cut:], scale, 1), Y[cut:]))
                report.save()
        except KeyboardInterrupt as stop:
            report.stopped(stop, "with --resume it continues" if args.out else "nothing was kept")
            raise
        report.keep("weights.safetensors", partial(nn.state.safe_save, average.module.state_dict()))
        wrong = errors(opinion(average, X[cut:], scale), Y[cut:])
        report.result(f"MNIST: {wrong} of {len(X) - cut} held-out images wrong by {name} alone")
        report.stop.check()  # for a Ctrl-C since the last epoch: the next member takes an hour
    return average


def main() -> int:
    """Train the members, and only when all is settled open the test images."""
    began, args = time.perf_counter(), training.arguments(
        __doc__, batch_size=(BATCH_SIZE, "images in one step"), lr=(LR, "highest learning rate"),
        epochs=(None, "passes over the images, of each member (30; of c 20)"),
        members=(3, "how many of a, b, c there are", (1, 3)),
        train=(None, "train this member only, without a vote", list(MEMBERS)),
        part=(1, "take one image in so many, for a quick look", (1, 400)), target=TARGET,
    )  # fmt: skip
    with training.about("--data" if args.data else "data"):
        X, Y = (array[:: args.part] for array in nn.datasets.mnist(args.data, split="train"))
    cut, scale = len(X) - len(X) // HELD_OUT, np.array(mean_std(X))
    members = {each: trained(each, args, X, Y, cut) for each in args.train or "abc"[: args.members]}
    if args.train:
        return 0
    with training.Report(epochs=0, steps=0, rows=0, out=args.out, resume=args.resume,
                         kept=["mistakes.png"], quiet=args.quiet) as report:  # fmt: skip
        vote = np.sum([opinion(each, X[cut:], scale) for each in members.values()], axis=0)
        report.say(f"the vote: {errors(vote, Y[cut:])} of {len(vote)} held-out images wrong")
        X, Y = (array[:: args.part] for array in nn.datasets.mnist(args.data, split="test"))
        opinions = {name: opinion(each, X, scale) for name, each in members.items()}
        vote = np.sum(list(opinions.values()), axis=0)
        alone = ", ".join(f"{name} {errors(each, Y)}" for name, each in opinions.items())
        report.keep("mistakes.png", lambda path: training.mistakes(X, Y, Tensor(vote), path))
        accuracy, seconds = 100 - 100 * errors(vote, Y) / len(Y), time.perf_counter() - began
        said = f"test accuracy {accuracy:.2f} %, {errors(vote, Y)} of {len(Y)} wrong, alone {alone}"
        report.result(f"MNIST: {said} in {seconds:.1f} s")
        return report.status(accuracy, args.target, " %")


if __name__ == "__main__":
    raise SystemExit(training.run(main))
