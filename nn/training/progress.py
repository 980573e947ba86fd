"""Progress: a live line on a terminal and in a notebook, and plain lines above it."""

import os
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from threading import RLock
from typing import Any

from tinygrad_lite import arguments, files, locks

from .._processes import current
from ._contention import Contention
from ._output import is_terminal, live, remark, tell

INTERVAL = 0.1  # seconds between two changes of the live line
USUAL = 80  # columns, on a terminal that does not know
SPARE = 3  # columns at its end: a terminal shows Ctrl-C as ^C there


class Progress:
    """A progress bar: how much of a loop is done, its speed, the time left, and its latest values.

        with Progress(total=60000, unit="images") as progress:
            for x, y in loader:
                ...
                progress.update(len(x), loss=loss.item())
            progress.write("epoch 1 done")

    total: the number of units in the whole loop; None if it is unknown.
    unit: what is counted, in the plural.
    name: shown in front until there are values.
    initial: the number of units that are done already, as after a resume.
    quiet: show nothing, and let `write` print nothing.  So it is in all but the leading one of
        several processes.

    On a terminal and in a notebook there is a live line, drawn by tqdm; it changes ten times a
    second at most, and is removed at the end.  In a pipe, in a file, on a terminal that cannot move
    its cursor (TERM=dumb) and without tqdm there is none.

    If other programs compete with BLAS for the cores, one line on stderr says so, once.  The number
    of threads is left alone, since the last bits of every sum depend on it.
    """

    def __init__(
        self,
        total: int | None = None,
        *,
        unit: str = "steps",
        name: str = "",
        initial: int = 0,
        quiet: bool = False,
    ) -> None:
        if total is not None:
            total = arguments.integer(total, "Progress: total", least=0)
        self.done = arguments.integer(initial, "Progress: initial", least=0)
        self.quiet = arguments.flag(quiet, "Progress: quiet") or not current().leads
        self.waiting = 0  # units that the live line does not show yet
        self.values: dict[str, Any] = {}
        self.shown_at = 0.0
        self.turns = locks.ProcessLock()  # an interrupted thread may write a line
        self.contention = Contention()
        self.bar = None if self.quiet else _live_line(total, unit, name, self.done)
        if self.bar is not None:
            live.append(self.bar)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def live(self) -> bool:
        """Whether there is a live line."""
        return self.bar is not None

    def update(self, count: int = 1, **values: Any) -> None:
        """Count `count` more units, and show these values: numbers, Tensors of one, or text."""
        if type(count) is not int or count < 0:
            count = arguments.integer(count, "Progress.update: count", least=0)
        with self.turns.lock:
            self.done += count
            self.waiting += count
            if values:
                self.values = values
            if time.perf_counter() - self.shown_at >= INTERVAL:
                self._show()

    def write(self, line: str) -> None:
        """Print a line on stdout, above the live one; nothing if `quiet`."""
        if self.quiet:
            return
        with self.turns.lock:
            if self.bar is None or not self._on_bar(lambda bar: bar.write(line, file=sys.stdout)):
                tell(line)

    def close(self) -> None:
        """Remove the live line from the screen, and a ^C beside it."""
        with self.turns.lock:
            self._on_bar(self._wipe)
            self._drop()

    def _show(self) -> None:
        """Update the live line, and give advice if other programs use the cores."""
        self.shown_at = time.perf_counter()
        if not self.quiet and (advice := self.contention.advice()):
            remark(advice)
        if self.bar is not None:
            self._on_bar(self._draw)
            self.waiting = 0

    def _draw(self, bar: Any) -> None:
        if self.values:
            bar.set_description_str(in_words(**self.values), refresh=False)
        if is_terminal(bar.fp):
            bar.ncols = _columns(bar.fp)  # the window may have another size now
        bar.update(self.waiting)

    def _wipe(self, bar: Any) -> None:
        bar.close()
        if is_terminal(bar.fp):
            print(" " * (_width(bar.fp) - 1), end="\r", file=bar.fp, flush=True)

    def _on_bar(self, change: Callable[[Any], object]) -> bool:
        """Change the live line; False if the terminal is gone, and the line with it."""
        try:
            if self.bar is not None:
                change(self.bar)
        except (OSError, ValueError):  # hung up, or closed
            self._drop()
        return self.bar is not None

    def _drop(self) -> None:
        """Forget the live line."""
        live[:] = [bar for bar in live if bar is not self.bar]
        self.bar = None


def in_words(**values: Any) -> str:
    """Values as text: `loss 0.1234, accuracy 98.20 %`.

    A value whose name is accuracy, or ends in it, is a fraction, shown in percent; the percent sign
    replaces the word: `held out 98.20 %` for held_out_accuracy.
    """
    words = {name: name.removesuffix("_accuracy").replace("_", " ") for name in values}
    return ", ".join(f"{words[name]} {shown(name, value)}" for name, value in values.items())


def shown(name: str, value: Any) -> str:
    """One value as text."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, bool | str):
        return files.printable(value, 60)
    if name.endswith("accuracy"):
        return f"{100 * float(value):.2f} %"
    if isinstance(value, int):
        return files.printable(value, 60)
    value = float(value)
    plain = value != value or value == 0 or 1e-3 <= abs(value) < 1e6 or abs(value) == float("inf")
    return f"{value:.4f}" if plain else f"{value:.3e}"


def _live_line(total: int | None, unit: str, name: str, initial: int) -> Any:
    """A bar of tqdm; None where no line can be live."""
    stream = sys.stdout
    if stream is None or getattr(stream, "closed", False) or find_spec("tqdm") is None:
        return None
    notebook = _in_notebook()
    if not notebook and not (is_terminal(stream) and os.environ.get("TERM") != "dumb"):
        return None
    from tqdm import tqdm

    if notebook and find_spec("ipywidgets") is not None:
        from tqdm.notebook import tqdm

    class Bar(tqdm):  # type: ignore[misc, unused-ignore]
        monitor_interval = 0  # no thread that monitors it: a fork would warn of that

    Bar.set_lock(RLock())  # tqdm's own is shared with other processes, and needs a semaphore
    known = "{desc} |{bar}| {rate_noinv_fmt}, {remaining} left"
    unknown = "{desc} {n_fmt}{unit}, {rate_noinv_fmt}"
    try:
        return Bar(
            total=total,
            initial=initial,
            unit=f" {unit}",
            unit_scale=True,
            leave=False,
            file=stream,
            desc=name,
            bar_format=known if total is not None else unknown,
            ncols=_columns(stream) if is_terminal(stream) else None,
            nrows=20,  # some terminals do not know theirs, and would get no line
            mininterval=0,  # `update` is called seldom enough
            miniters=0,
        )
    except OSError:  # the terminal is gone
        return None


def _width(terminal: Any) -> int:
    """The columns of a terminal."""
    return os.get_terminal_size(terminal.fileno()).columns or USUAL


def _columns(terminal: Any) -> int:
    """The width of the live line there."""
    return max(1, _width(terminal) - SPARE)


def _in_notebook() -> bool:
    """Whether what is printed appears in a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})
