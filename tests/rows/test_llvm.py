"""Every row through the whole compiler to native code, against the interpreter.

All samples of a row are one program. It runs twice, with all memory ending and then beginning at
pages that the process may not touch.
"""

from __future__ import annotations

import pytest

from graphc.ir.node import Op
from graphc.runtime.compiler import compile_graph
from graphc.runtime.options import Settings
from tests import guard
from tests.rows.accuracy import wrong
from tests.rows.cases import SAMPLED, cases, merged


@pytest.mark.parametrize("row", SAMPLED, ids=str)
def test_native_code_computes_what_the_row_means(row: Op) -> None:
    found = cases(row)
    graph, arrays = merged(found)
    executable = compile_graph(graph, Settings().resolve())
    first = guard.call(executable, arrays, at_end=True)
    pairs = zip(found, first, strict=True)
    faults = [f"{case}: {fault}" for case, y in pairs if (fault := wrong(case, y))]
    assert not faults, "\n".join(faults[:20])
    second = guard.call(executable, arrays, at_end=False)
    assert [y.tobytes() for y in first] == [y.tobytes() for y in second]
