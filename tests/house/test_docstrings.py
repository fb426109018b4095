"""The examples in docstrings run and give what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests.house.sources import ROOMS, ROOT, module_name, python_files

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = tuple(
    module_name(name)
    for name in python_files(ROOMS)
    if ">>> " in (ROOT / name).read_text(encoding="utf-8")
)


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module: str) -> None:
    outcome = doctest.testmod(importlib.import_module(module), optionflags=FLAGS)
    assert outcome.failed == 0
