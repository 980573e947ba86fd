"""NumPy made exact and fast.  Nothing in this folder knows about tensors or the graph.

arguments, given, integers                  what users pass: read, or refused in one clear line
shapes, dtypes, ownership, float_errors,
generator                                   properties of arrays, NumPy's warnings, random numbers
threads, chunks, products, sums             large operations in chunks over a pool of threads
arithmetic, selection, activations, softmax, normalisation, gates, through_time,
recurrences, scatter, sinc, error_function  formulas of ops/, computed faster than as written there
windows, convolution, pooling, channels     the same for images
locks, settings                             Python's own: locks that a fork leaves free, and context
                                            managers that decorate functions of every kind
reused                                      sums that hold a gradient which a step has used
recorded                                    functions that a captured step calls as a whole
"""
