"""NumPy's floating-point warnings, and our policy: an operation raises none.

An inf or a nan that IEEE 754 prescribes (log(0), 1 / 0, 3e38 + 3e38 in float32) is the right result
of an operation, as it is in PyTorch, so it comes without NumPy's RuntimeWarning, whatever np.seterr
says.  Outside our operations NumPy's error state is the user's.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

# For a function of ours that computes with NumPy outside an operation.
quiet = np.errstate(all="ignore")

# Around every forward: `token = silence()`, then `restore(token)`.  These are the two calls inside
# np.errstate; every operation makes them, and made directly they are faster.
silence: Callable[[], Any]
restore: Callable[[Any], Any]
try:
    from numpy._core.umath import _extobj_contextvar, _make_extobj

    silence = partial(_extobj_contextvar.set, _make_extobj(all="ignore"))
    restore = _extobj_contextvar.reset
except ImportError:  # a NumPy version without these: use the public functions

    def silence() -> Any:
        """Ignore floating-point errors from here on."""
        return np.seterr(all="ignore")

    def restore(token: Any) -> Any:
        """Restore the previous setting."""
        np.seterr(**token)
