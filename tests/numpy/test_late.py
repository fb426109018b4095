"""Modules of the namespace that are loaded late: the table of their names is theirs."""

from __future__ import annotations

import importlib

import pytest

import graphc as gc
import graphc.numpy as gnp


def rooms() -> dict[str, set[str]]:
    """The late modules, and the names that the namespace says they give."""
    found = {module: set(names.split()) for module, names in vars(gnp)["_LATE"].items()}
    return {module: names for module, names in found.items() if names != {module}}


@pytest.mark.parametrize("module", sorted(rooms()))
def test_names_are_those_of_the_module(module: str) -> None:
    found = importlib.import_module(f"graphc.numpy.{module}")
    assert rooms()[module] == set(found.__all__)
    for name in found.__all__:
        assert getattr(gnp, name) is getattr(found, name)


def test_rooms_of_the_front_door_open() -> None:
    for name in gc.__all__:
        assert getattr(gc, name) is not None
        assert name in dir(gc)
    assert gnp.fft.fft is not None
    assert gnp.linalg.inv is not None


@pytest.mark.parametrize("namespace", [gc, gnp])
def test_a_name_that_nobody_has(namespace: object) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(namespace, "no_such_name")  # noqa: B009
