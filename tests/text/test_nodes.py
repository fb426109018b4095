"""Equal nodes are one object, from whatever thread, and leave nothing behind."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest

from graphc.ir.errors import ShapeError
from graphc.ir.node import Node, make, remake
from graphc.ir.types import tensor
from graphc.ops import elementwise as e
from graphc.ops import movement
from graphc.ops.leaf import parameter


def given(index: int, shape: tuple[int, ...] = (2, 3)) -> Node:
    return parameter(index=index, type=tensor("f32", shape))


def chain(length: int) -> Node:
    node = given(0)
    for _ in range(length):
        node = e.exp(node)
    return node


def test_equal_nodes_are_one_object() -> None:
    x, y = given(0), given(1)
    assert e.add(x, y) is e.add(x, y)
    assert e.add(x, y) is not e.add(y, x)
    assert e.add(x, y) is make(e.add, (x, y), e.add.attributes())
    turned = movement.transpose(x, permutation=(1, 0))
    assert turned is movement.transpose(x, permutation=(1, 0))


def test_on_other_operands_a_node_is_what_making_it_gives() -> None:
    x, y, turned = given(0), given(1), given(2, (3, 2))
    assert remake(e.exp(x), (y,)) is e.exp(y)
    assert remake(e.exp(x), (turned,)).type == turned.type
    assert remake(movement.transpose(x, permutation=(1, 0)), (turned,)).tensor.shape == (2, 3)
    with pytest.raises(ShapeError):
        remake(e.add(x, y), (x, turned))


def test_dead_nodes_leave_their_table() -> None:
    gc.collect()
    before = len(e.exp.nodes)
    node = chain(100_000)
    assert len(e.exp.nodes) >= before + 100_000
    del node
    assert len(e.exp.nodes) <= before


def test_threads_make_the_same_nodes() -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(chain, [3000] * 8))
    assert all(node is found[0] for node in found)
