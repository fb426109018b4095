"""Which files make up the project, so that every guard of the house looks at the same ones."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("graphc", "passes", "codegen")
CODE = (*ROOMS, "tests", "examples", "benchmarks")
MADE = {"__pycache__", "build", "dist"}


@cache
def tracked() -> tuple[str, ...]:
    """Every file and link that git tracks, or would on `git add`; in an unpacked sdist, all."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        names = sorted(set(filter(None, listing.stdout.split("\0"))))
        return tuple(name for name in names if os.path.lexists(ROOT / name))
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name not in MADE
            and not name.endswith(".egg-info")
            and (name == ".ci" or not name.startswith("."))
        ]
        found += [str(Path(folder, name).relative_to(ROOT)) for name in names]
    return tuple(sorted(name for name in found if name != "PKG-INFO"))


def python_files(folders: tuple[str, ...] = CODE) -> tuple[str, ...]:
    """The tracked Python files of some top-level folders."""
    return tuple(
        name for name in tracked() if name.endswith(".py") and name.split("/")[0] in folders
    )


@cache
def parsed(name: str) -> ast.Module:
    """The syntax tree of one tracked Python file."""
    return ast.parse((ROOT / name).read_text(encoding="utf-8"), filename=name)


def module_name(name: str) -> str:
    """What a file is imported as: `passes/fuse.py` is `graphc.passes.fuse`."""
    parts = list(Path(name).with_suffix("").parts)
    if parts[0] in ("passes", "codegen"):
        parts.insert(0, "graphc")
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


@cache
def configuration() -> dict[str, dict[str, object]]:
    """The `[project]` and `[tool]` tables of pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, object]] = tomllib.loads(text)
    return tables


def copy_of_tree(folder: Path, *, links: bool = True) -> Path:
    """Copy the tracked files to a folder, where a guard may build or break them.

    Without links, each is written as git does where the file system has none: a
    text file that holds the link's target.
    """
    for name in tracked():
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink() and not links:
            target.write_text(os.readlink(source), encoding="utf-8")
        else:
            shutil.copy2(source, target, follow_symlinks=False)
    return folder
