"""A whole training in one file: the index of this folder."""

from .snapshot import Snapshot

# What it is made of.
# _snapshot_file.py: the format; _encoding.py: nested values as JSON and arrays
# _part.py: what is saved of an object, _module_part.py and _parts.py: of each kind of object
# _in_place.py: tensors restored, so that all who hold them see it
# _comparing.py: what must be the same besides
# _random_state.py: the random generators
__all__ = ["Snapshot"]
