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
        return hash((type(self.value), self.value))


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
        self.name = getattr(function, "__name__", "function")
        try:
            self.signature: inspect.Signature | None = inspect.signature(function)
        except (TypeError, ValueError):
            self.signature = None
        names = self.positional_names()
        self.static = set(static_argnames)
        for number in static_argnums:
            if not -len(names) <= number < len(names):
                raise ArgumentError(
                    f"static_argnums: got {number}, expected a position among {len(names)}"
                )
            self.static.add(names[number])

    def positional_names(self) -> list[str]:
        """The names of parameters that can be given by position."""
        if self.signature is None:
            return []
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return [p.name for p in self.signature.parameters.values() if p.kind in kinds]

    def flatten(self, args: Sequence[Tree], kwargs: dict[str, Tree]) -> Flattened:
        """Take a call apart.

        Raises:
            ArgumentError: arguments missing, too many, or a static one that cannot be hashed.
        """
        if self.signature is not None:
            try:
                self.signature.bind(*args, **kwargs)
            except TypeError as error:
                raise ArgumentError(f"{self.name}: {error}{written_at(user_place())}") from None
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


def unflatten(form: Form, leaves: Sequence[Tree]) -> tuple[list[Tree], dict[str, Tree]]:
    """The arguments of a form and its leaves."""
    rest = iter(leaves)

    def make(part: Structure | Static) -> Tree:
        if isinstance(part, Static):
            return part.value
        return tree.unflatten(part, [next(rest) for _ in range(part.count)])

    args = [make(part) for part in form.positional]
    return args, {name: make(part) for name, part in form.keywords}
