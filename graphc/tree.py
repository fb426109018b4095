"""Nested containers of arrays: models, optimiser states and batches.

A tree is a dict, list, tuple, named tuple, dataclass or registered class whose
innermost values, the leaves, are arrays. `None` is a tree without leaves. Dict
entries are taken in sorted order of their keys, those of an OrderedDict in its own.

>>> from graphc import tree
>>> leaves, structure = tree.flatten({"w": [1, 2], "b": 3})
>>> leaves, structure.paths
([3, 1, 2], ('b', 'w.0', 'w.1'))
>>> tree.unflatten(structure, leaves)
{'b': 3, 'w': [1, 2]}
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from graphc.ir.errors import ArgumentError
from graphc.ir.places import user_place, written_at

Tree: TypeAlias = Any  # a container of trees, or a leaf: no static type says more
Flatten: TypeAlias = Callable[[Tree], tuple[Iterable[Tree], Tree]]
Unflatten: TypeAlias = Callable[[Tree, Iterable[Tree]], Tree]


@dataclass(frozen=True)
class Structure:
    """The shape of a tree without its leaves; two trees may be zipped when theirs are equal.

    `kind` is the container's class, or None for a leaf; `extra` is what the class needs besides
    the children to be made again.
    """

    kind: type | None
    keys: tuple[object, ...] = ()
    children: tuple[Structure, ...] = ()
    extra: object = None

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Per leaf, the keys that lead to it, joined by dots; empty for a single leaf."""
        if self.kind is None:
            return ("",)
        found = []
        for key, child in zip(self.keys, self.children, strict=True):
            found += [f"{key}.{path}" if path else str(key) for path in child.paths]
        return tuple(found)

    @cached_property
    def count(self) -> int:
        """Number of leaves."""
        return 1 if self.kind is None else sum(child.count for child in self.children)

    def __str__(self) -> str:
        if self.kind is None:
            return "*"
        inner = ", ".join(
            f"{key}: {child}" for key, child in zip(self.keys, self.children, strict=True)
        )
        return f"{self.kind.__name__}({inner})"


LEAF = Structure(None)
DEEPEST = 100  # levels of containers
_registered: dict[type, tuple[Flatten, Unflatten]] = {}
_keys: dict[type, Callable[[Tree], Sequence[str]]] = {}
_leaves: set[type] = set()


def register_leaf(kind: type) -> None:
    """Let trees take objects of `kind` as leaves, even if it is a dataclass."""
    _leaves.add(kind)


def register(
    kind: type,
    flatten: Flatten,
    unflatten: Unflatten,
    keys: Callable[[Tree], Sequence[str]] | None = None,
) -> None:
    """Let trees contain `kind`: `flatten(object) -> (children, extra)` and
    `unflatten(extra, children) -> object`; `keys(object)` names the children, else they are
    numbered.
    """
    _registered[kind] = (flatten, unflatten)
    if keys is not None:
        _keys[kind] = keys


def _parts(tree: Tree) -> tuple[Sequence[object], Sequence[Tree], Tree] | None:
    """Keys, children and extra of a container, None for a leaf."""
    kind = type(tree)
    if kind in _registered:
        children, extra = _registered[kind][0](tree)
        listed = list(children)
        names = _keys[kind](tree) if kind in _keys else range(len(listed))
        return names, listed, extra
    if kind is dict or kind is defaultdict:
        keys = _sorted_keys(tree)
        extra = tree.default_factory if kind is defaultdict else None
        return keys, [tree[key] for key in keys], extra
    if kind is OrderedDict:
        return tuple(tree), tree.values(), None
    if kind is list or kind is tuple:
        return range(len(tree)), tree, None
    if tree is None:
        return (), (), None
    if isinstance(tree, tuple) and hasattr(kind, "_fields"):
        return kind._fields, tree, None
    if dataclasses.is_dataclass(kind) and kind not in _leaves:
        names = [field.name for field in dataclasses.fields(kind) if not _is_static(field)]
        fixed = {f.name: getattr(tree, f.name) for f in dataclasses.fields(kind) if _is_static(f)}
        _require_hashable(kind, fixed)
        return names, [getattr(tree, name) for name in names], tuple(fixed.items())
    return None


def _sorted_keys(tree: dict[Any, Tree]) -> list[Any]:
    try:
        return sorted(tree, key=lambda key: (type(key).__name__, key))
    except TypeError:
        shown = ", ".join(repr(key) for key in list(tree)[:3])
        raise ArgumentError(
            f"a dict in a tree: got the keys {shown}, expected some that can be sorted"
            f"{written_at(user_place())}"
        ) from None


def _require_hashable(kind: type, fixed: dict[str, object]) -> None:
    for name, value in fixed.items():
        try:
            hash(value)
        except TypeError:
            raise ArgumentError(
                f"the static field {name} of {kind.__name__}: got a {type(value).__name__}, which "
                f"has no hash, expected what can be compared{written_at(user_place())}"
            ) from None


def _is_static(field: dataclasses.Field[Tree]) -> bool:
    return bool(field.metadata.get("static", False))


def flatten(tree: Tree) -> tuple[list[Tree], Structure]:
    """The leaves of a tree in order, and its structure."""
    leaves: list[Tree] = []
    return leaves, _flatten_into(tree, leaves)


def _flatten_into(tree: Tree, leaves: list[Tree], depth: int = 0) -> Structure:
    if depth > DEEPEST:
        raise ArgumentError(
            f"a tree: got containers more than {DEEPEST} deep, or one that contains itself, "
            f"expected fewer{written_at(user_place())}"
        )
    parts = _parts(tree)
    if parts is None:
        leaves.append(tree)
        return LEAF
    keys, children, extra = parts
    inner = tuple([_flatten_into(child, leaves, depth + 1) for child in children])
    return Structure(type(tree), tuple(keys), inner, extra)


def skeleton(tree: Tree, leaves: list[Tree]) -> Tree:
    """Append the leaves and give a hashable stand-in for the structure, quickly.

    Equal stand-ins mean equal structures; it is what compiled programs are looked up by.
    """
    kind = type(tree)
    if kind is np.ndarray:
        leaves.append(tree)
        return None
    if kind is dict:
        keys = sorted(tree) if all(type(key) is str for key in tree) else None
        if keys is not None:
            return (dict, *keys, *[skeleton(tree[key], leaves) for key in keys])
    elif kind is tuple or kind is list:
        return (kind, *[skeleton(item, leaves) for item in tree])
    return _flatten_into(tree, leaves)


def unflatten(structure: Structure, leaves: Iterable[Tree]) -> Tree:
    """The tree of a structure and its leaves.

    Raises:
        ArgumentError: too few or too many leaves.
    """
    listed = list(leaves)
    if len(listed) != structure.count:
        raise ArgumentError(f"leaves of a tree: got {len(listed)}, expected {structure.count}")
    return _unflatten(structure, iter(listed))


def _unflatten(structure: Structure, leaves: Tree) -> Tree:
    kind = structure.kind
    if kind is None:
        return next(leaves)
    return container(structure, [_unflatten(child, leaves) for child in structure.children])


def is_registered(kind: type) -> bool:
    """Whether functions of its own take a container apart."""
    return kind in _registered


def container(structure: Structure, children: Sequence[Tree]) -> Tree:
    """The outermost container of a structure around its children."""
    kind = structure.kind
    assert kind is not None
    if kind in _registered:
        return _registered[kind][1](structure.extra, children)
    if kind is dict or kind is OrderedDict:
        return kind(zip(structure.keys, children, strict=True))
    if kind is defaultdict:
        made = defaultdict(structure.extra)  # type: ignore[call-overload]
        made.update(zip(structure.keys, children, strict=True))
        return made
    if kind is list or kind is tuple:
        return kind(children)
    if kind is type(None):
        return None
    if issubclass(kind, tuple):
        return kind(*children)
    instance = object.__new__(kind)
    for key, child in zip(structure.keys, children, strict=True):
        object.__setattr__(instance, str(key), child)
    for key, value in structure.extra:  # type: ignore[attr-defined]
        object.__setattr__(instance, key, value)
    return instance


def leaves(tree: Tree) -> list[Tree]:
    """The leaves of a tree in order."""
    return flatten(tree)[0]


def structure(tree: Tree) -> Structure:
    """The structure of a tree."""
    return flatten(tree)[1]


def map(function: Callable[..., Tree], tree: Tree, *rest: Tree) -> Tree:
    """Apply `function` to corresponding leaves of one tree or several.

    >>> map(lambda a, b: a + b, {"x": 1}, {"x": 2})
    {'x': 3}

    Raises:
        ArgumentError: the trees differ in structure.
    """
    first, shape = flatten(tree)
    columns = [first]
    for other in rest:
        more, other_shape = flatten(other)
        if other_shape != shape:
            raise ArgumentError(f"trees differ: got {other_shape}, expected {shape}")
        columns.append(more)
    return unflatten(shape, [function(*row) for row in zip(*columns, strict=True)])


def names(prefix: str, structure: Structure) -> tuple[str, ...]:
    """Per leaf, its path from an argument called `prefix`.

    >>> names("params", flatten({"w0": 1})[1])
    ('params.w0',)
    """
    return tuple(f"{prefix}.{path}" if path else prefix for path in structure.paths)
