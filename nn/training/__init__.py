"""What stands around a training loop: options, signals, progress, records, and a file to resume.

The loop itself is written out in a program; these are the parts beside it.  They are imported when
they are first used.

TensorBoard's files need the extra `tensorboard`, pictures and the live line the extra `train`.
"""

from .best import Best  # the weights of the best epoch so far
from .command_line import about, arguments  # options, and errors about what they name
from .interrupts import Stop, Stopped, run  # Ctrl-C, SIGTERM, closed pipes, no room
from .metrics import Metrics  # the numbers of a training, as JSON lines and for TensorBoard
from .plots import confusion, curves, filters, mistakes  # pictures of it
from .progress import Progress  # a live line on a terminal and in a notebook
from .report import Report  # what a training says and keeps, how it is stopped, and goes on
from .snapshot import Snapshot  # all of it in one file, from which it goes on to the same bits

__all__ = [
    "Best",
    "Metrics",
    "Progress",
    "Report",
    "Snapshot",
    "Stop",
    "Stopped",
    "about",
    "arguments",
    "confusion",
    "curves",
    "filters",
    "mistakes",
    "run",
]
