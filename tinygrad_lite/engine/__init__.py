"""The engine: the graph that operations record, and the backward pass through it.

README.md beside this file walks through it.
"""
