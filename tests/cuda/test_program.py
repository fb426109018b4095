"""Host functions launch, copy, loop and choose in order."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.codegen.cuda.compile import compile_cubin
from graphc.codegen.cuda.emulation import Emulated, emulate
from graphc.codegen.cuda.program import (
    Copy,
    Launch,
    Place,
    Plan,
    Repeat,
    Switch,
    While,
    print_program,
)
from graphc.codegen.loops.index import Var, index
from graphc.codegen.loops.language import Kernel, Literal, Load, Store
from graphc.ir.types import BOOL, F32, I32
from tests.loops.kernels import apply, buffer, loop, size

ARENA, IN, OUT = Place("arena"), Place("inputs", 0), Place("outputs", 0)


def step_kernel(name: str, op: str, constant: float) -> Kernel:
    """`y = op(x, constant)` over `n` elements."""
    n = size("n")
    x, y = buffer("x", n), buffer("y", n)
    lane = loop("i", n, "vector")
    piece = loop("c", 1, "parallel")
    store = Store(y, lane.at, apply(op, Load(x, lane.at), Literal(constant, F32)))
    return Kernel(name, (x, y), ("n",), (piece(lane(store)),))


def below() -> Kernel:
    """Whether the first element is below 100."""
    x, flag = buffer("x", 1), buffer("flag", 1, BOOL)
    test = apply("lt", Load(x, index(0)), Literal(100.0, F32), dtype=BOOL)
    return Kernel("below", (x, flag), (), (loop("c", 1, "parallel")(Store(flag, index(0), test)),))


DOUBLE, ADD, BELOW = step_kernel("double", "mul", 2.0), step_kernel("add_one", "add", 1.0), below()
N = size("count")
COUNTER = Var("t", index(3))
ROW = index(COUNTER) * N * 4
FLAG = Place("arena", byte=index(4096))
PLANS = {
    "through_arena": Plan(
        (Launch(DOUBLE, (IN, ARENA), (N,)), Launch(ADD, (ARENA, OUT), (N,))), ("count",)
    ),
    "copied": Plan((Copy(IN, OUT, N * 4),), ("count",)),
    "rows": Plan(
        (
            Repeat(
                COUNTER,
                (Launch(ADD, (Place("inputs", 0, ROW), Place("outputs", 0, ROW)), (N,)),),
            ),
        ),
        ("count",),
    ),
    "doubled": Plan(
        (
            Copy(IN, OUT, N * 4),
            While(
                (Launch(BELOW, (OUT, FLAG)),),
                FLAG,
                (Launch(DOUBLE, (OUT, OUT), (N,)),),
            ),
        ),
        ("count",),
    ),
    "chosen": Plan(
        (
            Switch(
                Place("inputs", 1),
                I32,
                ((Launch(DOUBLE, (IN, OUT), (N,)),), (Launch(ADD, (IN, OUT), (N,)),)),
            ),
        ),
        ("count",),
    ),
}


@pytest.fixture(scope="module")
def program() -> Emulated:
    return emulate(print_program(PLANS))


def result(
    program: Emulated, name: str, x: np.ndarray, count: int, *more: np.ndarray
) -> np.ndarray:
    y = np.zeros_like(x)
    assert program.call(name, [x, *more], [y], arena=8192, sizes=[count]) == 0
    return y


X = np.arange(1, 8, dtype=np.float32)


@pytest.mark.needs_cc
def test_launches_hand_on_through_the_arena(program: Emulated) -> None:
    np.testing.assert_array_equal(result(program, "through_arena", X, 7), X * 2 + 1)


@pytest.mark.needs_cc
def test_copies(program: Emulated) -> None:
    np.testing.assert_array_equal(result(program, "copied", X, 7), X)


@pytest.mark.needs_cc
def test_a_repeated_step_walks_along_rows(program: Emulated) -> None:
    rows = np.arange(21, dtype=np.float32).reshape(3, 7)
    np.testing.assert_array_equal(result(program, "rows", rows, 7), rows + 1)


@pytest.mark.needs_cc
def test_a_loop_ends_when_its_flag_falls(program: Emulated) -> None:
    np.testing.assert_array_equal(result(program, "doubled", X, 7), X * 128)


@pytest.mark.needs_cc
@pytest.mark.parametrize(("choice", "added"), [(-3, False), (0, False), (1, True), (9, True)])
def test_a_choice_outside_is_the_nearest_branch(
    program: Emulated, choice: int, added: bool
) -> None:
    got = result(program, "chosen", X, 7, np.array([choice], np.int32))
    np.testing.assert_array_equal(got, X + 1 if added else X * 2)


@pytest.mark.needs_nvcc
def test_nvcc_takes_the_program() -> None:
    assert compile_cubin(print_program(PLANS)).startswith(b"\x7fELF")


def test_equal_kernels_are_printed_once() -> None:
    assert print_program(PLANS).count("__global__ void") == 3
