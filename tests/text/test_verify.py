"""The verifier finds a graph that breaks each of its numbered invariants."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.ir.errors import VerifyError
from graphc.ir.graph import Graph
from graphc.ir.node import Attrs, Node, make
from graphc.ir.places import Place
from graphc.ir.types import TupleType, Type, tensor
from graphc.ir.verify import verify
from graphc.ops import elementwise as e
from graphc.ops.control import composite, parameters, project, while_
from graphc.ops.duals import reduce_sum
from graphc.ops.leaf import ConstantAttrs, constant
from tests.text import graphs

F32 = tensor("f32", (3,))
X, Y = parameters((F32, F32))


def raw(like: Node, operands: tuple[Node, ...], type_: Type, attrs: Attrs | None = None) -> Node:
    """A node that no rule has seen and no table holds."""
    return Node(like.op, operands, like.attrs if attrs is None else attrs, type_)


def fault_of(graph: Graph) -> str:
    with pytest.raises(VerifyError) as caught:
        verify(graph)
    message = str(caught.value)
    assert len(message.splitlines()) <= 5
    return message


def test_good_graphs_pass() -> None:
    for _, graph in graphs.all_graphs():
        verify(graph)


def test_i1_parameters_are_numbered_in_order() -> None:
    assert fault_of(Graph((Y, X), (X,))).startswith("I1: got parameter 1, expected parameter 0")
    assert fault_of(Graph((X, X), (X,))).startswith("I1: got parameter 0, expected parameter 1")
    assert fault_of(Graph((e.exp(X),), (X,))).startswith("I1: got exp, expected parameter 0")


def test_i2_types_follow_from_rules() -> None:
    wrong = raw(e.exp(X), (X,), tensor("f32", (4,)))
    message = fault_of(Graph((X,), (e.neg(X), wrong)))
    assert message.startswith("I2: exp: got type f32[4], expected f32[3]")
    assert "%1 = exp %p0 : f32[4]" in message
    refused = raw(e.add(X, Y), (X, constant(1.0, "f32")), F32)
    assert fault_of(Graph((X,), (refused,))).startswith("I2: add: shapes differ")
    stumbles = raw(e.select(e.lt(X, Y), X, Y), (X,), F32)
    assert fault_of(Graph((X,), (stumbles,))).startswith("I2: select: got 1 operands")


def test_i2_attributes_are_of_the_operation() -> None:
    wrong = raw(reduce_sum(X, axes=(0,)), (X,), tensor("f32", ()), Attrs())
    assert fault_of(Graph((X,), (wrong,))) == (
        "I2: reduce_sum: got attributes Attrs, expected ReduceAttrs\n  %0 = reduce_sum %p0 : f32[]"
    )


def test_i3_closed() -> None:
    message = fault_of(Graph((X,), (e.add(X, Y),)))
    assert message.startswith("I3: got a parameter of another graph")


def test_i3_no_circle() -> None:
    inner = raw(e.exp(X), (X,), F32)
    outer = raw(e.exp(X), (inner,), F32)
    inner.operands = (outer,)
    assert fault_of(Graph((X,), (outer,))).startswith("I3: exp reads itself")
    inner.operands = (inner,)
    assert fault_of(Graph((X,), (outer,))).startswith("I3: exp reads itself")


def test_i4_regions_too() -> None:
    inside = Graph((X,), (raw(e.exp(X), (X,), tensor("f32", (3, 1))),))
    good = Graph((X,), (e.exp(X),))
    group = raw(composite(X, name="f", body=good), (X,), inside.output_types[0])
    group.attrs = type(group.attrs)(name="f", body=inside)  # type: ignore[call-arg]
    outer = Graph((X,), (make(group.op, (X,), group.attrs),))
    message = fault_of(outer)
    assert message.startswith("I2: exp: got type f32[3,1], expected f32[3] (I4: in region 0")
    assert "of composite" in message


def test_i5_tuples_are_projected() -> None:
    carry = parameters((tensor("i32", ()),))
    condition = Graph(carry, (e.lt(*carry, constant(1, "i32")),))
    loop = while_(*carry, condition=condition, body=Graph(carry, carry))
    assert fault_of(Graph(carry, (loop,))).startswith("I5: output 0 is (i32[])")
    reads = raw(e.neg(*carry), (loop,), tensor("i32", ()))
    assert fault_of(Graph(carry, (reads,))).startswith("I5: neg reads (i32[])")
    verify(Graph(carry, (project(loop, index=0),)))
    missing = raw(project(loop, index=0), (X,), F32)
    assert fault_of(Graph((X,), (missing,))).startswith("I2: project: got result 0 of f32[3]")


def test_i6_equal_nodes_are_one() -> None:
    twin = raw(e.exp(X), (X,), F32)
    assert fault_of(Graph((X,), (e.exp(X), twin))).startswith("I6: got two equal nodes")
    assert fault_of(Graph((X,), (twin,))).startswith("I6: got two equal nodes")


@pytest.mark.parametrize(
    ("attrs", "what"),
    [
        (ConstantAttrs(F32, b"\0" * 11), "got 11 bytes for a constant of f32[3]"),
        (ConstantAttrs(tensor("bool", (1,)), b"\2"), "got a bool that is neither 0 nor 1"),
        (ConstantAttrs(graphs.symbolic().params[0].tensor, b""), "expected sizes that are numbers"),
    ],
)
def test_i7_constants_fill_their_type(attrs: ConstantAttrs, what: str) -> None:
    node = make(constant(1.0).op, (), attrs)
    message = fault_of(Graph((), (node,)))
    assert message.startswith("I7: ")
    assert what in message


def test_message_names_the_place() -> None:
    wrong = raw(e.exp(X), (X,), TupleType((F32,)))
    places = {wrong: (Place("model.py", 41, "loss"),)}
    message = fault_of(Graph((X,), (e.neg(X), wrong), ("x",), places))
    assert message.splitlines()[1:] == [
        "  %1 = exp %x : (f32[3])",
        "  written at model.py:41 in loss",
    ]


def test_shared_regions_are_checked_once() -> None:
    graph = Graph((X,), (e.exp(X),))
    for _ in range(60):
        inner = composite(composite(X, name="a", body=graph), name="b", body=graph)
        graph = Graph((X,), (inner,))
    verify(graph)
    assert str(graph).count("graph @") == 61


def test_empty_constants_pass() -> None:
    verify(Graph((), (constant(np.zeros((2, 0, 3))),)))
