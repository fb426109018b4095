"""`entry`: mark a function of a model file for the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from graphc.tree import Tree

Function = TypeVar("Function", bound=Callable[..., Tree])
EXAMPLE = "__graphc_example__"


def entry(*example_args: Tree, **options: Tree) -> Callable[[Function], Function]:
    """Mark a function as one that `graphc dump`, `build` and the like can compile.

    `example_args` give the types of its arguments: arrays, trees of arrays or
    `ShapeDtypeStruct`s. Options are those of `jit`.

    >>> import numpy as np
    >>> import graphc as gc
    >>> @gc.entry(np.zeros(3, np.float32))
    ... def double(x):
    ...     return x + x
    >>> double(1)
    2
    """

    def mark(function: Function) -> Function:
        setattr(function, EXAMPLE, (example_args, options))
        return function

    return mark
