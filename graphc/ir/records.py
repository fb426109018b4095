"""`dataclass` as the standard library has it, made in a third of the time.

The standard one compiles up to six methods for each class, which was half of the time of
importing graphc and of loading its compiler. Here only `__init__` is compiled; comparing, hashing,
showing and refusing to be changed are functions that exist already. `field`, `fields` and
`replace` work as ever. A standard dataclass that is frozen cannot inherit from one of these.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

__all__ = ["dataclass"]

Made: TypeAlias = Any  # a class or an instance of one, with attributes that are known when it runs
_UNGIVEN = object()


def _initialiser(made: Made, frozen: bool) -> Callable[..., None]:
    """`__init__`, which is called most, and has parameters of its own."""
    known: dict[str, Made] = {"_set": object.__setattr__, "_ungiven": _UNGIVEN}
    ordered, named, lines = ["self"], list[str](), list[str]()
    for field in dataclasses.fields(made):
        name = value = parameter = field.name
        if field.default_factory is not dataclasses.MISSING:
            known[f"_make_{name}"] = field.default_factory
            parameter, value = f"{name}=_ungiven", f"_make_{name}()"
            if field.init:
                value += f" if {name} is _ungiven else {name}"
        elif not field.init:
            continue  # `__post_init__` gives the value, or the class has it
        elif field.default is not dataclasses.MISSING:
            known[f"_default_{name}"] = field.default
            parameter = f"{name}=_default_{name}"
        if field.init:
            (named if field.kw_only else ordered).append(parameter)
        lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(made, "__post_init__"):
        lines.append("self.__post_init__()")
    given = ", ".join([*ordered, *(["*", *named] if named else [])])
    exec(f"def __init__({given}):\n " + "\n ".join(lines or ["pass"]), known)
    function: Callable[..., None] = known["__init__"]
    function.__qualname__ = f"{made.__qualname__}.__init__"
    return function


def _values(names: Sequence[str]) -> Callable[[object], tuple[object, ...]]:
    """A function that gives the named attributes."""
    if len(names) > 1:
        return operator.attrgetter(*names)
    if not names:
        return lambda _: ()
    get = operator.attrgetter(names[0])
    return lambda record: (get(record),)


def _compare(made: Made, frozen: bool) -> None:
    """Equal values make equal objects, which have a hash if they cannot change."""
    values = _values([field.name for field in dataclasses.fields(made) if field.compare])

    def equal(self: object, other: object) -> bool:
        same_class = other.__class__ is self.__class__
        return values(self) == values(other) if same_class else NotImplemented

    own = made.__dict__
    if own.get("__hash__") is None:  # which Python adds where there is `__eq__` alone
        made.__hash__ = (lambda self: hash(values(self))) if frozen else None
    if "__eq__" not in own:
        made.__eq__ = equal


def _shown(self: Made) -> str:
    fields = [field.name for field in dataclasses.fields(self) if field.repr]
    parts = ", ".join([f"{name}={getattr(self, name)!r}" for name in fields])
    return f"{self.__class__.__qualname__}({parts})"


def _refuse(_: object, name: str, *__: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _state(self: Made) -> list[object]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _restore(self: Made, state: Sequence[object]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


def _made(cls: Made, frozen: bool, slots: bool, eq: bool, kw_only: bool) -> Made:
    fields = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)
    made: Made = fields(cls)
    made.__init__ = _initialiser(made, frozen)
    if "__repr__" not in made.__dict__:
        made.__repr__ = _shown
    if eq:
        _compare(made, frozen)
    if frozen:
        made.__setattr__ = made.__delattr__ = _refuse
        if slots:
            made.__getstate__, made.__setstate__ = _state, _restore
    return made


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(
        cls: Made = None,
        /,
        *,
        frozen: bool = False,
        slots: bool = False,
        eq: bool = True,
        kw_only: bool = False,
    ) -> Made:
        """A class of fields, as `dataclasses.dataclass` makes it.

        >>> @dataclass(frozen=True)
        ... class Point:
        ...     x: int
        ...     y: int = 0
        >>> Point(1), Point(1) == Point(1, 0), Point(1) == Point(2)
        (Point(x=1, y=0), True, False)
        """
        if cls is None:
            return lambda cls: _made(cls, frozen, slots, eq, kw_only)
        return _made(cls, frozen, slots, eq, kw_only)
