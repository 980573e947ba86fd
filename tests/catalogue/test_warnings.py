"""The library's own warnings, at the line of the user's that asked for it; and none of NumPy's."""

import warnings

import numpy as np
import pytest

from tinygrad_lite import Tensor


def test_the_spread_of_nothing_has_no_correction_to_advise() -> None:
    message = "n - correction = 0 - 0 leaves no degree of freedom, so the result is not finite$"
    with pytest.warns(RuntimeWarning, match=message):
        np.var(Tensor([]))


@pytest.mark.parametrize("name", ["var", "std"])
def test_the_spread_of_one_element(name) -> None:
    message = f"{name}: n - correction = 1 - 1 leaves no degree of freedom"
    with pytest.warns(RuntimeWarning, match=message) as caught:
        getattr(Tensor([1.0]), name)()
    assert caught[0].filename == __file__


def test_softmax_where_all_scores_are_minus_inf() -> None:
    with pytest.warns(RuntimeWarning, match="softmax: all scores along axis 0 are -inf"):
        Tensor([-np.inf, -np.inf]).softmax()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_cross_entropy_of_softmax_warns_at_the_line_that_calls_it(dtype) -> None:
    scores = Tensor(np.zeros((2, 3)), dtype=dtype, requires_grad=True)
    with pytest.warns(UserWarning, match="^cross_entropy applies softmax itself") as caught:
        scores.softmax().cross_entropy([0, 1])
    assert [warning.filename for warning in caught] == [__file__]
    scores.cross_entropy([0, 1])
    scores.log_softmax().nll_loss([0, 1])  # no warning, or it would be an error here


def test_losses_of_logarithms_warn_of_probabilities() -> None:
    shares = Tensor([[0.0, 1.0]], requires_grad=True).softmax()
    with pytest.warns(UserWarning, match="^nll_loss expects logarithms"):
        shares.nll_loss([0])
    with pytest.warns(UserWarning, match="^kl_div expects logarithms"):
        shares.kl_div(np.array([[0.5, 0.5]], np.float32))
    shares.log().kl_div(shares)  # no warning, or it would be an error here


def test_an_operation_raises_no_warning_of_numpy() -> None:
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        x = Tensor([0.0, -1.0, 1e38])
        assert np.isinf((1 / x).data[0])
        assert np.isinf((x * 1e38).data[2])
        assert np.isnan(x.log().data[1])
