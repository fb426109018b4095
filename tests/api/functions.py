"""Functions written once for graphc and for JAX: each takes a namespace and f64 arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import graphc as gc
import graphc.numpy as gnp
from graphc.tree import Tree

Function = Callable[..., Tree]
X = np.array([0.3, -1.2, 2.0])
M = np.linspace(-1.0, 1.0, 9).reshape(3, 3)


@dataclass(frozen=True)
class Library:
    """The names that the functions use, of either library."""

    np: Tree
    nn: Tree
    top: Tree  # grad, jvp, custom_jvp and the like
    lax: Tree  # scan, cond and the like


OURS = Library(gnp, gc.nn, gc, gc)


def vectors(l: Library) -> dict[str, Function]:  # noqa: E741
    """From a vector to a vector, differentiable in both directions."""
    n = l.np

    def step(c: Tree, row: Tree) -> tuple[Tree, Tree]:
        return n.tanh(M @ c + row), n.sum(c * row)

    def scanned(x: Tree) -> Tree:
        last, kept = l.lax.scan(step, x, x * M)
        return last + kept

    def reversed_scan(x: Tree) -> Tree:
        return l.lax.scan(lambda c, r: (c * r + n.sin(c), c), x, x * M, reverse=True)[1][0]

    return {
        "elementwise": lambda x: n.sin(x) * n.exp(-x) + x**3,
        "product": lambda x: n.tanh(M @ x) * x,
        "reductions": lambda x: x / n.sqrt(1 + n.sum(x * x)) + n.max(x),
        "indexing": lambda x: n.concatenate([x[1:] * x[:-1], x[:1] ** 2]),
        "softmax": lambda x: l.nn.softmax(M @ x),
        "scan": scanned,
        "reversed_scan": reversed_scan,
        "fori_loop": lambda x: l.lax.fori_loop(0, 4, lambda i, c: n.sin(c) + x * i, x),
        "cond": lambda x: l.lax.cond(x[0] > 0, lambda y: y * y, n.exp, x),
        "switch": lambda x: l.lax.switch(1, [n.sin, lambda y: y * x[0], n.cos], x),
    }


def scalars(l: Library) -> dict[str, Function]:  # noqa: E741
    """The sums of squares of the functions of vectors."""
    return {
        name: lambda x, f=function: l.np.sum(f(x) ** 2) for name, function in vectors(l).items()
    }


def loops(l: Library) -> dict[str, Function]:  # noqa: E741
    """Loops whose length depends on data; they have tangents only."""
    n = l.np

    def with_count(x: Tree) -> Tree:
        start = (0, x, n.sum(x))
        return l.lax.while_loop(
            lambda s: n.sum(s[1] * s[1]) < 50, lambda s: (s[0] + 1, s[1] * 1.5 + s[2], s[2]), start
        )[1]

    return {
        "while": lambda x: l.lax.while_loop(
            lambda v: n.sum(v * v) < 100, lambda v: v * v + 1 + x, x
        ),
        "while_with_count": with_count,
        "never": lambda x: l.lax.while_loop(lambda v: v[0] > 100, lambda v: v * v, n.sin(x)),
    }
