"""The engine: the graph that operations record, and the backward pass through it.

README.md in this folder explains it with one example.
"""
