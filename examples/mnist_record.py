"""Three networks that differ vote on MNIST, for the 99.79 % that researchers reached in 2013.

    python examples/mnist_record.py --out runs/record  # hours; after Ctrl-C: the same, --resume
    python examples/mnist_record.py --out runs/record --train b  # side by side; then --resume
    mpiexec -n 3 python examples/mnist_record.py --out runs/record --distributed  # a member each

The test images choose nothing: networks, epochs and seeds stand in _members.py, all of them vote,
and what they reach is counted on held-out training images.  `vote` opens the test images, once.
"""

import _interrupts  # noqa: F401  # first: from here on, Ctrl-C ends the program in one line
import time
from argparse import Namespace
from functools import partial

import numpy as np
from _members import MEMBERS
from mnist_convnet import BATCH_SIZE, DECAY, LR, MOMENTUM, SMOOTHING, changed

import nn
from nn import training
from nn.data.augment import mean_std, normalize
from nn.optim.swa_utils import AveragedModel
from tinygrad_lite import Tensor, no_grad

AVERAGED, KEEP = 8, 0.99  # every eighth step, the average of the weights keeps 0.99 of itself
VIEWS = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]  # shifts in pixels; the mean of five answers
HELD_OUT = 24  # one image in 24, the last 2,500, is held out
TARGET = 99.79  # percentage of the test images: Wan et al. 2013


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


def images(args: Namespace) -> tuple[np.ndarray, np.ndarray, int, np.ndarray]:
    """The training images, their classes, how many are not held out, their mean and deviation."""
    with training.about("--data" if args.data else "data"):
        X, Y = (array[:: args.part] for array in nn.datasets.mnist(args.data, split="train"))
    return X, Y, len(X) - len(X) // HELD_OUT, np.array(mean_std(X))


def trained(name: str, args: Namespace) -> nn.Module:
    """Train a member on all that is not held out, or resume that: the average of its weights."""
    (network, usual), (X, Y, cut, scale) = MEMBERS[name], images(args)
    epochs, seed = args.epochs or usual, args.seed + "abc".index(name)
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


def vote(args: Namespace, train: str | None) -> int | None:
    """Train the members, or this one; and when all is settled, open the test images."""
    began, (X, Y, cut, scale) = time.perf_counter(), images(args)
    members = {name: trained(name, args) for name in train or "abc"[: args.members]}
    if train:
        return None
    with training.Report(epochs=0, steps=0, rows=0, out=args.out, resume=args.resume,
                         kept=["mistakes.png"], quiet=args.quiet) as report:  # fmt: skip
        total = np.sum([opinion(each, X[cut:], scale) for each in members.values()], axis=0)
        report.say(f"the vote: {errors(total, Y[cut:])} of {len(total)} held-out images wrong")
        X, Y = (array[:: args.part] for array in nn.datasets.mnist(args.data, split="test"))
        opinions = {name: opinion(each, X, scale) for name, each in members.items()}
        total = np.sum(list(opinions.values()), axis=0)
        alone = ", ".join(f"{name} {errors(each, Y)}" for name, each in opinions.items())
        report.keep("mistakes.png", lambda path: training.mistakes(X, Y, Tensor(total), path))
        wrong = errors(total, Y)
        accuracy = 100 - 100 * wrong / len(Y)
        said = f"test accuracy {accuracy:.2f} %, {wrong} of {len(Y)} wrong, alone {alone}"
        report.result(f"MNIST: {said} in {time.perf_counter() - began:.1f} s")
        return report.status(accuracy, args.target, " %")


def main() -> int:
    """Train and vote; with --distributed, the members are trained by several processes."""
    args = training.arguments(
        __doc__, batch_size=(BATCH_SIZE, "images in one step"), lr=(LR, "highest learning rate"),
        epochs=(None, "passes over the images, of each member (30; of c 20)"),
        members=(3, "how many of a, b, c there are", (1, 3)),
        train=(None, "train this member only, without a vote", list(MEMBERS)),
        part=(1, "take one image in so many, for a quick look", (1, 400)), target=TARGET,
        distributed=(False, "train the members in the processes of mpiexec, which share --out"),
    )  # fmt: skip
    if not args.distributed:
        return vote(args, args.train) or 0
    args.out, names = args.out or "runs/record", [*(args.train or "abc"[: args.members])]
    nn.distributed.sweep(partial(vote, args), {"train": names}, out=args.out,
                         resume=args.resume, quiet=args.quiet)  # fmt: skip
    leads, args.resume = nn.distributed.start().leads, True
    with nn.distributed.alone():
        return (vote(args, args.train) or 0) if leads else 0


if __name__ == "__main__":
    raise SystemExit(training.run(main))
