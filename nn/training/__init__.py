"""The parts around a training loop; the loop itself is written out in a program.

    arguments, about      command-line options, and errors about the values given for them
    run, Stop, Stopped    Ctrl-C, SIGTERM, closed pipes, full disks: exit statuses and clean ends
    Progress              a live line on a terminal and in a notebook
    Metrics               records as JSON lines, and as event files for TensorBoard
    Best                  the weights with the highest score so far
    Snapshot              a whole training in one file, to resume from with the same bits
    Report                the above for one run: its lines, records, files and signals
    curves, confusion, mistakes, filters, samples    pictures
    figure                an empty one of matplotlib, for a picture of your own

The live line and pictures need the extra `train`, TensorBoard's files the extra `tensorboard`.
"""

from .best import Best
from .command_line import about, arguments
from .interrupts import Stop, Stopped, run
from .metrics import Metrics
from .plots import confusion, curves, figure, filters, mistakes, samples
from .progress import Progress
from .report import Report
from .snapshots import Snapshot

# What these are made of.
# interrupts, command_line, report: _output.py, lines on stdout and stderr; _folder.py, --out
# progress: _contention.py, other programs on the same cores
# report: _shares.py, values of steps from several parts of a batch; _report_state.py, of a snapshot
# report: _launched.py, several processes that do not know of each other
# report, snapshots: _leading.py, what one of several processes does for all
# snapshots, progress: _environment.py, threads and versions that bits depend on
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
    "figure",
    "filters",
    "mistakes",
    "run",
    "samples",
]
