"""profile and cost: time, operations and memory by op, Module and source line.

profiling    `profile`: a clock at every operation
counting     `cost`: what a graph costs, counted without running it
ledger       the Ledger that both return
costs        what one op cost, and tables of it
kept_memory  the arrays that a graph keeps, and what for
holders      who holds a graph
heat         costs as colours in a picture or page
tracefile    files: a trace for viewers, CSV
"""
