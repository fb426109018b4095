"""Lowered kernels compute what their graphs do, in either order of independent iterations."""

from __future__ import annotations

import pytest

from graphc.codegen.loops.run import run
from tests.loops.lowered import Lowered, composed, of_rows


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("case", [*of_rows(), *composed()], ids=str)
def test_lowered_kernels_compute_what_their_graphs_do(case: Lowered, backwards: bool) -> None:
    arguments = case.arguments()
    run(case.kernel, arguments, case.sizes, backwards=backwards)
    case.check(arguments)
