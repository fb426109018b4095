"""Names of arguments and sizes never meet the names that the printer makes up."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc


def test_many_arguments() -> None:
    arrays = [np.full(40, n, np.float32) for n in range(30)]
    found = gc.jit(lambda *xs: sum(xs))(*arrays)
    np.testing.assert_array_equal(found, np.full(40, sum(range(30)), np.float32))


@pytest.mark.parametrize("name", ["v1", "x2", "next3", "status", "code", "entry", "begin"])
def test_size_of_any_name(name: str) -> None:
    run = gc.jit(lambda x: x + x).lower(gc.ShapeDtypeStruct((name, 3), "float32")).compile()
    np.testing.assert_array_equal(run(np.ones((5, 3), np.float32)), np.full((5, 3), 2.0))
