"""`draw`: the graph of a tensor as a picture, or as DOT text if nothing can render it.

The package graphviz writes the DOT text, and renders it if Graphviz's `dot` program is installed.
Otherwise the package pygraphviz renders it; its wheel contains Graphviz's libraries.
"""

import html
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..arrays.locks import ProcessLock
from ..engine.graph import TensorBase
from ..files import FilePath, checked_path, printable, replacing
from .outline import Box, Outline, outline_of

RENDERED = ("svg", "png", "pdf")
PIXELS_PER_INCH = 160  # of PNG: the largest picture still fits into the 32767 rows of Cairo
INSTALL_HINT = "pip install pygraphviz, or install Graphviz from graphviz.org"

FONT = "Helvetica,Arial,sans-serif"
INK, PALE_INK, RULE = "#1f2933", "#5b6770", "#8a94a0"
STYLES = {
    "op": {"shape": "box", "style": "rounded,filled", "fillcolor": "#e3edf7", "color": "#4a6f94"},
    "output": {"fillcolor": "#d5ebd3", "color": "#3f7d3c", "peripheries": "2"},
    "parameter": {"shape": "ellipse", "style": "filled", "fillcolor": "#fdebc8", "color": "#b07a1e",
                  "penwidth": "1.6", "margin": "0.02,0.02"},
    "constant": {"shape": "box", "style": "filled", "fillcolor": "#ffffff", "color": RULE},
    "folded": {"shape": "box", "style": "rounded,dashed,filled", "fillcolor": "#f0f2f4",
               "color": RULE},
    "more": {"shape": "box", "style": "rounded,dashed", "color": RULE},
}  # fmt: skip

_rendering = ProcessLock()  # Graphviz's libraries keep global state


class Picture:
    """A drawn graph, which notebooks display.

    dot       the picture as DOT text, the language of Graphviz
    caption   what the picture leaves out or folds; empty if it shows everything
    """

    def __init__(self, dot: str, caption: str) -> None:
        self.dot = dot
        self.caption = caption

    def svg(self) -> str:
        """The picture as SVG text.  RuntimeError if nothing can render it."""
        return _render(self.dot, "svg").decode("utf-8")

    def save(self, path: FilePath) -> None:
        """Write the picture to a file, completely or not at all; the suffix selects the format.

        .svg, .png and .pdf need pygraphviz or Graphviz; .dot and .gv, the DOT text, do not.

        Errors: ValueError for another suffix, FileNotFoundError for a missing folder, RuntimeError
        if nothing can render the picture; those of `tinygrad_lite.files.replacing`.
        """
        target = _checked_path(path)
        kind = target.suffix.lower()[1:]
        content = _render(self.dot, kind) if kind in RENDERED else self.dot.encode("utf-8")
        with replacing(path, "draw") as file:
            file.write(content)

    def __repr__(self) -> str:
        return f"<Picture of a graph. {self.caption}>" if self.caption else "<Picture of a graph>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook displays: SVG, or the DOT text and how to render it."""
        try:
            return {"image/svg+xml": self.svg(), "text/plain": repr(self)}
        except RuntimeError as error:
            return {"text/plain": f"{error}\n\n{self.dot}"}


def draw(
    tensor: TensorBase,
    path: FilePath | None = None,
    *,
    names: Mapping[str, TensorBase] | None = None,
) -> Picture:
    """The graph of everything that `tensor` was computed from, as a picture.

        draw(loss, "loss.svg", names=get_state_dict(model))

    There is a box for each operation with the shape of its result (with a double frame for the
    last), an ellipse for each parameter, and a white box for each input or constant that an
    operation saves for the backward pass.  Arguments enter from left to right.  The same program
    gives the same picture.

    path    a file to write as well; its name ends in .svg, .png, .pdf, or .dot or .gv for DOT text
    names   names for parameters, inputs and results: a mapping of names to tensors

    Graphs of more than 200 nodes are folded, and the caption says what is not shown.

    Errors: TypeError if `tensor` is not a Tensor; those of `Picture.save`.
    """
    if not isinstance(tensor, TensorBase):
        raise TypeError(f"draw: tensor: expected a Tensor; got {type(tensor).__name__}")
    if path is not None:
        _checked_path(path)
    drawn = outline_of(tensor, _checked_names({} if names is None else names))
    picture = Picture(_dot_text(drawn), " ".join(drawn.notes))
    if path is not None:
        picture.save(path)
    return picture


def _checked_names(names: Mapping[str, TensorBase]) -> Mapping[str, TensorBase]:
    if not isinstance(names, Mapping):
        raise TypeError(
            "draw: names: expected a mapping of names to Tensors, such as "
            f"nn.state.get_state_dict(model); got {type(names).__name__}"
        )
    for name, tensor in names.items():
        if not isinstance(tensor, TensorBase):
            raise TypeError(
                f"draw: names[{name!r}]: expected a Tensor; got {type(tensor).__name__}"
            )
    return names


def _checked_path(path: FilePath) -> Path:
    target = Path(checked_path(path, "draw"))
    if target.suffix.lower() not in (".svg", ".png", ".pdf", ".dot", ".gv"):
        raise ValueError(
            "draw: expected a path that ends in .svg, .png, .pdf, or .dot (.gv) for DOT text; "
            f"got {printable(path)!r}"
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(f"draw: the folder {printable(target.parent)!r} does not exist")
    return target


def _dot_text(drawn: Outline) -> str:
    """The outline in DOT, with HTML-like labels: https://graphviz.org/doc/info/shapes.html#html."""
    import graphviz

    graph = graphviz.Digraph(
        graph_attr={
            "bgcolor": "white", "ordering": "in", "nodesep": "0.25", "ranksep": "0.3",
            "fontname": FONT, "fontsize": "10", "fontcolor": PALE_INK, "labelloc": "b",
        },
        node_attr={
            "fontname": FONT, "fontsize": "11", "fontcolor": INK, "height": "0.3", "width": "0.5",
            "margin": "0.12,0.06",
        },
        edge_attr={
            "color": RULE, "arrowsize": "0.6", "fontname": FONT, "fontsize": "9",
            "fontcolor": PALE_INK,
        },
    )  # fmt: skip
    if drawn.notes:
        graph.attr(label=f"<{'<br/>'.join(map(_escaped, drawn.notes))}>")
    numbers = {box: f"v{number}" for number, box in enumerate(drawn.boxes, 1)}
    for box, number in numbers.items():
        style = STYLES[box.kind] | (STYLES["output"] if box.is_output else {})
        graph.node(number, label=_label(box), **style)
        for source, text in box.inputs:
            attributes = {"label": f"< {_escaped(text)}>"} if text else {}
            if source.inputs:
                attributes["weight"] = "4"  # keeps the arrows from op to op straight
            graph.edge(numbers[source], number, **attributes)
    return str(graph.source)


def _label(box: Box) -> str:
    title = _escaped(box.title)
    lines = [f"<b>{title}</b>" if box.kind in ("op", "parameter") else title]
    lines += [
        f'<font point-size="9" color="{PALE_INK}">{_escaped(line)}</font>' for line in box.details
    ]
    return f"<{'<br/>'.join(lines)}>"


def _escaped(text: str) -> str:
    r"""The text escaped for an HTML-like label, in which \N would mean the name of the box."""
    return (
        html.escape(printable(text, 10_000)).replace("\\", r"\\") or " "
    )  # DOT has no empty labels


def _render(dot: str, kind: str) -> bytes:
    """The picture in this format, rendered by Graphviz's program or else by pygraphviz."""
    if kind == "png":
        head, _, body = dot.partition("\n")
        dot = f"{head}\n\tgraph [dpi={PIXELS_PER_INCH}]\n{body}"
    if shutil.which("dot"):
        return _render_with_program(dot, kind)
    try:
        import pygraphviz
    except ImportError:
        raise RuntimeError(f"draw: nothing here can render a picture; {INSTALL_HINT}") from None
    with _rendering.lock:
        drawn = pygraphviz.AGraph(string=dot)
        return bytes(drawn.draw(format=kind, prog="dot"))


def _render_with_program(dot: str, kind: str) -> bytes:
    import graphviz

    try:
        return bytes(graphviz.pipe("dot", kind, dot.encode("utf-8"), quiet=True))
    except (OSError, subprocess.CalledProcessError, graphviz.ExecutableNotFound) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        reason = said.decode("utf-8", "replace").strip().partition("\n")[0]
        raise RuntimeError(f"draw: the dot program failed: {reason}") from None
