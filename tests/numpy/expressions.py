"""Calls written as text, `xp.sum(x, axis=0)`, which must mean the same in NumPy and here.

Each is evaluated at once and, many in one program, compiled. What Python numbers become and
integers add up to is 64 bits wide in NumPy and 32 here; any other difference of type fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

import graphc as gc
import graphc.numpy as gnp
from tests.numpy.both_ways import Value, real, whole

TOGETHER = 12  # expressions in one program
NARROWED = {"int64": "int32", "uint64": "uint32", "float64": "float32"}

ARRAYS: dict[str, np.ndarray] = {
    "x": real(3, 4),
    "y": real(3, 4, seed=1),
    "t": real(2, 3, 4, seed=2),
    "v": real(5, seed=3),
    "w": real(5, seed=4),
    "p": real(3, 4, low=0.2, high=3, seed=5),
    "up": np.cumsum(real(5, low=0.1, high=1, seed=6)).astype(np.float32),
    "q": real(4, 4, seed=7),
    "i": whole(3, 4, seed=8),
    "j": whole(3, 4, low=1, high=7, seed=9),
    "u": whole(6, low=0, high=5, seed=10),
    "b": real(3, 4, seed=11) > 0,
    "c": real(3, 4, seed=12) > 0,
    "s": np.asarray(1.5, np.float32),
    "a": np.array([[1, np.nan, 3, 0], [np.nan, 2, np.inf, -1], [5, 5, -4, 2]], np.float32),
}


def evaluate(line: str, namespace: object, arrays: Mapping[str, Value]) -> Value:
    """The value of an expression of arrays and of the namespace `xp`."""
    return eval(line, {"xp": namespace, "gnp": gnp, "np": np, **arrays})


def flat(value: Value) -> list[Value]:
    """The arrays of a result, which may be a tuple or a list of them."""
    if isinstance(value, tuple | list):
        return [leaf for each in value for leaf in flat(each)]
    return [value]


def compare(
    line: str, found: Value, expected: Value, rtol: float, atol: float, narrowed: Mapping[str, str]
) -> None:
    """One array against NumPy's, with its shape and element type."""
    got, wanted = np.asarray(found), np.asarray(expected)
    assert got.shape == wanted.shape, f"{line}: shape {got.shape}, expected {wanted.shape}"
    names = {wanted.dtype.name, narrowed.get(wanted.dtype.name, "")}
    assert got.dtype.name in names, f"{line}: {got.dtype}, expected {wanted.dtype}"
    wide = np.complex128 if wanted.dtype.kind == "c" else np.float64
    np.testing.assert_allclose(
        got.astype(wide), wanted.astype(wide), rtol=rtol, atol=atol, err_msg=line
    )


def agree(
    lines: Sequence[str],
    arrays: Mapping[str, np.ndarray] = ARRAYS,
    rtol: float = 2e-5,
    atol: float | None = None,
    narrowed: Mapping[str, str] = NARROWED,
) -> None:
    """Each expression is NumPy's, at once and compiled.

    `narrowed` says which of NumPy's element types may have another one here.
    """
    for start in range(0, len(lines), TOGETHER):
        part = lines[start : start + TOGETHER]
        with np.errstate(all="ignore"):
            expected = [flat(evaluate(line, np, arrays)) for line in part]
        eager = [flat(evaluate(line, gnp, arrays)) for line in part]

        def program(values: Mapping[str, Value], part: Sequence[str] = part) -> Value:
            return [flat(evaluate(line, gnp, values)) for line in part]

        compiled = gc.jit(program)(dict(arrays))
        for way in (eager, compiled):
            for line, found, wanted in zip(part, way, expected, strict=True):
                assert len(found) == len(wanted), line
                for one, two in zip(found, wanted, strict=True):
                    compare(line, one, two, rtol, rtol if atol is None else atol, narrowed)
