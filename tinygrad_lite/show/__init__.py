"""Ways to look at a computation: pictures of the graph that tensors record."""

from .picture import Picture, draw

__all__ = ["Picture", "draw"]
