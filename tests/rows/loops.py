"""Programs with loops, branches and groups, made by hand for what is awkward about their memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.graph import Graph
from graphc.ir.node import Node, make
from graphc.ir.types import I32, TensorType, tensor, type_of
from graphc.ops import ROWS, contraction, effects, indexing, leaf, movement
from graphc.ops import elementwise as e
from graphc.ops.build import expand_axes, like, splat
from graphc.ops.control import composite, parameters, results, scan, switch, while_
from graphc.ops.duals import reduce_sum

Body = Callable[..., Sequence[Node]]
V = tensor("f32", (6,))
M = tensor("f32", (3, 3))
COUNT = tensor("i32", ())


@dataclass(frozen=True, eq=False)
class Looped:
    """A program, its arguments, which of them are donated, and whether it has a derivative.

    Loops without one in reverse may have `tangents`.
    """

    name: str
    graph: Graph
    arrays: tuple[np.ndarray, ...]
    donated: tuple[int, ...] = ()
    smooth: bool = True
    tangents: bool = True

    def __str__(self) -> str:
        return self.name


def graph(types: Sequence[TensorType], body: Body) -> Graph:
    """A graph of a function of nodes."""
    params = parameters(tuple(types))
    return Graph(params, tuple(body(*params)))


def arrays_for(types: Sequence[TensorType], seed: int = 0) -> tuple[np.ndarray, ...]:
    """Small floats, and whole numbers 0 to 2."""
    random = np.random.default_rng(seed)
    shapes = [tuple(int(str(size)) for size in type_.shape) for type_ in types]
    return tuple(
        np.asarray(random.uniform(-1, 1, shape)).astype(type_.dtype.numpy)
        if type_.dtype.is_float
        else np.asarray(random.integers(0, 3, shape)).astype(type_.dtype.numpy)
        for type_, shape in zip(types, shapes, strict=True)
    )


def made(
    name: str,
    types: Sequence[TensorType],
    body: Body,
    *,
    donated: Sequence[int] = (),
    smooth: bool = True,
) -> Looped:
    return Looped(name, graph(types, body), arrays_for(types), tuple(donated), smooth)


def stacked(length: int, type_: TensorType = V) -> TensorType:
    return tensor(type_.dtype, (length, *type_.shape))


def total(x: Node) -> Node:
    """The sum of a vector in each of its places."""
    return expand_axes(reduce_sum(x, axes=(0,)), x.tensor.shape, (0,))


def small(x: Node) -> Node:
    return e.mul(x, like(x, 0.25))


def scanning(
    body: Body,
    types: Sequence[TensorType],
    length: int,
    *,
    invariant: int = 0,
    carried: int = 1,
    reverse: bool = False,
) -> Callable[..., tuple[Node, ...]]:
    """A scan as a function of its operands; `types` are those of the body's parameters."""
    region = graph(types, body)
    return lambda *operands: results(
        scan(
            *operands,
            body=region,
            length=length,
            invariant=invariant,
            carried=carried,
            reverse=reverse,
        )
    )


BODIES: dict[str, tuple[Body, int, int]] = {
    # name: body(invariants, carry, row), how many invariants, how many carries
    "sums": (lambda c, r: (e.add(small(total(c)), r), e.mul(c, r)), 0, 1),
    "in_place": (lambda c, r: (e.add(small(c), r), r), 0, 1),
    "swapped": (lambda a, b, r: (b, a, e.add(a, r)), 0, 2),
    "swapped_with_a_change": (lambda a, b, r: (small(b), e.add(a, r), a), 0, 2),
    "rotated": (lambda a, b, c, r: (b, c, e.add(a, r), b), 0, 3),
    "passed_through": (lambda a, b, r: (a, e.add(e.mul(a, b), r), a), 0, 2),
    "carry_is_output": (lambda c, r: (c, c, r), 0, 1),
    "new_carry_is_output": (lambda c, r: 3 * (e.add(total(small(c)), r),), 0, 1),
    "twice_the_same": (lambda a, b, r: 2 * (e.add(small(a), e.mul(b, r)),), 0, 2),
    "row_becomes_carry": (lambda c, r: (r, c), 0, 1),
    "constant_carry": (lambda c, r: (like(c, 0.5), e.mul(c, r)), 0, 1),
    "invariant_carry": (lambda w, c, r: (w, e.mul(c, r), w), 1, 1),
    "invariant": (lambda w, c, r: (e.tanh(e.add(e.mul(w, c), r)), total(e.mul(w, r))), 1, 1),
    "reversed_carry": (lambda c, r: (movement.reverse(e.add(small(c), r), axes=(0,)), c), 0, 1),
    "reads_other_carry": (lambda a, b, r: (e.add(small(a), b), e.add(total(small(a)), r)), 0, 2),
}


def scans() -> Iterator[Looped]:
    """Each body over no, one, two, three and four rows, both ways."""
    for name, (body, invariant, carried) in BODIES.items():
        fixed = (V,) * (invariant + carried)
        for length in range(5):
            for reverse in (False, True):
                step = scanning(
                    body,
                    (*fixed, V),
                    length,
                    invariant=invariant,
                    carried=carried,
                    reverse=reverse,
                )
                way = "down" if reverse else "up"
                yield made(f"{name}_{way}_{length}", (*fixed, stacked(length)), step)
    two = (V, V, stacked(3))
    swapped = scanning(BODIES["swapped"][0], (V, V, V), 3, carried=2)
    yield made("one_start_for_two_carries", (V, stacked(3)), lambda x, r: swapped(x, x, r))
    yield made("donated_carries", two, swapped, donated=(0, 1))
    changed = scanning(BODIES["swapped_with_a_change"][0], (V, V, V), 3, carried=2)
    yield made("donated_and_changed", two, changed, donated=(0, 1))
    yield made("donated_in_place", (V, stacked(4)), donated=(0,), body=scanning(
        BODIES["in_place"][0], (V, V), 4))  # fmt: skip
    yield made("read_after_the_loop", two, donated=(0, 1), body=lambda a, b, r: (
        *swapped(a, b, r), e.mul(a, b), total(a)))  # fmt: skip
    yield made("only_a_carry", (V,), scanning(lambda c: (e.sin(c),), (V,), 5))
    yield made("only_rows", (stacked(3),), scanning(lambda r: (total(r),), (V,), 3, carried=0))
    yield made("starts_from_constants", (stacked(3),), lambda r: swapped(
        leaf.constant(np.ones(6, np.float32)), splat(0.5, "f32", (6,)), r))  # fmt: skip
    yield made("outputs_repeated", two, lambda a, b, r: (
        *swapped(a, b, r), a, *swapped(a, b, r)[:1], a))  # fmt: skip


def nested() -> Iterator[Looped]:
    """Loops in loops, branches in loops."""

    def inner(w: Node, c: Node, rows: Node) -> Sequence[Node]:
        step = scanning(lambda w, c, r: (e.add(e.mul(w, c), r), e.mul(c, r)), (V, V, V), 3,
                        invariant=1, reverse=True)  # fmt: skip
        last, kept = step(w, c, rows)
        return small(last), reduce_sum(kept, axes=(0,)), last

    for length in (1, 2, 3):
        outer = scanning(inner, (V, V, stacked(3)), length, invariant=1)
        types = (V, V, stacked(length, stacked(3)))
        yield made(f"scan_in_scan_{length}", types, outer)

    def power(w: Node, c: Node, r: Node) -> Sequence[Node]:
        product = contraction.dot_general(c, w, lhs_contract=(1,), rhs_contract=(0,))
        return (e.tanh(e.add(product, r)), reduce_sum(product, axes=(0, 1)))

    recurrent = scanning(power, (M, M, M), 4, invariant=1)
    yield made("recurrent_network", (M, M, stacked(4, M)), recurrent)
    for start in (0, 1, 2, 5):
        yield made(f"branch_in_scan_in_while_{start}", (V, stacked(3)), smooth=start != 0,
                   body=lambda c, r, start=start: _branching(start, c, r))  # fmt: skip


def branches() -> tuple[Graph, ...]:
    return (
        graph((V, V), lambda a, b: (a, b)),
        graph((V, V), lambda a, b: (b, a)),
        graph((V, V), lambda a, b: (e.add(total(small(a)), b), like(a, 0.5))),
        graph((V, V), lambda a, b: (small(a), small(a))),
    )


def chosen(index: Node, a: Node, b: Node) -> tuple[Node, ...]:
    return results(switch(index, a, b, branches=branches()))


def switches() -> Iterator[Looped]:
    found = made("chosen", (COUNT, V, V), chosen)
    for choice in (-7, 0, 1, 2, 3, 9):
        index = leaf.constant(choice, "i32")
        yield made(f"constant_choice_{choice}", (V, V), lambda a, b, i=index: chosen(i, a, b))
        array = np.asarray(choice, np.int32)
        yield Looped(f"choice_{choice}", found.graph, (array, *found.arrays[1:]))
    doubled = Graph(found.graph.params, (*found.graph.outputs, *found.graph.params))
    yield Looped("choice_and_parameters", doubled, found.arrays, donated=(1, 2))


def _branching(start: int, carry: Node, rows: Node) -> Sequence[Node]:
    """While a count is below 4: scan over rows, and in each step choose by the count."""

    def step(i: Node, a: Node, b: Node, r: Node) -> Sequence[Node]:
        first, second = chosen(i, a, e.add(b, r))
        return first, second, e.sub(first, second)

    def body(rows: Node, i: Node, a: Node, b: Node) -> Sequence[Node]:
        over = scanning(step, (COUNT, V, V, V), 3, invariant=1, carried=2)
        last, other, kept = over(i, a, b, rows)
        return e.add(i, like(i, 1)), last, e.add(other, small(reduce_sum(kept, axes=(0,))))

    types = (stacked(3), COUNT, V, V)
    condition = graph(types, lambda rows, i, a, b: (e.lt(i, like(i, 4)),))
    return results(
        while_(
            rows,
            leaf.constant(start, "i32"),
            carry,
            small(carry),
            condition=condition,
            body=graph(types, body),
            invariant=1,
        )
    )


WHILE_BODIES: dict[str, Body] = {
    "swapped": lambda n, i, a, b: (e.add(i, like(i, 1)), b, a),
    "changed": lambda n, i, a, b: (e.add(i, like(i, 1)), e.add(total(small(a)), b), a),
    "in_place": lambda n, i, a, b: (e.add(i, like(i, 1)), e.add(a, b), b),
    "to_constants": lambda n, i, a, b: (e.add(i, like(i, 1)), like(a, 3.0), a),
    "one_value": lambda n, i, a, b: (e.add(i, like(i, 1)), e.mul(a, b), e.mul(a, b)),
}


def whiles() -> Iterator[Looped]:
    """Loops of no, one, two and three rounds, their number an operand."""
    types = (COUNT, COUNT, V, V)
    condition = graph(types, lambda n, i, a, b: (e.lt(i, n),))
    for name, body in WHILE_BODIES.items():
        region = graph(types, body)

        def run(n: Node, a: Node, b: Node, region: Graph = region) -> Sequence[Node]:
            start = leaf.constant(0, "i32")
            return results(while_(n, start, a, b, condition=condition, body=region, invariant=1))

        for rounds in range(4):
            found = made(f"while_{name}_{rounds}", (COUNT, V, V), run)
            arrays = (np.asarray(rounds, np.int32), *found.arrays[1:])
            yield Looped(found.name, found.graph, arrays)
            yield Looped(f"{found.name}_donated", found.graph, arrays, (1, 2), smooth=False)


def updates() -> Iterator[Looped]:
    """Carries that are written at places."""
    table = tensor("f32", (5, 6))
    place = tensor("i32", (1,))

    def window(t: Node, i: Node, r: Node) -> Sequence[Node]:
        at = movement.reshape(i, shape=())
        zero = leaf.constant(0, "i32")
        row = movement.reshape(r, shape=(1, 6))
        old = indexing.dynamic_slice(t, at, zero, sizes=(1, 6))
        new = indexing.dynamic_update_slice(t, e.add(old, row), at, zero)
        return new, movement.reshape(old, shape=(6,))

    def scattered(combine: str) -> Body:
        def body(t: Node, i: Node, r: Node) -> Sequence[Node]:
            indices = movement.reshape(i, shape=(1, 1))
            row = movement.reshape(r, shape=(1, 6))
            old = indexing.gather(t, indices, axes=(0,), mode="clip")
            new = indexing.scatter(t, indices, row, axes=(0,), combine=combine, mode="clip")
            return new, movement.reshape(old, shape=(6,))

        return body

    cases: dict[str, Body] = {"window": window, "add": scattered("add"), "set": scattered("set")}
    for name, body in cases.items():
        for length in (1, 4, 5):
            step = scanning(body, (table, place, V), length)
            types = (table, stacked(length, place), stacked(length))
            yield made(f"{name}_{length}", types, step)
            yield made(f"{name}_{length}_donated", types, step, donated=(0,))


def groups() -> Iterator[Looped]:
    pair = graph((V, V), lambda a, b: (e.add(a, b), total(a)))
    one = graph((V,), lambda a: (e.exp(small(a)),))

    def body(a: Node, b: Node) -> Sequence[Node]:
        left, right = results(composite(a, b, name="pair", body=pair))
        return left, composite(right, name="one", body=one), left, a

    yield made("groups", (V, V), body)
    outer = graph((V, V), body)
    yield made("groups_in_groups", (V, V), donated=(0,), body=lambda a, b: results(
        composite(b, a, name="outer", body=outer)))  # fmt: skip
    yield made("counted", (V,), smooth=False, body=lambda x: (
        x, leaf.iota(type=tensor(I32, (2, 3)), axis=1)))  # fmt: skip


def told() -> Iterator[Looped]:
    """A loop that tells something in some of its steps, and a branch that does not."""
    token = effects.TOKEN

    def step(n: Node, i: Node, a: Node, t: Node) -> Sequence[Node]:
        flag = e.eq(i, like(i, 1))
        after = effects.tell(t, flag, i, a, kind="print", text="step {0:d} of {1}")
        fine = effects.tell(after, e.gt(i, n), a, kind="check", text="{0}")
        return e.add(i, like(i, 1)), small(a), fine

    types = (COUNT, COUNT, V, token)
    region = graph(types, step)
    condition = graph(types, lambda n, i, a, t: (e.lt(i, n),))
    yield made("told", (V,), smooth=False, body=lambda a: results(
        while_(leaf.constant(3, "i32"), leaf.constant(0, "i32"), a, effects.first_token(),
               condition=condition, body=region, invariant=1)))  # fmt: skip


def several() -> Iterator[Looped]:
    """Rows with several results, on their samples."""
    for row in ROWS:
        if row.push is None or row.samples is None:
            continue
        for number, sample in enumerate(row.samples()):
            if any(array.dtype == np.float64 for array in sample.arrays):
                continue
            types = [type_of(array) for array in sample.arrays]
            program = graph(types, lambda *xs, r=row, a=sample.attrs: results(make(r, xs, a)))
            smooth = sample.smooth
            yield Looped(f"{row.name}_{number}", program, sample.arrays, (), smooth, smooth)


def programs() -> list[Looped]:
    """All of them."""
    return [
        *scans(), *nested(), *switches(), *whiles(), *updates(), *groups(), *told(), *several(),
    ]  # fmt: skip
