"""`explain`: where a number comes from, and the chain rule written out for its own graph.

The sections are put together here; symbols.py says what values are called, reasons.py why a
gradient is zero, large or nan, simplifying.py what well-known compositions come to, and document.py
shows it all as text, Markdown or LaTeX.
"""

from collections.abc import Sequence
from typing import Any

from ...arrays.arguments import flag, wrong
from ...arrays.recorded import recorder
from ...engine.graph import Node, TensorBase
from ...files import printable
from ..formulas.symbols import Symbols
from ..graph.history import NO_GRAPH, History
from ..graph.naming import Names
from ..outline.terminal import for_terminal
from ..outline.wording import shape_text
from .document import Document
from .reasons import listed
from .sections import Sections

MOST_NAMES = 12  # in a message


class Explanation:
    """What `explain` returns: print it, or let a notebook show it.

    reasons  a sentence for each gradient that is zero, huge, tiny or not finite: why it is so
    """

    __slots__ = ("_document", "reasons")

    def __init__(self, document: Document, reasons: Sequence[str]) -> None:
        self._document = document
        self.reasons = tuple(reasons)

    def text(self) -> str:
        """Plain text for a terminal."""
        return self._document.text()

    def markdown(self) -> str:
        """Markdown, with formulas between dollar signs."""
        return self._document.markdown()

    def latex(self) -> str:
        r"""A section of a LaTeX document, which needs \\usepackage{amsmath, longtable}."""
        return self._document.latex()

    def __repr__(self) -> str:
        return for_terminal(self.text())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook displays."""
        return {
            "text/plain": self.text(),
            "text/markdown": self.markdown(),
            "text/latex": self.latex(),
        }


def explain(
    tensor: TensorBase,
    wrt: "TensorBase | str | None" = None,
    *,
    names: Any = None,
    full: bool = False,
) -> Explanation:
    """Where `tensor` comes from, and why its gradient is what it is: the chain rule, step by step.

        with keep_values():
            loss = model(x).cross_entropy(y)
        print(explain(loss, names=model))

    It shows the function as it was computed, the backward pass with the rule of each step and its
    numbers, what the whole comes to, a check by finite differences, and what has no influence.  If
    a gradient is zero, huge or nan, it begins with the step that made it so.

    wrt    the tensor, or the name of one, whose gradient is explained; default: all parameters
    names  names for the tensors: a Module, or a mapping of names to Tensors
    full   show every step, however many there are

    In a terminal it is text, in a notebook Markdown; `markdown()` and `latex()` give it for a page.
    No `.grad` changes, and nothing is freed.  After `backward`, values are known only if they were
    computed inside `with keep_values():`.

    Errors: TypeError if `tensor` is not a Tensor; ValueError if it has no graph, or if `wrt` is not
    in that; RuntimeError in a step that is being captured.
    """
    if not isinstance(tensor, TensorBase):
        raise wrong("explain: tensor", "a Tensor", tensor)
    full = flag(full, "explain: full")
    known = Names.of(names, "explain")
    if tensor._node is None:
        raise ValueError(f"explain: {NO_GRAPH}")
    if recorder.get() is not None:
        raise RuntimeError("explain: a captured step has no values yet; call it outside")
    history = History(tensor, grads=True)
    symbols = Symbols(history, known)
    targets = _targets(wrt, history, symbols)
    return Explanation(*Sections(history, symbols, targets, wrt is not None, full).written())


def _targets(wrt: Any, history: History, symbols: Symbols) -> list[Node]:
    """The nodes whose gradients are explained."""
    if wrt is None:
        return [node for node in symbols.leaves if node is not history.root] or [history.root]
    tensors = symbols.names.tensors
    if isinstance(wrt, str):
        if wrt not in tensors:
            near = ", ".join(repr(printable(name, 60)) for name in list(tensors)[:MOST_NAMES])
            raise ValueError(
                f"explain: wrt: no tensor is named {printable(wrt, 60)!r}; "
                + (f"the names are {near}" if near else "pass names=, a Module or a mapping")
            )
        label, wrt = printable(wrt, 60), tensors[wrt]
    elif isinstance(wrt, TensorBase):
        label = next((printable(n, 60) for n, t in tensors.items() if t is wrt), "it")
    else:
        model = hasattr(wrt, "named_parameters")
        fix = "; pass a Module as names=, and as wrt one of its parameters" if model else ""
        raise wrong("explain: wrt", "a Tensor, the name of one, or None", wrt, fix)
    node = wrt._node
    shape = shape_text(wrt._data.shape)
    if node is None:
        raise ValueError(
            f"explain: wrt: {label}, of shape {shape}, does not require grad, so no gradient "
            "reaches it; make it with requires_grad=True"
        )
    if node not in set(history.order):
        there = [f"{symbols.name(leaf)} {shape_text(leaf.out_shape)}" for leaf in
                 symbols.leaves]  # fmt: skip
        raise ValueError(
            f"explain: wrt: {label}, of shape {shape}, is not in the graph: the result was not "
            "computed from it, or it was detached on the way; its gradient is None.  In the graph "
            f"are {listed(there)}"
        )
    return [node]
