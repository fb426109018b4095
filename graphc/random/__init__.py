"""Random numbers as pure functions of a key: the same key gives the same numbers.

A key is two 32-bit words. Split it and use each part once. The bits are those of
JAX's default generator (threefry, in the form whose bits do not depend on how the work
is divided), so that results can be compared; `bits`, `uniform`, `bernoulli`
and `randint` give what JAX gives, what is computed from uniform numbers by one formula (`normal`,
`exponential`, `laplace` ...) agrees to rounding. What is drawn by rejection (`gamma`, `poisson`
and what is made of them) has JAX's distributions, not its numbers.

J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

>>> from graphc import random
>>> first, second = random.split(random.key(0))
>>> random.bits(first, (2,))
array([3617712097,  783310428], dtype=uint32)
"""

from __future__ import annotations

from graphc.random.basic import (
    PRNGKey,
    bernoulli,
    bits,
    categorical,
    choice,
    fold_in,
    gumbel,
    key,
    key_data,
    normal,
    permutation,
    randint,
    split,
    uniform,
    wrap_key_data,
)
from graphc.random.continuous import (
    cauchy,
    double_sided_maxwell,
    exponential,
    laplace,
    logistic,
    lognormal,
    maxwell,
    pareto,
    rayleigh,
    triangular,
    truncated_normal,
    wald,
    weibull_min,
)
from graphc.random.discrete import (
    binomial,
    geometric,
    multinomial,
    poisson,
    rademacher,
    shuffle,
)
from graphc.random.gammas import (
    beta,
    chisquare,
    dirichlet,
    f,
    gamma,
    generalized_normal,
    loggamma,
    t,
)

__all__ = [
    "PRNGKey",
    "bernoulli",
    "beta",
    "binomial",
    "bits",
    "categorical",
    "cauchy",
    "chisquare",
    "choice",
    "dirichlet",
    "double_sided_maxwell",
    "exponential",
    "f",
    "fold_in",
    "gamma",
    "generalized_normal",
    "geometric",
    "gumbel",
    "key",
    "key_data",
    "laplace",
    "loggamma",
    "logistic",
    "lognormal",
    "maxwell",
    "multinomial",
    "normal",
    "pareto",
    "permutation",
    "poisson",
    "rademacher",
    "randint",
    "rayleigh",
    "shuffle",
    "split",
    "t",
    "triangular",
    "truncated_normal",
    "uniform",
    "wald",
    "weibull_min",
    "wrap_key_data",
]
