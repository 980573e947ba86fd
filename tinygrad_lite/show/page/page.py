"""The page: a graph as one HTML file that a browser shows, with style, program and data inside.

The files stand in web/; nothing of them is made here.  The page loads nothing: its policy allows
exactly the scripts and the style that are in it.
"""

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..graph.history import History
from ..outline.outline import Outline
from .data import data_of

WEB = Path(__file__).parent / "web"
SCRIPTS = (
    *("dagre.min", "elements", "folding", "layout", "drawing", "arrays", "panel", "steps"),
    *("moving", "page"),
)


def page_text(outline: Outline, costs: str = "cost") -> str:
    """The page about a graph, as HTML.  The same graph gives the same text.

    outline  all of it, unfolded: the page folds by itself
    costs    what the colours of boxes with a `heat` mean, for the legend
    """
    history = outline.history
    if history is not None and history.gradient(history.root) is None:
        outline = replace(outline, history=History(history.tensor, grads=True))
    data = data_of(outline, costs)
    style = _read("page.css")
    scripts = {name: _without_map(_read(f"{name}.js")) for name in SCRIPTS}
    parts = {
        "policy": _policy(style, scripts.values()),
        "title": html.escape(f"Graph of {data['title']}"[:200]),
        "style": style,
        "data": json_for_html(data),
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts.values()),
    }
    # In one pass over the template, so that no name of the graph can be taken for a mark.
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], _read("page.html"))


def json_for_html(value: Any) -> str:
    """JSON that can stand inside a script element: ASCII, and nothing that HTML could read."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _read(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


def _without_map(script: str) -> str:
    """A script without the name of its source map, which a browser would look for."""
    return re.sub(r"^//# sourceMappingURL=.*$", "", script, flags=re.MULTILINE)


def _policy(style: str, scripts: Any) -> str:
    """What the page may do: run these scripts, use this style, and load nothing."""
    allowed = " ".join(map(_hash, scripts))
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
