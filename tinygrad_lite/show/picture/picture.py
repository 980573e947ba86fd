"""`draw`: the graph of a tensor as a picture, as a page, or as a tree of text."""

from pathlib import Path
from typing import Any

from ...arrays.arguments import flag, wrong
from ...engine.graph import TensorBase
from ...files import FilePath, checked_path, printable, replacing
from ..graph.history import History
from ..graph.naming import Names
from ..outline.folding import Fold, check_fold, folded
from ..outline.outline import Outline, outline_of, without_graph
from ..outline.terminal import for_terminal
from ..page.page import page_text
from .dot import dot_text, render
from .tree import tree_text

RENDERED = ("svg", "png", "pdf")
FORMATS = ".svg, .png, .pdf, .html, or .dot (.gv) for DOT text"


class Picture:
    """A drawn graph: notebooks display it, and a terminal shows it as a tree of text.

    outline  the boxes and arrows that it shows
    whole    all of them, before folding
    dot      the picture as DOT text, the language of Graphviz
    caption  what the picture leaves out or folds; empty if it shows everything
    """

    def __init__(self, outline: Outline, whole: Outline | None = None) -> None:
        self.outline, self.whole = outline, outline if whole is None else whole
        self.dot = dot_text(outline)
        self.caption = " ".join(outline.notes)

    def svg(self) -> str:
        """The picture as SVG text.  RuntimeError if nothing can render it."""
        return render(self.dot, "svg").decode("utf-8")

    def save(self, path: FilePath) -> None:
        """Write the picture to a file, completely or not at all; the suffix selects the format.

        .svg, .png and .pdf need pygraphviz or Graphviz; .dot and .gv, the DOT text, do not, nor
        does .html, a page of the whole graph to explore in a browser.

        Errors: ValueError for another suffix, FileNotFoundError for a missing folder, RuntimeError
        if nothing can render the picture; those of `tinygrad_lite.files.replacing`.
        """
        kind = checked_suffix(path, "draw")
        if kind == "html":
            content = page_text(self.whole).encode("utf-8")
        else:
            content = render(self.dot, kind) if kind in RENDERED else self.dot.encode("utf-8")
        with replacing(path, "draw") as file:
            file.write(content)

    def __repr__(self) -> str:
        """The graph as a tree of text, from the result down to what it was computed from."""
        return for_terminal(tree_text(self.outline))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook displays: SVG; without a renderer, the tree and how to get one."""
        try:
            return {"image/svg+xml": self.svg(), "text/plain": tree_text(self.outline)}
        except RuntimeError as error:
            return {"text/plain": f"{tree_text(self.outline)}\n\n{error}"}


def draw(
    tensor: TensorBase,
    path: FilePath | None = None,
    *,
    names: Any = None,
    values: bool = False,
    grads: bool = False,
    fold: Fold = None,
) -> Picture:
    """The graph of everything that `tensor` was computed from, as a picture.

        draw(loss)                                  # a notebook shows it; a terminal as text
        draw(loss, "loss.svg", names=model)
        draw(loss, "loss.png", names=model, values=True, grads=True, fold="module")

    There is a box for each operation with the shape of its result (with a double frame for the
    last), an ellipse for each parameter, and a white box for each input or constant that is known.
    Arguments enter from left to right.  The same program gives the same picture.

    path    a file to write as well; its name ends in .svg, .png, .pdf, .html for a page to explore
            in a browser, or .dot or .gv for DOT text
    names   names for parameters, inputs and results: a Module, or a mapping of names to tensors.  A
            Module gives its structure too
    values  whether boxes say what is known of the values: statistics, or up to nine elements
    grads   the same for the gradients of `tensor`, found by a backward pass of its own: `.grad` and
            the graph stay as they are
    fold    "module" for one box for each Module, and one for equal parts that follow each other

    Inside `with keep_values():` operations keep all values, gradients and calls of Modules for the
    picture, and keep them after `backward`.  Otherwise values are those that the backward pass
    reads, until it frees them, and what belongs to a Module follows from the names of parameters.

    Graphs of more than 300 boxes are folded, and the caption says so.

    Errors: TypeError if `tensor` is not a Tensor; ValueError for another `fold`; those of
    `Picture.save`.
    """
    if not isinstance(tensor, TensorBase):
        raise wrong("draw: tensor", "a Tensor", tensor)
    check_fold(fold, "draw")
    values, grads = flag(values, "draw: values"), flag(grads, "draw: grads")
    if path is not None:
        checked_suffix(path, "draw")
    known = Names.of(names, "draw")
    if tensor._node is None:
        picture = Picture(without_graph(tensor, known))
    else:
        history = History(tensor, grads=grads)
        whole = outline_of(history, known, values=values, grads=grads)
        picture = Picture(folded(whole, fold), whole)
    if path is not None:
        picture.save(path)
    return picture


def checked_suffix(path: FilePath, caller: str) -> str:
    """The format that a path asks for; an error if there is none, or its folder is missing."""
    target = Path(checked_path(path, caller))
    if target.suffix.lower() not in (".svg", ".png", ".pdf", ".html", ".dot", ".gv"):
        raise ValueError(
            f"{caller}: expected a path that ends in {FORMATS}; got {printable(path)!r}"
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{caller}: the folder {printable(target.parent)!r} does not exist")
    return target.suffix.lower()[1:]
