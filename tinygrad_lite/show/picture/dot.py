"""An outline in DOT, the language of Graphviz, and rendered by it.

The package graphviz writes the DOT text, and renders it if Graphviz's `dot` program is installed.
Otherwise the package pygraphviz renders it; its wheel contains Graphviz's libraries.
"""

import html
import re
import shutil
import subprocess
from collections.abc import Iterator
from textwrap import wrap

from ...arrays.locks import ProcessLock
from ...files import printable
from ..outline.boxes import Box
from ..outline.outline import Outline
from .frames import Frame, frames_of

PIXELS_PER_INCH = 160  # of PNG; of a large picture half of it, to fit into Cairo's 32767 rows
MOST_LINES = 500  # of text in a picture that is not large
INSTALL_HINT = "pip install pygraphviz, or install Graphviz from graphviz.org"
LONGEST_LINE = 80  # characters

FONT = "Helvetica,Arial,sans-serif"
INK, PALE_INK, RULE = "#1f2933", "#5b6770", "#8a94a0"
STYLES = {
    "op": {"shape": "box", "style": "rounded,filled", "fillcolor": "#e3edf7", "color": "#4a6f94"},
    "module": {"shape": "box", "style": "filled", "fillcolor": "#cfe0f3", "color": "#2f5f96",
               "penwidth": "1.4"},
    "repeat": {"shape": "box3d", "style": "filled", "fillcolor": "#e0d9f2", "color": "#6a4fa3"},
    "chain": {"shape": "box", "style": "rounded,dashed,filled", "fillcolor": "#f0f2f4",
              "color": RULE},
    "parameter": {"shape": "ellipse", "style": "filled", "fillcolor": "#fdebc8", "color": "#b07a1e",
                  "penwidth": "1.6", "margin": "0.02,0.02"},
    "constant": {"shape": "box", "style": "filled", "fillcolor": "#ffffff", "color": RULE},
    "more": {"shape": "box", "style": "rounded,dashed", "color": RULE},
    "failed": {"shape": "box", "style": "rounded,filled", "fillcolor": "#fbd5d0",
               "color": "#b3261e", "penwidth": "2"},
}  # fmt: skip
OUTPUT = {"fillcolor": "#d5ebd3", "color": "#3f7d3c", "peripheries": "2"}
LEGEND = {
    "parameter": "parameter, trained",
    "constant": "input or constant",
    "op": "operation",
    "module": "Module",
    "repeat": "equal parts",
    "chain": "several operations",
    "more": "not drawn",
    "failed": "the call that failed",
}
GRADIENT_INK = "#a3361e"  # of the lines about gradients
_GRADIENT = re.compile(r"(.*: )?gradient |\.grad ")
_FRAME = 'style="rounded,filled" fillcolor="#f7f9fb" color="#c5ced8" margin=8 fontsize=10'
# When a PDF was made: replaced by a date of the same length, so that equal graphs give equal files.
_DATE, _NO_DATE = re.compile(rb"/CreationDate \(D:\d{14}"), b"/CreationDate (D:20000101000000"
COLD, HOT = (0xFF, 0xF7, 0xD6), (0xE8, 0x5D, 0x3A)  # the colours of costs

_rendering = ProcessLock()  # Graphviz's libraries keep global state


def dot_text(drawn: Outline) -> str:
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
    graph.attr(label=f"<{_caption(drawn)}>")
    numbers = {box: f"v{number}" for number, box in enumerate(drawn.boxes, 1)}
    for box, number in numbers.items():
        style = STYLES[box.kind]
        if box.is_output and box.kind != "parameter":
            style = style | (OUTPUT if box.kind != "failed" else {})
        if box.heat is not None:
            style = style | {"fillcolor": heat_colour(box.heat[0])}
        graph.node(number, label=_label(box), **style)
        for source, text in box.inputs:
            attributes = {"label": f"< {_escaped(text)}>"} if text else {}
            if source.inputs:
                attributes["weight"] = "4"  # keeps the arrows from op to op straight
            graph.edge(numbers[source], number, **attributes)
    for line in _framed(drawn, numbers):
        graph.body.append(line)
    return str(graph.source)


def _framed(drawn: Outline, numbers: dict[Box, str]) -> Iterator[str]:
    """The clusters of DOT that draw the frames of modules."""
    stack: list[Frame | None] = [*reversed(frames_of(drawn))]
    count = 0
    while stack:
        frame = stack.pop()
        if frame is None:
            yield "\t}\n"
            continue
        count += 1
        yield f"\tsubgraph cluster_{count} {{\n"
        title = f'<font color="{PALE_INK}">{_escaped(frame.title)}</font>'
        yield f"\t\tlabel=<{title}> labelloc=t labeljust=l {_FRAME}\n"
        yield "".join(f"\t\t{numbers[box]}\n" for box in frame.boxes)
        stack += [None, *frame.inner[::-1]]


def heat_colour(level: float) -> str:
    """The colour of a cost between 0 and 1."""
    share = min(max(level, 0.0), 1.0)
    mixed = [round(cold + (hot - cold) * share) for cold, hot in zip(COLD, HOT, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _label(box: Box) -> str:
    title = _escaped(box.title)
    lines = [title if box.kind in ("constant", "chain", "more") else f"<b>{title}</b>"]
    pale = PALE_INK if box.heat is None else INK  # pale text is hard to read on a hot box
    ink = pale
    for line in box.details if box.heat is None else [*box.details, box.heat[1]]:
        ink = GRADIENT_INK if _GRADIENT.match(line) else pale if ": " in line else ink
        lines.append(f'<font point-size="9" color="{ink}">{_escaped(line)}</font>')
    return f"<{'<br/>'.join(lines)}>"


def _caption(drawn: Outline) -> str:
    """The legend, in one row, and the notes below it."""
    legend = f'<table border="0" cellspacing="2" cellpadding="1"><tr>{_legend(drawn)}</tr></table>'
    rows = [_row(legend)]
    if drawn.notes:
        lines = wrap(printable(" ".join(drawn.notes), 1000), LONGEST_LINE)
        rows.append(_row("".join(f'{_escaped(line)}<br align="left"/>' for line in lines)))
    return f'<table border="0" cellspacing="0" cellpadding="1">{"".join(rows)}</table>'


def _row(cell: str) -> str:
    return f'<tr><td align="left">{cell}</td></tr>'


def _legend(drawn: Outline) -> str:
    """Cells with the colours of the kinds of boxes that are there, and their meaning."""
    kinds = {box.kind for box in drawn.boxes if box.heat is None}
    entries = [
        (STYLES[kind].get("fillcolor", "#ffffff"), STYLES[kind]["color"], text)
        for kind, text in LEGEND.items()
        if kind in kinds
    ]
    results = [box for box in drawn.boxes if box.is_output and box.heat is None]
    if any(box.kind not in ("parameter", "failed") for box in results):
        entries.append((OUTPUT["fillcolor"], OUTPUT["color"], "the result"))
    cells = [
        _swatch(f'border="1" color="{line}" bgcolor="{fill}"') + _cell(text)
        for fill, line, text in entries
    ]
    if any(box.heat is not None for box in drawn.boxes):
        shades = [_swatch(f'border="0" bgcolor="{heat_colour(n / 6)}"') for n in range(7)]
        cells.append("".join(shades) + _cell("cost, low to high"))
    return "".join(cells)


def _swatch(attributes: str) -> str:
    return f'<td width="14" height="10" fixedsize="true" {attributes}></td>'


def _cell(text: str) -> str:
    return f'<td align="left" border="0">{text}&nbsp;&nbsp;</td>'


def _escaped(text: str, most: int = LONGEST_LINE) -> str:
    r"""The text escaped for an HTML-like label, in which \N would mean the name of the box."""
    return html.escape(printable(text, most)).replace("\\", r"\\") or " "  # DOT has no empty labels


def render(dot: str, kind: str) -> bytes:
    """The picture in this format, rendered by Graphviz's program or else by pygraphviz.

    Errors: RuntimeError if neither is installed, or it fails.
    """
    if kind == "png":
        head, _, body = dot.partition("\n")
        large = dot.count("<br/>") > MOST_LINES
        dot = f"{head}\n\tgraph [dpi={PIXELS_PER_INCH // 2 if large else PIXELS_PER_INCH}]\n{body}"
    program = shutil.which("dot")
    picture = _render_with_program(dot, kind) if program else _render_with_library(dot, kind)
    return _DATE.sub(_NO_DATE, picture) if kind == "pdf" else picture


def _render_with_library(dot: str, kind: str) -> bytes:
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
