"""Rows of the methods in tinygrad_lite/methods/linalg.py."""

from .row import Mistake, Row

ROWS: list[Row] = []

MISTAKES: list[Mistake] = []
