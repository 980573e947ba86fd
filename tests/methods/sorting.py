"""Rows of the methods in tinygrad_lite/methods/sorting.py."""

from .row import Mistake, Row

ROWS: list[Row] = []

MISTAKES: list[Mistake] = []
