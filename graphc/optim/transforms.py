"""The parts that optimisers are chained from: each scales, clips or remembers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import graphc.numpy as gnp
from graphc import tree
from graphc.ir.errors import ArgumentError
from graphc.numpy.array import Array
from graphc.numpy.promotion import ArrayLike, DTypeLike, kind_of
from graphc.optim.base import (
    GradientTransformation,
    Params,
    State,
    global_norm,
    identity,
    stateless,
)
from graphc.optim.schedules import Schedule

MOST_STEPS = 2**31 - 1


class ScaleByScheduleState(NamedTuple):
    """How many updates there were."""

    count: Array  # type: ignore[assignment]  # optax's name; a tuple's method is lost


class TraceState(NamedTuple):
    """The decaying sum of past updates."""

    trace: Params


class ScaleByAdamState(NamedTuple):
    """How many updates there were, and the decaying means of gradients and of their squares."""

    count: Array  # type: ignore[assignment]  # optax's name; a tuple's method is lost
    mu: Params
    nu: Params


class ScaleByRmsState(NamedTuple):
    """The decaying mean of squared gradients."""

    nu: Params


class ScaleByRssState(NamedTuple):
    """The sum of squared gradients."""

    sum_of_squares: Params


def zeros_like(params: Params, dtype: DTypeLike | None = None) -> Params:
    """A tree of zeros."""
    return tree.map(lambda p: gnp.zeros_like(p, dtype), params)


def counted(count: ArrayLike) -> Array:
    """One more, and no more where it would overflow."""
    return gnp.where(gnp.less(count, MOST_STEPS), gnp.add(count, 1), count)


def scale(step_size: ArrayLike) -> GradientTransformation:
    """Updates times a number."""
    return stateless(lambda updates, params: tree.map(lambda u: _times(u, step_size), updates))


def _times(update: ArrayLike, factor: ArrayLike) -> Array:
    """A product in the update's own element type."""
    return gnp.multiply(update, gnp.astype(factor, kind_of(update).dtype))


def scale_by_schedule(step_size_fn: Schedule) -> GradientTransformation:
    """Updates times a function of how many there were before."""

    def init(params: Params) -> State:
        return ScaleByScheduleState(gnp.zeros((), "int32"))

    def update(updates: Params, state: State, params: Params = None) -> tuple[Params, State]:
        size = step_size_fn(state.count)
        scaled = tree.map(lambda u: _times(u, size), updates)
        return scaled, ScaleByScheduleState(counted(state.count))

    return GradientTransformation(init, update)


def scale_by_learning_rate(
    learning_rate: ArrayLike | Schedule, flip_sign: bool = True
) -> GradientTransformation:
    """Updates times minus the learning rate, a number or a function of the count of updates."""
    sign = -1 if flip_sign else 1
    if callable(learning_rate):
        schedule: Schedule = learning_rate
        return scale_by_schedule(lambda count: gnp.multiply(schedule(count), sign))
    if isinstance(learning_rate, int | float):
        return scale(sign * learning_rate)
    return scale(gnp.multiply(learning_rate, sign))


def trace(
    decay: float, nesterov: bool = False, accumulator_dtype: DTypeLike | None = None
) -> GradientTransformation:
    """Momentum: the decaying sum of updates.

    With `nesterov`, one step ahead: I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the
    importance of initialization and momentum in deep learning", ICML 2013.
    """

    def init(params: Params) -> State:
        return TraceState(zeros_like(params, accumulator_dtype))

    def update(updates: Params, state: State, params: Params = None) -> tuple[Params, State]:
        def joined(update: ArrayLike, past: ArrayLike) -> Array:
            return gnp.add(update, gnp.multiply(past, decay))

        after = tree.map(joined, updates, state.trace)
        found = tree.map(joined, updates, after) if nesterov else after
        return found, TraceState(_cast(after, accumulator_dtype))

    return GradientTransformation(init, update)


def _cast(values: Params, dtype: DTypeLike | None) -> Params:
    return values if dtype is None else tree.map(lambda v: gnp.astype(v, dtype), values)


def _moment(decay: float, power: int) -> Callable[[ArrayLike, ArrayLike], Array]:
    """The decaying mean of a power, from a gradient and the mean before."""

    def mean(gradient: ArrayLike, past: ArrayLike) -> Array:
        raised = gradient if power == 1 else gnp.square(gradient)
        return gnp.add(gnp.multiply(raised, 1 - decay), gnp.multiply(past, decay))

    return mean


def _unbiased(moment: Params, decay: float, count: ArrayLike) -> Params:
    """A decaying mean that started from zero, divided by the weight it has so far.

    The weight is 1 - decay**count; at first the power is near 1 and the difference would be
    rounding errors.
    """
    rate = math.log(decay) if decay else -math.inf
    weight = gnp.negative(gnp.expm1(gnp.multiply(gnp.astype(count, "float32"), rate)))
    return tree.map(lambda m: gnp.divide(m, gnp.astype(weight, kind_of(m).dtype)), moment)


def scale_by_adam(
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    mu_dtype: DTypeLike | None = None,
) -> GradientTransformation:
    """Mean gradient over root mean squared gradient, both freed of their bias towards zero.

    D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    """

    def init(params: Params) -> State:
        zero = gnp.zeros((), "int32")
        return ScaleByAdamState(zero, zeros_like(params, mu_dtype), zeros_like(params))

    def update(updates: Params, state: State, params: Params = None) -> tuple[Params, State]:
        mu = tree.map(_moment(b1, 1), updates, state.mu)
        nu = tree.map(_moment(b2, 2), updates, state.nu)
        count = counted(state.count)

        def scaled(mean: ArrayLike, square: ArrayLike) -> Array:
            inner = gnp.add(square, eps_root) if eps_root else square
            return gnp.divide(mean, gnp.add(gnp.sqrt(inner), eps))

        moments = _unbiased(mu, b1, count), _unbiased(nu, b2, count)
        return tree.map(scaled, *moments), ScaleByAdamState(count, _cast(mu, mu_dtype), nu)

    return GradientTransformation(init, update)


def scale_by_rms(
    decay: float = 0.9,
    eps: float = 1e-8,
    initial_scale: float = 0.0,
    eps_in_sqrt: bool = True,
) -> GradientTransformation:
    """Gradient over root mean squared gradient.

    T. Tieleman and G. Hinton, "Lecture 6.5: RMSProp", Coursera, 2012.
    """

    def init(params: Params) -> State:
        return ScaleByRmsState(tree.map(lambda p: gnp.full_like(p, initial_scale), params))

    def update(updates: Params, state: State, params: Params = None) -> tuple[Params, State]:
        nu = tree.map(_moment(decay, 2), updates, state.nu)

        def scaled(update: ArrayLike, mean: ArrayLike) -> Array:
            if eps_in_sqrt:
                return gnp.multiply(update, gnp.rsqrt(gnp.add(mean, eps)))
            return gnp.divide(update, gnp.add(gnp.sqrt(mean), eps))

        return tree.map(scaled, updates, nu), ScaleByRmsState(nu)

    return GradientTransformation(init, update)


def scale_by_rss(
    initial_accumulator_value: float = 0.1, eps: float = 1e-7
) -> GradientTransformation:
    """Gradient over the root of the sum of squared gradients.

    J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and
    stochastic optimization", JMLR 12, 2011.
    """

    def init(params: Params) -> State:
        return ScaleByRssState(
            tree.map(lambda p: gnp.full_like(p, initial_accumulator_value), params)
        )

    def update(updates: Params, state: State, params: Params = None) -> tuple[Params, State]:
        sums = tree.map(lambda g, s: gnp.add(gnp.square(g), s), updates, state.sum_of_squares)

        def scaled(update: ArrayLike, total: ArrayLike) -> Array:
            factor = gnp.where(gnp.greater(total, 0), gnp.rsqrt(gnp.add(total, eps)), 0.0)
            return gnp.multiply(update, factor)

        return tree.map(scaled, updates, sums), ScaleByRssState(sums)

    return GradientTransformation(init, update)


def clip(max_delta: ArrayLike) -> GradientTransformation:
    """Every element of the updates moved into -max_delta to max_delta."""
    low = -max_delta if isinstance(max_delta, int | float) else gnp.negative(max_delta)
    return stateless(
        lambda updates, params: tree.map(lambda u: gnp.clip(u, low, max_delta), updates)
    )


def clip_by_global_norm(max_norm: float) -> GradientTransformation:
    """Updates scaled down so that the norm of all elements together is at most `max_norm`.

    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural
    networks", ICML 2013.
    """

    def clipped(updates: Params, params: Params) -> Params:
        norm = global_norm(updates)
        fits = gnp.less(norm, max_norm)

        def shrunk(update: ArrayLike) -> Array:
            dtype = kind_of(update).dtype
            small = gnp.multiply(gnp.divide(update, gnp.astype(norm, dtype)), max_norm)
            return gnp.where(fits, update, small)

        return tree.map(shrunk, updates)

    return stateless(clipped)


def add_decayed_weights(
    weight_decay: float = 0.0, mask: Params | Callable[[Params], Params] | None = None
) -> GradientTransformation:
    """Updates plus parameters times a number, where `mask`, a tree of bools, says so."""

    def added(updates: Params, params: Params) -> Params:
        if params is None:
            raise ArgumentError(
                "weight decay: got no parameters, expected update(gradients, state, params)"
            )
        chosen = mask(params) if callable(mask) else mask
        if chosen is None:
            chosen = tree.map(lambda p: True, params)

        def decayed(update: ArrayLike, param: ArrayLike, decays: bool) -> ArrayLike:
            return gnp.add(update, _times(param, weight_decay)) if decays else update

        return tree.map(decayed, updates, params, chosen)

    return stateless(added) if weight_decay or mask is not None else identity()
