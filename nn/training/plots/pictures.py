"""Pictures of a training: curves, a confusion matrix, the worst mistakes, filters, samples.

    curves(metrics, "curves.png")
    confusion(labels, scores.argmax(axis=1), "confusion.png")
    mistakes(images, labels, scores, "mistakes.png")
    filters(model.hidden.weight, "filters.png")
    samples(decoder(Tensor.randn(100, 16)), "samples.png")

Each returns a figure of matplotlib, which shows itself in a notebook; with a path it is also
written there, as PNG, PDF or SVG by its ending.  Nothing of the user's matplotlib is changed: no
backend, no rcParams, no figure of pyplot.

Errors of all: ImportError in one line without matplotlib, which comes with
`pip install 'tinygrad-lite[train]'`; OSError if the file cannot be written; TypeError or ValueError
in one line for arrays of the wrong shape or kind.
"""

import math
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from tinygrad_lite import arguments, files

from ..metrics._records import Records
from ._figures import COLOURS, drawing, readable
from ._images import as_array, as_images, as_kernels, as_pictures, is_dark, sheet_of
from ._series import Panel, panels

PANELS = 24  # at most
CLASSES = 2000  # at most
NUMBERED = 20  # classes up to which a confusion matrix has numbers
LABELLED = 40  # and up to which each class has its name
DENSE = 40  # points from which a curve has no markers


def curves(
    metrics: Records, path: files.FilePath | None = None, *, names: Iterable[str] | None = None
) -> Any:
    """Draw the numbers of the records over the steps, one panel for each quantity.

    metrics: a Metrics, or what `Metrics.read` gives, also for a file that still grows.
    names: those to draw.  None draws all but times, speeds and the number of the epoch.

    Values whose names end in the same quantity share a panel, as loss, train_loss and
    held_out_loss do.  Losses and perplexities that are positive have a logarithmic axis, and
    accuracies from 0 to 1 are in percent.  The horizontal axis is the `step`, or if no record has
    one the `epoch`; a record without one has that of the record before it.  Of more than 2000
    records, a curve shows means of neighbours.
    """
    if not isinstance(metrics, Records):
        expected = "a Metrics, or what Metrics.read(path) gives"
        raise arguments.wrong("curves: metrics", expected, metrics)
    axis, found = panels(metrics, names)
    with drawing("curves", path) as picture:
        count = min(len(found), PANELS)
        columns = {0: 1, 1: 1, 2: 2, 4: 2}.get(count, 3)
        rows = max(1, math.ceil(count / columns))
        width = {1: 6, 2: 9}.get(columns, 12)
        figure = picture.new(width, 3.6 * rows)
        if not found:
            _say(figure, "no numbers yet")
        for index, panel in enumerate(found[:PANELS], 1):
            _draw(figure.add_subplot(rows, columns, index), panel, axis)
        if len(found) > PANELS:
            rest = f"{len(found) - PANELS} quantities more; choose with names="
            figure.suptitle(rest, fontsize=9, x=1, ha="right")
    return figure


def _draw(axes: Any, panel: Panel, axis: str) -> None:
    """Draw the curves of one quantity."""
    ticker = import_module("matplotlib.ticker")
    lines = []
    for number, curve in enumerate(panel.curves):
        dense = len(curve.x) > DENSE
        (line,) = axes.plot(
            curve.x,
            curve.y,
            color=COLOURS[number % len(COLOURS)],
            linestyle=("-", "--", ":", "-.")[number // len(COLOURS) % 4],
            linewidth=1.2 if dense else 1.8,
            marker="" if dense else "os^Dv"[number % 5],
            markersize=4,
            zorder=2 if dense else 3,  # the few points above the many
        )
        lines.append(line)
    axes.set_title(readable(panel.title, 60), fontsize=11, parse_math=False)
    axes.set_xlabel(axis)
    if panel.percent:
        axes.set_ylabel("%")
        axes.set_ylim(*panel.limits())
    if panel.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        low, high = panel.ends()
        if high < 100 * low:  # fewer than two decades, or so many numbers would overlap
            axes.yaxis.set_minor_locator(ticker.LogLocator(subs=(2, 5)))
            axes.yaxis.set_minor_formatter("{x:g}")
    if len(lines) > 1:
        labels = [readable(curve.label, 40) for curve in panel.curves]
        for text in axes.legend(lines, labels, fontsize=9, framealpha=0.8).get_texts():
            text.set_parse_math(False)
    axes.grid(alpha=0.3, which="both" if panel.logarithmic else "major")
    axes.xaxis.set_major_locator(ticker.MaxNLocator(nbins=6, integer=True, min_n_ticks=1))


def confusion(
    labels: Any,
    answers: Any,
    path: files.FilePath | None = None,
    *,
    names: Sequence[object] | None = None,
) -> Any:
    """Draw the confusion matrix: how often each true class, a row, was answered with each class.

    labels, answers: (N,) integers, the true class and the model's.
    names: of the classes; without them, they are numbered from 0 to the highest that occurs.

    The colour is the share of the row.  Up to 20 classes, each cell has its count, unless that
    is 0.
    """
    rows, given = _classes(labels, "confusion: labels"), _classes(answers, "confusion: answers")
    if rows.shape != given.shape:
        raise ValueError(
            f"confusion: expected an answer for each label; got {len(given)} for {len(rows)}"
        )
    highest = int(max(rows.max(initial=-1), given.max(initial=-1)))
    shown = _names(names, max(highest + 1, 1), "confusion")
    size = len(shown)
    counts = np.bincount(rows * size + given, minlength=size * size).reshape(size, size)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with drawing("confusion", path) as picture:
        inches = min(max(0.5 * size + 1.2, 4.2), 9)
        figure = picture.new(inches + (0 if size <= NUMBERED else 0.8), inches)
        axes = figure.add_subplot()
        # Without the power, the few mistakes of a good model would be white.
        norm = import_module("matplotlib.colors").PowerNorm(0.4, vmin=0, vmax=1)
        image = axes.imshow(shares, cmap="Blues", norm=norm)
        if size <= NUMBERED:
            for row, column in np.argwhere(counts):
                colour = "white" if norm(shares[row, column]) > 0.6 else "black"
                text = str(counts[row, column])
                fontsize = 9 if len(text) < 5 else 7
                axes.text(
                    column, row, text, color=colour, fontsize=fontsize, ha="center", va="center"
                )
        else:
            bar = figure.colorbar(image, ax=axes, fraction=0.04, ticks=[0, 0.01, 0.1, 0.3, 1])
            bar.ax.set_yticklabels(["0 %", "1 %", "10 %", "30 %", "100 %"])
            bar.set_label("of the true class")
        if size <= LABELLED:
            texts = [readable(each) for each in shown]
            slanted = max(map(len, texts)) > 3
            turn = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
            axes.set_xticks(range(size), texts, parse_math=False, **turn)
            axes.set_yticks(range(size), texts, parse_math=False)
        right = int(counts.trace())
        share = f", {100 * right / len(rows):.2f} % right" if len(rows) else ""
        axes.set_title(f"{_counted(len(rows), 'answer')}{share}", fontsize=11)
        axes.set_xlabel("answer")
        axes.set_ylabel("true class")
    return figure


def mistakes(
    images: Any,
    labels: Any,
    scores: Any,
    path: files.FilePath | None = None,
    *,
    names: Sequence[object] | None = None,
    most: int = 25,
) -> Any:
    """Draw the mistakes in which the true class had the lowest probability.

    images: (N, h, w), (N, 1, h, w) or (N, 3, h, w), uint8 or floats.
    labels: (N,) integers, the true classes.
    scores: (N, classes) logits, or probabilities, whose rows have the sum 1.
    names: of the classes; without them, their numbers.
    most: how many mistakes at most.

    The highest of all bytes is white: 255 in most sets, 16 in the UCI digits.  Floats outside 0 to
    1, as of normalised images, are rescaled to that range.  Bright strokes on a dark background are
    drawn dark on white.
    """
    most = arguments.integer(most, "mistakes: most", 1)
    true, given, probabilities = _judged(labels, scores)
    images = as_images(images, "mistakes")
    if len(images) != len(true):
        raise ValueError(f"mistakes: expected {len(true)} images, one a label; got {len(images)}")
    shown = _names(names, probabilities.shape[1], "mistakes")
    wrong = np.flatnonzero(given != true)
    chance = np.nan_to_num(probabilities[wrong, true[wrong]])  # of the true class
    worst = wrong[np.argsort(chance, kind="stable")][:most]
    white = float(images.max(initial=0)) if images.dtype == np.uint8 else 1.0
    pictures = as_pictures(images[worst], white)
    with drawing("mistakes", path) as picture:
        columns = len(worst) if len(worst) <= 5 else math.ceil(math.sqrt(len(worst)))
        rows = math.ceil(len(worst) / max(columns, 1))
        figure = picture.new(max(1.45 * columns, 3.6), max(1.65 * rows, 1) + 0.5)
        if not len(worst):
            among = f"no mistakes among {_counted(len(true), 'image')}"
            _say(figure, among if len(true) else "no images")
            return figure
        which = _which(len(worst), len(wrong))
        figure.suptitle(f"{which} among {_counted(len(true), 'image')}")
        colours = "gray_r" if is_dark(pictures) else "gray"
        for number, (index, image) in enumerate(zip(worst, pictures, strict=True), 1):
            axes = figure.add_subplot(rows, columns, number)
            axes.imshow(image, cmap=colours, vmin=0, vmax=1)
            axes.axis("off")
            one, other = (readable(shown[each], 18) for each in (true[index], given[index]))
            between = ", " if len(one) + len(other) <= 6 else "\n"
            sure = probabilities[index, given[index]]
            share = f"{100 * sure:.0f} % sure" if math.isfinite(sure) else "sure of nothing"
            text = f"{one}{between}read as {other}\n({share})"
            # With y, matplotlib need not lay out ticks, which are not shown, to keep off them.
            axes.set_title(text, fontsize=8, parse_math=False, y=1)
    return figure


def filters(
    weights: Any,
    path: files.FilePath | None = None,
    *,
    shape: Sequence[int] | None = None,
    most: int = 100,
) -> Any:
    """Draw the weights of a first layer as images.

    weights: (out, in) of a linear layer, whose inputs are images of `shape`, (h, w) or (c, h, w);
        or (out, in, h, w) of a convolution.
    shape: by default, square images with one channel or three.
    most: how many images at most.

    A filter with one or three channels is one image; with any other number, each channel is one.
    With one channel, negative weights are blue, 0 is white and positive ones are red; with three,
    grey is 0.  All images have the same scale.
    """
    most = arguments.integer(most, "filters: most", 1)
    kernels = as_kernels(as_array(weights, "filters: weights"), shape)
    out, channels, height, width = kernels.shape
    coloured = channels == 3
    tiles = kernels if coloured else kernels.reshape(out * channels, 1, height, width)
    tiles = tiles[:most].astype(np.float64)
    largest = float(np.abs(tiles[np.isfinite(tiles)]).max(initial=0.0))
    with drawing("filters", path) as picture:
        square = math.ceil(math.sqrt(len(tiles) * height / max(width, 1)))
        columns = min(max(square, 1), max(len(tiles), 1))
        if 3 < channels <= 32 or channels == 2:  # the channels of a filter stand side by side
            columns = channels
        rows = max(1, math.ceil(len(tiles) / columns))
        sheet = sheet_of(tiles, rows, columns)
        inches = 7 / max(columns * width, rows * height, 1)
        wide, high = columns * width * inches, rows * height * inches
        figure = picture.new(max(wide, 3) + 1.2, max(high, 0.6) + 0.6)
        if not tiles.size:
            _say(figure, "no filters")
            return figure
        axes = figure.add_subplot()
        axes.axis("off")
        if coloured:
            shown = 0.5 + 0.5 * sheet / (largest or 1)
            axes.imshow(np.where(np.isnan(shown), 1, shown), interpolation="nearest")
        else:
            colours = import_module("matplotlib").colormaps["RdBu_r"].with_extremes(bad="0.8")
            scale = {"vmin": -(largest or 1), "vmax": largest or 1}
            image = axes.imshow(sheet, cmap=colours, interpolation="nearest", **scale)
            figure.colorbar(image, ax=axes, fraction=0.04, aspect=30)
        title = _filters(len(tiles), out, 1 if coloured else channels)
        axes.set_title(f"{title}, {height}x{width}", fontsize=11)
    return figure


def samples(
    images: Any,
    path: files.FilePath | None = None,
    *,
    columns: int | None = None,
    title: str = "",
    most: int = 100,
) -> Any:
    """Draw images in rows and columns: samples of a generator, or reconstructions.

    images: (N, h, w), (N, 1, h, w) or (N, 3, h, w), uint8 or floats.
    columns: how many images stand side by side; None for about as many as there are rows.
    title: of the picture; "" for the number of images.
    most: how many images at most.

    Images fill the rows one after the other, so that with columns=N the second N of 2 N images
    stand below the first.  All have the same scale, and are drawn as those of `mistakes`.
    """
    most = arguments.integer(most, "samples: most", 1)
    whole = as_images(images, "samples")
    if columns is not None:
        columns = arguments.integer(columns, "samples: columns", 1)
    white = float(whole.max(initial=0)) if whole.dtype == np.uint8 else 1.0
    pictures = as_pictures(whole[:most], white)
    count, height, width = pictures.shape[:3]
    side = columns or max(round(math.sqrt(count * height / width)), 1)
    rows = math.ceil(count / side)
    tiles = pictures[:, None] if pictures.ndim == 3 else np.moveaxis(pictures, -1, 1)
    sheet = sheet_of(tiles, rows, side)
    with drawing("samples", path) as picture:
        inches = 7 / max(side * width, rows * height)
        figure = picture.new(max(side * width * inches, 3), max(rows * height * inches, 0.6) + 0.4)
        if not count:
            _say(figure, "no images")
            return figure
        axes = figure.add_subplot()
        axes.axis("off")
        dark = is_dark(pictures)
        shown = np.nan_to_num(sheet, nan=0.2 if dark else 0.8)  # lines in light grey
        colours = "gray_r" if dark else "gray"
        axes.imshow(shown, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
        which = _counted(len(whole), "image")
        which = which if count == len(whole) else f"the first {count} of {which}"
        axes.set_title(readable(title, 120) if title else which, fontsize=11, parse_math=False)
    return figure


def _say(figure: Any, text: str) -> None:
    """Write a sentence where there is nothing to draw."""
    figure.text(0.5, 0.5, text, ha="center", va="center")


def _counted(count: int, noun: str) -> str:
    """A count with its noun, in the singular or plural."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _which(shown: int, count: int) -> str:
    """Which of `count` mistakes are shown."""
    if shown < count:
        return f"the {shown} worst of {count} mistakes"
    return f"all {count} mistakes" if count > 1 else "the only mistake"


def _filters(shown: int, out: int, channels: int) -> str:
    """Which filters are shown, of `out` with this number of channels."""
    filters = _counted(out, "filter")
    if channels > 1:
        filters = f"{filters} of {channels} channels"
        return filters if shown == out * channels else f"the first {shown} channels of {filters}"
    return filters if shown == out else f"the first {shown} of {filters}"


def _classes(values: Any, where: str) -> np.ndarray:
    """One class a row, from 0."""
    found = as_array(values, where)
    if found.ndim != 1:
        hints = {True: "; take scores.argmax(axis=1)", False: "; take [:, 0]"}
        hint = hints[found.shape[1] != 1] if found.ndim == 2 else ""
        raise ValueError(f"{where}: expected one class a row, (N,); got shape {found.shape}{hint}")
    if found.dtype.kind not in "biu" and found.size:
        raise arguments.wrong(where, "integers, the numbers of classes", values)
    if found.size and not 0 <= int(found.min()) <= int(found.max()) < CLASSES:
        low, high = found.min(), found.max()
        raise ValueError(f"{where}: expected classes from 0 to {CLASSES - 1}; got {low} to {high}")
    return found.astype(np.int64)


def _names(names: Sequence[object] | None, count: int, caller: str) -> Sequence[object]:
    """A name for each of `count` classes, or more; their numbers if no names are given."""
    if names is None:
        return range(count)
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise arguments.wrong(f"{caller}: names", "a list of names", names)
    found = list(names)
    if not count <= len(found) <= CLASSES:
        raise ValueError(f"{caller}: expected names of at least {count} classes; got {len(found)}")
    return found


def _judged(labels: Any, scores: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The true classes, those with the highest scores, and the probabilities of all."""
    true, found = _classes(labels, "mistakes: labels"), as_array(scores, "mistakes: scores")
    if found.ndim != 2 or found.dtype.kind not in "fiu" or found.shape[1] < 1:
        raise ValueError(
            f"mistakes: expected scores (N, classes); got shape {found.shape}, {found.dtype}"
        )
    if len(found) != len(true):
        raise ValueError(f"mistakes: expected {len(true)} rows of scores; got {len(found)}")
    if true.size and true.max() >= found.shape[1]:
        raise ValueError(
            f"mistakes: label {true.max()}, but the scores are of {found.shape[1]} classes"
        )
    given = found.argmax(axis=1) if len(found) else np.zeros(0, np.int64)
    found = found.astype(np.float64)
    sums = found.sum(axis=1)
    if not (len(found) and np.all(found >= 0) and np.allclose(sums, 1, atol=1e-3)):
        with np.errstate(invalid="ignore"):  # inf - inf: the probability is nan, "sure of nothing"
            found = np.exp(found - found.max(axis=1, keepdims=True))
            found /= found.sum(axis=1, keepdims=True)
    return true, given, found
