"""Pictures of the graph that tensors record, and words about every number in it.

graph       what is known about a graph: its values, gradients, lines and Modules
outline     its boxes and arrows, and how a large one is made small
formulas    the formulas of its operations
page        the page that a browser shows
picture     draw, draw_on_error
finiteness  trace_nan
explaining  explain
ledger      profile, cost
notebook    a tensor or a model in a notebook

Each folder has an index, and imports only from those above it.
"""

from .explaining.explanation import Explanation, explain
from .finiteness.nonfinite import NonFinite, trace_nan
from .graph.keeping import keep_values
from .ledger.counting import cost
from .ledger.profiling import profile
from .picture.failing import draw_on_error
from .picture.picture import Picture, draw

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
