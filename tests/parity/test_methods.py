"""Every row of catalogue/methods beside PyTorch: value, first and second gradients, and dtypes."""

import numpy as np
import pytest
from methods import ROWS, listed
from parity.beside_torch import check, same
from parity.peer import peer_of

from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

VARIANTS = [
    pytest.param(row, variant, id=f"{row.name}-{variant}")
    for row in ROWS
    if row.torch is not None
    for variant in row.shapes
]
every_row = pytest.mark.parametrize(("row", "variant"), VARIANTS)
DTYPES = {"f": (np.float64, np.float32), "i": (np.int64, np.int32), "b": (np.bool_,)}


@every_row
def test_beside_torch(row, variant, record_property):
    record_property("operations", [row.method])
    theirs = peer_of(row)
    for kind in row.kinds:
        for dtype in DTYPES[kind]:
            arrays = row.inputs(variant, dtype)
            if kind == "f" and not row.constant:
                check(row.call, theirs, *arrays)
                continue
            mine = row.call(*map(Tensor, arrays))
            expected = theirs(*map(torch.tensor, arrays))
            for a, b in zip(listed(mine), listed(expected), strict=True):
                same(a, b, f"{row.name} of {np.dtype(dtype)}")


def test_rows_without_a_peer_say_why():
    for row in ROWS:
        assert row.torch is not None or row.note, row.method
