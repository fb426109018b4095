"""The protocol of optimisers, and what holds whichever optimiser it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple, TypeAlias

import graphc.numpy as gnp
from graphc import tree
from graphc.ir.errors import ArgumentError
from graphc.numpy.array import Array
from graphc.numpy.promotion import kind_of

Params: TypeAlias = Any  # a tree of arrays; gradients and updates have the same structure
State: TypeAlias = Any  # a tree of arrays that the optimiser chooses
Init: TypeAlias = Callable[[Params], State]
Update: TypeAlias = Callable[..., tuple[Params, State]]


class GradientTransformation(NamedTuple):
    """`init(params) -> state`, and `update(updates, state, params=None) -> (updates, state)`."""

    init: Init
    update: Update


class EmptyState(NamedTuple):
    """The state of a transformation that remembers nothing."""


def stateless(function: Callable[[Params, Params], Params]) -> GradientTransformation:
    """The transformation that applies `function(updates, params)`."""

    def init(params: Params) -> State:
        return EmptyState()

    def update(updates: Params, state: State, params: Params = None) -> tuple[Params, State]:
        return function(updates, params), state

    return GradientTransformation(init, update)


def identity() -> GradientTransformation:
    """The transformation that leaves gradients as they are."""
    return stateless(lambda updates, params: updates)


def chain(*args: GradientTransformation) -> GradientTransformation:
    """Transformations one after the other; the state is a tuple of theirs.

    >>> from graphc import optim
    >>> optimizer = optim.chain(optim.clip_by_global_norm(1.0), optim.adam(1e-3))
    """

    def init(params: Params) -> State:
        return tuple(part.init(params) for part in args)

    def update(updates: Params, state: State, params: Params = None) -> tuple[Params, State]:
        if len(state) != len(args):
            raise ArgumentError(
                f"chain: got the states of {len(state)} transformations, expected {len(args)}"
            )
        after = []
        for part, own in zip(args, state, strict=True):
            updates, own = part.update(updates, own, params)
            after.append(own)
        return updates, tuple(after)

    return GradientTransformation(init, update)


def apply_updates(params: Params, updates: Params) -> Params:
    """Parameters plus updates, in the parameters' element types."""
    return tree.map(lambda p, u: gnp.astype(gnp.add(p, u), kind_of(p).dtype), params, updates)


def global_norm(updates: Params) -> Array:
    """The square root of the sum of the squares of all elements of a tree."""
    squares = [gnp.sum(gnp.square(leaf)) for leaf in tree.leaves(updates)]
    return gnp.sqrt(reduce(gnp.add, squares)) if squares else gnp.asarray(0.0)
