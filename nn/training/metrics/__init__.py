"""The records of a training: the index of this folder."""

from .metrics import Metrics

# What it is made of.
# _records.py: records in memory; _lines.py: records as lines of JSON
# _growing.py: a file that others read while it grows; _event_files.py: files for TensorBoard
__all__ = ["Metrics"]
