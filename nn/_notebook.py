"""How modules and optimisers show themselves in a notebook: as trees, through Treescope."""

from collections.abc import Iterable, Mapping
from typing import Any

from tinygrad_lite import files, notebook_bundle


class Notebook:
    """What a notebook shows for an object of a subclass; without Treescope, its repr."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """A tree that folds, with a heat map of each tensor: the extra `viz` brings Treescope."""
        return notebook_bundle(self)

    def __treescope_repr__(self, path: str | None, subtree_renderer: Any) -> Any:
        title, parts = self._tree_node()
        return _node(title, parts, path, subtree_renderer)

    def _tree_node(self) -> tuple[str, Iterable[tuple[Any, Any]]]:
        """The title of this object in the tree, and its parts with their names."""
        raise NotImplementedError


def of_module(module: Any) -> tuple[str, Iterable[tuple[Any, Any]]]:
    """A module: its class and options, and the tensors, modules and functions that it holds."""
    title = f"{files.printable(type(module).__name__)}({module.extra_repr()})"
    return title, [(name, part) for name, part in module.named_parts() if _is_shown(part)]


def _is_shown(part: Any) -> bool:
    """Whether a part holds or is something to look at; numbers and text are in `extra_repr`."""
    if isinstance(part, Mapping | tuple | list):
        values = part.values() if isinstance(part, Mapping) else part
        return any(map(_is_shown, values))
    return not isinstance(part, int | float | str | bytes | None)


def of_optimizer(optimizer: Any) -> tuple[str, Iterable[tuple[Any, Any]]]:
    """An optimiser: for each group its options, its parameters, and what is kept for each."""
    groups: list[tuple[str, Any]] = []
    position = 0
    for group in optimizer.param_groups:
        options = {name: x for name, x in group.items() if name not in ("params", "param_names")}
        shown: dict[Any, Any] = {"options": options}
        names = group.get("param_names") or range(position, position + len(group["params"]))
        for name, parameter in zip(names, group["params"], strict=True):
            state = optimizer.state.get(parameter)
            shown[name] = {"parameter": parameter, **(state or {})}
            position += 1
        groups.append((f"group {len(groups)}", shown))
    return type(optimizer).__name__, groups


def _node(title: str, parts: Iterable[tuple[Any, Any]], path: str | None, render: Any) -> Any:
    """A node of Treescope's tree that folds: a title, and named parts below it.

    path    the expression that leads to the object, if it is known; that to each part follows
    render  what renders a part: Treescope's `subtree_renderer`
    """
    from treescope import rendering_parts as draw

    children: list[Any] = []
    for name, part in parts:
        between = draw.fold_condition(collapsed=draw.text(", ")) if children else draw.empty_part()
        shown = draw.siblings_with_annotations(
            between, f"{files.printable(name)}: ", render(part, path=_within(path, name))
        )
        children.append(draw.build_full_line_with_annotations(shown))
    if not children:
        return draw.build_one_line_tree_node(line=draw.text(title), path=path)
    return draw.build_foldable_tree_node_from_children(
        prefix=f"{title} {{", children=children, suffix="}", path=path
    )


def _within(path: str | None, name: Any) -> str | None:
    """The expression for a part of the object at `path`."""
    if path is None:
        return None
    return f"{path}.{name}" if str(name).isidentifier() else f"{path}[{name!r}]"
