"""A loop of whole arrays for functions that are no operations: until nobody wants to go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from graphc.ops import control
from graphc.trace import Wrap, as_type, bind, trace

if TYPE_CHECKING:
    from graphc.numpy.array import Array


def repeat_while(
    condition: Callable[..., Array],
    body: Callable[..., Sequence[Array]],
    values: Sequence[Array],
    wrap: Wrap,
) -> tuple[Array, ...]:
    """The values after as many applications of `body` as `condition` of them asks for.

    Both see nothing but the values; `body` keeps their types.
    """
    types = [as_type(value) for value in values]
    asked = trace(lambda *now: [condition(*now)], types, wrap)
    step = trace(body, types, wrap)
    found = bind(control.while_, *values, condition=asked, body=step)
    return cast("tuple[Array, ...]", found if isinstance(found, tuple) else (found,))


__all__: list[str] = []
