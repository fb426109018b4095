"""Distributions that are one formula of uniform or normal numbers, which differentiates.

The formulas invert distribution functions: L. Devroye, "Non-uniform random variate generation",
1986, chapter II.
"""

from __future__ import annotations

import math

import ml_dtypes

import graphc.numpy as gnp
from graphc import lax
from graphc.composites import composite
from graphc.ir.errors import ShapeError
from graphc.ir.types import F32, DType, Shape
from graphc.numpy.array import Array
from graphc.numpy.indexing import get
from graphc.numpy.movement import ShapeLike, shape_from
from graphc.numpy.promotion import (
    ArrayLike,
    DTypeLike,
    broadcast_shapes,
    fail,
    shape_of,
    stretched,
    text_of,
)
from graphc.random.basic import float_type, normal, split, uniform


def _limit(dtype: DType, name: str) -> float:
    return float(getattr(ml_dtypes.finfo(dtype.numpy), name))  # type: ignore[no-untyped-call]


def common_shape(shape: ShapeLike | None, name: str, *parameters: ArrayLike) -> Shape:
    """The shape of a draw: as asked for, or that to which the parameters broadcast.

    Raises:
        ShapeError: parameters that do not broadcast to the shape.
    """
    own = broadcast_shapes(*(shape_of(each) for each in parameters))
    if shape is None:
        return own
    sizes = shape_from(shape, name)
    if broadcast_shapes(own, sizes) != sizes:
        fail(ShapeError, f"{name}: got shape {text_of(sizes)}, expected one that fits {own}")
    return sizes


@composite("exponential")
def exponential(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike = F32) -> Array:
    """Numbers of the exponential distribution with mean 1.

    >>> from graphc import random
    >>> exponential(random.key(0), (2,)).shape
    (2,)
    """
    return gnp.negative(gnp.log1p(gnp.negative(uniform(key, shape, dtype))))


@composite("laplace")
def laplace(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike = F32) -> Array:
    """Numbers of the Laplace distribution with mean 0 and scale 1."""
    wanted = float_type(dtype, "laplace")
    drawn = uniform(key, shape, wanted, -1.0 + _limit(wanted, "epsneg"), 1.0)
    return gnp.multiply(gnp.sign(drawn), gnp.log1p(gnp.negative(gnp.abs(drawn))))


@composite("cauchy")
def cauchy(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike = F32) -> Array:
    """Numbers of the Cauchy distribution with location 0 and scale 1."""
    wanted = float_type(dtype, "cauchy")
    drawn = uniform(key, shape, wanted, _limit(wanted, "eps"), 1.0)
    return gnp.tan(gnp.multiply(gnp.subtract(drawn, 0.5), math.pi))


@composite("logistic")
def logistic(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike = F32) -> Array:
    """Numbers of the logistic distribution with mean 0 and scale 1."""
    wanted = float_type(dtype, "logistic")
    drawn = uniform(key, shape, wanted, _limit(wanted, "eps"), 1.0)
    return gnp.log(gnp.divide(drawn, gnp.subtract(1, drawn)))


@composite("truncated_normal")
def truncated_normal(
    key: ArrayLike,
    lower: ArrayLike,
    upper: ArrayLike,
    shape: ShapeLike | None = None,
    dtype: DTypeLike = F32,
) -> Array:
    """Numbers of the standard normal distribution between `lower` and `upper`.

    >>> from graphc import random
    >>> bool((abs(truncated_normal(random.key(0), -2, 2, (9,))) < 2).all())
    True
    """
    wanted = float_type(dtype, "truncated_normal")
    sizes = common_shape(shape, "truncated_normal", lower, upper)
    low, high = gnp.asarray(lower, wanted), gnp.asarray(upper, wanted)
    ends = (gnp.erf(gnp.divide(end, math.sqrt(2))) for end in (low, high))
    drawn = gnp.multiply(lax.erf_inv(uniform(key, sizes, wanted, *ends)), math.sqrt(2))
    inner = (
        lax.stop_gradient(gnp.nextafter(low, math.inf)),
        lax.stop_gradient(gnp.nextafter(high, -math.inf)),
    )
    return gnp.clip(drawn, *inner)


@composite("rayleigh")
def rayleigh(
    key: ArrayLike, scale: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike = F32
) -> Array:
    """Lengths of vectors of two independent normal numbers of standard deviation `scale`."""
    wanted = float_type(dtype, "rayleigh")
    drawn = uniform(key, common_shape(shape, "rayleigh", scale), wanted)
    root = gnp.sqrt(gnp.multiply(gnp.log1p(gnp.negative(drawn)), -2))
    return gnp.multiply(gnp.asarray(scale, wanted), root)


@composite("weibull_min")
def weibull_min(
    key: ArrayLike,
    scale: ArrayLike,
    concentration: ArrayLike,
    shape: ShapeLike | None = None,
    dtype: DTypeLike = F32,
) -> Array:
    """Numbers of the Weibull distribution."""
    wanted = float_type(dtype, "weibull_min")
    sizes = common_shape(shape, "weibull_min", scale, concentration)
    drawn = gnp.negative(gnp.log1p(gnp.negative(uniform(key, sizes, wanted))))
    power = gnp.pow(drawn, gnp.divide(1, gnp.asarray(concentration, wanted)))
    return gnp.multiply(power, gnp.asarray(scale, wanted))


@composite("pareto")
def pareto(
    key: ArrayLike, b: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike = F32
) -> Array:
    """Numbers of the Pareto distribution with exponent `b`, from 1 on."""
    wanted = float_type(dtype, "pareto")
    drawn = exponential(key, common_shape(shape, "pareto", b), wanted)
    return gnp.exp(gnp.divide(drawn, gnp.asarray(b, wanted)))


@composite("lognormal")
def lognormal(
    key: ArrayLike,
    sigma: ArrayLike = 1.0,
    shape: ShapeLike | None = None,
    dtype: DTypeLike = F32,
) -> Array:
    """Numbers whose logarithms are normal with mean 0 and standard deviation `sigma`."""
    wanted = float_type(dtype, "lognormal")
    drawn = normal(key, common_shape(shape, "lognormal", sigma), wanted)
    return gnp.exp(gnp.multiply(drawn, gnp.asarray(sigma, wanted)))


@composite("maxwell")
def maxwell(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike = F32) -> Array:
    """Lengths of vectors of three independent standard normal numbers."""
    sizes = shape_from(shape, "maxwell")
    drawn = normal(key, (*sizes, 3), float_type(dtype, "maxwell"))
    return gnp.sqrt(gnp.sum(gnp.square(drawn), -1))


def double_sided_maxwell(
    key: ArrayLike,
    loc: ArrayLike,
    scale: ArrayLike,
    shape: ShapeLike = (),
    dtype: DTypeLike = F32,
) -> Array:
    """`loc` and, with either sign, `scale` times a number of the Maxwell distribution."""
    wanted = float_type(dtype, "double_sided_maxwell")
    own = common_shape(None, "double_sided_maxwell", loc, scale)
    sizes = shape_from(shape, "double_sided_maxwell") + own
    keys = split(key)
    sign = gnp.where(gnp.less(uniform(get(keys, 0), sizes), 0.5), -1, 1)
    drawn = gnp.multiply(maxwell(get(keys, 1), sizes, wanted), sign)
    return gnp.add(gnp.multiply(drawn, gnp.asarray(scale, wanted)), gnp.asarray(loc, wanted))


@composite("triangular")
def triangular(
    key: ArrayLike,
    left: ArrayLike,
    mode: ArrayLike,
    right: ArrayLike,
    shape: ShapeLike | None = None,
    dtype: DTypeLike = F32,
) -> Array:
    """Numbers of the triangular distribution from `left` to `right` with the peak at `mode`."""
    wanted = float_type(dtype, "triangular")
    low, peak, high = (gnp.asarray(each, wanted) for each in (left, mode, right))
    drawn = uniform(key, common_shape(shape, "triangular", low, peak, high), wanted)
    width, rise, fall = gnp.subtract(high, low), gnp.subtract(peak, low), gnp.subtract(high, peak)
    rising = gnp.less(drawn, gnp.divide(rise, width))
    part = gnp.where(rising, gnp.multiply(drawn, rise), 1)
    other = gnp.where(rising, 1, gnp.multiply(gnp.subtract(1, drawn), fall))
    up = gnp.add(low, gnp.sqrt(gnp.multiply(part, width)))
    down = gnp.subtract(high, gnp.sqrt(gnp.multiply(other, width)))
    return gnp.where(rising, up, down)


@composite("wald")
def wald(
    key: ArrayLike, mean: ArrayLike, shape: ShapeLike | None = None, dtype: DTypeLike = F32
) -> Array:
    """Numbers of the Wald (inverse Gaussian) distribution with scale 1.

    J. R. Michael, W. R. Schucany and R. W. Haas, "Generating random variates using
    transformations with multiple roots", 1976.
    """
    wanted = float_type(dtype, "wald")
    sizes = common_shape(shape, "wald", mean)
    mu = stretched(gnp.asarray(mean, wanted), sizes)
    keys = split(key)
    y = gnp.square(normal(get(keys, 0), sizes, wanted))
    drawn = uniform(get(keys, 1), sizes, wanted)
    scaled = gnp.multiply(mu, y)
    root = gnp.sqrt(gnp.add(gnp.multiply(4, scaled), gnp.square(scaled)))
    # The smaller root, as a quotient: the difference of nearly equal numbers would be inexact.
    low = gnp.divide(gnp.multiply(2, mu), gnp.add(gnp.add(2, scaled), root))
    chosen = gnp.less_equal(drawn, gnp.divide(mu, gnp.add(mu, low)))
    return gnp.where(chosen, low, gnp.divide(gnp.square(mu), low))
