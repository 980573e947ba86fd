"""What a module lists: the modules, parameters and buffers inside it, with their paths."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self, TypeVar

from tinygrad_lite import Tensor, arguments

from ._untrained import tell_of_untrained
from .reflection import Found, complete, inside, is_module, under_each_name
from .state import buffers_among, parameters_among

Part = TypeVar("Part")


class Lists:
    """The lists that `Module` has.  Each is complete when its iterator is returned.

    A path leads through attributes, positions and keys: "layers.0.weight".  What is held twice is
    listed once, under its first path; with remove_duplicate=False, under each of its paths.

    Errors: TypeError if something is where it would not be found: in a set, in a function's
    variables; ValueError if a tensor was computed from a parameter that nothing holds.
    """

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """This module, under the path "", and all modules inside it, depth first.

        memo    modules to leave out, with what is inside them; those that are found are added
        prefix  put in front of every path, followed by a dot
        """
        if memo is not None and not isinstance(memo, set):
            raise arguments.wrong("named_modules: memo", "a set of modules, or None", memo)
        known = {id(module) for module in memo or ()}
        left_out: list[str] = []
        named = []
        seen: set[int] = set()
        for part in self._found("named_modules", remove_duplicate=remove_duplicate):
            if not is_module(part.value) or any(inside(part.path, path) for path in left_out):
                continue
            if id(part.value) in known:
                left_out.append(part.path)
            elif id(part.value) not in seen or not remove_duplicate:
                seen.add(id(part.value))
                named.append((part.path, part.value))
        if memo is not None:
            memo.update(module for _, module in named)
        return _prefixed("named_modules", prefix, named)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Any]:
        """This module and all modules inside it, depth first."""
        return _values(self.named_modules(remove_duplicate=remove_duplicate))

    def named_children(self) -> Iterator[tuple[str, Any]]:
        """The modules that this one holds itself, each once: not those inside another of them."""
        children: dict[int, tuple[str, Any]] = {}
        for part in self._found("named_children", recurse=False):
            if is_module(part.value) and part.value is not self:
                children.setdefault(id(part.value), (part.path, part.value))
        return iter(children.values())

    def children(self) -> Iterator[Any]:
        """The modules that this one holds itself, each once."""
        return _values(self.named_children())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The parameters (`Tensor.is_parameter`), a module's own ones first; frozen ones too.

        prefix   put in front of every path, followed by a dot
        recurse  False: without those of the modules inside
        """
        found = self._found("named_parameters", recurse, remove_duplicate)
        tell_of_untrained(found)
        return _prefixed("named_parameters", prefix, parameters_among(found, remove_duplicate))

    def parameters(self, recurse: bool = True) -> Iterator[Tensor]:
        """The parameters, each once; `nn.state.get_parameters` leaves out the frozen ones."""
        return _values(self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The registered buffers, saved or not; arguments as for `named_parameters`."""
        found = self._found("named_buffers", recurse, remove_duplicate)
        return _prefixed("named_buffers", prefix, buffers_among(found, remove_duplicate))

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The registered buffers, each once."""
        return _values(self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Any:
        """The module of this path, "" for this one; AttributeError if there is none."""
        return self._get("submodule", target, self.named_modules(remove_duplicate=False))

    def get_parameter(self, target: str) -> Tensor:
        """The parameter of this path; AttributeError if there is none."""
        return self._get("parameter", target, self.named_parameters(remove_duplicate=False))

    def get_buffer(self, target: str) -> Tensor:
        """The registered buffer of this path; AttributeError if there is none."""
        return self._get("buffer", target, self.named_buffers(remove_duplicate=False))

    def apply(self, fn: Callable[[Any], object]) -> Self:
        """Call `fn` with each module once, the inner ones first, this one last; returns this one.

        model.apply(lambda m: nn.init.zeros_(m.bias) if isinstance(m, nn.Linear) else None)
        """
        fn = arguments.function(fn, "apply: fn")
        around: list[tuple[str, Any]] = []  # the modules that contain the next one
        for path, module in self.named_modules():
            while around and not inside(path, around[-1][0]):
                fn(around.pop()[1])
            around.append((path, module))
        while around:
            fn(around.pop()[1])
        return self

    def _found(
        self, caller: str, recurse: bool = True, remove_duplicate: bool = True
    ) -> list[Found]:
        recurse = arguments.flag(recurse, f"{caller}: recurse")
        once = arguments.flag(remove_duplicate, f"{caller}: remove_duplicate")
        found = complete(caller, self)
        found = found if once else under_each_name(found)
        return found if recurse else [part for part in found if part.module is self]

    def _get(self, kind: str, target: str, named: Iterable[tuple[str, Part]]) -> Part:
        if not isinstance(target, str):
            raise arguments.wrong(f"get_{kind}: target", "a path, as text", target)
        found = dict(named)
        if target not in found:
            names = ", ".join([name for name in found if name][:20]) or "none"
            raise AttributeError(
                f"get_{kind}: {type(self).__name__} has no {kind} {target!r}; it has {names}"
            )
        return found[target]


def _prefixed(
    caller: str, prefix: str, named: Iterable[tuple[str, Part]]
) -> Iterator[tuple[str, Part]]:
    """The same under longer paths; "" stands for the module itself."""
    if not isinstance(prefix, str):
        raise arguments.wrong(f"{caller}: prefix", "text", prefix)
    return iter(
        [(f"{prefix}.{path}" if prefix and path else prefix + path, x) for path, x in named]
    )


def _values(named: Iterable[tuple[str, Part]]) -> Iterator[Part]:
    return iter([value for _, value in named])
