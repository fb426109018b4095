"""Containers in and out: which are trees, and what is wrong with those that are not."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict
from typing import NamedTuple

import numpy as np
import pytest

import graphc as gc
from graphc.ir.errors import ArgumentError
from graphc.tree import Tree
from tests.bad_input.refusals import refused

V = np.arange(3, dtype=np.float32)
same = gc.jit(lambda tree: tree)


class Pair(NamedTuple):
    a: Tree
    b: Tree


@dataclasses.dataclass
class Layer:
    w: Tree
    size: Tree = dataclasses.field(default=2, metadata={"static": True})


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    w: Tree


class Own:
    def __init__(self, a: Tree) -> None:
        self.a = a


gc.tree.register(Own, lambda own: ((own.a,), None), lambda _, children: Own(*children))


@pytest.mark.parametrize(
    "tree",
    [
        {},
        (),
        [],
        None,
        {"a": (), "b": [None, {}]},
        [V, None, (V, {"x": V})],
        {1: V, "a": V, (1, 2): V},
        Pair(V, [V]),
        Layer(V, 7),
        Frozen({"w": V}),
        OrderedDict(b=V, a=V + 1),
        defaultdict(V.copy, b=V, a=V + 1),
        {"a.b": V, "a": {"b": V + 1}},
        {"": V, "a b\n\"%": V, "é": V, "\ud800": V, "x" * 5000: V},
    ],
    ids=range(14),
)  # fmt: skip
def test_trees_come_back(tree: Tree) -> None:
    for found in (same(tree), same.trace(tree).lower().compile()(tree)):
        assert gc.tree.structure(found) == gc.tree.structure(tree)
        assert type(found) is type(tree)
        for one, other in zip(gc.tree.leaves(found), gc.tree.leaves(tree), strict=True):
            assert np.array_equal(one, other)
            assert not np.shares_memory(one, other)
    graph = same.trace(tree).graph
    assert gc.parse(str(graph)) == graph


def test_registered_containers() -> None:
    assert gc.jit(lambda own: Own(own.a + 1))(Own(V)).a.tolist() == [1, 2, 3]


def test_the_order_of_keys_does_not_matter() -> None:
    f = gc.jit(lambda d: d["a"] - d["b"])
    assert f({"a": V, "b": V * 2}).tolist() == f({"b": V * 2, "a": V}).tolist() == [0, -1, -2]
    assert len(f.compiled) == 1


def test_static_fields_are_part_of_the_program() -> None:
    f = gc.jit(lambda layer: layer.w * layer.size)
    assert f(Layer(V, 2)).tolist() == [0, 2, 4]
    assert f(Layer(V, 3)).tolist() == [0, 3, 6]
    with refused(ArgumentError, TypeError, "static field size of Layer: got a list"):
        f(Layer(V, [1]))


def test_keys_that_have_no_order() -> None:
    with refused(ArgumentError, TypeError, "a dict in a tree: got the keys 1j, 2j"):
        same({1j: V, 2j: V})


def test_a_container_in_itself() -> None:
    ring: list[Tree] = [V]
    ring.append(ring)
    with refused(ArgumentError, TypeError, "containers more than 100 deep"):
        same(ring)
    deep: Tree = V
    for _ in range(90):
        deep = (deep,)
    assert gc.tree.structure(same(deep)) == gc.tree.structure(deep)


def test_one_array_in_two_places() -> None:
    found = gc.jit(lambda t: (t[0], t[0], t[1], t[0] + 1, t[0] + 1))([V, V])
    for i, one in enumerate(found):
        for other in [*found[:i], V]:
            assert not np.shares_memory(one, other)
