"""NumPy made exact and fast.  Nothing in this folder knows of tensors or of the graph.

shapes, dtypes, float_errors, generator     what an array is, and what NumPy says of it
threads, products, sums                     large operations in chunks over a pool of threads
arithmetic, selection, activations, softmax, normalisation, gates, recurrences, scatter, sinc,
error_function                              formulas of ops/, computed faster than as written there
windows, convolution, pooling               the same for images
"""
