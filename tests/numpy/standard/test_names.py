"""Every name of the standard is there and can be called as the standard says.

What is missing stands, with its reason, in docs/array-api.md under "Left out"; a name that is
neither there nor here fails, and so does one that is in both.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

import graphc.numpy as gnp
from graphc.numpy import Array
from tests.house.sources import ROOT
from tests.numpy.standard.signatures import (
    ATTRIBUTES,
    CONSTANTS,
    DTYPES,
    EXTENSIONS,
    FUNCTIONS,
    METHODS,
)

PAGE = (ROOT / "docs" / "array-api.md").read_text(encoding="utf-8")
# NumPy's defaults that mean the standard's: no norm is "backward", a copy is made where needed.
SAME = ((True, None), (None, "backward"))
LEFT_OUT = set(re.findall(r"^- `([\w.]+)`:", PAGE, re.MULTILINE))
LINES = [line for text in FUNCTIONS.values() for line in text.split("\n") if line]
LINES += [
    f"{space}.{line}" for space, text in EXTENSIONS.items() for line in text.split("\n") if line
]


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def as_written(line: str) -> Callable[..., Any]:
    """A function with the signature that a line of the standard writes."""
    space: dict[str, Any] = {}
    exec(f"def written{line[line.index('(') :]}: ...", space)
    found: Callable[..., Any] = space["written"]
    return found


@pytest.mark.parametrize("line", LINES)
def test_signature(line: str) -> None:
    name = line[: line.index("(")]
    *space, last = name.split(".")
    home = getattr(gnp, space[0], None) if space else gnp
    found = [getattr(home, last)] if hasattr(home, last) else []
    if name in LEFT_OUT:
        assert not found
        return
    (ours,) = found
    signature = inspect.signature(ours)
    theirs = parameters_of(as_written(line))
    for keywords in (False, True):
        positional: list[None] = []
        named: dict[str, None] = {}
        for parameter in theirs:
            if parameter.kind is parameter.VAR_POSITIONAL:
                positional += [None, None]
            elif parameter.kind is parameter.KEYWORD_ONLY or (
                keywords and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            ):
                named[parameter.name] = None
            else:
                positional.append(None)
        signature.bind(*positional, **named)
    own = {parameter.name: parameter for parameter in parameters_of(ours)}
    for parameter in theirs:
        if parameter.default is not parameter.empty and parameter.name in own:
            given = own[parameter.name].default
            assert given == parameter.default or (given, parameter.default) in SAME
        elif parameter.name in own and parameter.kind is not parameter.VAR_POSITIONAL:
            # Where the standard has no default there may be one: it is never asked for.
            assert own[parameter.name].kind is not parameter.KEYWORD_ONLY


@pytest.mark.parametrize("name", [*CONSTANTS, *DTYPES.split(), "__array_api_version__"])
def test_constant(name: str) -> None:
    assert hasattr(gnp, name) != (name in LEFT_OUT)


@pytest.mark.parametrize("name", [*ATTRIBUTES.split(), *METHODS.split()])
def test_array_attribute(name: str) -> None:
    assert hasattr(Array, name) != (f"Array.{name}" in LEFT_OUT)


def test_what_is_left_out_is_in_the_standard() -> None:
    functions = {line[: line.index("(")] for line in LINES}
    methods = {f"Array.{name}" for name in (*ATTRIBUTES.split(), *METHODS.split())}
    assert functions | methods | set(CONSTANTS) | set(DTYPES.split()) >= LEFT_OUT
