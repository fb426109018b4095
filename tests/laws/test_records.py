"""Our `dataclass` and the standard one make the same of a class."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import field
from typing import Any, TypeAlias

import pytest

from graphc.ir import records

Made: TypeAlias = Any  # a class that was decorated
Decorator = Callable[..., Made]


@records.dataclass(frozen=True, slots=True)
class Slotted:
    """Of ours only."""

    number: int
    names: tuple[str, ...] = ()


def decorators(**options: bool) -> list[Decorator]:
    return [made(**options) for made in (dataclasses.dataclass, records.dataclass)]


def points(**options: bool) -> list[Made]:
    """The same class, made twice."""
    found = []
    for decorate in decorators(**options):

        class Point:
            """A point."""

            x: int
            y: float = 0.5
            tags: list[str] = field(default_factory=list, compare=False)
            note: str = field(default="", repr=False, compare=False)
            twice: int = field(init=False, default=0)

            def __post_init__(self) -> None:
                object.__setattr__(self, "twice", 2 * self.x)

        found.append(decorate(Point))
    return found


@pytest.mark.parametrize("options", [{}, {"frozen": True}, {"eq": False}, {"kw_only": True}])
def test_instances_are_alike(options: dict[str, bool]) -> None:
    for point in zip(*(behaviour(made) for made in points(**options)), strict=True):
        assert point[0] == point[1]


def behaviour(made: Made) -> list[object]:
    """What can be seen of a class and its instances."""
    a, b, c = made(x=1), made(x=1, tags=["t"], note="n"), made(x=2, y=1.5)
    seen: list[object] = [repr(a), repr(c), a == b, a == c, a != c, a == 1, a.tags, a.twice]
    seen += [repr(dataclasses.replace(a, y=2.0)), made.__match_args__, made.__hash__ is None]
    seen += [[(f.name, f.init, f.compare) for f in dataclasses.fields(made)]]
    if made.__hash__ is not None and made.__eq__ is not object.__eq__:
        seen += [hash(a), hash(a) == hash(b)]
    for change in (
        lambda: setattr(a, "x", 5),
        lambda: delattr(a, "y"),
        lambda: made(1, 2, [], "", 9),
    ):
        try:
            change()
            seen.append(a.x)
        except (AttributeError, TypeError) as error:
            seen.append(type(error))
    return seen


def test_own_methods_stay() -> None:
    for decorate in decorators(frozen=True):

        class Own:
            """Compares and shows itself."""

            name: str

            def __eq__(self, other: object) -> bool:
                return True

            def __hash__(self) -> int:
                return 7

            def __repr__(self) -> str:
                return "own"

        made = decorate(Own)
        assert made("a") == made("b")
        assert hash(made("a")) == 7
        assert repr(made("a")) == "own"


def test_fields_are_inherited() -> None:
    for decorate in decorators(frozen=True, slots=True):

        class First:
            """One field."""

            a: int = 1

        base = decorate(First)

        class Second(base):  # type: ignore[misc, valid-type]
            """Another."""

            b: int = 2

        made = decorate(Second)
        assert repr(made(b=3)).endswith("Second(a=1, b=3)")
        assert made() != base()
        assert not hasattr(made(), "__dict__")


def test_frozen_slots_can_be_copied() -> None:
    made = Slotted(3, ("a",))
    assert copy.deepcopy(made) == made == copy.copy(made)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'number'"):
        made.number = 4  # type: ignore[misc]
