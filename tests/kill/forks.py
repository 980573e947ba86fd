"""A process that has imported everything, and runs kill.training in a fork of itself when told to.

For runs whose own start is not what is looked at: a fork is ready at once, where a new process
spends most of its life importing. This process has one thread.
"""

import gc
import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Self

from kill import training

ROOT = Path(__file__).parent.parent.parent


def environment(blas_threads: int = 1) -> dict[str, str]:
    """That of a training process, which has so many BLAS threads."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    path = os.pathsep.join([str(ROOT / "tests"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, **dict.fromkeys(names, str(blas_threads)), "PYTHONPATH": path}


class Forks:
    """The process, as whoever gives it orders sees it; `seconds` is how long its start took."""

    def __init__(self) -> None:
        began = time.monotonic()
        command = [sys.executable, "-W", "error", "-m", "kill.forks"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, env=environment(), cwd=ROOT, text=True
        )
        assert self.process.stdout.readline() == "ready\n"
        self.seconds = time.monotonic() - began

    def run(self, *arguments: object) -> tuple[int, str]:
        """The exit status of such a run, -9 after SIGKILL, and what it wrote to stderr."""
        self.process.stdin.write(json.dumps([str(each) for each in arguments]) + "\n")
        self.process.stdin.flush()
        status, errors = json.loads(self.process.stdout.readline())
        return status, errors

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def forked(arguments: list[str]) -> tuple[int, str]:
    """Run kill.training in a fork, and wait for its end."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.dup2(writer, 2)
            os.close(reader)
            os.close(writer)
            training.main(arguments)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(writer)
    with open(reader, encoding="utf-8", errors="replace") as errors:
        text = errors.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


if __name__ == "__main__":
    gc.freeze()  # a collection in the child would copy all memory
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(forked(json.loads(line))), flush=True)
