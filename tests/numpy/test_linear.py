"""Sums of products agree with NumPy, at once and traced."""

from __future__ import annotations

import numpy as np
import pytest

import graphc.numpy as gnp
from graphc.ir.errors import ShapeError
from tests.numpy.both_ways import check, graph_of, real, traced, whole

MATMUL = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (6, 3, 4)), ((3,), (5, 3, 4)),
    ((5, 2, 3), (3,)), ((0, 3), (3, 2)), ((2, 0), (0, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), MATMUL)
def test_matmul(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    check(gnp.matmul, np.matmul, real(*left), real(*right, seed=1), rtol=1e-5)
    found = traced(lambda a, b: a @ b, real(*left), real(*right, seed=1))
    np.testing.assert_allclose(found, real(*left) @ real(*right, seed=1), rtol=1e-5, atol=1e-6)


def test_kin() -> None:
    a, b, c = real(2, 3, 4), real(5, 4, 6, seed=1), real(4)
    check(gnp.dot, np.dot, a, b, rtol=1e-5)
    check(gnp.dot, np.dot, a, c, rtol=1e-5)
    check(gnp.vecdot, np.vecdot, a, c, rtol=1e-5)
    check(lambda x, y: gnp.vecdot(x, y, axis=0), lambda x, y: (x * y).sum(0), a, a, rtol=1e-5)
    check(gnp.inner, np.inner, a, c, rtol=1e-5)
    check(gnp.outer, np.outer, a, c)
    check(
        lambda x, y: gnp.tensordot(x, y, ((2,), (1,))),
        lambda x, y: np.tensordot(x, y, ((2,), (1,))),
        a,
        b,
        rtol=1e-5,
    )
    check(lambda x, y: gnp.tensordot(x, y, 1), lambda x, y: np.tensordot(x, y, 1), a, c, rtol=1e-5)
    check(gnp.matmul, np.matmul, whole(2, 3), whole(3, 2))


EINSUM = [
    "ij,jk->ik|2,3|3,4", "ij,jk|2,3|3,4", "bij,bjk->bik|5,2,3|5,3,4",
    "bhqd,bhkd->bhqk|2,3,4,5|2,3,6,5", "...ij,jk->...ik|7,2,3|3,4", "ii->i|3,3", "ii|3,3",
    "ij->ji|2,3", "ij->|2,3", "i,j->ij|2|3", "ij,jk,kl->il|2,3|3,4|4,5", "ij,ij->i|2,3|2,3",
    "ij,kl->i|2,3|4,5", "b...,b->...|2,3|2", "ba,ab|2,3|3,2", "i,|3|", "cb,ac|2,3|4,2",
]  # fmt: skip


@pytest.mark.parametrize("case", EINSUM)
def test_einsum(case: str) -> None:
    text, *sizes = case.split("|")
    shapes = [[int(size) for size in each.split(",") if size] for each in sizes]
    arrays = [real(*shape, seed=i) for i, shape in enumerate(shapes)]
    check(lambda *a: gnp.einsum(text, *a), lambda *a: np.einsum(text, *a), *arrays, rtol=1e-4)


def test_attention_scores_are_one_contraction() -> None:
    graph = graph_of(
        lambda q, k: gnp.einsum("bhqd,bhkd->bhqk", q, k), real(2, 3, 4, 5), real(2, 3, 6, 5)
    )
    assert [node.op.name for node in graph.nodes] == ["parameter", "parameter", "dot_general"]


def test_errors() -> None:
    with pytest.raises(
        ShapeError, match=r"matmul: got \(2, 3\) @ \(4, 2\).*left \(3\)(.|\n)*written at"
    ):
        gnp.matmul(real(2, 3), real(4, 2))
    with pytest.raises(ShapeError, match="got a scalar"):
        gnp.matmul(real(2, 3), 2.0)
    with pytest.raises(ShapeError, match="einsum: got sizes 3 and 4 for 'j'"):
        gnp.einsum("ij,jk->ik", real(2, 3), real(4, 2))
    with pytest.raises(ShapeError, match="expected one letter each"):
        gnp.einsum("ijk,jk->ik", real(2, 3), real(4, 2))
