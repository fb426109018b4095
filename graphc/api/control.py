"""Control flow on traced values, with JAX's names and argument order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc import tree
from graphc.api.jit import jit
from graphc.api.staged import wrap
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError
from graphc.ir.node import Node
from graphc.ir.places import user_place, written_at
from graphc.ir.types import BOOL, I32, TensorType, tensor
from graphc.ops import control
from graphc.ops.elementwise import convert
from graphc.trace import Region, bind, current_frame, lift_constant, trace_region
from graphc.tree import Structure, Tree

Function = Callable[..., Tree]


def _lifted(leaves: Sequence[Tree]) -> list[Tree]:
    return [leaf if hasattr(leaf, "node") else lift_constant(leaf) for leaf in leaves]


def _weak(leaf: Tree) -> bool:
    return bool(leaf.weak) or isinstance(leaf, bool)


def _region(
    function: Function, leaves: Sequence[Tree], structure: Structure
) -> tuple[Region, Structure]:
    """`function` of one tree, traced; with the structure of what it returns."""
    found: list[Structure] = []

    def run(*tracers: Tree) -> Sequence[object]:
        values, out = tree.flatten(function(tree.unflatten(structure, tracers)))
        found.append(out)
        return values

    return trace_region(run, [leaf.type for leaf in leaves], wrap), found[0]


def _captured(*regions: Region) -> list[Node]:
    """What several regions read from outside, each once."""
    return list(dict.fromkeys(node for region in regions for node in region.captured))


def _operands(nodes: Sequence[Node]) -> list[Tree]:
    frame = current_frame()
    assert frame is not None
    return [frame.wrap(node, frame) for node in nodes]


def _as_tuple(bound: Tree) -> tuple[Tree, ...]:
    return bound if isinstance(bound, tuple) else (bound,)


def _same(name: str, got: Sequence[TensorType], expected: Sequence[TensorType]) -> None:
    if list(got) != list(expected):
        shown = [", ".join(map(str, types)) for types in (got, expected)]
        raise ShapeError(
            f"{name}: the function gives ({shown[0]}), expected ({shown[1]})"
            f"{written_at(user_place())}"
        )


def _same_tree(name: str, got: Structure, expected: Structure) -> None:
    if got != expected:
        raise ArgumentError(
            f"{name}: the function gives the structure {got}, expected {expected}"
            f"{written_at(user_place())}"
        )


def _types(region: Region) -> list[TensorType]:
    return [node.tensor for node in region.outputs]


def _settled(function: Function, leaves: list[Tree], structure: Structure) -> list[Tree]:
    """A loop's initial values, weak ones in the type that the body gives them."""
    if not any(_weak(leaf) for leaf in leaves):
        return leaves
    region, out = _region(function, leaves, structure)
    if out != structure:
        return leaves
    settled = []
    for leaf, type_ in zip(leaves, _types(region), strict=True):
        change = _weak(leaf) and leaf.type != type_ and leaf.type.shape == type_.shape
        settled.append(bind(convert, leaf, dtype=type_.dtype) if change else leaf)
    return settled


def while_loop(cond_fun: Function, body_fun: Function, init_val: Tree) -> Tree:
    """Apply `body_fun` to a value while `cond_fun` of it is true.

    >>> import graphc as gc
    >>> int(gc.while_loop(lambda n: n < 100, lambda n: n * 2, 3))
    192

    Raises:
        ShapeError, ArgumentError: the body gives another type or structure than it takes.
        DtypeError: the condition gives no bool scalar.
    """
    if current_frame() is None:
        return jit(lambda value: while_loop(cond_fun, body_fun, value))(init_val)
    leaves, structure = tree.flatten(init_val)
    leaves = _settled(body_fun, _lifted(leaves), structure)
    condition, _ = _region(cond_fun, leaves, structure)
    body, out = _region(body_fun, leaves, structure)
    _same_tree("while_loop", out, structure)
    _same("while_loop", _types(body), [leaf.type for leaf in leaves])
    if _types(condition) != [tensor(BOOL, ())]:
        got = ", ".join(map(str, _types(condition)))
        raise DtypeError(
            f"while_loop: the condition gives ({got}), expected bool[]{written_at(user_place())}"
        )
    outside = _captured(condition, body)
    bound = bind(
        control.while_,
        *_operands(outside),
        *leaves,
        condition=condition.close(outside),
        body=body.close(outside),
        invariant=len(outside),
    )
    return tree.unflatten(structure, _as_tuple(bound))


def fori_loop(lower: Tree, upper: Tree, body_fun: Function, init_val: Tree) -> Tree:
    """Apply `body_fun(i, value)` for each `i` from `lower` to before `upper`.

    With plain ints as bounds it can be differentiated.

    >>> import graphc as gc
    >>> int(gc.fori_loop(0, 5, lambda i, total: total + i, 0))
    10
    """
    if current_frame() is None and not (isinstance(lower, int) and isinstance(upper, int)):
        return jit(lambda a, b, v: fori_loop(a, b, body_fun, v))(lower, upper, init_val)

    def step(state: Tree) -> Tree:
        return state[0] + 1, body_fun(state[0], state[1])

    if isinstance(lower, int) and isinstance(upper, int):
        start = lift_constant(lower, I32)
        final, _ = scan(
            lambda state, _: (step(state), None), (start, init_val), None, max(upper - lower, 0)
        )
        return final[1]
    return while_loop(lambda state: state[0] < upper, step, (lower, init_val))[1]


def scan(
    f: Function,
    init: Tree,
    xs: Tree = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int = 1,
) -> tuple[Tree, Tree]:
    """Fold `f(carry, x) -> (carry, y)` over the first axis of `xs`; the `y`s come stacked.

    `unroll` is taken for JAX's sake; the compiled loop is native either way.

    >>> import numpy as np
    >>> import graphc as gc
    >>> total, sums = gc.scan(lambda c, x: (c + x, c + x), 0, np.arange(4, dtype=np.int32))
    >>> int(total), sums.tolist()
    (6, [0, 1, 3, 6])

    Raises:
        ShapeError, ArgumentError: axes of different lengths, or a carry that changes its type.
    """
    if current_frame() is None:
        run = jit(lambda c, x: scan(f, c, x, length, reverse))
        carry, ys = run(init, xs)
        return carry, ys
    carry, carry_tree = tree.flatten(init)
    carry, rows = _lifted(carry), _lifted(tree.leaves(xs))
    steps = _length(rows, length)
    slices = [_Slice(tensor(row.type.dtype, row.type.shape[1:])) for row in rows]
    both = tree.flatten((init, xs))[1]
    carry = _settled_carry(f, carry, slices, both, carry_tree)
    region, out = _region(lambda pair: f(*pair), [*carry, *slices], both)
    if out.kind is not tuple or len(out.children) != 2:
        raise ArgumentError(
            f"scan: the function gives {out}, expected a pair of carry and result"
            f"{written_at(user_place())}"
        )
    _same_tree("scan", out.children[0], carry_tree)
    _same("scan", _types(region)[: len(carry)], [leaf.type for leaf in carry])
    outside = _captured(region)
    bound = bind(
        control.scan,
        *_operands(outside),
        *carry,
        *rows,
        body=region.close(outside),
        length=steps,
        invariant=len(outside),
        carried=len(carry),
        reverse=reverse,
    )
    values = _as_tuple(bound)
    stacked = tree.unflatten(out.children[1], values[len(carry) :])
    return tree.unflatten(carry_tree, values[: len(carry)]), stacked


class _Slice:
    """A stand-in for one step's slice: only its type matters."""

    weak = False

    def __init__(self, type_: TensorType) -> None:
        self.type = type_


def _settled_carry(
    f: Function, carry: list[Tree], slices: list[Tree], both: Structure, carry_tree: Structure
) -> list[Tree]:
    if not any(_weak(leaf) for leaf in carry):
        return carry
    region, out = _region(lambda pair: f(*pair), [*carry, *slices], both)
    if out.kind is not tuple or not out.children or out.children[0] != carry_tree:
        return carry
    settled = []
    for leaf, type_ in zip(carry, _types(region), strict=False):
        change = _weak(leaf) and leaf.type != type_ and leaf.type.shape == type_.shape
        settled.append(bind(convert, leaf, dtype=type_.dtype) if change else leaf)
    return settled


def _length(rows: Sequence[Tree], length: int | None) -> int:
    sizes = {row.type.shape[0] for row in rows if row.type.rank}
    if any(not row.type.rank for row in rows):
        raise ShapeError(f"scan: got a scalar to scan over{written_at(user_place())}")
    if length is not None:
        sizes.add(length)
    if len(sizes) != 1:
        shown = ", ".join(sorted(map(str, sizes))) or "none"
        raise ShapeError(f"scan: got lengths {shown}, expected one{written_at(user_place())}")
    (size,) = sizes
    if not isinstance(size, int):
        raise ShapeError(f"scan: got the length {size}, expected an int{written_at(user_place())}")
    return size


def switch(index: Tree, branches: Sequence[Function], *operands: Tree) -> Tree:
    """Apply the branch that `index` chooses; an index outside is moved to the nearest.

    >>> import graphc as gc
    >>> float(gc.switch(1, [lambda x: x, lambda x: -x], 2.0))
    -2.0

    Raises:
        ShapeError, ArgumentError: the branches give different types or structures.
    """
    if current_frame() is None:
        return jit(lambda i, args: switch(i, branches, *args))(index, operands)
    if not branches:
        raise ArgumentError(f"switch: got no branches{written_at(user_place())}")
    leaves, structure = tree.flatten(operands)
    leaves = _lifted(leaves)
    traced = [_region(lambda args, b=branch: b(*args), leaves, structure) for branch in branches]
    regions = [region for region, _ in traced]
    for region, out in traced[1:]:
        _same_tree("switch", out, traced[0][1])
        _same("switch", _types(region), _types(regions[0]))
    (chosen,) = _lifted([index])
    if chosen.type.shape or not chosen.type.dtype.is_integer:
        raise DtypeError(
            f"switch: got an index of {chosen.type}, expected an integer scalar"
            f"{written_at(user_place())}"
        )
    outside = _captured(*regions)
    bound = bind(
        control.switch,
        bind(convert, chosen, dtype=I32),
        *_operands(outside),
        *leaves,
        branches=tuple(region.close(outside) for region in regions),
    )
    return tree.unflatten(traced[0][1], _as_tuple(bound))


def cond(pred: Tree, true_fun: Function, false_fun: Function, *operands: Tree) -> Tree:
    """Apply `true_fun` where `pred` is true, else `false_fun`.

    >>> import graphc as gc
    >>> float(gc.cond(True, lambda x: x + 1, lambda x: x - 1, 2.0))
    3.0
    """
    if current_frame() is None:
        return jit(lambda p, args: cond(p, true_fun, false_fun, *args))(pred, operands)
    (chosen,) = _lifted([pred])
    if chosen.type.shape:
        raise ShapeError(
            f"cond: got a condition of {chosen.type}, expected a scalar{written_at(user_place())}"
        )
    as_bool = bind(convert, chosen, dtype=BOOL)
    number = bind(convert, as_bool, dtype=I32)
    return switch(number, [false_fun, true_fun], *operands)
