"""Choice between several arrays, element by element or function by function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.ir.errors import ArgumentError, DtypeError, ShapeError, TraceError
from graphc.ir.types import I32
from graphc.numpy.elementwise import (
    clip,
    equal,
    remainder,
    where,
)
from graphc.numpy.indexing import take
from graphc.numpy.movement import broadcast_arrays, broadcast_to, ravel
from graphc.numpy.promotion import (
    ArrayLike,
    array_of,
    axis_in,
    common,
    converted,
    fail,
    kind_of,
    shape_of,
)
from graphc.trace import is_traced

if TYPE_CHECKING:
    from graphc.numpy.array import Array

__all__ = [
    "choose",
    "compress",
    "piecewise",
    "select",
]


def select(
    condlist: Sequence[ArrayLike], choicelist: Sequence[ArrayLike], default: ArrayLike = 0
) -> Array:
    """Per element, the choice of the first condition that holds, `default` where none does.

    >>> import numpy as np
    >>> x = np.arange(4)
    >>> select([x < 1, x > 2], [x - 10, x * 10], 5)
    array([-10,   5,   5,  30])

    Raises:
        ArgumentError: lists of different lengths, or empty ones.
        DtypeError: conditions that are no bools.
    """
    if len(condlist) != len(choicelist) or not condlist:
        got = f"{len(condlist)} conditions and {len(choicelist)} choices"
        fail(ArgumentError, f"select: got {got}, expected equally many, one or more")
    for condition in condlist:
        if kind_of(condition).dtype.kind != "bool":
            fail(
                DtypeError, f"select: got a condition of {kind_of(condition).dtype}, expected bool"
            )
    dtype = common(*choicelist, default).dtype
    found = converted(default, dtype)
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        found = where(condition, converted(choice, dtype), found)
    return found


def piecewise(
    x: ArrayLike,
    condlist: Sequence[ArrayLike],
    funclist: Sequence[Callable[..., Any] | ArrayLike],
    *args: object,
    **kw: object,
) -> Array:
    """Per element, the function of the last condition that holds, or the one more, or 0.

    Each function sees all elements. Where its derivative is not finite on elements it is not
    taken for, so is the derivative of the whole: give it harmless elements there.

    >>> import numpy as np
    >>> piecewise(np.array([-1.0, 2.0]), [np.array([True, False])], [0.0, lambda x: x * x])
    array([0., 4.])

    Raises:
        ArgumentError: functions other than one per condition, or one more.
    """
    x = array_of(x)
    functions = list(funclist)
    if len(functions) == len(condlist) + 1:
        others: Callable[..., Any] | ArrayLike = functions.pop()
    elif len(functions) == len(condlist):
        others = 0
    else:
        got = f"{len(functions)} functions for {len(condlist)} conditions"
        fail(ArgumentError, f"piecewise: got {got}, expected as many or one more")

    def value(function: Callable[..., Any] | ArrayLike) -> Array:
        found = function(x, *args, **kw) if callable(function) else function
        return converted(found, kind_of(x).dtype)

    result = broadcast_to(value(others), shape_of(x))
    for condition, function in zip(condlist, functions, strict=True):
        result = where(condition, value(function), result)
    return result


def choose(a: ArrayLike, choices: Sequence[ArrayLike], mode: str = "raise") -> Array:
    """Per element of `a`, the element of the choice with that number; `mode` "wrap" or "clip".

    Raises:
        DtypeError: no integers.
        TraceError: mode "raise", which needs to know the numbers, of a traced array.
        ArgumentError: no choices, or another mode.
    """
    if not kind_of(a).dtype.is_integer:
        fail(DtypeError, f"choose: got {kind_of(a).dtype}, expected integers")
    if not choices or mode not in ("raise", "wrap", "clip"):
        got = f"{len(choices)} choices and mode {mode!r}"
        fail(ArgumentError, f"choose: got {got}, expected choices, and raise, wrap or clip")
    count = len(choices)
    if mode == "raise":
        if is_traced(a):
            fail(TraceError, "choose: got a traced array and mode 'raise', expected wrap or clip")
        known = np.asarray(a)
        if ((known < 0) | (known >= count)).any():
            fail(ShapeError, f"choose: got a number outside, expected 0 to {count - 1}")
    number = converted(clip(a, 0, count - 1) if mode != "wrap" else remainder(a, count), I32)
    number, *arrays = broadcast_arrays(number, *choices)
    dtype = common(*arrays).dtype
    found = converted(arrays[0], dtype)
    for i, array in enumerate(arrays[1:], 1):
        found = where(equal(number, i), converted(array, dtype), found)
    return found


def compress(condition: ArrayLike, x: ArrayLike, axis: int | None = None) -> Array:
    """The slices along `axis` for which a known vector of bools holds.

    Raises:
        TraceError: a traced condition, whose result would have a shape that depends on data.
    """
    if is_traced(condition):
        fail(TraceError, "compress: got a traced condition, expected a known one: use where")
    if axis is None:
        return compress(condition, ravel(x), 0)
    along = axis_in(axis, len(shape_of(x)), "compress")
    kept = np.flatnonzero(np.asarray(condition)).astype(np.int32)
    return take(x, kept, along)
