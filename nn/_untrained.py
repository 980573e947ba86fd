"""One weight of several that does not require grad, so that it is never trained.

    self.w1 = Tensor.randn(4, 8, requires_grad=True)
    self.w2 = Tensor.randn(8, 2)

An object may hold tensors that are meant to stay: masks, positions, averages, random features.  So
this goes by names: both are called as weights and biases are, and none of those that are trained is
named after the other, or it after them, as weight_g is after weight.  In a list, which gives no
names, they have as many axes.
"""

import re
import weakref
from collections.abc import Sequence

from tinygrad_lite import Tensor, mistakes

from .reflection import Found

_WEIGHT = re.compile(
    r"([wb][a-z]?|W[a-z]{0,2}|weights?|kernel|bias|biases|gamma|beta|theta)"
    r"(_[A-Za-z]{1,2}|_out)?(_?\d+)?"
)
_NUMBERED = re.compile(r"([A-Za-z_]*?)_?\d+_?(w|W|weight|kernel|b|bias)")  # layer1_weight, fc1_w

_told: dict[int, weakref.ref[Tensor]] = {}  # by the identity of a tensor


def tell_of_untrained(found: Sequence[Found]) -> None:
    """A TrainingWarning, once for each such weight among the things found in an object."""
    plain = [part for part in found if _is_plain(part)]
    if not plain:
        return
    trained: dict[str, list[Found]] = {}
    for part in found:
        if isinstance(part.value, Tensor) and part.value.requires_grad and part.value.is_leaf:
            trained.setdefault(part.path.rpartition(".")[0], []).append(part)
    for part in plain:
        reference = _told.get(id(part.value))
        if reference is not None and reference() is part.value:
            continue
        holder, _, name = part.path.rpartition(".")
        beside = trained.get(holder, ())
        names = [other.path.rpartition(".")[2] for other in beside]
        if any(_is_named_after(*pair) for each in names for pair in ((each, name), (name, each))):
            continue
        for other in beside:
            if _are_siblings(part, other):
                mistakes.tell(
                    f"{part.path} does not require grad, although {other.path} beside it does, so "
                    "it is neither trained nor saved; make it with requires_grad=True, or, if it "
                    "is meant to stay as it is, with nn.Parameter(..., requires_grad=False)"
                )
                _told[id(part.value)] = weakref.ref(part.value)
                break


def _is_plain(part: Found) -> bool:
    """Whether it is a tensor of floats that nobody trains, saves or has frozen."""
    value = part.value
    if not isinstance(value, Tensor) or part.buffer is not None or value.is_parameter:
        return False
    return not value.requires_grad and value.ndim > 0 and value.dtype.kind == "f"


def _are_siblings(plain: Found, trained: Found) -> bool:
    """Whether what both are called says that both are weights."""
    own, other = (part.path.rpartition(".")[2] for part in (plain, trained))
    if own.isdecimal() and other.isdecimal():
        return plain.module is not None and plain.value.ndim == trained.value.ndim
    if _WEIGHT.fullmatch(own):
        return bool(_WEIGHT.fullmatch(other))
    numbered = _NUMBERED.fullmatch(own), _NUMBERED.fullmatch(other)
    return None not in numbered and len({match[1] for match in numbered if match}) == 1


def _is_named_after(name: str, other: str) -> bool:
    """Whether a name is another one and a word: weight_g, but not weight_2."""
    return name.startswith(f"{other}_") and not name[len(other) + 1 :].isdecimal()
