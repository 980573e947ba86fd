"""What the examples have in common: command line, data, progress and pictures."""

import argparse
import json
import logging
import math
import shutil
import sys
import time
import warnings
from _interrupts import Stop
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _output import CURVES, METRICS, MISTAKES, WEIGHTS, Folder, complain, fail, tell

import nn
from tinygrad_lite import Tensor, files

WORST = 25  # number of mistakes in the picture
SMOOTH = 20  # number of steps over which losses and accuracies are averaged
MOST = 2**31 - 1  # of anything that is counted
FEWEST = 100  # images to train on; with fewer, none could be held out


def parse_arguments(description: str | None, constants: dict[str, Any]) -> argparse.Namespace:
    """The command line, with the constants at the top of the example as defaults."""
    first_line = (description or "").partition("\n")[0]  # python -OO has no docstrings
    parser = argparse.ArgumentParser(description=first_line)
    for name, kind, text in (
        ("batch_size", int, "images in one step"),
        ("lr", float, "highest learning rate"),
        ("momentum", float, "fraction of the last step that is kept in the next"),
        ("reg", float, "strength of the L2 penalty"),
        ("hidden", int, "hidden units"),
    ):
        default = constants[name.upper()]
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=kind, default=default, help=f"{text} ({default})")
    add = parser.add_argument
    add("--epochs", type=int, help="passes over the images "
        f"({constants['EPOCHS']}; on the digits {constants['DIGITS_EPOCHS']})")  # fmt: skip
    add("--seed", type=int, default=0, help="of the weights and of the order of the images (0)")
    add("--data", metavar="DIR", help="folder with the four files of MNIST")
    add("--target", type=float,
        help=f"exit status 1 below this accuracy ({constants['TARGET']} on MNIST)")  # fmt: skip
    add(
        "--out",
        metavar="DIR",
        help="keep weights, metrics and pictures there, in place of those of an earlier run",
    )
    add("--library", action="store_true", help="loss and penalty from the library, same gradients")
    add("--quiet", action="store_true", help="print the last line only")
    args = parser.parse_args()
    for name in ("epochs", "batch_size", "hidden"):
        value = getattr(args, name)
        if value is not None and not 1 <= value <= MOST:
            parser.error(f"--{name.replace('_', '-')}: expected 1 to {MOST}; got {value}")
    for name in ("lr", "momentum", "reg", "seed"):
        if not 0 <= getattr(args, name) < math.inf:
            parser.error(f"--{name}: expected 0 or more; got {getattr(args, name)}")
    if args.target is not None and not math.isfinite(args.target):
        parser.error(f"--target: expected a number; got {args.target}")
    return args


def load(folder: str | None, quiet: bool) -> tuple[str, tuple[np.ndarray, ...]]:
    """MNIST, or the digits that come with nn if MNIST is not available."""
    try:
        with warnings.catch_warnings(record=True) as passed_over:
            warnings.simplefilter("always")
            data = nn.datasets.mnist(folder)
    except (nn.datasets.DataUnavailable, ImportError) as error:
        if not quiet:
            tell(f"no MNIST, so this trains on the 8x8 digits of UCI instead: {error}")
        return "digits", nn.datasets.digits()
    except (OSError, ValueError) as error:
        fail(f"damaged data: {error}")
    for warning in passed_over:
        complain(str(warning.message))
    if len(data[0]) < FEWEST or len(data[2]) < 1:
        fail(f"too few images: {len(data[0])} to train on and {len(data[2])} to test")
    return "MNIST", data


def mean_and_deviation(images: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of all pixels.

    A few images at a time: `std` makes an array of floats with eight times their memory.
    """
    total = squares = 0.0
    for start in range(0, len(images), 500):
        pixels = images[start : start + 500].astype(np.float64).ravel()
        total += float(pixels.sum())
        squares += float(pixels @ pixels)
    mean = total / images.size
    return mean, math.sqrt(squares / images.size - mean**2)


class Scaled:
    """Rows of float32 pixels, (image - mean) / deviation, made on request.

    images: (N, 1, h, w).  They stay bytes, because floats would take four times the memory.
    """

    def __init__(self, images: np.ndarray, mean: float, deviation: float) -> None:
        self.rows = images.reshape(len(images), -1)
        self.mean, self.deviation = np.float32(mean), np.float32(deviation)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.rows)

    def batches(self, *labels: np.ndarray, **options: Any) -> nn.data.DataLoader:
        """Batches of rows, and of the labels, if given."""
        return nn.data.DataLoader(self.rows, *labels, transform=self.scaled, **options)

    def scaled(self, x: Tensor, *labels: Tensor) -> Any:
        """The transform of a DataLoader: a batch of rows, (n, pixels), and its labels, if any."""
        x = Tensor.from_array((x.numpy() - self.mean) / self.deviation)
        return (x, *labels) if labels else x


class Report:
    """Progress on a terminal, one line per epoch in a pipe; files in `out` if that is given.

    images: the number of training images in one epoch.

    The first Ctrl-C or SIGTERM becomes a KeyboardInterrupt at the end of the step or epoch, so that
    no step is left half done; after the training it has no effect, since the rest is fast. The
    second one takes effect at once.
    """

    def __init__(self, data: str, epochs: int, images: int, out: str | None, quiet: bool) -> None:
        self.data, self.epochs, self.images, self.quiet = data, epochs, images, quiet
        self.losses: list[float] = []  # of the steps in this epoch
        self.hits: list[float] = []
        self.recent: deque[tuple[float, float]] = deque(maxlen=SMOOTH)  # losses, hits
        self.seen = self.taken = 0  # number of images and steps so far
        self.steps: list[dict[str, float]] = []
        self.finished: list[dict[str, float]] = []
        self.folder = None if out is None else Folder(out)
        self.bar = self._bar() if sys.stdout.isatty() and not quiet else None
        self.stop = Stop()
        self.since = time.perf_counter()

    def _bar(self) -> Any:
        """A live line with the images per second and the time left."""
        try:
            from tqdm import tqdm
        except ImportError:  # without tqdm there is only a line per epoch
            return None
        form = "{desc} |{bar}| {rate_fmt}, {remaining} left"
        columns = shutil.get_terminal_size().columns - 3  # the terminal shows a Ctrl-C as ^C
        return tqdm(total=self.epochs * self.images, unit=" images", unit_scale=True, leave=False,
                    file=sys.stdout, desc=self.data, bar_format=form, ncols=columns)  # fmt: skip

    def say(self, line: str) -> None:
        """Print a line above the live one."""
        if self.bar is not None:
            self._on_bar(lambda bar: bar.write(line, file=sys.stdout))
        elif not self.quiet:
            tell(line)

    def result(self, line: str) -> None:
        """Print the line that even a quiet run prints."""
        tell(line)

    def _on_bar(self, change: Callable[[Any], object]) -> None:
        """Change the live line, unless the terminal is gone."""
        try:
            if self.bar is not None:
                change(self.bar)
        except OSError:
            self.bar = None

    def step(self, loss: float, hits: np.ndarray) -> None:
        """Record one training step: its loss, and which images were classified correctly."""
        self.losses.append(loss)
        self.hits.append(float(hits.mean()))
        self.recent.append((self.losses[-1], self.hits[-1]))
        self.seen += len(hits)
        self.taken += 1
        if self.taken % SMOOTH == 0:
            mean_loss, accuracy = np.mean(self.recent, axis=0).tolist()
            epoch = self.seen / self.images
            self.steps.append({"epoch": epoch, "loss": mean_loss, "train_accuracy": accuracy})
            self._keep_record(self.steps[-1])
        if self.bar is not None:
            mean_loss, accuracy = np.mean(self.recent, axis=0)
            text = f"loss {mean_loss:.4f}, accuracy {100 * accuracy:.2f} %"
            self.bar.set_description_str(text, refresh=False)
            self._on_bar(lambda bar: bar.update(len(hits)))
        if self.stop.number:
            raise KeyboardInterrupt

    def epoch(self, held_out: float) -> None:
        """Record the end of an epoch, with the accuracy (0 to 1) on the held-out images."""
        seconds = time.perf_counter() - self.since
        record = {
            "epoch": len(self.finished) + 1,
            "loss": float(np.mean(self.losses)),
            "train_accuracy": float(np.mean(self.hits)),
            "held_out_accuracy": held_out,
            "seconds": round(seconds, 3),
            "images_per_second": round(self.images / seconds),
        }
        self.finished.append(record)
        self._keep_record(record)
        self.say(
            # At most 80 columns for MNIST and for the digits.
            f"{self.data} epoch {record['epoch']}/{self.epochs}: loss {record['loss']:.4f}, "
            f"train {100 * record['train_accuracy']:.2f} %, "
            f"held out {100 * held_out:.2f} %, {record['images_per_second']} images/s"
        )
        self.losses, self.hits, self.since = [], [], time.perf_counter()
        if self.stop.number:
            raise KeyboardInterrupt
        if len(self.finished) == self.epochs:
            self.close()

    def _keep_record(self, record: dict[str, float]) -> None:
        """Add a line to metrics.jsonl."""
        if self.folder is not None:
            # JSON has no infinity and no nan.
            known = {key: x if math.isfinite(x) else None for key, x in record.items()}
            self.folder.add(json.dumps(known) + "\n")

    def judge(self, accuracy: float, target: float) -> int:
        """The exit status: 1, with a message, if the accuracy is below the target (in percent).

        After SIGTERM it is 143, whatever the accuracy.
        """
        if accuracy < target and not self.stop.status:
            complain(f"that is below the target of {target:g} %, so the status is 1")
        return self.stop.status or int(accuracy < target)

    def stopped(self, step: int, steps: int) -> None:
        """Print that the user stopped the training."""
        kept = "the best weights so far are" if self.finished else "the weights as they are now are"
        if self.bar is not None:
            self._on_bar(lambda bar: bar.clear())
            self._on_bar(lambda bar: print(" " * (bar.ncols + 2), end="\r"))  # and the ^C beside it
        self.say(f"stopped after {step} of {steps} steps; {kept} kept")
        self.close()

    def close(self) -> None:
        """Remove the live line from the screen."""
        self._on_bar(lambda bar: bar.close())
        self._on_bar(lambda bar: sys.stdout.flush())

    def keep(self, state: Any, images: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> None:
        """Write weights.safetensors, curves.png and mistakes.png; this ends the report."""
        if self.folder is not None:
            write = self.folder.write
            write(WEIGHTS, lambda path: nn.state.safe_save(state, path))
            write(METRICS, self.folder.write_metrics)
            write(CURVES, lambda path: draw_curves(self.steps, self.finished, self.data, path))
            write(MISTAKES, lambda path: draw_mistakes(images, labels, scores, path))
            self.folder.close()
            if self.folder.used:
                self.say(f"weights, metrics and pictures are in {' and '.join(self.folder.used)}")
        self.stop.end()


def _pyplot() -> Any:
    """matplotlib.pyplot, which draws into files."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it reports its fonts, and its folder
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    return plt


def _save(figure: Any, path: Path) -> None:
    """Write a picture as a PNG file, and free it."""
    try:
        with files.replacing(path, "picture") as file:
            figure.savefig(file, format="png", dpi=150)
    finally:
        _pyplot().close(figure)


def draw_curves(
    steps: list[dict[str, float]], finished: list[dict[str, float]], data: str, path: Path
) -> None:
    """Plot loss and accuracies over the epochs into a PNG file."""
    plt = _pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    during, after = [record["epoch"] for record in steps], [record["epoch"] for record in finished]
    left.plot(during, [record["loss"] for record in steps], color="#3b6ea5")
    left.set(title="loss on the training images", xlabel="epoch", yscale="log")
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_locator(plt.LogLocator(subs=(2, 5)))
    left.yaxis.set_minor_formatter("{x:g}")
    for x, records, key, style, label in (
        (during, steps, "train_accuracy", "-", "training images, during the epoch"),
        (after, finished, "held_out_accuracy", "o", "held-out images, after it"),
    ):
        right.plot(x, [100 * record[key] for record in records], style, label=label)
    lowest = min([100 * record["held_out_accuracy"] for record in finished], default=90.0)
    right.set(title=f"accuracy on {data}", xlabel="epoch", ylabel="%", ylim=(lowest - 8, 100.2))
    right.legend(loc="lower right")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.set_xlim(0, None)
        axes.xaxis.get_major_locator().set_params(integer=True)
    _save(figure, path)


def draw_mistakes(images: np.ndarray, labels: np.ndarray, scores: np.ndarray, path: Path) -> None:
    """Draw the mistakes with the lowest probability of the true class into a PNG file."""
    plt = _pyplot()
    probabilities = Tensor(scores).softmax(axis=1).numpy()
    given = scores.argmax(axis=1)
    wrong = np.flatnonzero(given != labels)
    worst = wrong[np.argsort(probabilities[wrong, labels[wrong]], kind="stable")][:WORST]
    figure, grid = plt.subplots(5, 5, figsize=(7, 8), layout="constrained")
    which = f"the {WORST} worst of {len(wrong)}" if len(wrong) > WORST else f"all {len(wrong)}"
    figure.suptitle(f"{which} mistakes among {len(labels)} images")
    for axes in grid.flat:
        axes.axis("off")
    for axes, index in zip(grid.flat, worst, strict=False):
        axes.imshow(images[index, 0], cmap="gray_r")
        sure = 100 * probabilities[index, given[index]]
        axes.set_title(f"{labels[index]}, read as {given[index]}\n({sure:.0f} % sure)", fontsize=9)
    _save(figure, path)
