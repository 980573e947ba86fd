"""Frames around the boxes of a picture that belong to the same call of a Module."""

from dataclasses import dataclass, field

from ..graph.keeping import ModuleCall
from ..outline.boxes import Box
from ..outline.labels import path_of
from ..outline.merging import Merged, is_source
from ..outline.outline import Outline

_LEAST = 2  # boxes of ops and modules in a frame
_MOST = 150  # boxes in a picture with frames; the layout of more would take long


@dataclass(slots=True, eq=False)
class Frame:
    """A frame with its title, its boxes, and the frames inside."""

    title: str
    boxes: list[Box] = field(default_factory=list)
    inner: "list[Frame]" = field(default_factory=list)


def frames_of(outline: Outline) -> list[Frame]:
    """The outermost frames: those of calls, other than of the model, that hold several boxes.

    A parameter lies where all that use it lie, and so does a constant, except for the data that a
    model begins with.  Without calls that were seen there are no frames:
    names do not tell where a call ended.
    """
    boxes = outline.boxes
    if len(boxes) > _MOST or not outline.calls_are_known():
        return []
    groups = {box: _around(box) for box in boxes if not is_source(box)}
    sizes: dict[ModuleCall, int] = {}
    for group in groups.values():
        for call in group:
            sizes[call] = sizes.get(call, 0) + 1
    shown = {call for call, size in sizes.items() if size >= _LEAST and call.outer is not None}
    users: dict[Box, tuple[ModuleCall, ...]] = {}
    for box in boxes:
        begins = all(is_source(source) for source, _ in box.inputs)
        for source, _ in box.inputs:
            if source.kind == "parameter" or (source.kind == "constant" and not begins):
                users[source] = _shared(users.get(source, groups[box]), groups[box])
    frames: dict[ModuleCall, Frame] = {}
    outermost: list[Frame] = []
    for box in boxes:
        at: Frame | None = None
        path: list[ModuleCall] = []
        for call in groups.get(box, users.get(box, ())):
            path.append(call)
            if call not in shown:
                continue
            if call not in frames:
                frames[call] = Frame(_title(tuple(path)))
                (outermost if at is None else at.inner).append(frames[call])
            at = frames[call]
        if at is not None:
            at.boxes.append(box)
    return outermost


def _around(box: Box) -> tuple[ModuleCall, ...]:
    """The calls that a box lies in; of a module, without its own."""
    return box.group[:-1] if isinstance(box, Merged) and box.kind == "module" else box.group


def _shared(a: tuple[ModuleCall, ...], b: tuple[ModuleCall, ...]) -> tuple[ModuleCall, ...]:
    same = 0
    while same < min(len(a), len(b)) and a[same] is b[same]:
        same += 1
    return a[:same]


def _title(group: tuple[ModuleCall, ...]) -> str:
    path, kind = path_of(group), group[-1].kind
    if path.isdigit():
        path = f"layer {path}"
    return f"{path} ({kind})" if path and kind else path or kind
