"""Calls that do not fit: arguments missing, extra, unknown, of other types and structures."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
import graphc.numpy as gnp
from graphc.ir.errors import ArgumentError, DtypeError, ShapeError, TraceError, UnsupportedError
from graphc.tree import Tree
from tests.bad_input.refusals import refused

X = np.arange(6, dtype=np.float32).reshape(2, 3)
V = np.arange(3, dtype=np.float32)


@gc.jit
def product(left: Tree, right: Tree) -> Tree:
    return left @ right


@pytest.mark.parametrize(
    ("args", "kwargs", "match"),
    [
        ((X,), {}, "product: arguments do not fit: missing right"),
        ((), {}, "missing left, right"),
        ((X, X, X), {}, "too many by position .got 3, expected at most 2"),
        ((X,), {"lift": X, "z": 1}, "missing right; unknown lift, z"),
        ((X, X), {"left": X}, "given twice left"),
    ],
)
def test_a_wrong_call_names_every_argument(
    args: tuple[object, ...], kwargs: dict[str, object], match: str
) -> None:
    with refused(ArgumentError, TypeError, match):
        product(*args, **kwargs)
    with refused(ArgumentError, TypeError, match):
        gc.grad(product)(*args, **kwargs)


def test_wrong_shapes() -> None:
    with refused(ShapeError, ValueError, r"matmul: got \(2, 3\) @ \(2, 3\)"):
        product(X, X)


def test_a_compiled_function_takes_what_it_was_compiled_for() -> None:
    def f(params: Tree, x: Tree) -> Tree:
        return params["w"] * x

    compiled = gc.jit(f).trace({"w": V}, V).lower().compile()
    wrong: list[tuple[type[gc.Error], type[Exception], tuple[Tree, ...], dict[str, Tree], str]] = [
        (ArgumentError, TypeError, ({"w": V},), {}, "f: missing x"),
        (ArgumentError, TypeError, ({"w": V}, V, V), {}, "f: unknown argument 2"),
        (ArgumentError, TypeError, ({"w": V}, V), {"x": V}, "f: given twice x"),
        (ArgumentError, TypeError, ({"w": V}, None), {}, "f: missing x"),
        (ShapeError, ValueError, ({"w": V}, X), {}, r"f: x: got f32\[2,3\], expected f32\[3\]"),
        (DtypeError, TypeError, ({"w": V}, "hi"), {}, "f: x: not an array of numbers: got str"),
        (DtypeError, TypeError, ({"w": V}, V.astype(int)), {}, r"x: got i64\[3\], expected f32"),
    ]
    for kind, builtin, args, kwargs, match in wrong:
        with refused(kind, builtin, match):
            compiled(*args, **kwargs)
    assert np.array_equal(compiled({"w": V}, x=V), V * V)


def test_all_offending_arguments_are_listed() -> None:
    compiled = gc.jit(lambda p, x: p["w"] * x).trace({"w": V}, V).lower().compile()
    with refused(ArgumentError, TypeError) as caught:
        compiled({"v": V}, X, 1, 2)
    assert "5 arguments do not fit\n  missing p.w\n  unknown p.v\n  and 3 more" in str(caught.value)


def test_static_arguments_are_no_part_of_the_compiled_call() -> None:
    compiled = gc.jit(lambda x, n: x * n, static_argnums=1).trace(V, 2).lower().compile()
    assert np.array_equal(compiled(V), V * 2)
    with refused(ArgumentError, TypeError, "unknown argument 1"):
        compiled(V, 2)


@pytest.mark.parametrize(
    "value",
    [
        "hi",
        object(),
        np.array([1, None], object),
        np.array(["a"]),
        np.array(["2020-01-01"], "datetime64[D]"),
        np.zeros(3, [("a", "f4"), ("b", "i4")]),
        np.ma.array([1.0, 2.0], mask=[False, True]),
        (i for i in range(3)),
        {1.0: 2}.values(),
        gc.ShapeDtypeStruct((3,), "float32"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_array_of_numbers(value: Tree) -> None:
    with refused(DtypeError, TypeError, "x: "):
        gc.jit(lambda x: x)(value)
    with refused(DtypeError, TypeError):
        gc.jit(lambda x, y: (x, y))(V, {"a": value})


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"static_argnums": 4}, "static_argnums: got 4, expected one of the positions of <lambda>"),
        ({"static_argnums": 1.5}, "static_argnums: got 1.5, expected int or several"),
        ({"static_argnums": "x"}, "static_argnums: got 'x', expected int or several"),
        ({"static_argnames": 3}, "static_argnames: got 3, expected str or several"),
        ({"static_argnames": "z"}, "static_argnames: got 'z', expected a parameter of <lambda>"),
        ({"donate_argnums": [0, -3]}, "donate_argnums: got -3, expected one of the positions"),
        ({"donate_argnames": ("x", "z")}, "donate_argnames: got 'z', expected a parameter"),
        ({"donate_argnums": 0, "static_argnums": 0}, "got x as static and donated"),
    ],
)
def test_options_of_jit(options: dict[str, Tree], match: str) -> None:
    with refused(ArgumentError, TypeError, match):
        gc.jit(lambda x: x, **options)


@pytest.mark.parametrize("value", [[1], {}, np.ones(2)])
def test_static_arguments_must_have_a_hash(value: object) -> None:
    with refused(ArgumentError, TypeError, "n: got a static argument of type .* which has no hash"):
        gc.jit(lambda x, n: x, static_argnums=1)(V, value)


@pytest.mark.parametrize("value", [3, "f", None, V])
def test_only_functions_can_be_compiled(value: Tree) -> None:
    if value is not None:  # jit() alone is a decorator with options
        with refused(ArgumentError, TypeError, "jit: got .*, expected a function"):
            gc.jit(value)
    with refused(ArgumentError, TypeError, "grad: got .*, expected a function"):
        gc.grad(value)


def test_another_backend_and_stage() -> None:
    with pytest.raises(UnsupportedError, match="backend: got 'gpu', expected 'cpu'"):
        gc.jit(lambda x: x, backend="gpu")
    lowered = gc.jit(lambda x: x).lower(V)
    with pytest.raises(ArgumentError, match="stage: got 'ptx', expected one of graph optimized"):
        lowered.as_text("ptx")
    with pytest.raises(ArgumentError, match="got 'ptx', expected llvm or asm"):
        lowered.compile().as_text("ptx")


@pytest.mark.parametrize(
    ("result", "shown"),
    [("hi", "str 'hi'"), ({1, 2}, "set"), (..., "ellipsis"), (np.float32, "type")],
)
def test_functions_must_give_arrays(result: object, shown: str) -> None:
    with refused(DtypeError, TypeError, f"the result of <lambda>: not an array.*got {shown}"):
        gc.jit(lambda x: result)(V)
    with refused(DtypeError, TypeError, rf"the result of <lambda>\.b\.1: .*got {shown}"):
        gc.jit(lambda x: {"a": x, "b": (x, result)})(V)


def test_generators_and_coroutines() -> None:
    def generator(x: Tree) -> Tree:
        yield x

    with refused(DtypeError, TypeError, "the result of generator: .*got generator"):
        gc.jit(generator)(V)


def test_python_ints_must_fit() -> None:
    with refused(DtypeError, TypeError, "x: got 1099511627776, expected a value that i32 holds"):
        gc.jit(lambda x: x * 2)(2**40)
    with refused(DtypeError, TypeError, "i32 cannot hold the Python number: got 1099511627776"):
        gc.jit(lambda x: x * 2**40)(np.ones(2, np.int32))
    assert gc.jit(lambda x: x * 2**40)(np.ones(1, np.int64)) == 2**40
    compiled = gc.jit(lambda x: x * 2).trace(np.int64(1)).lower().compile()
    assert compiled(2**40) == 2**41


@pytest.mark.filterwarnings("error")
def test_python_floats_may_be_infinite_in_f32() -> None:
    assert gc.jit(lambda x: x * 2)(1e300) == np.inf


@pytest.mark.parametrize(
    ("shape", "dtype", "kind"),
    [
        ((-3,), "float32", ShapeError),
        ((3.5,), "float32", ShapeError),
        ((2**40, 2**40), "float32", ShapeError),
        (("2 bad",), "float32", ShapeError),
        ((3,), "floaty", DtypeError),
    ],
)
def test_descriptions_of_arrays_that_cannot_be(shape: Tree, dtype: str, kind: Tree) -> None:
    with pytest.raises(kind, match="got"):
        gc.jit(lambda x: x).trace(gc.ShapeDtypeStruct(shape, dtype))


def test_exceptions_of_the_function_pass_through() -> None:
    class OwnError(Exception):
        pass

    calls = []

    @gc.jit
    def f(x: Tree) -> Tree:
        calls.append(x)
        if len(calls) == 1:
            raise OwnError("boo")
        return x + 1

    with pytest.raises(OwnError, match=r"^boo$"):
        f(V)
    assert np.array_equal(f(V), V + 1)  # nothing is left of the failed trace
    with pytest.raises(KeyError):
        gc.grad(lambda x: {}[x.shape])(V)
    with pytest.raises(RecursionError):
        gc.jit(_endless)(V)
    assert gnp.sum(V) == 3


def _endless(x: Tree) -> Tree:
    return _endless(x)


def test_a_tracer_is_no_argument_outside() -> None:
    kept: list[Tree] = []
    gc.jit(kept.append)(V)
    with refused(TraceError, TypeError, "left its function: got f32"):
        gc.jit(lambda x: x)(kept[0])
