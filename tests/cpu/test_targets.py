"""What LLVM makes of the matrix product for processors other than this one.

The tile of the result must stay in registers of the right kind for the whole inner loop: a value
that is kept on the stack, or a call per lane, costs more than the arithmetic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.api.backend import emit_assembly
from graphc.codegen.target import parse_target, require_runnable
from graphc.ir.errors import CompileError
from graphc.tree import Tree

SIZE = 192


@dataclass(frozen=True)
class Expected:
    """What the inner loop of a target consists of."""

    vector_bytes: int
    registers: int
    multiply_add: str  # an instruction of the tile, in the registers it should use
    stack: str
    tile: int  # of these at least


X86_STACK = r"\(%rsp|\(%rbp"
TARGETS = {
    "x86-64": Expected(16, 16, r"\bmulps\t.*%xmm", X86_STACK, 10),
    "x86-64-v2": Expected(16, 16, r"\bmulps\t.*%xmm", X86_STACK, 10),
    "x86-64-v3": Expected(32, 16, r"\bvfmadd\w+ps\t.*%ymm", X86_STACK, 10),
    "x86-64-v4": Expected(64, 32, r"\bvfmadd\w+ps\t.*%zmm", X86_STACK, 24),
    "aarch64": Expected(16, 32, r"\bfmla\tv\d+\.4s", r"\[sp", 20),
}


def product(a: Tree, b: Tree) -> Tree:
    return a @ b


def fed_forward(x: Tree, w: Tree, b: Tree) -> Tree:
    return gnp.tanh(x @ w + b)


def assembly(target: str, dtype: str = "float32") -> str:
    square = gc.ShapeDtypeStruct((SIZE, SIZE), dtype)
    compilation = gc.jit(product, target=target).lower(square, square).compilation
    return emit_assembly(compilation.llvm, compilation.options.target)


def inner_loop(text: str, instruction: str) -> list[str]:
    """The lines from a label to the jump back to it, where the instruction is most frequent."""
    lines = text.splitlines()
    loops: list[list[str]] = [[]]
    for at, line in enumerate(lines):
        label = re.match(r"([.\w]+):", line)
        if label is None:
            continue
        for end in range(at + 1, len(lines)):
            if re.match(r"[.\w]+:", lines[end]):
                break
            if lines[end].endswith(label.group(1)):
                loops.append(lines[at : end + 1])
                break
    return max(loops, key=lambda loop: len(matching(loop, instruction)))


def matching(lines: list[str], pattern: str) -> list[str]:
    return [line for line in lines if re.search(pattern, line)]


@pytest.mark.parametrize("name", TARGETS)
def test_widths_come_from_the_features(name: str) -> None:
    target, expected = parse_target(name), TARGETS[name]
    assert (target.vector_bytes, target.registers) == (expected.vector_bytes, expected.registers)


@pytest.mark.parametrize("name", TARGETS)
def test_the_tile_stays_in_registers(name: str) -> None:
    expected = TARGETS[name]
    loop = inner_loop(assembly(name), expected.multiply_add)
    assert len(matching(loop, expected.multiply_add)) >= expected.tile
    assert not matching(loop, expected.stack)
    assert not matching(loop, r"\b(call|callq|bl)\t")


@pytest.mark.parametrize("name", TARGETS)
def test_doubles_have_tiles_too(name: str) -> None:
    expected = TARGETS[name]
    instruction = expected.multiply_add.replace("ps", "pd").replace(r"\.4s", r"\.2d")
    loop = inner_loop(assembly(name, "float64"), instruction)
    assert len(matching(loop, instruction)) >= expected.tile
    assert not matching(loop, expected.stack)


def runnable(name: str) -> str:
    try:
        require_runnable(parse_target(name))
    except CompileError as error:
        pytest.skip(str(error))
    return name


def arguments(dtype: type) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    shapes = ((61, SIZE), (SIZE, 75), (75,))
    return [random.normal(size=shape).astype(dtype) / 4 for shape in shapes]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_narrower_vectors_give_the_same_bits_where_each_sum_is_one_lane(dtype: type) -> None:
    a, b, _ = arguments(dtype)
    narrow = gc.jit(product, target=runnable("x86-64-v3"))(a, b)
    assert narrow.tobytes() == gc.jit(product)(a, b).tobytes()


@pytest.mark.parametrize("name", ["x86-64", "x86-64-v2", "x86-64-v3"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_targets_agree(name: str, dtype: type) -> None:
    x, w, b = arguments(dtype)
    found = gc.jit(fed_forward, target=runnable(name))(x, w, b)
    expected = np.tanh(x.astype(np.float64) @ w + b)
    np.testing.assert_allclose(found, expected, atol=float(64 * np.finfo(dtype).eps))


def test_a_gradient_runs_on_narrow_vectors() -> None:
    x, w, b = arguments(np.float32)

    def loss(w: Tree) -> Tree:
        return gnp.mean(gc.nn.softmax(fed_forward(x, w, b)) ** 2)

    narrow = gc.jit(gc.grad(loss), target=runnable("x86-64-v3"))(w)
    np.testing.assert_allclose(narrow, gc.jit(gc.grad(loss))(w), rtol=1e-4, atol=1e-8)
