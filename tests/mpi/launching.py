"""Programs under a real mpiexec: started with a time limit, and nothing of them left behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
MARK = "TINYGRAD_LITE_TEST_RUN"  # a variable by which the processes of one run are known
LIMIT = 90  # seconds


class Run(NamedTuple):
    """How a program ended.

    status: the exit status of mpiexec; -9 if it ran longer than allowed.
    out, err: what it printed.
    seconds: how long it took.
    left: processes that were still there a second after mpiexec had ended, by their command lines.
    """

    status: int
    out: str
    err: str
    seconds: float
    left: list[str]

    @property
    def ours(self) -> list[str]:
        """The lines that name a rank: those of nn.distributed, no traceback, not mpiexec's."""
        return [line for line in self.err.splitlines() if line.startswith("nn.distributed: ")]


def mpiexec() -> str:
    """The mpiexec of the wheel, beside this Python."""
    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    assert found, "make mpi installs an mpiexec"
    return found


def launch(
    program: str | Path,
    ranks: int,
    *arguments: object,
    limit: float = LIMIT,
    launcher: Sequence[str] = (),
    environment: dict[str, str] | None = None,
    check: bool = False,
) -> Run:
    """Run a program, given as its text or path, under mpiexec.

    launcher: what starts it in place of `mpiexec -n RANKS python`.
    check: see that it ended well, said nothing on stderr, and left nothing.
    """
    with Started(program, ranks, *arguments, launcher=launcher, environment=environment) as run:
        found = run.end(limit)
    if check:
        assert (found.status, found.err, found.left) == (0, "", []), found
    return found


class Started:
    """A program that runs; at the end of the block it is ended, if it has not by itself."""

    def __init__(
        self,
        program: str | Path,
        ranks: int,
        *arguments: object,
        launcher: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self.mark = uuid.uuid4().hex
        self.folder = tempfile.TemporaryDirectory()
        if isinstance(program, str):
            path = Path(self.folder.name) / "program.py"
            path.write_text(textwrap.dedent(program))
        else:
            path = program
        command = [*launcher] or [mpiexec(), "-n", str(ranks), sys.executable]
        # Unbuffered, print would write a line in parts, between which those of others come.
        own = {"PYTHONPATH": str(ROOT), MARK: self.mark, "PYTHONUNBUFFERED": ""}
        one_thread = dict.fromkeys(("TINYGRAD_LITE_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self.said = ""
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [*command, str(path), *map(str, arguments)],
            env=os.environ | one_thread | own | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> "Started":
        return self

    def until(self, line: str) -> None:
        """Wait until it has printed this line."""
        assert self.process.stdout
        while not self.said.endswith(f"{line}\n"):
            found = self.process.stdout.readline()
            assert found, (line, self.said, self.end())
            self.said += found

    def end(self, limit: float = LIMIT) -> Run:
        """Wait for the end."""
        try:
            out, err = self.process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            self.kill()
            out, err = self.process.communicate()
        seconds = time.monotonic() - self.began
        until = time.monotonic() + 1
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.01)
        names = [command for _, command in left]
        return Run(self.process.returncode, self.said + out, err, seconds, names)

    def processes(self) -> list[tuple[int, str]]:
        """The number and the command line of each process of this run, mpiexec's too."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (folder / "environ").read_bytes():
                    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append((int(folder.name), command.strip()))
            except OSError:  # it has ended, or is not ours
                continue
        return found

    def kill(self) -> None:
        """End every process of this run."""
        for number, _ in self.processes():
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def __exit__(self, *error: object) -> None:
        self.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        self.folder.cleanup()
