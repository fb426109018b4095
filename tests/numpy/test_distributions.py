"""Each distribution against SciPy's by Kolmogorov and Smirnov's test, and against JAX's numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
from graphc import random
from graphc.ir.errors import ArgumentError, DtypeError, Error, ShapeError, UnsupportedError
from graphc.random import implicit
from tests.numpy.both_ways import Value, traced

KEY = np.array([7, 42], np.uint32)
COUNT = (20_000,)
P = np.array([0.1, 0.4, 0.0, 0.3, 0.2], np.float32)
ALPHA = np.array([2, 1, 4], np.float32)
SHARES = np.tile(np.array([0.2, 0.5, 0.3], np.float32), (*COUNT, 1))
LEAST = 1e-3  # the probability that a right distribution looks so wrong; the key is fixed

CONTINUOUS: dict[str, tuple[Callable[[Value], Value], str, tuple[float, ...]]] = {
    "exponential": (lambda k: random.exponential(k, COUNT), "expon", ()),
    "laplace": (lambda k: random.laplace(k, COUNT), "laplace", ()),
    "cauchy": (lambda k: random.cauchy(k, COUNT), "cauchy", ()),
    "logistic": (lambda k: random.logistic(k, COUNT), "logistic", ()),
    "truncated_normal": (
        lambda k: random.truncated_normal(k, -1, 2.5, COUNT), "truncnorm", (-1, 2.5)),
    "rayleigh": (lambda k: random.rayleigh(k, 2.0, COUNT), "rayleigh", (0, 2)),
    "weibull_min": (lambda k: random.weibull_min(k, 2.0, 1.5, COUNT), "weibull_min", (1.5, 0, 2)),
    "pareto": (lambda k: random.pareto(k, 3.0, COUNT), "pareto", (3,)),
    "lognormal": (lambda k: random.lognormal(k, 0.7, COUNT), "lognorm", (0.7,)),
    "maxwell": (lambda k: random.maxwell(k, COUNT), "maxwell", ()),
    "triangular": (
        lambda k: random.triangular(k, -1.0, 0.5, 3.0, COUNT), "triang", (0.375, -1, 4)),
    "wald": (lambda k: random.wald(k, 2.0, COUNT), "invgauss", (2,)),
    "small gamma": (lambda k: random.gamma(k, 0.3, COUNT), "gamma", (0.3,)),
    "gamma": (lambda k: random.gamma(k, 7.5, COUNT), "gamma", (7.5,)),
    "beta": (lambda k: random.beta(k, 0.8, 3.0, COUNT), "beta", (0.8, 3)),
    "chisquare": (lambda k: random.chisquare(k, 5.0, COUNT), "chi2", (5,)),
    "f": (lambda k: random.f(k, 4.0, 9.0, COUNT), "f", (4, 9)),
    "t": (lambda k: random.t(k, 3.0, COUNT), "t", (3,)),
    "generalized_normal": (lambda k: random.generalized_normal(k, 1.5, COUNT), "gennorm", (1.5,)),
    "dirichlet": (
        lambda k: random.dirichlet(k, ALPHA, COUNT)[:, 0], "beta", (2, 5)),
}  # fmt: skip
DISCRETE: dict[str, tuple[Callable[[Value], Value], str, tuple[float, ...]]] = {
    "small poisson": (lambda k: random.poisson(k, 1.7, COUNT), "poisson", (1.7,)),
    "poisson": (lambda k: random.poisson(k, 35.0, COUNT), "poisson", (35,)),
    "large poisson": (lambda k: random.poisson(k, 1e5, COUNT), "poisson", (1e5,)),
    "small binomial": (lambda k: random.binomial(k, 20, 0.2, COUNT), "binom", (20, 0.2)),
    "binomial": (lambda k: random.binomial(k, 90, 0.7, COUNT), "binom", (90, 0.7)),
    "large binomial": (lambda k: random.binomial(k, 5e5, 0.3, COUNT), "binom", (5e5, 0.3)),
    "sure binomial": (lambda k: random.binomial(k, 5, 1.0, COUNT), "binom", (5, 1.0)),
    "geometric": (lambda k: random.geometric(k, 0.2, COUNT), "geom", (0.2,)),
    "rademacher": (lambda k: (random.rademacher(k, COUNT) + 1) // 2, "bernoulli", (0.5,)),
    "multinomial": (
        lambda k: random.multinomial(k, 40, SHARES)[:, 2], "binom", (40, 0.3)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CONTINUOUS))
def test_continuous(name: str) -> None:
    stats = pytest.importorskip("scipy.stats")
    draw, theirs, parameters = CONTINUOUS[name]
    found = np.asarray(draw(KEY))
    assert found.shape == COUNT and found.dtype == np.float32
    assert stats.kstest(found.astype(np.float64), theirs, parameters).pvalue > LEAST


@pytest.mark.parametrize("name", list(DISCRETE))
def test_discrete(name: str) -> None:
    """Pearson's test on bins of like probability."""
    stats = pytest.importorskip("scipy.stats")
    draw, theirs, parameters = DISCRETE[name]
    found = np.asarray(draw(KEY)).astype(np.float64)
    assert found.shape == COUNT
    law = getattr(stats, theirs)(*parameters)
    edges = np.unique(law.ppf(np.linspace(0, 1, 21)[1:-1]))
    share = np.diff(np.concatenate([[0.0], law.cdf(edges), [1.0]]))
    seen = np.bincount(np.searchsorted(edges, found), minlength=share.size)
    assert (seen[share == 0] == 0).all()
    seen, share = seen[share > 0], share[share > 0]
    if share.size > 1:
        assert stats.chisquare(seen, share * found.size).pvalue > LEAST


@pytest.mark.needs_jax
@pytest.mark.parametrize(
    "call",
    [
        lambda r, k: r.exponential(k, (99,)),
        lambda r, k: r.laplace(k, (99,)),
        lambda r, k: r.cauchy(k, (99,)),
        lambda r, k: r.logistic(k, (99,)),
        lambda r, k: r.truncated_normal(k, -2.0, 1.5, (99,)),
        lambda r, k: r.rademacher(k, (99,)),
        lambda r, k: r.maxwell(k, (99,)),
        lambda r, k: r.choice(k, 17, (9, 3)),
        lambda r, k: r.choice(k, np.arange(5, dtype=np.float32) * 2, (40,), p=P),
        lambda r, k: r.choice(k, 5, (3,), replace=False, p=P),
    ],
)
def test_numbers_are_jaxs(call: Callable[[Value, Value], Value]) -> None:
    import jax

    with jax.enable_x64(False):  # whatever other tests have left
        expected = np.asarray(call(jax.random, KEY))
    for found in (np.asarray(call(random, KEY)), traced(lambda k: call(random, k), KEY)):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


def test_compiled_draws_are_the_same() -> None:
    def draws(key: Value) -> Value:
        return (random.gamma(key, 2.5, (50,)), random.poisson(key, 4.0, (50,)),
                random.poisson(key, 40.0, (50,)), random.beta(key, 1.0, 2.0, (50,)))  # fmt: skip

    for one, two in zip(gc.jit(draws)(KEY), draws(KEY), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5)


def test_reparameterised_derivatives() -> None:
    drawn = float(random.rayleigh(KEY, 2.0))
    slope = gc.grad(lambda scale: random.rayleigh(KEY, scale))(np.float32(2))
    np.testing.assert_allclose(slope, drawn / 2, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("a", [1.0, 1.3, 2.5, 12.0, 150.0, 1e4])
def test_gamma_numbers_move_along_their_quantiles(a: float, dtype: type) -> None:
    special = pytest.importorskip("scipy.special")
    z = np.asarray(random.gamma(KEY, a, (200,), dtype))
    lower, upper = (f(a, z.astype(np.float64)) for f in (special.gammainc, special.gammaincc))

    def at(a: float) -> np.ndarray:
        found = special.gammaincinv(a, lower), special.gammainccinv(a, upper)
        return np.asarray(np.where(lower < 0.5, *found))

    wanted = (at(a * (1 + 1e-5)) - at(a * (1 - 1e-5))) / (2e-5 * a)
    found = gc.jit(implicit.slope)(z, np.full_like(z, a))
    np.testing.assert_allclose(found, wanted, rtol=1e-3 if dtype is np.float32 else 1e-6)


def test_derivatives_of_gamma_numbers_on_average() -> None:
    """The logarithm of a gamma number is digamma(a) on average."""
    special = pytest.importorskip("scipy.special")
    keys = random.key(5)

    def average(a: Value) -> Value:
        return random.loggamma(keys, a, (3000,)).mean()

    for a in (0.4, 1.5, 6.0):
        first, second = gc.grad(average), gc.grad(gc.grad(average))
        np.testing.assert_allclose(first(np.float32(a)), special.polygamma(1, a), rtol=0.05)
        np.testing.assert_allclose(second(np.float32(a)), special.polygamma(2, a), rtol=0.1)
    slope = gc.grad(lambda a: random.dirichlet(keys, a, (2000,))[:, 0].mean())
    found = slope(np.array([2, 1, 4], np.float32))  # the mean is a_0 / sum(a)
    np.testing.assert_allclose(found, [5 / 49, -2 / 49, -2 / 49], rtol=0.1)
    fourth = gc.grad(gc.grad(gc.grad(gc.grad(lambda a: random.loggamma(keys, a)))))
    with pytest.raises(UnsupportedError, match="gamma: got a derivative of what is drawn by"):
        fourth(np.float32(2))


def test_choice_without_replacement_is_distinct() -> None:
    rows = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    found = random.choice(KEY, rows, (3,), replace=False, axis=1)
    assert sorted(np.asarray(found)[0]) == [0, 1, 2]
    assert 2 not in np.asarray(random.choice(KEY, 5, (200,), p=P))


def test_keys_are_their_words() -> None:
    np.testing.assert_array_equal(random.key_data(random.wrap_key_data(KEY)), KEY)
    assert sorted(random.shuffle(KEY, 5).tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda k: random.choice(k, np.float32(1)), ShapeError, "got an array without axes"),
    (lambda k: random.choice(k, 3, (4,), replace=False), ShapeError, "got 4 draws"),
    (lambda k: random.choice(k, 3, p=P), ShapeError, r"expected \(3,\)"),
    (lambda k: random.poisson(k, 1.0, dtype="float32"), DtypeError, "expected an integer type"),
    (lambda k: random.laplace(k, dtype="int32"), DtypeError, "expected a float type"),
    (lambda k: random.dirichlet(k, 1.0), ShapeError, "expected an axis or more"),
    (lambda k: random.gamma(k, np.ones(3, np.float32), (2,)), ShapeError, "."),
    (lambda k: random.wrap_key_data(np.ones(3, np.uint32)), DtypeError, "last axis of size 2"),
    (lambda k: random.wrap_key_data(k, impl="rbg"), ArgumentError, "expected 'threefry2x32'"),
])  # fmt: skip
def test_refusals(call: Callable[[Value], Value], error: type[Error], text: str) -> None:
    with pytest.raises(error, match=text):
        call(KEY)
