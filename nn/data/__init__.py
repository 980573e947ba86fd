"""Serving data sets to a training loop: the index of this folder."""

from .batches import Batches  # rows in batches, in a new order every epoch

__all__ = ["Batches"]
