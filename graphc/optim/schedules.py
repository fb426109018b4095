"""Learning rates as functions of the number of updates so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import graphc.numpy as gnp
from graphc.ir.errors import ArgumentError
from graphc.numpy.array import Array
from graphc.numpy.promotion import ArrayLike

Schedule: TypeAlias = Callable[[ArrayLike], ArrayLike]


def _positive(steps: int, name: str) -> None:
    if steps <= 0:
        raise ArgumentError(f"{name}: got {steps} steps, expected at least 1")


def _share(count: ArrayLike, steps: int) -> Array:
    """How much of `steps` is over, from 0 to 1."""
    bounded = gnp.clip(gnp.astype(count, "float32"), 0.0, float(steps))
    return gnp.multiply(bounded, 1.0 / steps)


def constant_schedule(value: ArrayLike) -> Schedule:
    """The same value always."""
    return lambda count: value


def linear_schedule(
    init_value: float, end_value: float, transition_steps: int, transition_begin: int = 0
) -> Schedule:
    """From one value to another on a straight line.

    >>> float(linear_schedule(0.0, 1.0, 4)(1))
    0.25
    """
    _positive(transition_steps, "linear_schedule")

    def schedule(count: ArrayLike) -> Array:
        gone = _share(gnp.subtract(count, transition_begin), transition_steps)
        return gnp.add(gnp.multiply(gone, end_value - init_value), init_value)

    return schedule


def exponential_decay(
    init_value: float,
    transition_steps: int,
    decay_rate: float,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> Schedule:
    """`init_value * decay_rate ** (count / transition_steps)`, in steps if `staircase`.

    `end_value` bounds it: from below where it falls, from above where it grows.

    >>> float(exponential_decay(1.0, 10, 0.5)(20))
    0.25
    """
    _positive(transition_steps, "exponential_decay")
    bound = gnp.maximum if decay_rate < 1.0 else gnp.minimum

    def schedule(count: ArrayLike) -> Array:
        gone = gnp.maximum(gnp.subtract(count, transition_begin), 0)
        power = gnp.divide(gnp.astype(gone, "float32"), float(transition_steps))
        if staircase:
            power = gnp.floor(power)
        value = gnp.multiply(gnp.pow(decay_rate, power), init_value)
        return value if end_value is None else bound(value, end_value)

    return schedule


def cosine_decay_schedule(
    init_value: float, decay_steps: int, alpha: float = 0.0, exponent: float = 1.0
) -> Schedule:
    """From `init_value` to `alpha * init_value` along half a cosine.

    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.

    >>> float(cosine_decay_schedule(1.0, 10)(10))
    0.0
    """
    _positive(decay_steps, "cosine_decay_schedule")

    def schedule(count: ArrayLike) -> Array:
        angle = gnp.multiply(_share(count, decay_steps), math.pi)
        decayed = gnp.multiply(gnp.add(gnp.cos(angle), 1.0), 0.5)
        if exponent != 1.0:
            decayed = gnp.pow(decayed, exponent)
        if alpha:
            decayed = gnp.add(gnp.multiply(decayed, 1 - alpha), alpha)
        return gnp.multiply(decayed, init_value)

    return schedule


def join_schedules(schedules: Sequence[Schedule], boundaries: Sequence[int]) -> Schedule:
    """One schedule after the other, each counting from the boundary where it begins."""
    if len(schedules) != len(boundaries) + 1:
        raise ArgumentError(
            f"join_schedules: got {len(schedules)} schedules and {len(boundaries)} boundaries, "
            "expected one boundary between each two"
        )

    def schedule(count: ArrayLike) -> ArrayLike:
        value = schedules[0](count)
        for begin, later in zip(boundaries, schedules[1:], strict=True):
            after = later(gnp.subtract(count, begin))
            value = gnp.where(gnp.less(count, begin), value, after)
        return value

    return schedule


def warmup_cosine_decay_schedule(
    init_value: float,
    peak_value: float,
    warmup_steps: int,
    decay_steps: int,
    end_value: float = 0.0,
    exponent: float = 1.0,
) -> Schedule:
    """Up to `peak_value` on a line, then down to `end_value` along half a cosine.

    `decay_steps` counts both parts.
    """
    alpha = 0.0 if peak_value == 0.0 else end_value / peak_value
    down = cosine_decay_schedule(peak_value, decay_steps - warmup_steps, alpha, exponent)
    up = linear_schedule(init_value, peak_value, warmup_steps)
    return join_schedules([up, down], [warmup_steps])
