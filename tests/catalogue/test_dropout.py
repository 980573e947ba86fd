"""`Tensor.dropout`: what is random about it."""

import numpy as np
import pytest

from tinygrad_lite import Tensor, grad


def test_the_rest_is_scaled_up_and_the_mask_is_the_gradient() -> None:
    Tensor.manual_seed(3)
    x = Tensor(np.arange(1, 10_001), dtype=np.float32, requires_grad=True)
    y = x.dropout(0.25)
    kept = y.data != 0
    assert 0.73 < kept.mean() < 0.77
    np.testing.assert_allclose(y.data[kept], x.data[kept] / 0.75, rtol=1e-6)
    (slopes,) = grad(y.sum(), x)
    np.testing.assert_allclose(slopes.data, kept / 0.75, rtol=1e-6)


def test_the_seed_decides() -> None:
    x = Tensor.ones(1000)
    Tensor.manual_seed(4)
    first, second = x.dropout().tolist(), x.dropout().tolist()
    Tensor.manual_seed(4)
    assert x.dropout().tolist() == first != second


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_dtype(dtype: type) -> None:
    wanted = np.float32 if dtype is np.int64 else dtype
    assert Tensor(np.ones(4), dtype=dtype).dropout(0.5).dtype == wanted


def test_nothing_is_dropped_outside_training_or_at_0() -> None:
    x = Tensor.ones(3)
    assert x.dropout(0.5, training=False) is x
    assert x.dropout(0.0) is x


def test_attention_drops_weights_whether_training_or_not() -> None:
    query, key = Tensor(np.zeros((1, 2))), Tensor(np.zeros((1000, 2)))
    value = Tensor(np.eye(1000))  # so that the result is the weights

    def weights() -> np.ndarray:
        return query.scaled_dot_product_attention(key, value, dropout_p=0.25).data

    Tensor.manual_seed(5)
    first, second = weights(), weights()
    np.testing.assert_allclose(first[first != 0], 1 / 750, rtol=1e-6)
    assert 0.7 < np.mean(first != 0) < 0.8
    assert (first != second).any()
