"""Control flow on traced values, with JAX's names and argument order."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from graphc import tree
from graphc.api.arguments import require_callable
from graphc.api.jit import jit
from graphc.api.leaves import lifted
from graphc.api.regions import (
    Body,
    as_tuple,
    captured,
    lifted_all,
    operands_of,
    same_tree,
    same_types,
    tell_too,
    token_before,
    traced,
    without_token,
)
from graphc.ir.dims import Dim
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from graphc.ir.graph import Graph
from graphc.ir.places import user_place, written_at
from graphc.ir.types import BOOL, I32, TensorType, tensor
from graphc.numpy.promotion import Kind, join
from graphc.ops import control
from graphc.ops.elementwise import convert
from graphc.ops.elementwise import max as maximum
from graphc.ops.elementwise import min as minimum
from graphc.ops.split import between
from graphc.trace import bind, current_frame, lift_constant
from graphc.tree import Structure, Tree

Function = Callable[..., Tree]


def _settled(leaves: Sequence[Tree], types: Sequence[TensorType]) -> list[Tree]:
    """A loop's initial values, weak ones in the type that the body gives them."""
    settled = []
    for leaf, type_ in zip(leaves, types, strict=True):
        joined = join(Kind(leaf.type.dtype, leaf.weak), Kind(type_.dtype)).dtype
        change = leaf.weak and leaf.type.shape == type_.shape and joined is type_.dtype
        same = leaf.type == type_
        settled.append(bind(convert, leaf, dtype=type_.dtype) if change and not same else leaf)
    return settled


def _still_weak(results: Sequence[Tree], start: Sequence[Tree], body: Body) -> Sequence[Tree]:
    """A loop's results, of which those are weak that begin so and stay so."""
    for result, leaf, weak in zip(results, start, body.weak, strict=False):
        result.weak = leaf.weak and weak
    return results


def while_loop(
    cond_fun: Function, body_fun: Function, init_val: Tree, *, tape_bytes: int | None = None
) -> Tree:
    """Apply `body_fun` to a value while `cond_fun` of it is true.

    It has gradients, too: reverse mode keeps some steps on a tape of fixed size and runs the loop
    again between them. `tape_bytes` bounds the tape (at least 4 steps; by default up to 256 steps
    and 64 MB, but no less than 8 steps); the fewer steps it holds, the oftener each is run:
    `r` times in a loop of C(s + r, s) steps with `s` free. A loop that only accumulates needs none.

    >>> import graphc as gc
    >>> int(gc.while_loop(lambda n: n < 100, lambda n: n * 2, 3))
    192
    >>> float(gc.grad(lambda x: gc.while_loop(lambda v: v < 50, lambda v: v * v, x))(3.0))
    108.0

    Raises:
        ShapeError, ArgumentError: the body gives another type or structure than it takes.
        DtypeError: the condition gives no bool scalar.
        ArgumentError: `tape_bytes` is no positive int, or a gradient needs more.
    """
    if tape_bytes is not None and (type(tape_bytes) is not int or tape_bytes < 1):
        raise ArgumentError(
            f"tape_bytes: got {tape_bytes!r}, expected a positive int{written_at(user_place())}"
        )
    if current_frame() is None:
        return jit(lambda value: while_loop(cond_fun, body_fun, value, tape_bytes=tape_bytes))(
            init_val
        )
    require_callable("while_loop", cond_fun, body_fun)
    return _while_loop(cond_fun, body_fun, init_val, tape_bytes or 0)


def _while_loop(cond_fun: Function, body_fun: Function, init_val: Tree, tape_bytes: int) -> Tree:
    """The same inside a trace."""
    leaves, structure = tree.flatten(init_val)
    leaves = lifted_all("the initial value of while_loop", leaves)
    body = traced("while_loop", body_fun, leaves, structure)
    same_tree("while_loop", body.structure, structure)
    if any(leaf.weak for leaf in leaves):
        leaves = _settled(leaves, body.types)
        body = traced("while_loop", body_fun, leaves, structure)
    same_types("while_loop", body.types, [leaf.type for leaf in leaves])
    condition = traced("while_loop", cond_fun, leaves, structure)
    if condition.types != [tensor(BOOL, ())]:
        got = ", ".join(map(str, condition.types))
        raise DtypeError(
            f"while_loop: got a condition that gives ({got}), expected bool[]"
            f"{written_at(user_place())}"
        )
    if condition.region.tells:  # once per time it is asked: it moves to the end of the body

        def turn(state: Tree) -> Tree:
            value = body_fun(state[1])
            return cond_fun(value), value

        start = (cond_fun(init_val), init_val)
        return _while_loop(lambda state: state[0], turn, start, tape_bytes)[1]
    outside, tells = captured(condition.region, body.region), body.region.tells
    asked = condition.region.close(outside, tells=tells)
    bound = bind(
        control.while_,
        *operands_of(outside),
        *leaves,
        *token_before(tells),
        condition=replace(asked, outputs=asked.outputs[:1]),
        body=body.region.close(outside, tells=tells),
        invariant=len(outside),
        tape_bytes=tape_bytes,
    )
    found = without_token(as_tuple(bound), tells)
    return tree.unflatten(structure, _still_weak(found, leaves, body))


def fori_loop(
    lower: Tree,
    upper: Tree,
    body_fun: Function,
    init_val: Tree,
    *,
    tape_bytes: int | None = None,
) -> Tree:
    """Apply `body_fun(i, value)` for each `i` from `lower` to before `upper`.

    With plain ints as bounds it is a `scan`, whose gradient keeps every step; otherwise a
    `while_loop`, with its `tape_bytes`.

    >>> import graphc as gc
    >>> int(gc.fori_loop(0, 5, lambda i, total: total + i, 0))
    10
    """
    if current_frame() is None and not (isinstance(lower, int) and isinstance(upper, int)):
        run = jit(lambda a, b, v: fori_loop(a, b, body_fun, v, tape_bytes=tape_bytes))
        return run(lower, upper, init_val)

    def step(state: Tree) -> Tree:
        return state[0] + 1, body_fun(state[0], state[1])

    if isinstance(lower, int) and isinstance(upper, int):
        start = lift_constant(lower, I32)
        final, _ = scan(
            lambda state, _: (step(state), None), (start, init_val), None, max(upper - lower, 0)
        )
        return final[1]
    start = (lower, init_val)
    return while_loop(lambda state: state[0] < upper, step, start, tape_bytes=tape_bytes)[1]


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
    require_callable("scan", f)
    if current_frame() is None:
        run = jit(lambda c, x: scan(f, c, x, length, reverse))
        carry, ys = run(init, xs)
        return carry, ys
    carry, carry_tree = tree.flatten(init)
    carry = lifted_all("the initial value of scan", carry)
    rows = lifted_all("what scan goes over", tree.leaves(xs))
    steps = _length(rows, length)
    slices = [_Slice(tensor(row.type.dtype, row.type.shape[1:])) for row in rows]
    both = tree.flatten((init, xs))[1]
    body = _scan_body(f, [*carry, *slices], both, carry_tree)
    if any(leaf.weak for leaf in carry):
        carry = _settled(carry, body.types[: len(carry)])
        body = _scan_body(f, [*carry, *slices], both, carry_tree)
    same_types("scan", body.types[: len(carry)], [leaf.type for leaf in carry])
    outside, tells = captured(body.region), body.region.tells
    graph = body.region.close(outside, tells=tells)
    last = len(outside) + len(carry)
    bound = bind(
        control.scan,
        *operands_of(outside),
        *carry,
        *token_before(tells),
        *rows,
        body=_token_carried(graph, last, len(carry)) if tells else graph,
        length=steps,
        invariant=len(outside),
        carried=len(carry) + tells,
        reverse=reverse,
    )
    values = [*as_tuple(bound)]
    if tells:
        token = values.pop(len(carry))
        values = list(without_token([*values, token], tells))
    _still_weak(values, carry, body)
    stacked = tree.unflatten(body.structure.children[1], values[len(carry) :])
    return tree.unflatten(carry_tree, values[: len(carry)]), stacked


def _token_carried(body: Graph, first: int, carried: int) -> Graph:
    """The body of a scan with its token, which came last, behind the carry."""
    *params, token = body.params
    *outputs, told = body.outputs
    sources = (*params[:first], token, *params[first:])
    return between(sources, (*outputs[:carried], told, *outputs[carried:]), (), body.places)


class _Slice:
    """A stand-in for one step's slice: only its type matters."""

    weak = False

    def __init__(self, type_: TensorType) -> None:
        self.type = type_


def _scan_body(f: Function, leaves: Sequence[Tree], both: Structure, carry_tree: Structure) -> Body:
    body = traced("scan", lambda pair: f(*pair), leaves, both)
    out = body.structure
    if out.kind is not tuple or len(out.children) != 2:
        raise ArgumentError(
            f"scan: got a function that gives {out}, expected a tuple of carry and result"
            f"{written_at(user_place())}"
        )
    same_tree("scan", out.children[0], carry_tree)
    return body


def _length(rows: Sequence[Tree], length: int | None) -> int:
    if any(not row.type.rank for row in rows):
        raise ShapeError(
            f"scan: got a scalar to scan over, expected one axis or more{written_at(user_place())}"
        )
    sizes: list[object] = list(dict.fromkeys(row.type.shape[0] for row in rows))
    if length is not None and length not in sizes:
        sizes.append(length)
    if len(sizes) != 1:
        shown = ", ".join(map(str, sizes)) or "none"
        raise ShapeError(f"scan: got lengths {shown}, expected one{written_at(user_place())}")
    (size,) = sizes
    if isinstance(size, Dim):
        raise UnsupportedError(
            f"scan: got the symbolic length {size}, expected an int{written_at(user_place())}"
        )
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ShapeError(
            f"scan: got the length {size!r}, expected an int of 0 or more{written_at(user_place())}"
        )
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
        raise ArgumentError(
            f"switch: got no branches, expected one or more{written_at(user_place())}"
        )
    require_callable("switch", *branches)
    (chosen,) = lifted_all("the index of switch", [index])
    if chosen.type.shape or not chosen.type.dtype.is_integer:
        raise DtypeError(
            f"switch: got an index of {chosen.type}, expected an integer scalar"
            f"{written_at(user_place())}"
        )
    last = np.array(len(branches) - 1, chosen.dtype)
    nearest = bind(minimum, bind(maximum, chosen, np.zeros_like(last)), last)
    return _switch("switch", bind(convert, nearest, dtype=I32), branches, operands)


def _switch(
    name: str, number: Tree, branches: Sequence[Function], operands: tuple[Tree, ...]
) -> Tree:
    leaves, structure = tree.flatten(operands)
    leaves = lifted_all(f"an operand of {name}", leaves)
    functions = [lambda args, b=branch: b(*args) for branch in branches]
    bodies = [traced(name, function, leaves, structure) for function in functions]
    for body in bodies[1:]:
        same_tree(name, body.structure, bodies[0].structure)
    types = _joined(bodies)
    for i, body in enumerate(bodies):
        if body.types != types and any(body.weak):
            bodies[i] = traced(name, _converted(functions[i], types), leaves, structure)
        same_types(name, bodies[i].types, types)
    regions = [body.region for body in bodies]
    outside, tells = captured(*regions), tell_too(*regions)
    bound = bind(
        control.switch,
        number,
        *operands_of(outside),
        *leaves,
        *token_before(tells),
        branches=tuple(region.close(outside, tells=tells) for region in regions),
    )
    return tree.unflatten(bodies[0].structure, without_token(as_tuple(bound), tells))


def _joined(bodies: Sequence[Body]) -> list[TensorType]:
    """The types that the results of all branches yield to, where Python numbers are among them."""
    found = []
    for column in zip(*[zip(body.types, body.weak, strict=True) for body in bodies], strict=True):
        strong = [type_ for type_, weak in column if not weak]
        kind = functools.reduce(join, [Kind(type_.dtype, weak) for type_, weak in column])
        found.append(strong[0] if strong else tensor(kind.dtype, column[0][0].shape))
    return found


def _converted(function: Function, types: Sequence[TensorType]) -> Function:
    """`function`, with weak results in given types."""

    def run(args: Tree) -> Tree:
        values, structure = tree.flatten(function(args))
        results = [lifted(value, "result") for value in values]
        return tree.unflatten(structure, _settled(results, types))

    return run


def cond(pred: Tree, true_fun: Function, false_fun: Function, *operands: Tree) -> Tree:
    """Apply `true_fun` where `pred` is true, else `false_fun`.

    >>> import graphc as gc
    >>> float(gc.cond(True, lambda x: x + 1, lambda x: x - 1, 2.0))
    3.0
    """
    if current_frame() is None:
        return jit(lambda p, args: cond(p, true_fun, false_fun, *args))(pred, operands)
    require_callable("cond", true_fun, false_fun)
    (chosen,) = lifted_all("the condition of cond", [pred])
    if chosen.type.shape:
        raise ShapeError(
            f"cond: got a condition of {chosen.type}, expected a scalar{written_at(user_place())}"
        )
    as_bool = bind(convert, chosen, dtype=BOOL)
    number = bind(convert, as_bool, dtype=I32)
    return _switch("cond", number, [false_fun, true_fun], operands)
