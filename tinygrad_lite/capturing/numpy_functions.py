"""NumPy's functions that a record may hold: those whose results depend on values in value only.

The shape, the dtype and the number of results must follow from the shapes and dtypes of the
arguments, and from what is no array among them.  A function that does not stand here leaves the
record: what it computes counts for one call only.
"""

from typing import Any

import numpy as np
from numpy.lib import stride_tricks

ANY = 1 << 30

# Functions that tell what does not depend on values.
METADATA = {
    *(np.shape, np.ndim, np.size, np.result_type, np.iscomplexobj, np.isrealobj),
    *(np.shares_memory, np.may_share_memory, np.common_type, np.einsum_path),
}

# Those that write into an argument, the first, and its name.
WRITERS: dict[Any, str] = {
    **{np.copyto: "dst", np.put: "a", np.place: "arr", np.putmask: "a"},
    **{np.fill_diagonal: "a", np.put_along_axis: "arr"},
}

# Those that may return an argument as it is.  If another one does, it has written into it.
RETURNS_ITS_ARGUMENT = {
    *(np.asarray, np.asanyarray, np.array, np.real, np.squeeze, np.broadcast_arrays),
    *(np.atleast_1d, np.atleast_2d, np.atleast_3d, np.ascontiguousarray, np.asfortranarray),
    *(np.ndarray.astype, np.ndarray.conj, np.ndarray.squeeze),
}

# Options that may be arrays, whatever the function.
OPTIONS = {
    *("out", "where", "initial", "a", "x", "a_min", "a_max", "min", "max", "arr", "array", "m"),
    *("b", "v", "indices", "values", "weights", "fill_value", "ary", "arrays", "tup", "q", "y"),
    *("prepend", "append", "condition", "mask", "vals", "ind", "dst", "src", "val"),
}

# How many of the first arguments of a function may be arrays.
_COUNTS = {
    0: "zeros ones empty eye identity tri arange",
    1: """
        sum prod mean std var max min amax amin ptp cumsum cumprod cumulative_sum cumulative_prod
        nansum nanmean nanmax nanmin nanstd nanvar nanprod median nanmedian average all any argmax
        argmin argsort sort partition argpartition lexsort reshape ravel transpose swapaxes moveaxis
        rollaxis expand_dims squeeze broadcast_to flip fliplr flipud rot90 roll tile repeat copy
        diagonal diag diagflat trace tril triu pad concatenate concat stack vstack hstack dstack
        column_stack block split array_split hsplit vsplit dsplit unstack zeros_like ones_like
        empty_like round around real imag nan_to_num sinc i0 diff ediff1d unwrap matrix_transpose
        permute_dims cov corrcoef unravel_index ravel_multi_index vander isposinf isneginf array
        asarray asanyarray count_nonzero ascontiguousarray asfortranarray fix isreal iscomplex angle
        linalg.norm linalg.det linalg.slogdet linalg.inv linalg.pinv linalg.qr linalg.svd
        linalg.svdvals linalg.eigh linalg.eigvalsh linalg.cholesky linalg.matrix_power
        linalg.multi_dot linalg.trace linalg.diagonal linalg.matrix_norm linalg.vector_norm
        linalg.cond linalg.matrix_transpose fft.fft fft.ifft fft.rfft fft.irfft fft.fft2 fft.ifft2
        fft.rfft2 fft.irfft2 fft.fftn fft.ifftn fft.rfftn fft.irfftn fft.hfft fft.ihfft fft.fftshift
        fft.ifftshift""",
    2: """
        full_like take take_along_axis dot vdot inner outer tensordot kron cross convolve correlate
        isclose isin digitize searchsorted polyval linspace quantile percentile nanquantile
        nanpercentile choose copyto append fill_diagonal trapezoid linalg.solve linalg.vecdot
        linalg.cross linalg.outer linalg.matmul linalg.tensordot linalg.tensorsolve""",
    3: "clip where select interp put place putmask put_along_axis",
    ANY: "einsum meshgrid broadcast_arrays atleast_1d atleast_2d atleast_3d",
}


def _found() -> dict[Any, int]:
    """The count of each function that this version of NumPy has."""
    counts: dict[Any, int] = {stride_tricks.sliding_window_view: 1}
    for count, names in _COUNTS.items():
        for name in names.split():
            module, _, last = name.rpartition(".")
            function = getattr(getattr(np, module) if module else np, last, None)
            if function is not None:
                counts[function] = count
    return counts


ARRAYS = _found()


def is_numpys(function: Any) -> bool:
    """Whether a function is one of NumPy: a ufunc, a method of it or of arrays, or another one."""
    owner = getattr(function, "__self__", None)
    if isinstance(function, np.ufunc) or isinstance(owner, np.ufunc):
        return True
    module = getattr(function, "__module__", None) or getattr(function, "__objclass__", None)
    return isinstance(module, type) or str(module).partition(".")[0] == "numpy"
