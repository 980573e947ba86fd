"""How tensors, and what holds them, show themselves in a notebook: through Treescope.

Treescope (the extra `viz`) draws the tree of an object and each array in it as a heat map.  What is
ours is the line above the heat map: shape, dtype, part in the graph, statistics and a histogram.
"""

import warnings
from typing import Any

import numpy as np

from ..engine.graph import Array, Leaf, TensorBase
from .outline.summaries import histogram as counted
from .outline.summaries import one_line

BLOCKS = "".join(map(chr, range(0x2581, 0x2589)))  # the eight bars, from one eighth to full
BARS = 12
MOST_CELLS = 10_000  # of a heat map; of a larger array it shows the corners


def notebook_html(value: Any) -> str | None:
    """The HTML that a notebook shows for a Tensor, a Module, or anything that holds tensors.

    A tree that folds, with a heat map, statistics and a histogram for each tensor.  None if
    Treescope is not installed (pip install 'tinygrad-lite[viz]'): the notebook then shows the repr.
    """
    try:
        import treescope
    except ImportError:
        return None
    visualizer = treescope.active_autovisualizer
    scope = visualizer.set_scoped(
        visualizer.get() or treescope.ArrayAutovisualizer(maximum_size=MOST_CELLS)
    )
    # Of what it cannot draw as a tree, such as an attribute that raises, it shows the repr.
    with scope, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            shown = str(treescope.render_to_html(value, ignore_exceptions=True))
        except Exception:  # the object that is shown may raise anything: its repr remains
            return None
    return shown.encode("utf-8", "backslashreplace").decode("utf-8")


def treescope_adapter() -> Any:
    """What Treescope asks about the arrays of tensors: `Tensor.__treescope_ndarray_adapter__`."""
    from treescope import ndarray_adapters, rendering_parts, type_registries

    class TensorAdapter(ndarray_adapters.NDArrayAdapter):  # type: ignore[misc]
        """The data is that of the array; the summary is ours."""

        def get_axis_info_for_array_data(self, array: Any) -> Any:
            return _adapter(array).get_axis_info_for_array_data(array._data)

        def get_array_data_with_truncation(
            self, array: Any, mask: Any, edge_items_per_axis: Any
        ) -> Any:
            return _adapter(array).get_array_data_with_truncation(
                array._data, mask, edge_items_per_axis
            )

        def get_array_summary(self, array: Any, fast: bool) -> Any:
            return rendering_parts.text(summary(array, fast))

        def should_autovisualize(self, array: Any) -> bool:
            return bool(array._data.size)

        def get_numpy_dtype(self, array: Any) -> Any:
            return array._data.dtype

    def _adapter(tensor: Any) -> Any:
        return type_registries.lookup_ndarray_adapter(tensor._data)

    return TensorAdapter()


def treescope_line(tensor: TensorBase, path: str | None) -> Any:
    """A tensor that Treescope does not draw as a heat map: one line."""
    from treescope import rendering_parts

    return rendering_parts.build_one_line_tree_node(
        line=rendering_parts.text(f"<{summary(tensor)}>"), path=path
    )


def summary(tensor: TensorBase, fast: bool = False) -> str:
    """One line about a tensor: shape, dtype, part in the graph, statistics, and its gradient.

    fast  leave the statistics out
    """
    array = tensor._data
    parts = [type(tensor).__name__, str(array.dtype), str(array.shape)]
    if isinstance(tensor._node, Leaf):
        parts.append("requires_grad")
    elif tensor._node is not None:
        parts.append(f"op={getattr(tensor, 'op', type(tensor._node).__name__)}")
    if not fast:
        grad = getattr(tensor, "grad", None)
        noted = f"; grad: {statistics(grad._data)}" if isinstance(grad, TensorBase) else ""
        parts.append(statistics(array) + noted)
    return " ".join(parts)


def statistics(array: Array) -> str:
    """The values if they are few; else mean, std, range, what is unusual, and a histogram."""
    bars = histogram(array) if array.size >= BARS else ""
    return one_line(array) + (f" {bars}" if bars else "")


def histogram(array: Array) -> str:
    """The counts of finite values in equal intervals from the smallest to the largest, as bars.

    The highest bar is full; one that is not empty is never invisible.
    """
    found = counted(array, BARS)
    if found is None:
        return ""
    counts = np.array(found[2])
    levels = np.ceil(counts / counts.max() * len(BLOCKS)).astype(int)
    return "".join(BLOCKS[level - 1] if level else " " for level in levels)
