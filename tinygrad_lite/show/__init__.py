"""Pictures of the graph that tensors record, and words about every number in it.

keeping.py keeps what operations compute, history.py tells all that is known about a graph, and
naming.py what its tensors are called.

outline.py makes boxes (boxes.py) and arrows of a graph; grouping.py finds the Modules that they
belong to, and labels.py their text, with wording.py and summaries.py.  folding.py makes a large
outline small: merging.py makes one box of several, for modules.py, and for equal_parts.py, which
uses repeats.py; captions.py words them.  picture.py draws with dot.py, and writes with tree.py.
notebook.py shows a tensor or a model in a notebook.

nonfinite.py tells where an inf or nan came from: replaying.py runs single ops again, origins.py
searches the graph with it, and repairs.py knows what to do.

profiling.py measures what a program does, and counting.py counts what a graph costs, by the
formulas in work.py: both give a Ledger (ledger.py), whose rows and tables are in costs.py.
kept_memory.py tells what keeps memory alive, with holders.py; tracefile.py writes files.
"""

from .counting import cost
from .keeping import keep_values
from .nonfinite import NonFinite, trace_nan
from .picture import Picture, draw
from .profiling import profile

__all__ = ["NonFinite", "Picture", "cost", "draw", "keep_values", "profile", "trace_nan"]
