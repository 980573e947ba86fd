"""Several processes of one launcher that do not know of each other: each trains alone."""

from functools import cache

from .._processes import follows, trainings_apart
from ._output import complain


def check_launched() -> None:
    """Say once, in the first of them, that each of the processes trains alone.

    Nothing is said of one that exchanges with the others, or that is in `nn.distributed.alone`, or
    that a sweep started.
    """
    count = trainings_apart()
    if count > 1 and not follows():
        _say_once(
            f"mpiexec or srun started {count} processes, and each trains alone: for one training, "
            "pass --distributed, if the program has it, or call nn.distributed.start()"
        )


@cache
def _say_once(line: str) -> None:
    complain(line)
