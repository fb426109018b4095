"""Composites: functions of other operations that keep their name in the graph.

A reader of the text and a back end see `softmax` as one thing until fusion opens
it, and its meaning is written once, in the same functions that users call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from graphc.ops import control
from graphc.trace import bind, current_frame, trace_region

Function = TypeVar("Function", bound=Callable[..., Any])


def composite(name: str) -> Callable[[Function], Function]:
    """Keep a function as one named operation when it is traced.

    The function takes and gives arrays (one, or a tuple); whatever traced values it reads are
    the operation's operands. Outside a trace it is evaluated at once.

    >>> import numpy as np
    >>> import graphc.numpy as gnp
    >>> @composite("halve")
    ... def halve(x):
    ...     return gnp.multiply(x, 0.5)
    >>> halve(np.ones(2, np.float32))
    array([0.5, 0.5], dtype=float32)
    """

    def named(function: Function) -> Function:
        @functools.wraps(function)
        def call(*arguments: object, **options: object) -> object:
            frame = current_frame()
            if frame is None:
                return function(*arguments, **options)
            several = False

            def flat() -> tuple[object, ...]:
                nonlocal several
                result = function(*arguments, **options)
                several = isinstance(result, tuple)
                return result if isinstance(result, tuple) else (result,)

            region = trace_region(flat, (), frame.wrap)
            operands = [frame.wrap(node, frame) for node in region.captured]
            body = region.close(region.captured)
            bound = bind(control.composite, *operands, name=name, body=body)
            return (bound,) if several and len(body.outputs) == 1 else bound

        return call  # type: ignore[return-value]

    return named


__all__ = ["composite"]
