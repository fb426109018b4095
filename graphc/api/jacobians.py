"""Jacobians and Hessians: a linear function of all unit vectors, batched."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import graphc.numpy as gnp
from graphc import tree
from graphc.api.arguments import require_callable
from graphc.api.batching import vmap
from graphc.api.derivatives import linearize, vjp
from graphc.api.gradients import numbers_of, positions_of, require_differentiable
from graphc.api.jit import jit
from graphc.api.leaves import lifted
from graphc.ir.errors import DtypeError
from graphc.ir.places import user_place, written_at
from graphc.ir.types import TensorType, static_shape
from graphc.trace import current_frame
from graphc.tree import Structure, Tree

Function = Callable[..., Tree]


def jacfwd(
    fun: Function,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Function:
    """A function that gives the Jacobian of `fun`, one column after another (forward mode).

    Each leaf of the value becomes a tree like the argument `argnums` (a tuple for several); its
    leaves have the axes of the value, then those of the argument. Arguments must be real, unless
    `holomorphic` promises that they and the value are complex and the complex derivative exists.

    >>> import numpy as np
    >>> import graphc as gc
    >>> gc.jacfwd(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    require_callable("jacfwd", fun)

    def columns(partial: Function, chosen: Sequence[Tree]) -> tuple[Tree, Tree]:
        value, along, aux = linearize(partial, *chosen, has_aux=True)
        leaves, structure = tree.flatten(tuple(chosen))
        types = [lifted(leaf, "an argument of jacfwd").type for leaf in leaves]
        _require("jacfwd", "an argument", types, holomorphic)
        found = _along_basis(lambda unit: along(*tree.unflatten(structure, unit)), types)
        outputs, out_tree = tree.flatten(value)
        blocks = [
            [
                gnp.reshape(gnp.moveaxis(column[k], 0, -1), output.shape + type_.shape)
                for column, type_ in zip(found, types, strict=True)
            ]
            for k, output in enumerate(outputs)
        ]
        return _nested(out_tree, structure, blocks, argnums), aux

    return _jacobian(fun, argnums, has_aux, columns)


def jacrev(
    fun: Function,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Function:
    """A function that gives the Jacobian of `fun`, one row after another (reverse mode).

    See `jacfwd`, which gives the same and is better where the value is larger than the argument.
    Values must be real, unless `holomorphic` is set; by complex arguments see `value_and_grad`.

    >>> import numpy as np
    >>> import graphc as gc
    >>> gc.jacrev(lambda x: x[0] * x[1])(np.array([3.0, 4.0]))
    array([4., 3.])
    """
    require_callable("jacrev", fun)

    def rows(partial: Function, chosen: Sequence[Tree]) -> tuple[Tree, Tree]:
        value, pull, aux = vjp(partial, *chosen, has_aux=True)
        outputs, out_tree = tree.flatten(value)
        types = [output.type for output in outputs]
        _require("jacrev", "a value", types, holomorphic)
        found = _along_basis(lambda unit: pull(tree.unflatten(out_tree, unit)), types)
        leaves, structure = tree.flatten(tuple(chosen))
        for leaf in leaves:
            own = lifted(leaf, "an argument of jacrev").type
            require_differentiable("jacrev", "an argument", own, holomorphic)
        shapes = [lifted(leaf, "an argument of jacrev").shape for leaf in leaves]
        blocks = [
            [
                gnp.reshape(part, type_.shape + shape)
                for part, shape in zip(row, shapes, strict=True)
            ]
            for row, type_ in zip(found, types, strict=True)
        ]
        return _nested(out_tree, structure, blocks, argnums), aux

    return _jacobian(fun, argnums, has_aux, rows)


def hessian(
    fun: Function,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Function:
    """A function that gives the second derivatives of `fun`, forward over reverse.

    >>> import numpy as np
    >>> import graphc as gc
    >>> gc.hessian(lambda x: x[0] * x[1] ** 2)(np.array([1.0, 3.0]))
    array([[0., 6.],
           [6., 2.]])
    """
    reverse = jacrev(fun, argnums, has_aux, holomorphic)
    return jacfwd(reverse, argnums, has_aux, holomorphic)


def _require(name: str, what: str, types: Sequence[TensorType], holomorphic: bool) -> None:
    for type_ in types:
        if type_.dtype.is_complex and not holomorphic:
            raise DtypeError(
                f"{name}: got {what} of {type_}, expected floats (holomorphic=True where the "
                f"complex derivative exists){written_at(user_place())}"
            )
        if holomorphic:
            require_differentiable(name, what, type_, holomorphic)


def _along_basis(linear: Function, types: Sequence[TensorType]) -> list[list[Tree]]:
    """Per leaf of the argument, the leaves of `linear` at its unit vectors, stacked."""
    found = []
    for place, type_ in enumerate(types):
        shape = static_shape(type_.shape)
        count = math.prod(shape)
        units = gnp.reshape(gnp.eye(count, dtype=type_.dtype.numpy), (count, *shape))

        def along(unit: Tree, place: int = place) -> list[Tree]:
            leaves = [gnp.zeros(other.shape, other.dtype.numpy) for other in types]
            leaves[place] = unit
            return tree.leaves(linear(leaves))

        found.append(vmap(along)(units))
    return found


def _nested(
    out_tree: Structure,
    structure: Structure,
    blocks: Sequence[Sequence[Tree]],
    argnums: int | Sequence[int],
) -> Tree:
    """A tree of trees; the inner one belongs to one argument, or to a tuple of several."""
    inner = [tree.unflatten(structure, block) for block in blocks]
    return tree.unflatten(out_tree, [one[0] if isinstance(argnums, int) else one for one in inner])


def _jacobian(
    fun: Function,
    argnums: int | Sequence[int],
    has_aux: bool,
    jacobian: Callable[[Function, Sequence[Tree]], tuple[Tree, Tree]],
) -> Function:
    numbers = numbers_of(argnums)

    @functools.wraps(fun)
    def both(*args: Tree, **kwargs: Tree) -> Tree:
        if current_frame() is None:
            return compiled(*args, **kwargs)
        positions = positions_of(numbers, len(args))

        def partial(*chosen: Tree) -> Tree:
            new = list(args)
            for position, value in zip(positions, chosen, strict=True):
                new[position] = value
            result = fun(*new, **kwargs)
            return result if has_aux else (result, None)

        found, aux = jacobian(partial, [args[position] for position in positions])
        return (found, aux) if has_aux else found

    compiled = jit(both)
    return both
