"""Functions of trees as graphs: what control flow and derivatives trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from graphc import tree
from graphc.api.leaves import lifted
from graphc.api.staged import wrap
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.ir.node import Node
from graphc.ir.places import user_place, written_at
from graphc.ir.types import TensorType, static_shape
from graphc.trace import Region, current_frame, lift_constant, trace_region
from graphc.tree import Structure, Tree

Function = Callable[..., Tree]


def lifted_all(name: str, leaves: Sequence[Tree]) -> list[Tree]:
    """Leaves as arrays of the trace in progress."""
    return [lifted(leaf, name) for leaf in leaves]


@dataclass(frozen=True)
class Body:
    """A traced function of one tree: its region, what it returns, and which of that is weak."""

    region: Region
    structure: Structure
    weak: tuple[bool, ...]

    @property
    def types(self) -> list[TensorType]:
        """The types of the results."""
        return [node.tensor for node in self.region.outputs]


def traced(name: str, function: Function, leaves: Sequence[Tree], structure: Structure) -> Body:
    """`function` of one tree, traced."""
    found: list[tuple[Structure, tuple[bool, ...]]] = []

    def run(*tracers: Tree) -> Sequence[object]:
        for tracer, leaf in zip(tracers, leaves, strict=True):
            tracer.weak = leaf.weak
        values, out = tree.flatten(function(tree.unflatten(structure, tracers)))
        paths = tree.names(f"the result of {name}'s function", out)
        results = [lifted(value, path) for value, path in zip(values, paths, strict=True)]
        found.append((out, tuple(result.weak for result in results)))
        return results

    region = trace_region(run, [leaf.type for leaf in leaves], wrap)
    return Body(region, *found[0])


def captured(*regions: Region) -> list[Node]:
    """What several regions read from outside, each once."""
    return list(dict.fromkeys(node for region in regions for node in region.captured))


def tell_too(*regions: Region) -> bool:
    """Whether any region prints or checks something."""
    return any(region.tells for region in regions)


def token_before(tells: bool) -> list[Tree]:
    """The token to hand on to a region that tells something, if one does."""
    frame = current_frame()
    assert frame is not None
    return [frame.wrap(frame.token, frame)] * tells


def without_token(results: Sequence[Tree], tells: bool) -> Sequence[Tree]:
    """What a region gave before its token, which becomes that of the trace in progress."""
    if not tells:
        return results
    frame = current_frame()
    assert frame is not None
    frame.told = results[-1].node
    return results[:-1]


def operands_of(nodes: Sequence[Node]) -> list[Tree]:
    """Nodes of the trace in progress as arrays."""
    frame = current_frame()
    assert frame is not None
    return [frame.wrap(node, frame) for node in nodes]


def as_tuple(bound: Tree) -> tuple[Tree, ...]:
    """The results of an operation, one or several."""
    return bound if isinstance(bound, tuple) else (bound,)


def same_types(name: str, got: Sequence[TensorType], expected: Sequence[TensorType]) -> None:
    """Raise unless a function gives the types that are expected."""
    if list(got) != list(expected):
        shown = [", ".join(map(str, types)) for types in (got, expected)]
        shapes = [[type_.shape for type_ in types] for types in (got, expected)]
        kind = DtypeError if shapes[0] == shapes[1] else ShapeError
        raise kind(
            f"{name}: got a function that gives ({shown[0]}), expected ({shown[1]})"
            f"{written_at(user_place())}"
        )


def same_tree(name: str, got: Structure, expected: Structure) -> None:
    """Raise unless a function gives the structure that is expected."""
    if got != expected:
        raise ArgumentError(
            f"{name}: got a function that gives the structure {got}, expected {expected}"
            f"{written_at(user_place())}"
        )


def with_zeros(floats: Sequence[Tree], types: Sequence[TensorType]) -> list[Tree]:
    """Tangents of values of `types` from those of the floats among them."""
    rest = iter(floats)
    return [next(rest) if type_.dtype.is_inexact else _zeros(type_) for type_ in types]


def _zeros(type_: TensorType) -> Tree:
    return lift_constant(np.zeros(static_shape(type_.shape), type_.dtype.numpy))
