"""A call's arguments, taken apart: static values, names and leaves."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphc import tree
from graphc.ir.errors import ArgumentError
from graphc.ir.places import user_place, written_at
from graphc.tree import Structure, Tree

Function = Callable[..., Tree]
_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def require_callable(name: str, *functions: Tree) -> None:
    """Refuse what cannot be called, where it is given and not where it would be called.

    Raises:
        ArgumentError: not a function.
    """
    for function in functions:
        if not callable(function):
            raise ArgumentError(
                f"{name}: got {type(function).__name__}, expected a function"
                f"{written_at(user_place())}"
            )


@dataclass(frozen=True)
class Form:
    """All of a call but its arrays: structures, static values, keyword names."""

    positional: tuple[Structure | Static, ...]
    keywords: tuple[tuple[str, Structure | Static], ...]

    @property
    def count(self) -> int:
        """Number of leaves."""
        parts = [*self.positional, *(part for _, part in self.keywords)]
        return sum(part.count for part in parts if isinstance(part, Structure))


@dataclass(frozen=True)
class Static:
    """An argument that is part of the program: another value compiles another program."""

    value: Tree

    def __hash__(self) -> int:
        value = repr(self.value) if isinstance(self.value, float) else self.value
        return hash((type(value), value))

    def __eq__(self, other: object) -> bool:
        # 1 is not True, 0.0 is not -0.0, and NaN is itself: each compiles its own program.
        if not isinstance(other, Static) or type(self.value) is not type(other.value):
            return False
        if isinstance(self.value, float):
            return repr(self.value) == repr(other.value)
        return bool(self.value == other.value)


@dataclass(frozen=True)
class Flattened:
    """A call's form, its leaves and what the leaves are called."""

    form: Form
    leaves: list[Tree]
    names: tuple[str, ...]
    owners: tuple[str, ...]  # per leaf, the parameter it belongs to


class Signature:
    """The parameters of a function, and which of them are static or donated."""

    def __init__(
        self,
        function: Function,
        static_argnums: Sequence[int] = (),
        static_argnames: Sequence[str] = (),
    ) -> None:
        self.name = str(getattr(function, "__name__", type(function).__name__))
        try:
            self.signature: inspect.Signature | None = inspect.signature(function)
        except (TypeError, ValueError):
            self.signature = None
        self.static = self.chosen("static", static_argnums, static_argnames)

    def chosen(self, option: str, numbers: Sequence[int], names: Sequence[str]) -> set[str]:
        """The names of the parameters that `option_argnums` and `option_argnames` speak of.

        Raises:
            ArgumentError: there is no such parameter.
        """
        known = self.positional_names()
        found = set()
        for number in numbers:
            if self._takes(inspect.Parameter.VAR_POSITIONAL) and number >= len(known):
                found.add(f"arg{number}")
            elif -len(known) <= number < len(known):
                found.add(known[number])
            else:
                raise ArgumentError(
                    f"{option}_argnums: got {number}, expected one of the positions of "
                    f"{self.name}, 0 to {len(known) - 1}{written_at(user_place())}"
                )
        for name in names:
            if not self._has(name):
                raise ArgumentError(
                    f"{option}_argnames: got {name!r}, expected a parameter of {self.name}"
                    f"{written_at(user_place())}"
                )
        return found | set(names)

    def _takes(self, kind: inspect._ParameterKind) -> bool:
        parameters = self.signature.parameters.values() if self.signature else ()
        return any(parameter.kind is kind for parameter in parameters)

    def _has(self, name: str) -> bool:
        if self.signature is None or self._takes(inspect.Parameter.VAR_KEYWORD):
            return True
        return name in self.signature.parameters

    def positional_names(self) -> list[str]:
        """The names of parameters that can be given by position."""
        if self.signature is None:
            return []
        return [p.name for p in self.signature.parameters.values() if p.kind in _BY_POSITION]

    def flatten(self, args: Sequence[Tree], kwargs: dict[str, Tree]) -> Flattened:
        """Take a call apart.

        Raises:
            ArgumentError: arguments missing, too many, or a static one that cannot be hashed.
        """
        if self.signature is not None:
            try:
                self.signature.bind(*args, **kwargs)
            except TypeError as error:
                faults = _faults(self.signature, len(args), kwargs) or str(error)
                raise ArgumentError(f"{self.name}: {faults}{written_at(user_place())}") from None
        known = self.positional_names()
        leaves: list[Tree] = []
        names: list[str] = []
        owners: list[str] = []

        def take(name: str, value: Tree) -> Structure | Static:
            if name in self.static:
                return self._static(name, value)
            own, structure = tree.flatten(value)
            leaves.extend(own)
            names.extend(tree.names(name, structure))
            owners.extend([name] * len(own))
            return structure

        positional = tuple(
            take(known[i] if i < len(known) else f"arg{i}", value) for i, value in enumerate(args)
        )
        keywords = tuple((name, take(name, kwargs[name])) for name in sorted(kwargs))
        return Flattened(Form(positional, keywords), leaves, tuple(names), tuple(owners))

    def _static(self, name: str, value: Tree) -> Static:
        static = Static(value)
        try:
            hash(static)
        except TypeError:
            raise ArgumentError(
                f"{name}: got a static argument of type {type(value).__name__}, which has no "
                f"hash, expected one that can be compared{written_at(user_place())}"
            ) from None
        return static


def _faults(signature: inspect.Signature, given: int, kwargs: dict[str, Tree]) -> str:
    """Everything that is wrong with a call: arguments missing, unknown, too many."""
    parameters = signature.parameters
    kinds = inspect.Parameter
    positional = [p for p in parameters.values() if p.kind in _BY_POSITION]
    any_number = any(p.kind is kinds.VAR_POSITIONAL for p in parameters.values())
    any_name = any(p.kind is kinds.VAR_KEYWORD for p in parameters.values())
    by_name = {p.name for p in parameters.values() if p.kind in _BY_NAME}
    taken = {p.name for p in positional[:given]}
    found = []
    missing = [
        p.name
        for p in parameters.values()
        if p.kind in (*_BY_POSITION, kinds.KEYWORD_ONLY) and p.default is kinds.empty
        if p.name not in taken and not (p.name in kwargs and p.name in by_name)
    ]
    unknown = [name for name in kwargs if name not in by_name and not any_name]
    twice = [name for name in kwargs if name in taken and name in by_name]
    if missing:
        found.append(f"missing {', '.join(missing)}")
    if unknown:
        found.append(f"unknown {', '.join(unknown)}")
    if twice:
        found.append(f"given twice {', '.join(twice)}")
    if given > len(positional) and not any_number:
        found.append(f"too many by position (got {given}, expected at most {len(positional)})")
    return f"arguments do not fit: {'; '.join(found)}" if found else ""


def unflatten(form: Form, leaves: Sequence[Tree]) -> tuple[list[Tree], dict[str, Tree]]:
    """The arguments of a form and its leaves."""
    rest = iter(leaves)

    def make(part: Structure | Static) -> Tree:
        if isinstance(part, Static):
            return part.value
        return tree.unflatten(part, [next(rest) for _ in range(part.count)])

    args = [make(part) for part in form.positional]
    return args, {name: make(part) for name, part in form.keywords}
