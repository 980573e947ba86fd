"""A large outline made small: modules, repeats and chains become one box each.

`folded` takes as many of these measures as are needed, in this order:

1. one box for each Module (always with fold="module");
2. one box for equal parts that follow each other, "60 x (Linear, Relu)" (likewise);
3. one box for a chain of ops, of which each uses the result of the one before and nothing else;
4. a box for each use of a shared parameter, and then the oldest boxes are left out.

Notes say what was done.  Boxes are merged only where they follow each other in the order in which
the ops ran, so a folded graph has no cycles.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ...files import printable
from .boxes import Box
from .captions import chain_text, number_of_ops
from .equal_parts import repeats_merged
from .labels import Words
from .merging import Part, is_source, merged
from .modules import modules_merged
from .outline import Outline
from .wording import ELLIPSIS, count

Fold = Literal["module"] | None

LIMIT = 300  # boxes in a picture
SMALLEST = 20  # boxes; with fewer, arrows may have any length
MOST_ARROW_LENGTH = 1500  # rows crossed by all arrows together; the time for a layout grows with it
SHORTEST_CHAIN = 3  # ops; folding only two would hide more than it saves


def folded(outline: Outline, fold: Fold = None) -> Outline:
    """The outline in at most LIMIT boxes, with a note if it had more; by module if asked for.

    Errors: ValueError for another `fold` than None or "module".
    """
    check_fold(fold, "draw")
    boxes: Sequence[Box] = outline.boxes
    words, notes = outline.words, list[str]()
    large = len(boxes) > LIMIT
    if fold == "module" or large:
        if any(box.group for box in boxes):
            boxes = modules_merged(boxes, words, lambda b: repeats_merged(b, words), LIMIT)
            notes.append(_MODULES if outline.calls_are_known() else _MODULES_BY_NAME)
        else:
            boxes = repeats_merged(boxes, words)
            if fold == "module":
                kept = outline.history is not None and outline.history.state == "kept"
                notes.append(_NO_CALLS if kept else _NO_MODULES)
        if any(box.kind == "repeat" for box in boxes):
            notes.append("Equal parts that follow each other share one box.")
    if len(boxes) > LIMIT:
        boxes = _chains_merged(boxes, words)
        notes += _told_chains(boxes)
    boxes, more = _fitted(boxes, words)
    notes += more
    if notes:
        whole = [f"A graph of {count(sum(map(number_of_ops, outline.boxes)), 'op')}."]
        if large and fold is None:
            whole.append(f"It has more than {LIMIT} boxes, so it is folded.")
        notes = whole + notes
    return replace(outline, boxes=list(boxes), notes=[*notes, *outline.notes])


def check_fold(fold: object, caller: str) -> None:
    """ValueError for another `fold` than None or "module"."""
    if fold is not None and not (isinstance(fold, str) and fold == "module"):
        raise ValueError(
            f'{caller}: fold: expected "module" or None; got {printable(repr(fold), 80)}'
        )


_MODULES = "Each Module is one box."
_MODULES_BY_NAME = (
    "Each Module is one box; which ops belong to it follows from the names of its parameters."
)
_NO_MODULES = (
    "No Modules are known here, so there is a box for each op; "
    "pass names=model, or call inside `with keep_values():`."
)
_NO_CALLS = "No Module was called, so there is a box for each op."


def _chains_merged(boxes: Sequence[Box], words: Words) -> list[Box]:
    """The boxes with one for each chain of ops.

    Between its ops a chain takes in unnamed constants only, and each result is used by the next op
    only.  Ops that use a parameter or a named tensor are not merged, so that they stay visible.
    """
    users: dict[Box, Box | None] = {}  # None if there are several
    before: dict[Box, Box] = {}  # for each op, the single op that it continues
    for box in boxes:
        sources = dict.fromkeys(source for source, _ in box.inputs if not is_source(source))
        for source in sources:
            users[source] = None if source in users else box
        if len(sources) == 1 and _is_plain(box, words):
            before[box] = next(iter(sources))
    chains: dict[Box, list[Box]] = {}  # by their newest op
    for box, source in before.items():
        chain = chains.pop(source, []) if users[source] is box else []
        chain.append(box)
        chains[box] = chain
    long = [chain for chain in chains.values() if len(chain) >= SHORTEST_CHAIN]
    return merged(boxes, [Part("chain", chain, chain_text(words)) for chain in long], words)


def _is_plain(box: Box, words: Words) -> bool:
    """Whether a box may disappear in a chain."""
    if box.kind != "op" or box.is_output or words.has_name(box.key) or words.has_several(box.key):
        return False
    return not any(
        source.kind == "parameter" or (source.kind == "constant" and words.is_named(source))
        for source, _ in box.inputs
    )


def _told_chains(boxes: Sequence[Box]) -> list[str]:
    chains = [number_of_ops(box) for box in boxes if box.kind == "chain"]
    if not chains:
        return []
    one_box = "one box" if len(chains) == 1 else "one box each"
    total = "" if len(chains) == 1 else " in all"
    what = f"{count(len(chains), 'chain')} of {count(sum(chains), 'op')}{total}"
    return [f"Folded into {one_box}: {what}."]


def _fitted(boxes: Sequence[Box], words: Words) -> tuple[Sequence[Box], list[str]]:
    """The newest boxes that fit into a picture, and notes about the others."""
    room, repeat = LIMIT, False
    while True:
        if len(boxes) <= room and not repeat:
            drawn, notes = list(boxes), list[str]()
        else:
            drawn, notes = _newest(boxes, room, repeat)
        if _arrow_length(drawn) <= MOST_ARROW_LENGTH or room < SMALLEST:
            return drawn, notes
        if not repeat:
            repeat = True
        elif room > len(drawn):
            room = len(drawn) // 2
        else:
            room //= 2


def _newest(boxes: Sequence[Box], room: int, repeat: bool) -> tuple[list[Box], list[str]]:
    """The newest ops with their parameters and constants, in `room` boxes.

    repeat: a parameter or constant gets a box for each of its uses, near that use.
    """
    chosen: list[Box] = []
    sources: dict[tuple[Box, Box | None], Box] = {}  # the box, and with `repeat` its user
    for box in reversed(boxes):
        if room <= 0:
            break
        if is_source(box) and not box.is_output:
            continue
        room -= 1
        chosen.append(box)
        for source, _ in box.inputs:
            key = (source, box if repeat else None)
            if is_source(source) and room > 0 and key not in sources:
                sources[key] = replace(source)
                room -= 1
    more = Box("more", "more", lambda _: ("", []))
    new: dict[Box, Box] = {}
    placed: dict[Box, None] = {}
    for box in reversed(chosen):
        inputs: list[tuple[Box, str]] = []
        for source, text in box.inputs:
            found = new.get(source) or sources.get((source, box if repeat else None))
            if found is not None:
                inputs.append((found, text))
                placed.setdefault(found)
            elif (more, "") not in inputs:
                inputs.append((more, ""))
        new[box] = replace(box, inputs=inputs)
        placed.setdefault(new[box])
    hidden = _hidden(boxes, chosen, {source for source, _ in sources})
    drawn = list(placed)
    if any(source is more for box in drawn for source, _ in box.inputs):
        lines = [part.replace(" ", " more ", 1) for part in hidden]
        more.words = lambda _: (f"{ELLIPSIS} and", lines)
        drawn.insert(0, more)
    notes = [f"Not drawn: {', '.join(hidden)}."] if hidden else []
    if repeat and len({source for source, _ in sources}) < len(sources):
        notes.append("Parameters and constants have a box for each use.")
    return drawn, notes


def _hidden(boxes: Sequence[Box], chosen: list[Box], sources: set[Box]) -> list[str]:
    """The numbers of ops, parameters and constants without a box."""
    shown = sources.union(chosen)
    counts: Counter[str] = Counter()
    for box in boxes:
        if box not in shown:
            counts["op" if not is_source(box) else box.kind] += max(1, number_of_ops(box))
    kinds = ("op", "parameter", "constant")
    return [count(counts[kind], kind) for kind in kinds if counts[kind]]


def _arrow_length(boxes: Sequence[Box]) -> int:
    """The number of rows that all arrows cross together; the time for a layout grows with it."""
    rows: dict[Box, int] = {}
    starts: dict[Box, int] = {}  # boxes without inputs stand just above their first use
    for box in boxes:
        if box.inputs:
            rows[box] = 1 + max(rows.get(source, 0) for source, _ in box.inputs)
            for source, _ in box.inputs:
                starts.setdefault(source, rows.get(source, rows[box] - 1))
    return sum(rows[box] - starts[source] for box in boxes for source, _ in box.inputs)
