"""Batches."""

from .batches import Batches as Batches
