"""Pictures of the graph that tensors record.

outline.py decides what is shown, wording.py how it is worded, and picture.py draws it.
"""

from .picture import Picture, draw

__all__ = ["Picture", "draw"]
