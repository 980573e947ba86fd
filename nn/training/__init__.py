"""What stands around a training loop: options, signals, progress, records, and a file to resume.

The loop itself is written out in a program; these are the parts beside it.  They are imported when
they are first used.

TensorBoard's files need the extra `tensorboard`, pictures and the live line the extra `train`.
"""

from .command_line import about, arguments  # options, and errors about what they name
from .interrupts import Stop, Stopped, run  # Ctrl-C, SIGTERM, closed pipes, no room
from .metrics import Metrics  # the numbers of a training, as JSON lines and for TensorBoard
from .plots import confusion, curves, filters, mistakes  # pictures of it
from .progress import Progress  # a live line on a terminal and in a notebook
from .snapshot import Snapshot  # all of it in one file, from which it goes on to the same bits

__all__ = [
    "Metrics",
    "Progress",
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
