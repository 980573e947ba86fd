"""Which calls of Modules each operation belongs to.

Inside `keep_values()` the calls themselves are known.  Otherwise they follow from the names of the
parameters: an op that uses "blocks.0.attention.weight" belongs to a call of blocks.0.attention, and
ops are numbered in the order in which they ran, so what ran between two ops of blocks.0 belongs to
blocks.0 too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from ...engine.graph import Leaf, Node, Output
from .history import History
from .keeping import ModuleCall
from .naming import Names

Calls = tuple[ModuleCall, ...]  # outermost first


def groups_of(history: History, names: Names) -> dict[Node, Calls]:
    """The calls that each op lies in, outermost first; ops outside of any are left out."""
    ops = [node for node in history.order if not isinstance(node, (Leaf, Output))]
    groups: dict[Node, Calls] = {}
    known: dict[ModuleCall, Calls] = {}
    for op in ops:
        call = history.call(op)
        if call is not None:
            groups[op] = _with_outer(call, known)
    several = {node.parents[0] for node in history.order if isinstance(node, Output)}
    return groups or _by_names(ops, several, names)


def _with_outer(call: ModuleCall, known: dict[ModuleCall, Calls]) -> Calls:
    """The call with those around it."""
    inner: list[ModuleCall] = []
    at: ModuleCall | None = call
    while at is not None and at not in known:
        inner.append(at)
        at = at.outer
    found = () if at is None else known[at]
    for each in reversed(inner):
        found = known[each] = (*found, each)
    return found


def shared(calls: Iterable[Calls]) -> Calls:
    """The calls that all of these have in common, outermost first."""
    found: Calls | None = None
    for each in calls:
        if found is None:
            found = each
        else:
            pairs = zip(found, each, strict=False)
            same = next((n for n, (a, b) in enumerate(pairs) if a is not b), None)
            found = found[: min(len(found), len(each)) if same is None else same]
    return found or ()


def _by_names(ops: list[Node], several: set[Node | None], names: Names) -> dict[Node, Calls]:
    """The calls that the names of the parameters show."""
    owners = _Owners(names)
    if not owners.modules:
        return {}
    anchors: dict[Node, Calls] = {}
    opened = _Open(owners, ops)
    for op in ops:
        leaves = owners.used(op)
        if leaves:
            anchors[op] = opened.enter(op, leaves)
    after: dict[Node, Calls] = {}  # the group of the next op that uses a parameter
    following: Calls = ()
    for op in reversed(ops):
        following = anchors.get(op, following)
        after[op] = following
    groups: dict[Node, Calls] = {}
    before: Calls = ()  # of the last op that uses a parameter
    last: Calls = ()  # of the last op
    for op in ops:
        if op in anchors:
            before = found = anchors[op]
        else:
            found = shared([before, after[op]])
            inner = _joined(op, groups)
            if len(inner) > len(found) and shared([inner, last]) == inner:
                found = inner
        if found:
            groups[op] = found
        last = found
    then: Calls = ()  # the group of the next op
    for op in reversed(ops):  # what is done to parameters alone, just before they are used
        path = owners.carried_path(op)
        if path is not None and (op.out_shape != () or op in several):  # not a penalty
            paths = [call.path for call in then]
            depth = paths.index(path) + 1 if path in paths else 0
            if depth > len(groups.get(op, ())):
                groups[op] = then[:depth]
        then = groups.get(op, ())
    return groups


def _joined(op: Node, groups: Mapping[Node, Calls]) -> Calls:
    """The call whose parts an op joins, such as a block that ends in a residual connection."""
    parts = [groups.get(source, ()) for source in sources(op)]
    return shared(parts) if len(set(parts)) > 1 else ()


def sources(op: Node) -> list[Node]:
    """The ops whose results an op uses, each once."""
    found: dict[Node, None] = {}
    for parent in op.parents:
        if parent is not None and not isinstance(parent, Leaf):
            found.setdefault(parent.parents[0] if isinstance(parent, Output) else parent)  # type: ignore[arg-type]
    return list(found)


class _Owners:
    """The modules of a model, and the paths of those that own each parameter."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.modules = names.modules or dict.fromkeys(_prefixes(names.tensors), "")
        self._carried: dict[Node, dict[Leaf, None]] = {}

    def path(self, leaf: Leaf, op: Node) -> str | None:
        """The path of the innermost module that owns a parameter; None if that is unknown.

        Of the modules that share a parameter, it is the only one whose class fits the op: if an
        Embedding and a Linear share their weight, the Linear for the op Linear.
        """
        names = self.names.all_of(leaf)
        paths = [path for path in dict.fromkeys(map(self._in, names)) if path is not None]
        if len(paths) > 1:
            kind = "Embedding" if hasattr(op, "index") else type(op).__name__
            paths = [path for path in paths if self.modules[path].startswith(kind)]
        return paths[0] if len(paths) == 1 else None

    def _in(self, name: str) -> str | None:
        """The path of the innermost module that a name lies in."""
        while name:
            name = name.rpartition(".")[0]
            if name in self.modules:
                return name
        return None

    def carried_path(self, op: Node) -> str | None:
        """The path of the module of whose parameters alone an op computes; None if of none."""
        leaves = self._carried.get(op)
        return self.path(next(iter(leaves)), op) if leaves else None

    def used(self, op: Node) -> list[Leaf]:
        """The parameters, with an owner, that an op uses together with data.

        What was computed from parameters of one module only counts as a parameter (a transposed
        weight; not a number, such as a penalty), and an indexed one as used with data (an
        embedding).
        """
        leaves: dict[Leaf, None] = {}
        data = hasattr(op, "index") or len(op.parents) == 0
        for parent in op.parents:
            source = parent.parents[0] if isinstance(parent, Output) else parent
            if isinstance(source, Leaf) and self.path(source, op) is not None:
                leaves.setdefault(source)
            elif parent is not None and source in self._carried and parent.out_shape != ():
                leaves.update(self._carried[source])
            else:
                data = True
        if leaves and not data:
            if len({self.path(leaf, op) for leaf in leaves}) == 1:
                self._carried[op] = leaves
            return []
        return list(leaves)


def _prefixes(names: Iterable[str]) -> list[str]:
    """The paths of modules that names such as "blocks.0.norm.weight" tell: not those of lists."""
    found: dict[str, bool] = {}  # whether only numbers follow
    for name in names:
        parts = str(name).split(".")
        for end in range(1, len(parts)):
            path, numbered = ".".join(parts[:end]), parts[end].isdigit()
            found[path] = found.get(path, True) and numbered
    return [path for path, is_list in found.items() if not is_list]


@dataclass(slots=True, eq=False)
class _Part:
    """A call that is open, and the parameters used in it so far."""

    call: ModuleCall
    used: set[Leaf] = field(default_factory=set)


class _Open:
    """The calls that are open while the ops are looked through in the order in which they ran."""

    def __init__(self, owners: _Owners, ops: list[Node]) -> None:
        self.owners = owners
        self.parts: list[_Part] = []
        self.numbers = count(1)
        self.all: dict[str, set[Leaf]] = {}  # of each module, the parameters that the graph uses
        for op in ops:
            for leaf in owners.used(op):
                for path in self._paths(leaf, op):
                    self.all.setdefault(path, set()).add(leaf)

    def _paths(self, leaf: Leaf, op: Node) -> list[str]:
        """The paths of the module that owns a parameter and of those around it, outermost first."""
        path = self.owners.path(leaf, op)
        parts = path.split(".") if path else []
        prefixes = [".".join(parts[:end]) for end in range(len(parts) + 1)]
        return [prefix for prefix in prefixes if prefix in self.owners.modules]

    def enter(self, op: Node, leaves: list[Leaf]) -> Calls:
        """The calls of an op that uses these parameters; a parameter used again begins a new one.

        It begins a call of the outermost module of which all parameters have been used.
        """
        paths = [self._paths(leaf, op) for leaf in leaves]
        common = [
            path for path, *others in zip(*paths, strict=False) if all(o == path for o in others)
        ]
        keep = 0
        for part, path in zip(self.parts, common, strict=False):
            again = any(leaf in part.used for leaf in leaves) and part.used >= self.all[path]
            if part.call.path != path or again:
                break
            keep += 1
        del self.parts[keep:]
        for path in common[keep:]:
            outer = self.parts[-1].call if self.parts else None
            kind = self.owners.modules[path]
            self.parts.append(_Part(ModuleCall(path, kind, next(self.numbers), outer)))
        for part in self.parts:
            part.used.update(leaves)
        return tuple(part.call for part in self.parts)
