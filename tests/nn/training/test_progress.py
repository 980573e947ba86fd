"""Progress: on a terminal, in a notebook, in a pipe, and quiet."""

import io
import re
import sys
import threading
import types
from contextlib import suppress

import numpy as np
import pytest
from terminal import on_terminal, screen, terminal

from nn.training import Progress, _contention, progress
from tinygrad_lite import Tensor

LINE = re.compile(
    r"loss \d+\.\d{4}, accuracy \d+\.\d\d % \|[^|\r\n]*\| [\d.]+[kM]? images/s, [\d:]+ left"
)


@pytest.fixture
def now(monkeypatch):
    """Every step shows."""
    monkeypatch.setattr(progress, "INTERVAL", 0.0)


@pytest.fixture
def written_by(monkeypatch):
    """Run a function with a terminal as stdout; what it wrote there."""

    def written_by(function, columns=80):
        with monkeypatch.context() as patch, terminal(columns) as (stream, read):
            patch.setenv("TERM", "xterm")
            patch.setattr(sys, "stdout", stream)  # not in a fixture: pytest would set it anew
            function()
            return read(stream)

    return written_by


def loop(lines=(), **options):
    """A loop of three steps, and lines after them."""
    with Progress(6, unit="images", **options) as shown:
        for step in range(3):
            shown.update(2, loss=1 / (step + 1), accuracy=step / 2)
        for line in lines:
            shown.write(line)
    return shown


# A pipe, or a file.


def test_in_a_pipe_lines_are_printed_and_nothing_else(capsys, now):
    assert not loop(["one", "two"]).live
    assert capsys.readouterr() == ("one\ntwo\n", "")


def test_quiet_prints_nothing(capsys, now):
    loop(["one"], quiet=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_a_closed_stdout_costs_nothing(monkeypatch, stream):
    if stream is not None:
        stream.close()
    monkeypatch.setattr(sys, "stdout", stream)
    assert loop(["lost"]).done == 6


# A terminal.


def test_on_a_terminal_a_live_line_and_a_clean_screen_at_the_end(written_by, now):
    written = written_by(lambda: loop(["one", "two"]))
    found = LINE.findall(written)
    assert len(found) > 2
    assert found[-1].startswith("loss 0.3333, accuracy 100.00 % |")
    assert max(map(len, screen(written))) < 80
    assert screen(written) == ["one", "two", ""]


def test_a_name_stands_there_until_there_are_values(written_by, now):
    def function():
        with Progress(6, unit="images", name="MNIST") as shown:
            shown.update(2)

    assert re.search(r"MNIST +\|[^|]*\| [\d.]+[kM]? images/s", written_by(function))


def test_without_a_total_it_counts(written_by, now):
    def function():
        with Progress(unit="words", initial=5) as shown:
            shown.update(2, loss=1)

    assert re.search(r"loss 1 7\.00 words, [\d.]+[kM]? words/s", written_by(function))


def test_it_changes_ten_times_a_second_at_most(written_by):
    def function():
        with Progress(10_000) as shown:
            for step in range(10_000):
                shown.update(loss=float(step))
            assert shown.done == 10_000

    assert 1 <= written_by(function).count("loss") < 20


def test_quiet_is_quiet_there_too(written_by, now):
    assert written_by(lambda: loop(["one"], quiet=True)) == ""


def test_without_tqdm_there_are_plain_lines(written_by, now, monkeypatch):
    monkeypatch.setattr(progress, "find_spec", lambda name: None)
    assert written_by(lambda: loop(["one", "two"])) == "one\r\ntwo\r\n"


def test_where_the_cursor_cannot_move_there_are_plain_lines(written_by, now, monkeypatch):
    def function():
        monkeypatch.setenv("TERM", "dumb")
        loop(["one", "two"])

    assert written_by(function) == "one\r\ntwo\r\n"


@pytest.mark.parametrize("columns", [1, 4, 20, 300])
def test_a_line_fits_any_terminal(written_by, now, columns):
    pieces = re.split(r"[\r\n]", written_by(loop, columns))
    assert 1 <= max(map(len, pieces)) <= max(1, columns - 1)


def test_a_terminal_that_is_gone_is_silence(written_by, capsys, now, monkeypatch):
    def hang_up(*_):
        raise OSError(5, "Input/output error")

    def function():
        shown = Progress(6)
        assert shown.live
        monkeypatch.setattr(shown.bar, "update", hang_up)
        shown.update()
        assert not shown.live
        shown.update()
        shown.close()

    written_by(function)
    assert capsys.readouterr().err == ""


def test_it_can_be_closed_twice_and_used_afterwards(written_by, now):
    def function():
        shown = loop()
        shown.close()
        shown.update()
        shown.write("afterwards")

    assert screen(written_by(function)) == ["afterwards", ""]


def test_an_error_leaves_a_clean_screen(written_by, now):
    def function():
        with suppress(ZeroDivisionError), Progress(6) as shown:
            shown.update(loss=1 / 2)
            1 / 0  # noqa: B018

    assert screen(written_by(function)) == [""]


def test_it_starts_no_thread_and_no_semaphore(written_by, now, monkeypatch):
    def function():
        monkeypatch.setitem(sys.modules, "multiprocessing", None)  # its import fails
        before = threading.active_count()
        with Progress(6) as shown:
            shown.update()
            assert shown.live
            assert threading.active_count() == before

    written_by(function)


def test_a_program_on_a_terminal():
    """As a whole, with the terminal's own size and Ctrl-C."""
    program = """
import time
from nn.training import Progress
with Progress(2**40, unit="images") as progress:
    try:
        while True:
            progress.update(loss=0.5, accuracy=1.0)
            time.sleep(0.001)
    except KeyboardInterrupt:
        pass
print("end")
"""
    for columns in (80, 100):
        status, written, err = on_terminal(columns, "-c", program, press_ctrl_c_after=LINE)
        assert (status, err) == (0, "")
        assert "^C" in written
        assert max(len(found) for found in LINE.findall(written)) == columns - 3
        assert screen(written) == ["end", ""]


# A notebook.


@pytest.fixture
def notebook(monkeypatch):
    """IPython as a kernel of Jupyter has it."""
    shell = types.SimpleNamespace(config={"IPKernelApp": {}})
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    return shell


def test_in_a_notebook_without_widgets_a_line_of_text_and_no_warning(notebook, capsys, now):
    assert progress.find_spec("ipywidgets") is None
    with Progress(6, unit="images") as shown:
        assert shown.live
        shown.update(2, loss=0.5, accuracy=0.5)
        shown.write("one")
    out, err = capsys.readouterr()
    assert err == ""
    assert LINE.search(out)
    assert screen(out) == ["one", ""]


def test_in_ipython_without_a_kernel_it_is_a_pipe(notebook, capsys, now):
    notebook.config.clear()
    assert not loop(["one"]).live
    assert capsys.readouterr() == ("one\n", "")


# Values.


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"loss": 0.5}, "loss 0.5000"),
        ({"loss": float("nan"), "lr": 1e-5}, "loss nan, lr 1.000e-05"),
        ({"loss": float("inf"), "perplexity": 12345678.0}, "loss inf, perplexity 1.235e+07"),
        ({"loss": 0.0, "held_out_accuracy": 0.5}, "loss 0.0000, held out 50.00 %"),
        ({"loss": Tensor([0.25]), "n": np.int64(3)}, "loss 0.2500, n 3"),
        ({"loss": Tensor(0.25, requires_grad=True), "x": np.float32(2)}, "loss 0.2500, x 2.0000"),
        ({"phase": "warm\nup", "best": None}, "phase warm\\nup, best None"),
    ],
)
def test_values_are_shown_in_words(values, text):
    assert progress.in_words(**values) == text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"total": -1}, "Progress: total: expected an integer of 0 or more; got -1"),
        ({"total": 1.5}, "Progress: total: expected an integer; got 1.5"),
        ({"initial": None}, "Progress: initial: expected an integer; got None"),
        ({"quiet": 1}, "Progress: quiet: expected True or False; got 1"),
    ],
)
def test_a_wrong_argument_is_named(options, said):
    with pytest.raises((TypeError, ValueError)) as caught:
        Progress(**options)
    assert str(caught.value) == said


@pytest.mark.parametrize("count", [-1, 0.5, "2", True])
def test_a_wrong_count_is_named(count):
    with Progress() as shown:
        with pytest.raises((TypeError, ValueError), match=r"^Progress\.update: count: expected an"):
            shown.update(count)
        shown.update(np.int64(2))
        assert shown.done == 2


def test_several_threads_may_count():
    with Progress() as shown:
        threads = [
            threading.Thread(target=lambda: [shown.update() for _ in range(2000)]) for _ in "1234"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert shown.done == 8000


# A busy machine.

ADVICE = (
    "other programs use these cores, and 2 threads of BLAS wait for each other: "
    "OPENBLAS_NUM_THREADS=1 may be faster (and gives other last bits)"
)


class Clock:
    """Seconds on the clock, seconds of computing, and interruptions, as we want them."""

    def __init__(self, monkeypatch, threads):
        self.now = (0.0, 0.0, 0.0)
        monkeypatch.setattr(_contention.Contention, "_now", lambda _: self.now)
        monkeypatch.setattr(_contention.time, "perf_counter", lambda: self.now[0])
        monkeypatch.setattr(_contention.os, "cpu_count", lambda: 2)
        monkeypatch.setattr(
            _contention, "_threads_of_blas", lambda: (threads, "OPENBLAS_NUM_THREADS")
        )

    def pass_(self, seconds, busy, interruptions):
        """So many seconds, of which the threads compute a part, interrupted so often a second."""
        wall, computed, count = self.now
        self.now = (wall + seconds, computed + busy * seconds, count + interruptions * seconds)


# Seconds of computing and interruptions, per second, as they were on a machine of two cores: alone,
# with one program beside it, and with two.
ALONE, ONE_BESIDE, TWO_BESIDE = (1.98, 52), (1.44, 154), (1.05, 230)


@pytest.mark.parametrize(
    ("threads", "seconds", "said"),
    [
        (2, [ALONE] * 60, 0),
        (2, [ONE_BESIDE] * 2, 0),
        (2, [ONE_BESIDE] * 3, 1),
        (2, [TWO_BESIDE] * 60, 1),
        (2, [(0.4, 80)] * 60, 1),  # many beside it
        (1, [(0.36, 125)] * 60, 0),  # one thread beside two programs
        (2, [ONE_BESIDE, ONE_BESIDE, ALONE] * 20, 0),  # now and then
        (2, [(1.0, 3)] * 60, 0),  # a loop in Python, where BLAS has nothing to do
    ],
)
def test_busy_cores_are_told_once_and_quiet_ones_never(
    monkeypatch, capsys, now, threads, seconds, said
):
    clock = Clock(monkeypatch, threads)
    with Progress() as shown:
        for busy, interruptions in seconds:
            clock.pass_(1.01, busy, interruptions)
            shown.update()
    out, err = capsys.readouterr()
    assert (out, err) == ("", (ADVICE + "\n") * said)


def test_on_a_terminal_it_stands_above_the_live_line(monkeypatch, written_by, now):
    clock = Clock(monkeypatch, 2)

    def function():
        monkeypatch.setattr(sys, "stderr", sys.stdout)
        with Progress(9) as shown:
            for _ in range(4):
                clock.pass_(1.01, *TWO_BESIDE)
                shown.update()

    assert screen(written_by(function)) == [ADVICE, ""]


def test_where_nothing_is_told_of_interruptions_there_is_no_advice(monkeypatch):
    monkeypatch.setattr(_contention, "resource", None)
    assert _contention.Contention().advice() is None


def test_the_threads_are_those_of_blas(monkeypatch):
    import threadpoolctl

    def library(**changes):
        return {
            **{"user_api": "blas", "internal_api": "openblas", "num_threads": 2},
            **{"threading_layer": "pthreads"},
            **changes,
        }

    for found, expected in (
        ([library()], (2, "OPENBLAS_NUM_THREADS")),
        ([library(internal_api="mkl", num_threads=8), library()], (8, "MKL_NUM_THREADS")),
        ([library(threading_layer="openmp")], (2, "OMP_NUM_THREADS")),
        ([library(user_api="openmp", num_threads=9), library()], (2, "OPENBLAS_NUM_THREADS")),
        ([], (1, "")),
    ):
        monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda found=found: found)
        assert _contention._threads_of_blas() == expected
