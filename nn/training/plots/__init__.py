"""Pictures of a training: the index of this folder."""

from ._figures import figure
from .pictures import confusion, curves, filters, mistakes, samples

# What they are made of.
# _series.py: curves from records; _images.py: arrays as images; _figures.py: matplotlib
__all__ = ["confusion", "curves", "figure", "filters", "mistakes", "samples"]
