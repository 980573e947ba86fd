"""Rows of the methods in tinygrad_lite/methods/trigonometry.py."""

from .row import Mistake, Row

ROWS: list[Row] = []

MISTAKES: list[Mistake] = []
