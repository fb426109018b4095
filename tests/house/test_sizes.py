"""The limits on files, functions, hints, hidden imports and notes; the table is `sizes.py`."""

from __future__ import annotations

import ast

import pytest

from tests.house import sizes
from tests.house.sources import python_files


def test_no_limit_is_broken() -> None:
    faults = sizes.broken()
    assert not faults, "\n" + "\n".join(faults)


def test_allow_list_has_no_stale_line() -> None:
    found = {
        (hidden.module, hidden.library)
        for name in python_files()
        for hidden in sizes.hidden_imports(name)
    }
    assert found >= sizes.HIDDEN_IMPORTS_ALLOWED


@pytest.mark.parametrize(
    ("statement", "libraries"),
    [
        ("import torch.nn as nn, jax", ("torch", "jax")),
        ("from scipy.special import erf", ("scipy",)),
        ("importlib.import_module('sympy.core')", ("sympy",)),
        ("import_module(name)", ("?",)),
        ("print('torch')", ()),
    ],
)
def test_imports_are_recognised(statement: str, libraries: tuple[str, ...]) -> None:
    found = [sizes.imported_by(node) for node in ast.walk(ast.parse(statement))]
    assert tuple(library for names in found for library in names) == libraries


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("def f(self, a: int, *b: int, c: int = 1, **d: int) -> int: ...", True),
        ("def f(a: int): ...", False),
        ("def f(a: int, *b) -> int: ...", False),
        ("def f(a, /) -> int: ...", False),
    ],
)
def test_hints_are_recognised(definition: str, expected: bool) -> None:
    (function,) = ast.parse(definition).body
    assert isinstance(function, ast.FunctionDef)
    assert sizes.is_hinted(function) is expected


def test_fields_of_any_are_recognised() -> None:
    assert sizes.mentions_any(ast.parse("dict[str, typing.Any]", mode="eval").body)
    assert not sizes.mentions_any(ast.parse("dict[str, Anything]", mode="eval").body)
