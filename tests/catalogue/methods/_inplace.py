"""Rows of the methods in tinygrad_lite/methods/inplace.py."""

from .row import Mistake, Row

ROWS: list[Row] = []

MISTAKES: list[Mistake] = []
