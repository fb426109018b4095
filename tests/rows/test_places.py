"""A new unary operation takes three places: its row, a line for the CPU, a line for CUDA.

No test, pass or lowering names one operation after another: they grow from the rows. Here an
operation that is in nothing but these three tables runs on every target and differentiates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest

from graphc import ops
from graphc.codegen.cuda import scalar as cuda
from graphc.codegen.cuda.emulation import emulate
from graphc.codegen.cuda.program import print_program
from graphc.codegen.llvm import scalar as llvm
from graphc.codegen.llvm.function import Function
from graphc.codegen.llvm.values import Value
from graphc.ir.graph import Graph
from graphc.ir.interpret import interpret
from graphc.ir.node import Node, Op
from graphc.ir.types import DType, tensor
from graphc.ops import elementwise as e
from graphc.ops import special
from graphc.ops.leaf import parameter
from graphc.ops.reverse import joint_graph
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings
from tests import guard
from tests.house.sources import ROOT, python_files
from tests.rows.test_cuda import call_emulated, cuda_program

# softsign: x / (1 + |x|)
softsign: Op = e.unary(
    "softsign",
    lambda x: x / (1 + np.abs(x)),
    lambda y, g, x: (e.mul(g, e.mul(shrunk(x), shrunk(x))),),
)


def shrunk(x: Node) -> Node:
    """1 / (1 + |x|)."""
    one = e.number(x, 1.0)
    return e.div(one, e.add(one, e.abs(x)))


@pytest.fixture
def in_three_places(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(ops.BY_NAME, "softsign", softsign)

    def printed(f: Function, arguments: list[Value], dtype: DType) -> Value:
        (x,) = arguments
        size = llvm.plain("fadd", f, [llvm.constant(1, x), llvm.intrinsic("fabs", f, [x])], x.dtype)
        return llvm.plain("fdiv", f, [x, size], x.dtype)

    monkeypatch.setitem(llvm.SCALAR, "softsign", printed)
    monkeypatch.setitem(cuda.FLOAT, "softsign", "{0} / (1 + fabs{s}({0}))")
    yield


@pytest.mark.needs_cc
def test_three_places_are_enough(in_three_places: None) -> None:
    x = np.linspace(-3, 3, 40).astype(np.float32)
    from_x = parameter(index=0, type=tensor("f32", (40,)))
    graph = Graph((from_x,), (softsign(e.exp(from_x)),))
    (expected,) = interpret(graph, x)
    (native,) = guard.call(compile_graph(graph, Settings().resolve()), (x,))
    np.testing.assert_allclose(native, expected, rtol=1e-6)
    program = cuda_program(graph, "softsign")
    (emulated,) = call_emulated(emulate(print_program(program)), program, [x])
    np.testing.assert_allclose(emulated, expected, rtol=1e-6)
    slopes = interpret(joint_graph(graph, [0]), x, np.ones_like(x))[1]
    np.testing.assert_allclose(slopes, np.exp(x) / (1 + np.exp(x)) ** 2, rtol=1e-5)


# The three places; and the public name, the words of mathematics and LaTeX, what NumPy or CUDA has
# not, and what functions mean for complex numbers, where they mean something.
THREE = {
    "graphc/ops/elementwise.py",
    "graphc/ops/special.py",
    "codegen/llvm/scalar.py",
    "codegen/llvm/math/__init__.py",
    "codegen/cuda/scalar.py",
}
WORDS = {
    "graphc/explain/notation.py",
    "graphc/lax.py",
    "graphc/formula/emitter.py",
    "graphc/ops/formulas.py",
    "graphc/ops/special_meaning.py",
    "codegen/cuda/prelude.py",
    "passes/complex_parts.py",
    "passes/split_complex.py",
}


@pytest.mark.parametrize("name", ["cbrt", "tan", "asinh", "erfc", "digamma", "log2"])
def test_no_other_file_names_an_operation(name: str) -> None:
    row = ops.BY_NAME[name]
    assert row in (*e.TRANSCENDENTAL, *special.TRANSCENDENTAL)
    word = re.compile(rf'"{name}"|\b(?:e|s|elementwise|special)\.{name}\b')
    rooms = ("graphc", "codegen", "passes")
    found = {
        file
        for file in python_files(rooms)
        if not file.startswith(("graphc/numpy/", "graphc/nn/"))
        and word.search((ROOT / file).read_text(encoding="utf-8"))
    }
    places = found - WORDS
    assert places <= THREE, sorted(places - THREE)
    assert len(places) == 3


def test_the_page_names_the_three_places() -> None:
    """docs/add-an-operation.md leads to the three tables, and to no test file."""
    page = (ROOT / "docs/add-an-operation.md").read_text(encoding="utf-8")
    steps = page.partition("1. ")[2]
    for place in ("`graphc/ops/elementwise.py:unary`", "`codegen/llvm/scalar.py:SCALAR`",
                  "`codegen/cuda/scalar.py:FLOAT`"):  # fmt: skip
        assert place in steps
    assert "`tests/" not in steps
