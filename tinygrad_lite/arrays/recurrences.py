"""Linear recurrences along the last axis, without a loop over its elements."""

from typing import Any

import numpy as np


def recurrence(a: Any, b: Any) -> Any:
    """y_i = a_i y_(i-1) + b_i, from y_(-1) = 0.

    Two neighbouring steps are combined into one, so a recurrence of half as many steps gives every
    second y, and from these the ones between follow: O(n) products, no division, log2(n) calls
    deep.  (Blelloch, "Prefix Sums and Their Applications", 1990, section 1.4.)
    """
    size = b.shape[-1]
    if size < 2:
        return b.copy()
    even, odd = slice(0, size // 2 * 2, 2), slice(1, None, 2)
    y = np.empty_like(b)
    y[..., odd] = recurrence(a[..., odd] * a[..., even], a[..., odd] * b[..., even] + b[..., odd])
    y[..., 0] = b[..., 0]
    y[..., 2::2] = a[..., 2::2] * y[..., 1:-1:2] + b[..., 2::2]
    return y
