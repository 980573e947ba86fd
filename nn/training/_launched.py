"""Several processes of one launcher that do not know of each other: each trains alone."""

import sys
from functools import cache
from pathlib import Path

from tinygrad_lite import files

from .._processes import follows, unaware
from ._output import UNUSABLE, complain, fail


def check_launched(out: Path | None) -> None:
    """Say that each of the processes trains alone; with a folder for all, end with status 2.

    The first process says it.  Nothing is said of one that exchanges with the others, or that is in
    `nn.distributed.alone`, or that a sweep started.

    out: the folder into which each of them would write.
    """
    count = unaware()
    if count == 1:
        return
    who = f"mpiexec or srun started {count} processes"
    fix = "pass --distributed, if the program has it, or call nn.distributed.start()"
    if out is None:
        _say_once(f"{who}, and each trains alone: for one training, {fix}")
    elif follows():
        sys.exit(UNUSABLE)
    else:
        fail(
            f"--out {files.printable(out)}: {who} that would all write there: for one training, "
            f"{fix}; for one in each, `with nn.distributed.alone():` and a folder of its own"
        )


@cache
def _say_once(line: str) -> None:
    if not follows():
        complain(line)
