"""Figures of matplotlib that leave the user's matplotlib as it is.

No pyplot, no backend, no rcParams: only the caller holds a figure, so it is freed like any object,
and a thread may draw.  A figure shows itself in a notebook.
"""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from tinygrad_lite import files, locks

ENDINGS = ("png", "pdf", "svg")
DPI = 150
# Of Okabe and Ito, which colour-blind readers tell apart; https://jfly.uni-koeln.de/color
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
_drawing = locks.ProcessLock()  # matplotlib's parser of formulas is one for all threads


class Drawing:
    """Creates the figure of one picture; see `drawing`."""

    def __init__(self) -> None:
        self.figure: Any = None

    def new(self, width: float, height: float) -> Any:
        """A figure of this many inches."""
        self.figure = _figure_class()(figsize=(width, height), layout="constrained")
        return self.figure


@contextmanager
def drawing(caller: str, path: files.FilePath | None) -> Iterator[Drawing]:
    """Inside, a figure is drawn; at the end it is written to `path`, unless that is None.

    The file is a PNG, or what the name ends in: .png, .pdf or .svg.

    Errors: ImportError without matplotlib, in one line with the `pip install`; ValueError for
    another ending; OSError.  Then the file stays as it was.
    """
    kind = "png" if path is None else _kind(files.checked_path(path, caller), caller)
    with _drawing.lock, _silence():
        try:
            import_module("matplotlib.figure")
        except ImportError as error:
            raise ImportError(
                f"{caller}: the package matplotlib is missing; pip install 'tinygrad-lite[train]'"
            ) from error
        picture = Drawing()
        yield picture
        if path is not None:
            with files.replacing(path, caller) as file:
                picture.figure.savefig(file, format=kind, dpi=DPI)


@contextmanager
def figure(path: files.FilePath, width: float = 6.0, height: float = 4.0) -> Iterator[Any]:
    """An empty figure of matplotlib to draw a picture of your own in.

        with training.figure("fit.png", 7, 4) as figure:
            axes = figure.add_subplot(xlabel="seconds", ylabel="metres")
            axes.plot(t, x)

    path: a PNG, or what the name ends in: .png, .pdf or .svg.  It is written when the block ends;
        where that fails, or the block does, the file stays as it was.
    width, height: inches; there are 150 pixels to an inch.

    Errors: ImportError without matplotlib, in one line with the `pip install`; ValueError for
    another ending; OSError.
    """
    with drawing("figure", path) as picture:
        yield picture.new(width, height)


def readable(text: object, most: int = 24) -> str:
    """Text from outside, on one line, not too long, with a box for each letter without a glyph."""
    return "".join(
        letter if _has_glyph(letter) else "\N{WHITE SQUARE}"
        for letter in files.printable(text, most)
    )


def _kind(name: str, caller: str) -> str:
    """The format that the name of a file asks for."""
    ending = Path(name).suffix.removeprefix(".").lower()
    if ending in ENDINGS:
        return ending
    if ending:
        expected = ", ".join(f".{each}" for each in ENDINGS)
        came = files.printable(Path(name).name, 60)
        raise ValueError(f"{caller}: expected a name that ends in {expected}; got {came!r}")
    return ENDINGS[0]


@cache
def _figure_class() -> Any:
    """matplotlib's Figure, which also shows itself in a notebook without pyplot."""

    class Picture(import_module("matplotlib.figure").Figure):  # type: ignore[misc]
        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            with _drawing.lock, _silence():
                self.savefig(file, format="png", dpi=100)
            return file.getvalue()

    return Picture


def _has_glyph(letter: str) -> bool:
    """Whether a font that the user has chosen can draw the letter."""
    manager = import_module("matplotlib.font_manager")
    families = manager.FontProperties().get_family()
    found = [manager.findfont(manager.FontProperties(family=[each])) for each in families]
    return any(manager.get_font(each).get_char_index(ord(letter)) for each in found)


class _Quiet(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is more than a warning."""
        return record.levelno > logging.WARNING


@contextmanager
def _silence() -> Iterator[None]:
    """Inside, matplotlib does not log its search for fonts and its cache of them."""
    quiet = _Quiet()
    loggers = [logging.getLogger(f"matplotlib{each}") for each in ("", ".font_manager")]
    for logger in loggers:
        logger.addFilter(quiet)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(quiet)
