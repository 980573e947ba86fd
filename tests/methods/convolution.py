"""Rows of the methods in tinygrad_lite/methods/convolution.py."""

from .row import Mistake, Row

ROWS: list[Row] = []

MISTAKES: list[Mistake] = []
