"""Wrong calls of the methods in tinygrad_lite/methods/random.py.

What is drawn is random, so the tests of it are in catalogue/test_random.py.
"""

import numpy as np

from tinygrad_lite import Tensor

from .row import Mistake

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: Tensor.randint(0, 4, (2, 3)),
        TypeError,
        "randint: expected a shape, low and high; got (0, 4, (2, 3)); "
        "write randint(2, 3, low=0, high=4)",
    ),
    Mistake(
        lambda: Tensor.randint(4, (5,)),
        TypeError,
        "randint: expected a shape, low and high; got (4, (5,)); write randint(5, high=4)",
    ),
    Mistake(
        lambda: Tensor.rand(2, dtype=np.int64),
        TypeError,
        "rand: dtype: expected a float dtype; got int64; use randint for integers",
    ),
    Mistake(
        lambda: Tensor([1]).randn_like(),
        TypeError,
        "randn_like: dtype: expected a float dtype; got int64; use randint for integers",
    ),
    Mistake(
        lambda: Tensor.randn(-2), ValueError, "randn: shape: expected sizes of 0 or more; got (-2,)"
    ),
    Mistake(
        lambda: Tensor.uniform(2, low=1.0, high=0.0),
        ValueError,
        "uniform: expected finite low <= high in float32; got 1.0 and 0.0",
    ),
    Mistake(
        lambda: Tensor.uniform(2, low=-60000.0, high=60000.0, dtype=np.float16),
        ValueError,
        "uniform: expected finite low <= high in float16; got -60000.0 and 60000.0",
    ),
    Mistake(
        lambda: Tensor.uniform(2, low=Tensor(0.0)),
        TypeError,
        "uniform: low: expected a number; got Tensor of shape (), float32; no gradient flows "
        "there: take its item()",
    ),
    Mistake(
        lambda: Tensor.normal(2, std=-1.0),
        ValueError,
        "normal: std: expected 0 or more; got -1.0",
    ),
    Mistake(
        lambda: Tensor.kaiming_uniform(3, 0),
        ValueError,
        "kaiming_uniform: expected a shape (out, in, ...) without zeros; got (3, 0)",
    ),
    Mistake(
        lambda: Tensor.randint(2, low=3, high=3),
        ValueError,
        "randint: expected low < high; got 3 and 3",
    ),
    Mistake(
        lambda: Tensor.randint(2, high=2.5),
        TypeError,
        "randint: high: expected an integer; got 2.5",
    ),
    Mistake(
        lambda: Tensor.randint(2, high=300, dtype=np.uint8),
        ValueError,
        "randint: low and high: 0 to 299 do not fit into uint8",
    ),
    Mistake(
        lambda: Tensor.randint(2, dtype=np.float32),
        TypeError,
        "randint: dtype: expected an integer dtype; got float32",
    ),
    Mistake(
        lambda: Tensor.randperm(-1),
        ValueError,
        "randperm: n: expected an integer of 0 or more; got -1",
    ),
    Mistake(
        lambda: Tensor.randperm(300, dtype=np.uint8),
        ValueError,
        "randperm: 299 does not fit into uint8",
    ),
    Mistake(
        lambda: Tensor([0.5, 1.5]).bernoulli(),
        ValueError,
        "bernoulli: expected floats from 0 to 1, the probabilities of a 1",
    ),
    Mistake(
        lambda: Tensor([1.0, -1.0]).multinomial(),
        ValueError,
        "multinomial: expected finite weights of 0 or more",
    ),
    Mistake(
        lambda: Tensor([[1.0, 1.0], [0.0, 0.0]]).multinomial(replacement=True),
        ValueError,
        "multinomial: 0 weights are above 0, too few for num_samples=1",
    ),
    Mistake(
        lambda: Tensor([1.0, 0.0, 2.0]).multinomial(3),
        ValueError,
        "multinomial: 2 weights are above 0, too few for num_samples=3; pass replacement=True",
    ),
    Mistake(
        lambda: Tensor(1.0).multinomial(),
        ValueError,
        "multinomial: expected weights of shape (n,) or (rows, n); got ()",
    ),
    Mistake(
        lambda: Tensor([1.0]).multinomial(0),
        ValueError,
        "multinomial: num_samples: expected an integer of 1 or more; got 0",
    ),
]
