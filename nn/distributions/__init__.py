"""Probability distributions: draws, log-probabilities, entropies, divergences.

    policy = nn.distributions.Categorical(logits=network(state))
    action = policy.sample()
    loss = -(policy.log_prob(action) * reward).mean()

    posterior = nn.distributions.Normal(mean, deviation)
    z = posterior.rsample()  # with a gradient to the mean and the deviation
    loss = -likelihood(z) + kl_divergence(posterior, Normal(0.0, 1.0)).sum()

Names, arguments and shapes are those of torch.distributions.  A tensor of parameters makes a batch
of distributions, of shape `batch_shape`; one draw from each has shape `event_shape`, () for a
number.  sample(s) has shape s + batch_shape + event_shape, and log_prob the shape without the
event.  Everything is differentiable with respect to parameters and values; draws are only from
`rsample`.  Random numbers come from Tensor's generator, so `Tensor.manual_seed` determines them.
"""

import sys
from typing import NoReturn

# isort: off
from .distribution import Distribution  # the base class
from .continuous import Normal  # the bell curve
from .continuous import Laplace  # a peak with straight sides, on a logarithmic scale
from .continuous import Exponential  # the time until something happens
from .continuous import Uniform  # every number between two others
from .discrete import Bernoulli  # 0 or 1
from .discrete import Categorical  # one of several
from .multivariate import MultivariateNormal  # vectors, with correlations
from .independent import Independent  # a batch of numbers as one vector
from .divergence import kl_divergence  # how far a distribution is from another
from .divergence import register_kl  # the same for a class of your own

__all__ = [
    "Bernoulli",
    "Categorical",
    "Distribution",
    "Exponential",
    "Independent",
    "Laplace",
    "MultivariateNormal",
    "Normal",
    "Uniform",
    "kl_divergence",
    "register_kl",
]


def __getattr__(name: str) -> NoReturn:
    """What is not here."""
    raise AttributeError(
        f"module 'nn.distributions' has no attribute {name!r}; there are {', '.join(__all__)}",
        name=name,
        obj=sys.modules[__name__],
    )
