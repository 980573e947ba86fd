"""Something keeps the graph of every step alive, so memory grows: `total += loss`.

Nothing is wrong with any single step, so it is noticed by what remains.  Of one of a few backward
passes, the last node of the graph is remembered weakly, and in a healthy program it is gone a few
passes later.  Where the last ones are all alive, the collector of garbage knows who refers to them;
that takes long, and is done rarely.

Each thread remembers its own: what another thread holds, or held when it ended, says nothing about
the loop in this one.
"""

import gc
import threading
import weakref
from collections import deque
from collections.abc import Iterable
from itertools import cycle
from types import FrameType, ModuleType
from typing import Any

from ..arrays.locks import imported
from ..engine.graph import Node, TensorBase
from ..engine.recording import is_grad_enabled, serials, user_frame
from .telling import is_told, tell

_MOST_SEEN = 10_000  # objects, in the search for a name
EVERY = 4  # passes, of which one is remembered
_REMEMBERED = 5
_told: weakref.WeakSet[Any] = weakref.WeakSet()  # nodes


class _Passes(threading.local):
    """What a thread remembers of its last passes."""

    def __init__(self) -> None:
        self.turns = cycle([False] * (EVERY - 1) + [True])  # whether it is the turn of a pass
        self.places = cycle(range(_REMEMBERED))
        # Of each pass, a weak reference to the node, and a serial that was drawn then.
        self.last: list[tuple[Any, int]] = [(lambda: None, 0)] * _REMEMBERED
        self.alive = 0  # how many of them were found alive in a row


passes = _Passes()


def remember(root: Node, kept: bool) -> None:
    """A backward pass is over, the turn of which it was; `root` is the last node of its graph.

    kept: whether the pass was to keep what the graph saved; then it is the turn of the next one
    """
    if kept:
        for _ in range(EVERY - 1):
            next(passes.turns)
        return
    place = next(passes.places)
    before, passes.last[place] = passes.last[place], (weakref.ref(root), next(serials))
    if before[0]() is None:
        passes.alive = 0
        return
    passes.alive += 1
    if not passes.alive & (passes.alive - 1):  # 1, 2, 4, 8, ...: each look takes long
        _look(place)


def added_in_place(other: Any) -> None:
    """`total += other`: tell, if a backward pass has released the graph of the other already."""
    node = getattr(other, "_node", None)
    for _ in range(3):  # loss, loss * len(x), loss * len(x) / n
        if node is None or getattr(node, "freed", False):
            break
        (node, *others) = [one for one in node.parents if one is not None] or [None]
        if others:
            return
    if node is None or not getattr(node, "freed", False) or not is_grad_enabled():
        return
    _told.add(node)  # here, and not once more by `_look`
    frame = user_frame()
    code_of = imported("tinygrad_lite.mistakes.instructions")
    index = code_of.index_at(frame.f_code, frame.f_lasti)
    steps = code_of.instructions(frame.f_code)[:index]
    name = (code_of.loaded_name(steps) if index else None) or "loss"
    alone = index and code_of.variable(steps[-1]) == name  # and no expression, before it
    total = (code_of.loaded_name(steps[:-1]) if alone else None) or "total"
    tell(
        f"`{total} += {name}` keeps the graph of {name} alive, and so that of every step, though "
        f"its backward pass is over and no gradient can flow; write `{total} += {name}.item()`, or "
        f"{name}.detach() for more than one number"
    )


def _look(newest: int) -> None:
    """All of the last graphs may be alive: tell who holds them, if that is one list or sum."""
    search = _Search(_roots(newest))
    if len(search.roots) < _REMEMBERED or is_told():
        return
    _told.update(search.roots.values())
    op = search.consumer()
    if op is not None:
        tell(
            f"the graph of every step is kept alive: the losses of the last {EVERY * _REMEMBERED} "
            f"backward passes went on into {op}, as in `total = total + loss`; write "
            "`total += loss.item()`, or loss.detach() for more than one number"
        )
        return
    container = search.container()
    name = None if container is None else _name_of(container, user_frame())
    if name is not None:  # what has none is gone soon: `[loss.backward() for ...]`
        listed = type(container) in (list, deque)
        tell(
            f"the graph of every step is kept alive: {name} holds losses of the last "
            f"{EVERY * _REMEMBERED} backward passes, each with its whole graph; store numbers, "
            f"{f'{name}.append(loss.item())' if listed else 'loss.item()'}, or loss.detach() for "
            "more than one"
        )


def _roots(newest: int) -> dict[int, Any]:
    """The last nodes of the last graphs, by identity, where each was made after the last pass.

    Losses that were all made before the first of several passes are held for a reason.
    """
    found: dict[int, Any] = {}
    over = 0
    last = passes.last
    for reference, serial in (*last[newest + 1 :], *last[: newest + 1]):  # the oldest first
        root = reference()
        freed = root is not None and root not in _told and getattr(root, "freed", False)
        if freed and root.serial > over:
            found[id(root)] = root
        over = serial
    return found


class _Search:
    """Who refers to the last nodes of graphs, besides the search itself."""

    def __init__(self, roots: dict[int, Any]) -> None:
        self.roots = roots
        self.own: list[Any] = [roots]  # lists of what was found, which refer to it too

    def referrers(self, values: Iterable[Any]) -> list[Any]:
        """What refers to one of these."""
        values = tuple(values)
        self.own.append(values)
        own = {id(one) for one in self.own}
        found = [
            one
            for one in gc.get_referrers(*values)
            if id(one) not in own and not isinstance(one, FrameType)
        ]
        self.own.append(found)
        return found

    def consumer(self) -> str | None:
        """The op that went on computing with these results, if one did with all of them."""
        tuples = [one for one in self.referrers(self.roots.values()) if type(one) is tuple]
        self.own.append(tuples)
        nodes = [one for one in self.referrers(tuples) if isinstance(one, Node)]
        used = {id(parent) for one in nodes for parent in one.parents} & self.roots.keys()
        enough = _REMEMBERED - 1  # the newest may not have been added yet
        return type(nodes[0]).__name__ if len(used) >= enough else None

    def container(self) -> Any:
        """What holds their tensors, or what holds one of these each.

        A third of them is enough, since a program may have several losses, each in a list.
        """
        found = self.referrers(self.roots.values())
        held = [one for one in found if isinstance(one, TensorBase) and id(one._node) in self.roots]
        for _ in range(2):
            self.own.append(held)
            known = {id(one) for one in held}
            around = self.referrers(held)
            for one in around:
                if type(one) in (list, deque, dict, set, tuple):
                    inside = tuple(one.values() if isinstance(one, dict) else one)
                    if sum(id(each) in known for each in inside) >= _REMEMBERED // 3 + 1:
                        return one
            held = around
        return None


def _name_of(container: Any, frame: FrameType | None) -> str | None:
    """How the user's code calls a container: a variable, an attribute or an item of one."""
    while frame is not None:
        found = _path_to(container, {**frame.f_globals, **frame.f_locals})
        if found is not None:
            return found
        frame = frame.f_back
    return None


def _path_to(container: Any, names: dict[str, Any]) -> str | None:
    """The same among these variables: the nearest, three steps from one of them at most."""
    level = [(name, one) for name, one in names.items() if not name.startswith("__")]
    seen: set[int] = set()
    for _ in range(4):
        for path, one in level:
            if one is container:
                return path
        known, level = level, []
        for path, one in known:
            if id(one) not in seen and len(seen) < _MOST_SEEN:
                seen.add(id(one))
                if isinstance(one, dict):
                    items = tuple(dict.items(one))
                    level += [(f"{path}[{key!r}]", each) for key, each in items]
                else:
                    level += [(f"{path}.{key}", each) for key, each in _attributes(one)]
    return None


def _attributes(value: Any) -> list[tuple[str, Any]]:
    """The attributes of an object of the user's, without running code of its class."""
    if isinstance(value, (type, ModuleType)):
        return []
    try:
        return list(object.__getattribute__(value, "__dict__").items())
    except AttributeError:
        return []
