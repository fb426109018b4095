"""Derivatives of functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from graphc import tree
from graphc.api.arguments import require_callable
from graphc.api.backend import prepared
from graphc.api.jit import jit
from graphc.api.leaves import lifted
from graphc.api.regions import token_before, without_token
from graphc.api.staged import wrap
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.ir.places import user_place, written_at
from graphc.ir.types import TensorType
from graphc.ops.reverse import joint_graph
from graphc.trace import current_frame, lift_constant, splice, trace_region
from graphc.tree import Structure, Tree

Function = Callable[..., Tree]


def value_and_grad(
    fun: Function,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Function:
    """A function that gives the value of `fun`, a float scalar, and its gradient.

    The gradient has the structure of the argument `argnums` (a tuple for several). With
    `has_aux`, `fun` gives `(value, auxiliary)`, and so does the first result here. By a complex
    `z = x + iy` the gradient of a real value is `df/dx - i df/dy`, as in JAX; `holomorphic`
    promises that value and arguments are complex and that the complex derivative exists.

    >>> import numpy as np
    >>> import graphc as gc
    >>> import graphc.numpy as gnp
    >>> value, slope = gc.value_and_grad(lambda x: gnp.sum(x**2))(np.ones(2, np.float32))
    >>> float(value), slope.tolist()
    (2.0, [2.0, 2.0])

    Raises:
        ShapeError: the value is no scalar.
        DtypeError: the value, or an argument to differentiate by, is not of floats.
        UnsupportedError: an operation on the way has no derivative.
    """
    require_callable("grad", fun)
    numbers = numbers_of(argnums)

    @functools.wraps(fun)
    def both(*args: Tree, **kwargs: Tree) -> Tree:
        if current_frame() is None:
            return compiled(*args, **kwargs)
        positions = positions_of(numbers, len(args))
        value, aux, gradients = _differentiate(fun, args, kwargs, positions, has_aux, holomorphic)
        found = gradients[0] if isinstance(argnums, int) else tuple(gradients)
        return ((value, aux) if has_aux else value), found

    compiled = jit(both)
    return both


def grad(
    fun: Function,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Function:
    """A function that gives the gradient of `fun`, a float scalar; see `value_and_grad`.

    >>> import graphc as gc
    >>> float(gc.grad(lambda x: x**3)(2.0))
    12.0
    >>> complex(gc.grad(lambda z: z**3, holomorphic=True)(2j))
    (-12+0j)
    """
    both = value_and_grad(fun, argnums, has_aux, holomorphic)

    @functools.wraps(fun)
    def gradient(*args: Tree, **kwargs: Tree) -> Tree:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def numbers_of(argnums: int | Sequence[int]) -> tuple[int, ...]:
    """The arguments to differentiate by, one or several, as a tuple."""
    listed: object = (argnums,) if isinstance(argnums, int) else argnums
    if not isinstance(listed, tuple | list) or any(type(number) is not int for number in listed):
        raise ArgumentError(
            f"argnums: got {argnums!r}, expected an int or several{written_at(user_place())}"
        )
    return tuple(listed)


def positions_of(numbers: Sequence[int], count: int) -> list[int]:
    """The places of `numbers`, negative ones from the end, among `count` arguments."""
    for number in numbers:
        if not -count <= number < count:
            raise ArgumentError(
                f"argnums: got {number}, expected the place of one of the {count} arguments that "
                f"are given by position{written_at(user_place())}"
            )
    positions = [number % count for number in numbers]
    if len(set(positions)) < len(positions):
        raise ArgumentError(
            f"argnums: got {tuple(numbers)}, expected each once{written_at(user_place())}"
        )
    return positions


def _differentiate(
    fun: Function,
    args: Sequence[Tree],
    kwargs: dict[str, Tree],
    positions: Sequence[int],
    has_aux: bool,
    holomorphic: bool,
) -> tuple[Tree, Tree, list[Tree]]:
    """The value, the auxiliary result and the gradients, inside a trace."""
    parts = [tree.flatten(args[p]) for p in positions]
    leaves = [leaf for own, _ in parts for leaf in own]
    traced = [lifted(leaf, "an argument of grad") for leaf in leaves]
    for leaf in traced:
        require_differentiable("grad", "an argument", leaf.type, holomorphic)
    shapes: list[Structure] = []

    def run(*tracers: Tree) -> Sequence[object]:
        rest = iter(tracers)
        new = list(args)
        for position, (own, structure) in zip(positions, parts, strict=True):
            new[position] = tree.unflatten(structure, [next(rest) for _ in own])
        result = fun(*new, **kwargs)
        value, aux = _value_and_aux(result, has_aux)
        extra, structure = tree.flatten(aux)
        shapes.append(structure)
        return [value, *[lifted(leaf, "the auxiliary result of grad") for leaf in extra]]

    region = trace_region(run, [leaf.type for leaf in traced], wrap)
    captured, tells = region.captured, region.tells
    graph = prepared(region.close(captured, tells=tells))
    _require_scalar(graph.output_types[0], holomorphic)
    wrt = range(len(captured), len(captured) + len(traced))
    joint = joint_graph(graph, wrt, [0])
    one = lift_constant(1, graph.output_types[0].dtype)
    frame = current_frame()
    assert frame is not None
    outside = [frame.wrap(node, frame) for node in captured]
    found = splice(joint, [*outside, *traced, *token_before(tells), one])
    count = len(graph.outputs)
    value, *own = without_token(found[:count], tells)
    aux = tree.unflatten(shapes[0], own)
    slopes = iter(found[count:])
    gradients = [tree.unflatten(s, [next(slopes) for _ in own]) for own, s in parts]
    return value, aux, gradients


def _value_and_aux(result: Tree, has_aux: bool) -> tuple[Tree, Tree]:
    """What a function to differentiate gives, taken apart."""
    structure = tree.structure(result)
    if has_aux:
        if structure.kind is not tuple or len(structure.children) != 2:
            raise ArgumentError(
                f"grad: got a function that gives {structure}, expected a tuple of the value and "
                f"the auxiliary result, for has_aux is set{written_at(user_place())}"
            )
        value, aux = result
        structure = structure.children[0]
    else:
        value, aux = result, None
    if structure.kind is not None:
        raise ArgumentError(
            f"grad: got a function that gives {structure}, expected one scalar (has_aux=True for "
            f"one that gives more){written_at(user_place())}"
        )
    return lifted(value, "the value of grad's function"), aux


def require_differentiable(name: str, what: str, type_: TensorType, holomorphic: bool) -> None:
    """Raise unless elements have derivatives; they must be complex where that is promised."""
    right = type_.dtype.is_complex if holomorphic else type_.dtype.is_inexact
    if not right:
        expected = "complex numbers, for holomorphic is set" if holomorphic else "floats"
        raise DtypeError(
            f"{name}: got {what} of {type_} to differentiate by, expected {expected}"
            f"{written_at(user_place())}"
        )


def _require_scalar(type_: TensorType, holomorphic: bool) -> None:
    if type_.shape:
        raise ShapeError(
            f"grad: got a function that gives {type_}, expected a scalar{written_at(user_place())}"
        )
    right = type_.dtype.is_complex if holomorphic else type_.dtype.is_float
    if not right:
        expected = "a float" + (" (holomorphic=True for one)" if type_.dtype.is_complex else "")
        if holomorphic:
            expected = "a complex number, for holomorphic is set"
        raise DtypeError(
            f"grad: got a function that gives {type_}, expected {expected}"
            f"{written_at(user_place())}"
        )
