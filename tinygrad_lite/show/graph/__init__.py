"""What is known about a graph: all other folders of show/ read it here.

clock        a clock that stands still while observers work
keeping      keep_values: every node keeps what it computed
history      the values and gradients of a graph, and where each came from
naming       what `names=` means
grouping     which calls of Modules each operation belongs to
work         the floating-point operations of every primitive
twins        an operation run again in float64
recomputing  a whole graph computed again in float64
"""
