"""How a program ends early, and what its exit status says."""

import errno
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import numpy as np
import pytest
from terminal import in_shell, on_terminal, surroundings

from nn.training import Progress, Stop, Stopped, run
from nn.training._leading import shared

FULL = "No space left on device"


@pytest.fixture(autouse=True)
def usual_signals():
    """Ctrl-C raises, also where the tests run behind `&`; all is as before in the end."""
    handlers = {signal.SIGINT: signal.default_int_handler}
    handlers |= dict.fromkeys((signal.SIGTERM, signal.SIGHUP), signal.SIG_DFL)
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def raising(error: BaseException):
    def main():
        raise error

    return main


def noted(error: Exception) -> Exception:
    error.add_note("in net.a\nb")
    return error


def program(body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return (
        f"import os, signal, sys\nfrom nn import training\ndef main():\n{lines}\n"
        "raise SystemExit(training.run(main))"
    )


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (1, 1), (143, 143)])
def test_the_status_is_what_main_returns(returned, status):
    assert run(lambda: returned) == status


def test_a_status_of_numpy_is_one():
    assert run(lambda: np.int64(3)) == 3


@pytest.mark.parametrize("returned", [True, "done", 2.5, 256, -1])
def test_what_is_no_status_is_refused(returned):
    """Python would take True for a failure, and 256 for a success."""
    with pytest.raises((TypeError, ValueError), match="run: the status that main returns"):
        run(lambda: returned)


class Copying:
    """What many programs set as sys.stdout."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_stdout_may_be_an_object_that_only_writes(monkeypatch):
    stdout, stderr = Copying(), Copying()
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "stderr", stderr)

    def main():
        with Progress(2) as progress:
            progress.update(loss=1.0)
            progress.write("one")
        raise KeyboardInterrupt

    assert run(main) == 130
    assert run(lambda: print("two")) == 0
    assert (stdout.text, stderr.text) == ("one\ntwo\n", "stopped\n")


def test_a_training_that_sigterm_stops_has_its_status_where_nobody_catches_it():
    def main():
        with Stop() as stop:
            signal.raise_signal(signal.SIGTERM)
            stop.check()

    assert run(main) == 143


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "stopped"),
        (Stopped(), 130, "stopped"),
        (MemoryError(), 2, "this needs more memory than there is"),
        (MemoryError("1 TiB"), 2, "this needs more memory than there is: 1 TiB"),
        (
            MemoryError("write: 'x': this needs more memory than there is"),
            2,
            "write: 'x': this needs more memory than there is",
        ),
        (OSError(errno.ENOSPC, FULL), 2, f"[Errno {errno.ENOSPC}] {FULL}"),
        (
            FileNotFoundError(errno.ENOENT, "write: No such file", "a\nb"),
            2,
            f"[Errno {errno.ENOENT}] write: No such file: 'a\\nb'",
        ),
        (OSError("no mirror\nanswers"), 2, "no mirror\\nanswers"),
        (OSError(), 2, "OSError"),
        (Stopped(signal.SIGTERM), 143, "stopped"),
        (noted(MemoryError("x")), 2, "this needs more memory than there is: x; in net.a\\nb"),
        (noted(OSError(errno.ENOENT, "gone", "f")), 2, "[Errno 2] gone: 'f'; in net.a\\nb"),
    ],
)
def test_what_a_user_does_or_the_machine_lacks_costs_one_line(capsys, error, status, said):
    assert run(raising(error)) == status
    assert capsys.readouterr() == ("", said + "\n")


@pytest.mark.parametrize(
    "error",
    [
        *(TypeError("x"), ValueError("x"), KeyError("x"), RecursionError("x"), GeneratorExit()),
        shared(ImportError("x"), told=False),  # a bug in what the leading process does for all
        *(OSError(errno.EBADF, "Bad file descriptor"), BrokenPipeError(errno.EPIPE, "worker")),
    ],
)
def test_a_bug_keeps_its_traceback(capsys, error):
    with pytest.raises(type(error)) as caught:
        run(raising(error))
    assert caught.value is error
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("status", [0, 2, "a reason"])
def test_system_exit_passes(status):
    with pytest.raises(SystemExit) as caught:
        run(raising(SystemExit(status)))
    assert caught.value.code == status


def test_a_terminal_s_ctrl_c_is_written_over(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert run(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "\rstopped\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_closed_stream_costs_what_it_would_have_shown(tmp_path, closed):
    """A file that is opened first does not get the closed stream's number, and lines."""
    text = tmp_path / "text"
    body = f"f = open({str(text)!r}, 'w')\nprint('out')\nprint('err', file=sys.stderr)"
    body += "\nf.write('file')"
    done = in_shell(f'"$@" {closed}', "-c", program(body))
    shown = closed.split()
    assert done.returncode == 0
    assert done.stdout == ("" if ">&-" in shown else "out\n")
    assert done.stderr == ("" if "2>&-" in shown else "err\n")
    assert text.read_text() == "file"


@pytest.mark.parametrize("flush", [True, False])
def test_a_reader_that_leaves_early_sees_no_traceback(flush):
    body = f"for i in range(100_000):\n    print(i, flush={flush})"
    done = in_shell('{ "$@"; echo "status $?" >&2; } | head -n 1', "-c", program(body))
    assert (done.stdout, done.stderr) == ("0\n", "status 141\n")


def test_what_waits_when_main_ends_or_exits_is_no_traceback_either():
    for body in ("sys.stdin.read()\nprint('lost')", "sys.stdin.read()\nprint('lost')\nsys.exit(3)"):
        with subprocess.Popen(
            [sys.executable, "-c", program(body)],
            env=surroundings(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            process.stdout.close()
            process.stdin.close()
            assert process.stderr.read() == b""
            assert process.wait() == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has this device")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_no_room_for_what_is_printed_costs_one_line(unbuffered):
    done = in_shell('"$@" >/dev/full', "-c", program("print('lost')"), PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (2, f"[Errno 28] {FULL}\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has this device")
def test_a_complaint_that_finds_no_room_changes_no_status():
    body = "from nn.training._output import complain\ncomplain('lost')\nreturn 5"
    done = in_shell('"$@" 2>/dev/full', "-c", program(body))
    assert (done.returncode, done.stdout, done.stderr) == (5, "", "")


def test_letters_that_stdout_cannot_write_become_escapes():
    body = "from nn.training._output import tell\ntell('caf\\u00e9')"
    done = in_shell('"$@"', "-c", program(body), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout, done.stderr) == (0, "caf\\xe9\n", "")


def test_a_handler_that_ends_the_program_while_it_imports_is_replaced():
    def end(number, frame):
        pytest.fail("the program has begun")

    signal.signal(signal.SIGINT, end)
    assert run(lambda: 5 * (signal.getsignal(signal.SIGINT) is end)) == 5
    vars(end)["until_run"] = True
    assert run(lambda: signal.raise_signal(signal.SIGINT)) == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_while_python_shuts_down_ctrl_c_is_ignored():
    body = "import atexit\natexit.register(signal.raise_signal, signal.SIGINT)\nraise ValueError"
    # What is registered last runs first: here that is what `run` registers.
    done = in_shell('"$@"', "-c", program(body))
    assert done.stderr.count("Traceback") == 1
    assert "KeyboardInterrupt" not in done.stderr


def test_after_it_ctrl_c_works_as_before():
    run(lambda: 0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def in_a_thread(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def test_it_runs_in_a_thread():
    assert in_a_thread(lambda: run(lambda: 5)) == 5


# Stop.


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_the_first_signal_is_noted(number, status):
    with Stop() as stop:
        stop.check()
        assert (stop.number, stop.status) == (0, 0)
        signal.raise_signal(number)
        assert (stop.number, stop.status) == (number, status)
        with pytest.raises(Stopped):
            stop.check()
        with pytest.raises(KeyboardInterrupt):  # as a handler of Ctrl-C expects it
            stop.check()


def test_the_second_one_has_its_usual_effect():
    with Stop() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        with pytest.raises(KeyboardInterrupt) as caught:
            signal.raise_signal(signal.SIGINT)
        assert not isinstance(caught.value, Stopped)
        assert stop.number == signal.SIGTERM


def test_at_the_end_all_is_as_before():
    with suppress(ZeroDivisionError), Stop():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == signal.getsignal(signal.SIGHUP) == signal.SIG_DFL


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_what_is_ignored_or_somebody_else_s_stays(handler):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)
    with Stop() as stop:
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGINT)
        assert stop.number == 0
    assert signal.getsignal(signal.SIGHUP) == handler


def test_a_handler_set_meanwhile_is_kept():
    def handler(*_):
        pass

    with Stop():
        signal.signal(signal.SIGTERM, handler)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_one_inside_another_leaves_the_signals_to_the_outer():
    with Stop() as outer:
        with Stop() as inner:
            signal.raise_signal(signal.SIGTERM)
        assert (outer.number, inner.number) == (signal.SIGTERM, 0)


def test_outside_of_the_main_thread_nothing_is_noted_and_nothing_fails():
    def main():
        with Stop() as stop:
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
            return stop.number

    assert in_a_thread(main) == 0


def test_a_forked_child_is_ended_by_sigterm():
    body = """
import time
with training.Stop() as stop:
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        os.write(tell, b"now")  # a signal that comes before Python has forked is lost
        for _ in range(1000):
            time.sleep(0.01)
        os._exit(5)
    os.read(ready, 3)
    os.kill(child, signal.SIGTERM)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return 7 if (status, stop.number) == (-signal.SIGTERM, 0) else 8
"""
    assert in_shell('"$@"', "-c", program(body)).returncode == 7


def test_ctrl_c_on_a_terminal_ends_at_a_whole_step():
    body = """
import time
done = 0
print("begun", flush=True)
with training.Stop() as stop:
    while True:
        print("step", flush=True)
        time.sleep(0.01)
        done += 1
        try:
            stop.check()
        except KeyboardInterrupt:
            print("whole")
            return 7
"""
    status, written, err = on_terminal(
        80, "-c", program(body), press_ctrl_c_after=re.compile("step")
    )
    assert (status, err) == (7, "")
    assert "^C" in written
    assert written.endswith("whole\r\n")
