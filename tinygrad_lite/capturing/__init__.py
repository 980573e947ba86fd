"""`capture`: a training step, recorded once and replayed as a flat list of array operations.

entries.py  Entry, one call of the step, and Var, one of its arrays
numbers.py  Number, which carries a number of Python; guards, which a replay has to meet
trace.py    Traced, which carries a value and notes what is done with it; Trace, the record
temporaries.py  the memory order of results that NumPy writes over a temporary
reach.py    what a function reaches from outside: tensors and arrays that are not arguments
plan.py     from a record to a program: what is needed, and until when
program.py  the program: a Python function with a line for each entry
calls.py    what a program knows of functions: which make views, which take memory
memory.py   the arena in which the arrays of a program share memory
step.py     capture: which plan fits a call, guards, results
"""

from .step import capture as capture
