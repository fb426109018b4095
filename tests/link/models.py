"""The model file of these tests: each entry has what some caller may trip over."""

from __future__ import annotations

import numpy as np

import graphc as gc
import graphc.numpy as gnp

ROWS = gc.ShapeDtypeStruct(("batch", 4), "float32")
PARAMS = {"layer": {"w": np.ones((4, 3), np.float32)}, "b": np.ones(3, np.float32)}


@gc.entry(ROWS, PARAMS, np.zeros(2, np.int32))
def looked_up(x: gnp.Array, params: dict[str, gnp.Array], i: gnp.Array) -> dict[str, gnp.Array]:
    """Nested parameters, a symbolic batch, several outputs, an index that may be wrong."""
    h = gnp.tanh(x @ params["layer"]["w"] + params["b"])
    return {"h": h, "sum": gnp.sum(h), "rows": h[i]}


@gc.entry(PARAMS, gc.ShapeDtypeStruct((8, 4), "float32"), np.float32(0), donate_argnums=0)
def trained(params: dict[str, gnp.Array], x: gnp.Array, rate: gnp.Array) -> tuple[object, ...]:
    """Donated parameters, a scalar, a gradient and a loop."""

    def loss(inner: dict[str, gnp.Array]) -> gnp.Array:
        return gnp.mean((x @ inner["layer"]["w"] + inner["b"]) ** 2)

    def step(_: gnp.Array, state: tuple[object, ...]) -> tuple[object, ...]:
        value, slope = gc.value_and_grad(loss)(state[0])
        return gc.tree.map(lambda p, g: p - rate * g, state[0], slope), value

    state: tuple[object, ...] = gc.fori_loop(0, 20, step, (params, gnp.float32(0)))
    return state


@gc.entry(gc.ShapeDtypeStruct((300, 300), "float32"))
def parallel(x: gnp.Array) -> gnp.Array:
    """Enough work for several threads, and one output."""
    made: gnp.Array = gnp.exp(x @ x * 0.001)
    return made


@gc.entry(
    gc.ShapeDtypeStruct((3,), "bfloat16"),
    gc.ShapeDtypeStruct((3,), "float16"),
    gc.ShapeDtypeStruct((2,), "bool"),
    gc.ShapeDtypeStruct((), "int64"),
    gc.ShapeDtypeStruct(("m", 2), "uint8"),
)
def kinds(
    a: gnp.Array, b: gnp.Array, c: gnp.Array, d: gnp.Array, out: gnp.Array
) -> tuple[gnp.Array, ...]:
    """Element types that C does not have, and a parameter called as an option."""
    return a + a, b * b, ~c, d + 1, out + 1, gnp.sum(b.astype("float64"))


@gc.entry(gc.ShapeDtypeStruct(("n", "n + 1"), "float32"), gc.ShapeDtypeStruct(("n",), "float64"))
def computed(double: gnp.Array, y: gnp.Array) -> tuple[gnp.Array, ...]:
    """A size that is an expression, and a name that C keeps for itself."""
    return gnp.concatenate([double, double], axis=0), y * 2


@gc.entry(gc.ShapeDtypeStruct(("n",), "complex64"), gc.ShapeDtypeStruct((2,), "complex128"))
def turned(z: gnp.Array, w: gnp.Array) -> tuple[gnp.Array, ...]:
    """Complex numbers in, out and as a number."""
    return z * 1j, gnp.abs(w), gnp.sum(z)


@gc.entry(gc.ShapeDtypeStruct((3, 3), "float32"))
def doubled(x: gnp.Array) -> gnp.Array:
    """The least that can be built."""
    made: gnp.Array = x * 2
    return made


CLASHING = {"a.b": np.zeros(2), "a": {"b": np.zeros(2)}, "x=y z": np.zeros(1)}


@gc.entry(CLASHING, gc.ShapeDtypeStruct(("unused",), "bool"))
def clashing(p: dict[str, gnp.Array], for_: gnp.Array) -> dict[str, gnp.Array]:
    """Names that are equal in C, or dangerous as files, and a size that nothing reads."""
    return {"../up": p["a.b"] - p["a"]["b"], "dir/file": p["x=y z"]}


@gc.entry(np.zeros(2, np.float32), gc.ShapeDtypeStruct(("n", 3), "float64"), np.int32(1))
def telling(x: gnp.Array, y: gnp.Array, k: gnp.Array) -> gnp.Array:
    """What it prints and checks; sizes that only a call knows."""
    gc.debug.print("x = {}, {:.3f} {k:4d} {} {s}", x, x[0], x > 1, k=k, s="{ok}")
    gc.debug.print("y = {} {} {}", y, y[0, 0] * 1e20, gnp.astype(y[0, 0], "float16"))
    gc.debug.check(k > 0, "got {}, expected more", k)
    found: gnp.Array = gnp.sum(x) + k
    return found
