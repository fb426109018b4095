"""Every function of the standard's linear algebra extension, called as the standard writes it."""

from __future__ import annotations

import inspect

import pytest

from graphc.numpy import linalg
from tests.numpy.standard.test_names import as_written, parameters_of

LINES = """
cholesky(x, /, *, upper=False)
cross(x1, x2, /, *, axis=-1)
det(x, /)
diagonal(x, /, *, offset=0)
eigh(x, /)
eigvalsh(x, /)
inv(x, /)
matmul(x1, x2, /)
matrix_norm(x, /, *, keepdims=False, ord="fro")
matrix_power(x, n, /)
matrix_rank(x, /, *, rtol=None)
matrix_transpose(x, /)
outer(x1, x2, /)
pinv(x, /, *, rtol=None)
qr(x, /, *, mode="reduced")
slogdet(x, /)
solve(x1, x2, /)
svd(x, /, *, full_matrices=True)
svdvals(x, /)
tensordot(x1, x2, /, *, axes=2)
trace(x, /, *, offset=0, dtype=None)
vecdot(x1, x2, /, *, axis=-1)
vector_norm(x, /, *, axis=None, keepdims=False, ord=2)
""".strip().split("\n")


@pytest.mark.parametrize("line", LINES)
def test_signature(line: str) -> None:
    ours = getattr(linalg, line[: line.index("(")])
    theirs = parameters_of(as_written(line))
    positional = [None for p in theirs if p.kind is p.POSITIONAL_ONLY]
    named = {p.name: None for p in theirs if p.kind is p.KEYWORD_ONLY}
    inspect.signature(ours).bind(*positional, **named)
    own = {parameter.name: parameter.default for parameter in parameters_of(ours)}
    assert all(own[p.name] == p.default for p in theirs if p.kind is p.KEYWORD_ONLY)
