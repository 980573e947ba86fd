"""What a notebook asks an object for.  The answers are in show/, a room above this one.

That room is imported when a notebook asks: training does not need it.
"""

from typing import Any

from .arrays.locks import imported


def notebook_bundle(value: Any) -> dict[str, str]:
    """What `_repr_mimebundle_` returns for a Tensor, or for an object that holds tensors.

    That is its repr and, if Treescope is installed, a tree that folds, with a heat map of each
    tensor.  (Not `_repr_html_`, for which Treescope asks every object, to add it once more.)
    """
    html = _notebook().notebook_html(value)
    return {"text/plain": repr(value), **({} if html is None else {"text/html": html})}


class Displayed:
    """How a tensor shows itself: a heat map, statistics and a histogram."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return notebook_bundle(self)

    def __treescope_ndarray_adapter__(self) -> Any:
        return _notebook().treescope_adapter()

    def __treescope_repr__(self, path: str | None, subtree_renderer: Any) -> Any:
        return _notebook().treescope_line(self, path)


def _notebook() -> Any:
    return imported("tinygrad_lite.show.notebook")
