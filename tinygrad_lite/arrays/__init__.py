"""NumPy made exact and quick: shapes, dtypes, sums, products, threads, random numbers.

Nothing in this folder knows of tensors or of the graph.
"""
