"""The driver of rules: it ends, names who fights, keeps places, and leaves the rest alone."""

from __future__ import annotations

import pytest

from graphc.ir.errors import ArgumentError, RewriteError
from graphc.ir.graph import Graph
from graphc.ir.node import Node
from graphc.ir.places import Place
from graphc.ir.types import tensor
from graphc.ops import elementwise as e
from graphc.ops.control import parameters
from graphc.passes.rewrite import rewrite
from graphc.passes.simplify import simplify
from graphc.text import parse


def exp_to_log(node: Node) -> Node | None:
    """exp(x) -> log(x)"""
    return e.log(node.operands[0])


def log_to_exp(node: Node) -> Node | None:
    """log(x) -> exp(x)"""
    return e.exp(node.operands[0])


def grow(node: Node) -> Node | None:
    """sin(x) -> cos(sin(x))"""
    return e.cos(e.sin(e.neg(node.operands[0])))


def test_rules_that_fight_are_named_with_their_laws() -> None:
    graph = parse("graph @main(%x: f32[3]) { %0 = exp %x  return %0 }")
    with pytest.raises(RewriteError) as caught:
        rewrite(graph, {e.exp: (exp_to_log,), e.log: (log_to_exp,)})
    message = str(caught.value)
    assert "exp_to_log (exp(x) -> log(x))" in message
    assert "log_to_exp (log(x) -> exp(x))" in message


def test_a_rule_that_never_ends_is_named() -> None:
    graph = parse("graph @main(%x: f32[3]) { %0 = sin %x  return %0 }")
    with pytest.raises(RewriteError, match=r"more than 50 firings for one node, by grow"):
        rewrite(graph, {e.sin: (grow,)}, limit=50)


def test_the_error_names_the_line() -> None:
    (x,) = params = parameters((tensor("f32", (3,)),))
    places = {e.sin(x): (Place("model.py", 41, "loss"),)}
    with pytest.raises(RewriteError, match=r"written at model.py:41 in loss"):
        rewrite(Graph(params, (e.sin(x),), places=places), {e.sin: (grow,)})


def test_what_does_not_change_is_the_same_graph() -> None:
    graph = parse("graph @main(%x: f32[3]) { %0 = exp %x  return %0 }")
    assert simplify(graph) is graph


def test_places_are_carried_and_merged() -> None:
    (x,) = params = parameters((tensor("f32", (3,)),))
    inner = e.neg(x)
    outer = e.add(e.exp(x), inner)
    first, second = (Place("a.py", line, "f") for line in (1, 2))
    graph = Graph(params, (outer,), places={inner: (first,), outer: (second,)})
    result = simplify(graph)
    assert result.outputs[0] is e.sub(e.exp(x), x)
    assert result.place(result.outputs[0]) == (second,)
    assert set(result.places) <= set(result.nodes)


def test_long_chains_need_no_recursion() -> None:
    (x,) = params = parameters((tensor("f32", (3,)),))
    node = x
    for _ in range(5_001):
        node = e.neg(node)
    assert simplify(Graph(params, (node,))).outputs == (e.neg(x),)


def test_an_unknown_refused_rule_is_named() -> None:
    graph = parse("graph @main(%x: f32[3]) { return %x }")
    with pytest.raises(ArgumentError, match="got rule 'magic', expected one of add_any_zero"):
        simplify(graph, also=("magic",))
