"""Ctrl-C while an example imports what it needs: an example imports this before all else."""

import _signal  # type: ignore[import-not-found]  # `signal` in C: importing the rest takes a while
import os
import sys

# mpiexec and srun tell each of several processes its rank: the first of them says it.
RANKS = ("PMI_RANK", "PMIX_RANK", "SLURM_PROCID")
FOLLOWS = next((os.environ[name] for name in RANKS if name in os.environ), "0") != "0"


def end_at_once(number: int, frame: object) -> None:
    """End the program in one line.  An exception could get lost in C code that is imported."""
    try:
        if not FOLLOWS:
            os.write(2, b"\rstopped\n" if os.isatty(2) else b"stopped\n")  # over the ^C
    finally:  # also where stderr is closed, or full
        os._exit(130)  # what a shell reports of a program that Ctrl-C ended


vars(end_at_once)["until_run"] = True  # then nn.training.run takes over
# An example is the program that runs; tests import examples, and keep their own Ctrl-C.
PROGRAM, HERE = (os.path.dirname(os.path.realpath(path)) for path in (sys.argv[0], __file__))
if PROGRAM == HERE and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # no `&`
    _signal.signal(_signal.SIGINT, end_at_once)
