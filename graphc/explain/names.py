"""The user's names: of parameters, and of local variables as the places of nodes tell them."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from graphc.ir.graph import Graph
from graphc.ir.node import Node

LAST = re.compile(r"(\w+)\W*$")
USUAL = {"softmax": "Z", "onehot": "Y"}


def of_parameters(paths: Sequence[str], ranks: Sequence[int], taken: Collection[str]) -> list[str]:
    """Short names of parameters; those that have one already keep it."""
    found: dict[int, str] = {}
    for number in sorted(range(len(paths)), key=lambda i: not paths[i].isidentifier()):
        known = {*taken, *found.values()}
        found[number] = of_parameter(paths[number], ranks[number], known)
    return [found[number] for number in range(len(paths))]


def of_parameter(path: str, rank: int, taken: Collection[str]) -> str:
    """A short name of a parameter, `W` of `params.w`: matrices are capitals."""
    found = LAST.search(path)
    short = found[1] if found else path
    for name in (_capital(short, rank), short, path, f"{path}_"):
        if name not in taken:
            return name
    return unused(path, taken)


def _capital(name: str, rank: int) -> str:
    """A letter, perhaps with a number, as a capital where it is a matrix."""
    return name.upper() if rank >= 2 and re.fullmatch(r"[a-z]\d*", name) else name


def of_array(hint: str, call: str, rank: int, taken: Collection[str]) -> str:
    """A name of a value: the user's, or the usual one."""
    usual = USUAL.get(call) or ("s", "h", "H")[min(rank, 2)]
    return unused(_capital(hint, rank) if hint else usual, taken)


def unused(name: str, taken: Collection[str]) -> str:
    """The name, or the next one with a number that nothing has."""
    if name not in taken:
        return name
    return next(f"{name}{n}" for n in range(2, len(taken) + 3) if f"{name}{n}" not in taken)


def of_variables(graph: Graph) -> dict[Node, str]:
    """The local variables to which nodes were assigned, where a statement says so."""
    last: dict[tuple[str, int], Node] = {}
    named: dict[tuple[str, int], str] = {}
    for node in graph.nodes:
        for place in graph.place(node)[:1]:
            found = _assignments(place.file).get(place.line)
            whole = not place.function.startswith("<")  # no lambda that stands in a statement
            if found is not None and whole and not place.gradient:
                key = place.file, found[1]
                last[key], named[key] = node, found[0]
    return {node: named[key] for key, node in last.items()}


@functools.lru_cache(maxsize=64)
def _assignments(file: str) -> dict[int, tuple[str, int]]:
    """Per line, the variable that its statement assigns, and where the statement begins."""
    try:
        module = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return {}
    found = {}
    for statement in ast.walk(module):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                end = statement.end_lineno or statement.lineno
                for line in range(statement.lineno, end + 1):
                    found[line] = name, statement.lineno
    return found
