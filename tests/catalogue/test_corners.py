"""Every line of the tables in docs/gradients-at-corners.md runs and gives what it says.

What a line cannot say stands here too: second derivatives, and where each row of the list of traps
that the project keeps is tested.
"""

import contextlib
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from corners import BY_NAME, HEADER, LINES, PAGE, Line, run
from every import all_of

from tinygrad_lite import grad

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_lines_of_the_tables(dtype: type) -> None:
    fitting = [line for line in LINES if line.fits(dtype)]
    assert len(fitting) > 250
    all_of((line.name, partial(check, line, dtype)) for line in fitting)


def check(line: Line, dtype: type) -> None:
    if line.error:
        with pytest.raises(line.expected[0]):
            run(line, dtype)
        return
    ours = pytest.warns((RuntimeWarning, UserWarning))
    with ours if "warns:" in line.elsewhere else contextlib.nullcontext():
        _, y, gradients = run(line, dtype)
    assert y.dtype == (np.float16 if ".half()" in line.code else dtype)
    for found, numbers in zip((y, *gradients), line.expected, strict=True):
        assert found is y or found.dtype == dtype
        rtol = 4 * np.finfo(dtype).eps
        np.testing.assert_allclose(found.data, numbers.astype(found.dtype), rtol=rtol, strict=True)


def test_every_table_is_read() -> None:
    """No line is passed over because its header or its bars are spelled differently."""
    bars = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    headers = bars.count(HEADER)
    assert headers >= 8
    assert len(LINES) == len(bars) - 2 * headers > 180
    assert len(BY_NAME) == len(LINES)
    assert max(len(cell) for line in bars for cell in line.split(" | ")) <= 200


# Where there is no second derivative either, ours is 0 in every order, as the first one is.
SECOND = {
    "x.abs() at x = [0.0, -0.0, -inf, inf]": 0,
    "x.clamp(-1, 1) at x = [-2, -1, 1, 2]": 0,
    "x.clamp(3, 1) at x = [0, 2, 4]": 0,
    "x.clamp(a, b) at x = [-2, -1, 1, 2], a = [-1, -1, -1, -1], b = [1, 1, 1, 1]": 0,
    "x.clamp(a, b) at x = [0], a = [1], b = [-1]": 0,
    "x.copysign(-1.0) at x = [0, 2, -2]": 0,
    "a % b at a = [-7, 7], b = [3, -3]": 0,
    "a.fmod(b) at a = [-7, 7], b = [3, -3]": 0,
    "a.logaddexp(b) at a = [-inf, -inf], b = [-inf, 2]": 0,
    "a.xlogy(b) at a = [0, 0], b = [0, -1]": 0,
    "a.xlogy(b) at a = [0], b = [inf]": 0,
    "a.hypot(b) at a = [0.0, -0.0], b = [0.0, 0.0]": 0,
    "a.atan2(b) at a = [0.0, -0.0, 0.0], b = [0.0, 0.0, -0.0]": 0,
    "x.silu() at x = [-inf, inf]": 0,
    "x.quick_gelu() at x = [-inf, inf]": 0,
    "x.mish() at x = [-inf, inf]": 0,
    "x.hardswish() at x = [-inf, inf]": 0,
    "x.gelu() at x = [-inf, -1e30, -1.9e19, 1.9e19, 1e30, inf]": 0,
    'x.gelu("none") at x = [-inf, -1e30, 1e30, inf]': 0,
    "x.softsign() at x = [-inf, 1e10, inf]": [0, -2 / (1e10 + 1) ** 3, 0],
    "x.erf() at x = [-inf, 1e30, inf]": 0,
    "x.atan() at x = [-inf, inf]": 0,
    "x.asinh() at x = [-inf, inf]": 0,
    "x.acosh() at x = [1e200, inf]": 0,
    "x.sinc() at x = [-inf, inf]": 0,
    "a.hypot(b) at a = [inf, -inf, inf], b = [1, 2, inf]": 0,
    "a.atan2(b) at a = [inf, 1, inf], b = [1, inf, inf]": 0,
    'x.huber_loss(t, "sum") at x = [1, -1, inf], t = [0, 0, 0]': 0,
    "0.0 ** x at x = [0, 0.5, 2, inf]": 0,
    "0.0 ** x at x = [-1, -inf]": np.inf,
    "a ** b at a = 0, b = 0": 0,
    'x.kl_div(t, "none") at x = [-inf, 0], t = [0, 1]': 0,
    'x.binary_crossentropy_logits(t, "none") at x = [-inf, inf, -inf], t = [0, 1, 1]': 0,
    "x.norm() at x = [-inf, 1, 2]": 0,
    "x.norm() at x = [0, 0]": 0,
    "x.norm(3) at x = [0, 0]": 0,
    "x.norm(0.5) at x = [0, 0]": 0,
    "x.sinc() at x = 0": -(np.pi**2) / 3,
    "x.log2() at x = 0": -np.inf,
    "x.log10() at x = 0": -np.inf,
    "x.log1p() at x = -1": -np.inf,
    "x.acosh() at x = 1": -np.inf,
    "x.prod() at x = [2, 0, 4]": [4, 6, 2],
    "x.prod() at x = [0, 0, 4]": [4, 4, 0],
    "x.prod() at x = [2, 3, 0, 0]": [0, 0, 6, 6],
    "x.cumprod(0) at x = [2, 0, 4]": [5, 7, 2],
    "x.det() at x = [[0, 0], [0, 0]]": [[1, -1], [-1, 1]],
}


@pytest.mark.parametrize("name", SECOND)
def test_second_order(name: str) -> None:
    """The sum of the gradient of the first leaf, differentiated with respect to that leaf."""
    leaves, _, (first, *_) = run(BY_NAME[name], np.float64, create_graph=True)
    found = np.zeros(first.shape)
    if first.requires_grad:
        (second,) = grad(first.sum(), [*leaves.values()][:1], allow_unused=True)
        found = found if second is None else second.data
    np.testing.assert_allclose(found, np.broadcast_to(SECOND[name], found.shape), rtol=1e-14)


# The rows of the list of traps, by number: lines of the page, and tests.
TRAPS: dict[int, tuple[str, ...]] = {
    1: ("x.max() at x = [1, 3, 3]", "x.max(0)", "x.max(1) at x = [[2, 2, 2, 1]]", "x.min()"),
    2: (
        "a.maximum(b) at a = [2, 1, inf], b = [2, 3, inf]",
        "a.minimum(b) at a = [2, 1], b = [2, 3]",
    ),
    3: ("x.max() at x = [1, nan, 3]",),
    4: ("x.max_pool2d(2)", "x.max_pool1d(3, 1)"),
    5: (
        "x.relu() at x = [0.0, -0.0, inf]",
        "x.leaky_relu() at x = [0.0, -0.0, -2]",
        "x.elu() at x = [0.0, -0.0, -800]",
    ),
    6: ("x.abs() at x = [0.0, -0.0, -inf, inf]",),
    7: (
        "x.clamp(-1, 1) at x = [-2, -1, 1, 2]",
        "x.relu6() at x = [0, 6]",
        "x.hardtanh() at x = [-1, 1, inf]",
    ),
    8: ("x.clamp(3, 1)",),
    9: ("x.sqrt()", "(x * x).sqrt()"),
    10: (
        "x.norm() at x = [0, 0]",
        "x.norm(1)",
        "x.norm(3)",
        "x.norm(0.5) at x = [0, 0]",
        "x.norm(inf) at x = [-2, 2, 1]",
    ),
    11: ("x.std() at x = [3, 3]", "x.std(correction=0) at x = [3, 3]", "x.std() at x = [3]"),
    12: ("a ** b at a = 0, b = 0",),
    13: ("a ** b at a = 0, b = 2", "a ** b at a = 0, b = 0.5", "a ** b at a = 0, b = -1"),
    14: ("a ** b at a = -2, b = 3", "a ** b.detach()", "x ** 3"),
    15: ("x ** 0 at x = 0", "x ** 1 at x = 0", "x ** 2"),
    16: ("x.prod() at x = [2, 0, 4]", "x.prod() at x = [0, 0, 4]"),
    17: ("test_corners.py::test_second_order",),
    18: ("x.cumprod(0) at x = [2, 0, 4]",),
    19: ("(x > 0).where(x.log(), 0.0)", "(x > 0).where((x > 0).where(x, 1.0).log(), 0.0)"),
    20: ("x.logsumexp() at x = [1000, 1000]", "x.logsumexp() at x = [-inf, 0]"),
    21: (
        "x.logsumexp() at x = [-inf, -inf]",
        "x.logsumexp() at x = [inf, 1]",
        "a.logaddexp(b) at a = [-inf, -inf], b = [-inf, 2]",
    ),
    22: ("x.softmax() at x = [-inf, -inf]", "x.log_softmax()[1:]"),
    23: (
        "x.sigmoid() at x = [-800, 0, 800]",
        "x.softplus() at x = [-800, 0, 800]",
        "x.logsigmoid()",
        "x.tanh()",
    ),
    24: (
        'p.binary_crossentropy(t, "none")',
        'x.binary_crossentropy_logits(t, "none") at x = [800, -800, 800], t = [0, 1, 1]',
    ),
    25: (
        "x.cross_entropy([1])",
        "x.cross_entropy([-100])",
        "test_methods.py::test_what_a_wrong_call_prints",
    ),
    26: ("x.softmax().cross_entropy([0])",),
    27: ("x.mse_loss(np.zeros(2))",),
    28: ("a.xlogy(b) at a = [0, 0], b = [0, -1]", "x * x.log()"),
    29: (
        "a.hypot(b) at a = [0.0, -0.0], b = [0.0, 0.0]",
        "a.atan2(b) at a = [0.0, -0.0, 0.0], b = [0.0, 0.0, -0.0]",
        "x.sinc() at x = 0",
    ),
    30: ("x.asin()", "x.acosh() at x = 1", "x.log()", "x.log1p()"),
    31: (
        "a.fmod(b) at a = [-7, 7], b = [3, -3]",
        "a % b at a = [-7, 7], b = [3, -3]",
        "x // 2.0",
        "x.round()",
        "x.sign() at x = [-2, 0, 3]",
    ),
    32: ("x.sort()[0]", "x.topk(1)[0]", "x.median() at x = [4, 1, 3, 2]"),
    33: ("x[[0, 0, 1]]",),
    34: (
        "x.scatter(0, [0, 0], v)",
        "test_inplace.py::test_the_last_of_duplicate_writes_gets_the_gradient",
    ),
    35: ("x.index_add(0, [0, 0], v)", "x.index_fill(0, [0, 0], v)"),
    36: ("x * x + x", "x - x", "(x * 2) * (x * 3)", "test_graph.py::test_every_reuse_adds_up"),
    37: ("test_primitives.py::test_gradient", "test_methods.py::test_gradients"),
    38: ("test_primitives.py::test_gradient",),
    39: ("x / x",),
    40: (
        "x.sum() at x = []",
        "x.mean() at x = []",
        "x.max() at x = []",
        "a.cat(b)",
        "(x @ w).relu().sum()",
    ),
    41: ("test_primitives.py::test_value", "test_primitives.py::test_dtype_stays"),
    42: (
        "test_operators.py::test_arithmetic",
        "test_operators.py::test_mixed_float_dtypes_keep_each_leafs_gradient_dtype",
    ),
    43: (
        "x.half().expand(70_000).mean()",
        "test_numerics.py::test_half_precision_is_summed_and_counted_in_single",
    ),
    44: ("test_tensor.py::test_only_floats_require_grad",),
    45: ("test_operators.py::test_bytes_wrap_and_are_cast_when_they_are_loaded",),
    46: ("test_primitives.py::test_layout", "test_inplace.py::test_views_of_every_kind_are_linked"),
    47: (
        "test_inplace.py::test_a_leaf_that_requires_grad",
        "test_inplace.py::test_a_changed_saved_array_is_named_with_its_line",
        "test_inplace.py::test_an_expanded_tensor",
        "test_inplace.py::test_a_change_through_data_is_no_error_unless_said",
    ),
    48: (
        "test_methods.py::test_what_a_wrong_call_prints",
        "test_graph.py::test_a_second_backward_says_why_and_what_to_do",
    ),
    49: (
        "test_operators.py::test_arithmetic",
        "test_operators.py::test_numpy_functions_reach_the_operations",
    ),
    50: (
        "test_check.py::test_constant_factor",
        "test_check.py::test_kink_of_relu",
        "test_check.py::test_mutation",
    ),
    51: ("test_checkpointing.py::test_51_the_second_run_drops_the_same_and_disturbs_nothing",),
    52: (
        "test_graph.py::test_two_leaves_of_one_sum_get_gradients_of_their_own",
        "test_graph.py::test_a_gradient_held_by_the_user_is_not_changed_by_the_next_one",
    ),
}


def test_every_trap_is_on_the_page_or_in_a_test() -> None:
    codes = [line.code for line in LINES]
    known = {*BY_NAME, *(code for code in codes if codes.count(code) == 1)}
    for file in TESTS.rglob("test_*.py"):
        names = re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
        known |= {f"{file.name}::{name}" for name in names}
    assert [*TRAPS] == [*range(1, 53)]
    assert {name for names in TRAPS.values() for name in names} - known == set()
