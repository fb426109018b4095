"""The gamma distribution, by rejection, and those that are made of gamma numbers.

They differentiate with respect to their parameters, to third order (`graphc.random.implicit`).

G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables", 2000.
"""

from __future__ import annotations

from collections.abc import Sequence

import graphc.numpy as gnp
from graphc import lax
from graphc.composites import composite
from graphc.ir.errors import ShapeError
from graphc.ir.types import F32, DType, Shape
from graphc.numpy.array import Array
from graphc.numpy.indexing import get
from graphc.numpy.loops import repeat_while
from graphc.numpy.movement import ShapeLike, shape_from
from graphc.numpy.promotion import ArrayLike, DTypeLike, fail, shape_of, stretched, text_of
from graphc.random.basic import float_type, normal, split, uniform
from graphc.random.continuous import common_shape
from graphc.random.implicit import moving


def _marsaglia_tsang(key: ArrayLike, a: Array, shape: Shape, dtype: DType) -> Array:
    """Numbers v of which (a - 1/3) v is of the gamma distribution with parameter `a` >= 1."""
    d = gnp.subtract(a, 1 / 3)
    c = gnp.divide(1 / 3, gnp.sqrt(d))

    def some_left(key: Array, done: Array, v: Array, d: Array, c: Array) -> Array:
        return gnp.logical_not(gnp.all(done))

    def draw(key: Array, done: Array, v: Array, d: Array, c: Array) -> Sequence[Array]:
        keys = split(key, 3)
        x = normal(get(keys, 1), shape, dtype)
        drawn = uniform(get(keys, 2), shape, dtype)
        root = gnp.add(1, gnp.multiply(c, x))
        inside = gnp.greater(root, 0)
        cube = gnp.pow(gnp.where(inside, root, 1), 3)
        drift = gnp.add(gnp.subtract(1, cube), gnp.log(cube))
        bound = gnp.add(gnp.multiply(gnp.square(x), 0.5), gnp.multiply(d, drift))
        accepted = gnp.logical_and(inside, gnp.less(gnp.log(drawn), bound))
        fresh = gnp.logical_and(accepted, gnp.logical_not(done))
        return [get(keys, 0), gnp.logical_or(done, accepted), gnp.where(fresh, cube, v), d, c]

    start = [
        gnp.asarray(key),
        stretched(gnp.asarray(False), shape),
        stretched(gnp.asarray(1, dtype), shape),
        stretched(d, shape),
        stretched(c, shape),
    ]
    return repeat_while(some_left, draw, start, Array.wrap)[2]


@composite("loggamma")
def _loggamma(key: ArrayLike, a: Array, shape: Shape, dtype: DType) -> Array:
    keys = split(key)
    # Below 1 one more is drawn and scaled by a power of a uniform number, in logarithms.
    small = gnp.less(a, 1)
    raised = gnp.where(small, gnp.add(a, 1), a)
    v = _marsaglia_tsang(get(keys, 0), lax.stop_gradient(raised), shape, dtype)
    logarithm = gnp.add(gnp.log(gnp.subtract(raised, 1 / 3)), gnp.log(v))
    found = moving(lax.stop_gradient(logarithm), stretched(raised, shape))
    drawn = gnp.log1p(gnp.negative(uniform(get(keys, 1), shape, dtype)))
    share = gnp.divide(drawn, gnp.where(small, a, 1))
    return gnp.add(found, gnp.where(small, share, 0))


def loggamma(
    key: ArrayLike, a: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike = F32
) -> Array:
    """Logarithms of numbers of the gamma distribution, exact where these underflow."""
    wanted = float_type(dtype, "loggamma")
    sizes = common_shape(shape, "loggamma", a)
    return _loggamma(key, gnp.asarray(a, wanted), sizes, wanted)


def gamma(
    key: ArrayLike, a: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike = F32
) -> Array:
    """Numbers of the gamma distribution with shape parameter `a` and scale 1.

    >>> from graphc import random
    >>> bool(gamma(random.key(0), 2.5) > 0)
    True
    """
    return gnp.exp(loggamma(key, a, shape, dtype))


def beta(
    key: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    shape: ShapeLike | None = None,
    dtype: DTypeLike = F32,
) -> Array:
    """Numbers of the beta distribution: the share of one gamma number in the sum of two."""
    sizes, keys = common_shape(shape, "beta", a, b), split(key)
    one, two = loggamma(get(keys, 0), a, sizes, dtype), loggamma(get(keys, 1), b, sizes, dtype)
    return gnp.sigmoid(gnp.subtract(one, two))


def dirichlet(
    key: ArrayLike, alpha: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike = F32
) -> Array:
    """Shares that sum to 1 along a last axis, with the concentrations `alpha`.

    Raises:
        ShapeError: `alpha` has no axis.
    """
    own = shape_of(alpha)
    if not own:
        fail(ShapeError, f"dirichlet: got alpha of shape {text_of(own)}, expected an axis or more")
    lead = own[:-1] if shape is None else shape_from(shape, "dirichlet")
    drawn = loggamma(key, alpha, (*lead, own[-1]), dtype)
    shares = gnp.exp(gnp.subtract(drawn, gnp.max(drawn, -1, keepdims=True)))
    return gnp.divide(shares, gnp.sum(shares, -1, keepdims=True))


def chisquare(
    key: ArrayLike, df: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike = F32
) -> Array:
    """Numbers of the chi-square distribution with `df` degrees of freedom."""
    half = gnp.multiply(gnp.asarray(df, float_type(dtype, "chisquare")), 0.5)
    return gnp.multiply(gamma(key, half, shape, dtype), 2)


def f(
    key: ArrayLike,
    dfnum: ArrayLike,
    dfden: ArrayLike,
    shape: ShapeLike | None = None,
    dtype: DTypeLike = F32,
) -> Array:
    """Numbers of the F distribution: the quotient of two chi-square numbers per degree."""
    sizes, keys = common_shape(shape, "f", dfnum, dfden), split(key)
    top, bottom = (
        gnp.divide(chisquare(get(keys, i), df, sizes, dtype), gnp.asarray(df, dtype))
        for i, df in enumerate((dfnum, dfden))
    )
    return gnp.divide(top, bottom)


def t(key: ArrayLike, df: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike = F32) -> Array:
    """Numbers of Student's t distribution with `df` degrees of freedom."""
    wanted = float_type(dtype, "t")
    sizes = common_shape(shape if shape != () else None, "t", df)
    keys = split(key)
    half = gnp.multiply(gnp.asarray(df, wanted), 0.5)
    scale = gnp.sqrt(gnp.divide(half, gamma(get(keys, 1), half, sizes, wanted)))
    return gnp.multiply(normal(get(keys, 0), sizes, wanted), scale)


def generalized_normal(
    key: ArrayLike, p: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike = F32
) -> Array:
    """Numbers whose density is proportional to exp(-|x|**p)."""
    wanted = float_type(dtype, "generalized_normal")
    sizes = common_shape(shape if shape != () else None, "generalized_normal", p)
    keys, inverse = split(key), gnp.divide(1, gnp.asarray(p, wanted))
    size = gamma(get(keys, 0), inverse, sizes, wanted)
    sign = gnp.where(gnp.less(uniform(get(keys, 1), sizes), 0.5), -1, 1)
    return gnp.multiply(sign, gnp.pow(size, inverse))
