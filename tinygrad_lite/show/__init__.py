"""Pictures of the graph that tensors record, and words about every number in it.

keeping.py keeps what operations compute, history.py tells all that is known about a graph, and
naming.py what its tensors are called.

outline.py makes boxes (boxes.py) and arrows of a graph; grouping.py finds the Modules that they
belong to, and labels.py their text, with wording.py and summaries.py.  folding.py makes a large
outline small: merging.py makes one box of several, for modules.py, and for equal_parts.py, which
uses repeats.py; captions.py words them.  picture.py draws with dot.py, and writes with tree.py;
frames.py finds frames for it; failing.py draws what an error left.

page.py makes the page that a browser shows, of the files in web/: page_data.py looks up all that it
tells, with page_rules.py, page_arrays.py and page_steps.py, and spot_check.py checks the rule of
each op, which twins.py runs again.  notebook.py shows a tensor or a model in a notebook.

nonfinite.py tells where an inf or nan came from: replaying.py runs single ops again, origins.py
searches the graph with it and with known_values.py, and repairs.py knows what to do.

explanation.py writes the chain rule of a graph: steps.py and symbols.py make its formulas,
reasons.py tells why a gradient is zero or huge (factors.py: what one step does to it),
differencing.py compares it with finite differences of the graph, which recomputing.py computes
again with twins.py, and simplifying.py knows what compositions come to (softmax_loss.py,
closing.py).  document.py shows it as text, Markdown or LaTeX, and shortening.py leaves repeats out.

profiling.py measures what a program does, and counting.py counts what a graph costs, by the
formulas in work.py: both give a Ledger (ledger.py), whose rows and tables are in costs.py.
kept_memory.py tells what keeps memory alive, with holders.py; tracefile.py writes files.
"""

from .counting import cost
from .explanation import Explanation, explain
from .failing import draw_on_error
from .keeping import keep_values
from .nonfinite import NonFinite, trace_nan
from .picture import Picture, draw
from .profiling import profile

__all__ = [
    "Explanation",
    "NonFinite",
    "Picture",
    "cost",
    "draw",
    "draw_on_error",
    "explain",
    "keep_values",
    "profile",
    "trace_nan",
]
