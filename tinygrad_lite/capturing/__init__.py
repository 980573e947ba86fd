"""`capture`: a training step, recorded once and replayed as a flat list of array operations.

What a user calls:
    step.py       capture: eager, recorded or replayed; what is done where a step cannot be captured
    checking.py   check=n: a replay beside the eager step

A record, made in one call:
    recording.py  the call: tensors get Traced objects before it, and arrays after it
    reach.py      what the step reaches from outside, besides its arguments
    looking.py    what can be seen of functions, classes and objects without running anything
    records.py    which values are data, and which are parts of a model
    entries.py    Entry, one call of NumPy, and Var, one of its arrays
    notes.py      which operation made an array, and of what it is the gradient
    traced.py     Traced, which carries a value and notes what is done with it
    trace.py      Trace, the record: entries, and why a step cannot be captured
    temporaries.py    the memory order of results that NumPy writes over a temporary
    rules.py      rules of operations that are replayed whole
    numpy_functions.py    which functions of NumPy a record may hold
    numbers.py    numbers of Python that are read in each replay, or that a replay has to meet
    effects.py    what the call changed: refused, noted, or undone
    blame.py      the user's line that cannot be replayed
    leftovers.py  Traced objects that somebody still holds after the call
    watching.py   observers around the step, told of gradients in each replay

A plan, made of a record:
    plan.py       what is needed, and until when
    memory.py     the arena in which the arrays of a plan share memory
    program.py    the function that is replayed, a line for each entry
    calls.py      what it knows of functions: which make views, which take memory
    fitting.py    which calls it fits
    returning.py  what it gives back, and which gradients it leaves
    replay.py     all of that together

printing/: `step.source()`, a record as a program that a person reads:
    source.py     the program, its head and its body
    writing.py    its lines;  lookahead.py  what is known before the first
    readable.py   operators and formulas in place of calls;  expressions.py  brackets
    counts.py     numbers of an optimiser's formula
    wishes.py     which name an array should get;  naming.py  which it gets
    library.py    functions that the program needs;  plain_source.py  their source
"""

from .step import capture as capture
