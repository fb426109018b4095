"""The steps that add control flow and groups: operations that hold graphs, themselves drawn."""

from __future__ import annotations

from graphc.ir.graph import Graph
from graphc.ir.types import BOOL, I32, tensor
from graphc.ops import control, custom, leaf
from graphc.ops import elementwise as e
from graphc.ops.build import like
from graphc.ops.forward import push_forward
from graphc.ops.reverse import joint_graph
from tests.fuzz.builder import Builder, Step

NAMES = ("f", "softmax", "two words")


def apply_composite(b: Builder) -> None:
    operands = [b.pick() for _ in range(b.number(1, 3))]
    inner = b.region(tuple(x.tensor for x in operands), 3)
    body = inner.graph(inner.outputs(2))
    group = (control.composite, custom.checkpoint)[b.number(0, 1)]
    b.add(group(*operands, name=NAMES[b.number(0, 2)], body=body))


def apply_custom(b: Builder) -> None:
    """A function whose derivative is given: its own, but twice as long."""
    operands = [b.pick() for _ in range(b.number(1, 3))]
    inner = b.region(tuple(x.tensor for x in operands), 3)
    body = inner.graph(inner.outputs(2))
    wrt = [i for i, type_ in enumerate(body.input_types) if type_.dtype.is_float]
    if b.number(0, 1):
        rule = push_forward(body, wrt)
        own = len(body.outputs)
        slopes = tuple(e.add(slope, slope) for slope in rule.outputs[own:])
        rule = Graph(rule.params, (*rule.outputs[:own], *slopes))
        b.add(custom.custom_jvp(*operands, name=NAMES[0], body=body, rule=rule))
        return
    forward = Graph(body.params, (*body.outputs, *body.params))
    both = joint_graph(body, wrt)
    pulled = tuple(e.add(slope, slope) for slope in both.outputs[len(body.outputs) :])
    backward = Graph(both.params, pulled)
    b.add(
        custom.custom_vjp(*operands, name=NAMES[0], body=body, forward=forward, backward=backward)
    )


def apply_scan(b: Builder) -> None:
    invariant = [b.pick() for _ in range(b.number(0, 2))]
    carry = [b.pick() for _ in range(b.number(0, 2))]
    length = (2, 3, 1, 0, 4)[b.number(0, 4)]
    rows = []
    for _ in range(b.number(0, 2)):
        shape = (length, *b.shape(rank=3, largest=200))
        rows.append(b.wanted(tensor(b.dtype(), shape)))
    types = [x.tensor for x in (*invariant, *carry)]
    types += [tensor(row.tensor.dtype, row.tensor.shape[1:]) for row in rows]
    inner = b.region(tuple(types), 4)
    if not inner.pool:
        return
    first = [inner.wanted(x.tensor) for x in carry]
    stacked = inner.outputs(2) if b.number(0, 1) or not carry else ()
    b.add(
        control.scan(
            *invariant,
            *carry,
            *rows,
            body=inner.graph((*first, *stacked)),
            length=length,
            invariant=len(invariant),
            carried=len(carry),
            reverse=bool(b.number(0, 1)),
        )
    )


def apply_while(b: Builder) -> None:
    """A loop that counts to a small number, an operand perhaps, and may end before."""
    invariant = [b.pick() for _ in range(b.number(0, 2))]
    carry = [b.pick() for _ in range(b.number(1, 2))]
    count = tensor(I32, ())
    bound = b.wanted(count)
    types = (count, *(x.tensor for x in invariant), count, *(x.tensor for x in carry))
    at = 1 + len(invariant)
    params = control.parameters(types)
    most = e.min(params[0], leaf.constant(b.number(0, 4), "i32"))
    going = e.lt(params[at], most)
    if b.number(0, 1):
        also = b.region(types, 3)
        going = e.and_(going, also.wanted(tensor(BOOL, ())))
    condition = Graph(params, (going,))
    inner = b.region(types, 4)
    counter = inner.params[at]
    following = e.add(counter, like(counter, 1))
    new = [inner.wanted(x.tensor) for x in carry]
    b.add(
        control.while_(
            bound,
            *invariant,
            leaf.constant(0, "i32"),
            *carry,
            condition=condition,
            body=inner.graph((following, *new)),
            invariant=at,
        )
    )


def apply_switch(b: Builder) -> None:
    operands = [b.pick() for _ in range(b.number(1, 3))]
    types = tuple(x.tensor for x in operands)
    index = b.wanted(tensor(I32, ()))
    inner = b.region(types, 3)
    outputs = inner.outputs(2)
    branches = [inner.graph(outputs)]
    for _ in range(b.number(0, 2)):
        other = b.region(types, 3)
        branches.append(other.graph([other.wanted(out.tensor) for out in outputs]))
    b.add(control.switch(index, *operands, branches=tuple(branches)))


STEPS: tuple[Step, ...] = (
    apply_composite,
    apply_custom,
    *(apply_scan,) * 2,
    *(apply_while,) * 2,
    *(apply_switch,) * 2,
)
