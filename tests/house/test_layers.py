"""Rooms know only the rooms below them: pyproject.toml states it, these tests enforce it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.sizes import imported_by
from tests.house.sources import ROOMS, ROOT, copy_of_tree, module_name, parsed, python_files

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
# Each has one owner, because its interface moves with every release.
OWNED = ("llvmlite", "mpi4py", "onnx", "pycuda", "sklearn", "torch")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of pyproject.toml over the tree in a folder."""
    command = [sys.executable, "-c", LINT, "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_contracts_are_kept() -> None:
    verdict = lint_imports(ROOT)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


@pytest.mark.parametrize(
    ("planted", "line", "contract"),
    [
        ("graphc/ir/planted.py", "import graphc.passes", "corridor"),
        ("passes/planted.py", "import graphc.codegen.llvm", "corridor"),
        ("codegen/cuda/planted.py", "import graphc.codegen.llvm", "targets"),
        ("graphc/unknown_room.py", "", "corridor"),
    ],
)
def test_contracts_see_a_planted_import(
    tmp_path: Path, planted: str, line: str, contract: str
) -> None:
    tree = copy_of_tree(tmp_path)
    (tree / planted).write_text(line + "\n", encoding="utf-8")
    verdict = lint_imports(tree)
    name = {"corridor": "the corridor goes one way", "targets": "targets print loops"}[contract]
    assert verdict.returncode == 1, verdict.stdout + verdict.stderr
    assert name in verdict.stdout
    assert Path(planted).stem in verdict.stdout


def _is_module(name: str) -> bool:
    """Whether `from graphc import name` imports a module, which the contracts see."""
    return (ROOT / "graphc" / name).is_dir() or (ROOT / "graphc" / f"{name}.py").is_file()


def test_no_room_enters_by_the_front_door() -> None:
    """`import graphc` inside graphc would see every room at once, whatever its layer."""
    faults = []
    for name in python_files(ROOMS):
        for node in ast.walk(parsed(name)):
            match node:
                case ast.Import(names=names) if any(alias.name == "graphc" for alias in names):
                    faults.append(f"{name}:{node.lineno}")
                case ast.ImportFrom(module="graphc", names=names) if not all(
                    _is_module(alias.name) for alias in names
                ):
                    faults.append(f"{name}:{node.lineno}")
    allowed = "graphc/__init__.py"
    assert not [fault for fault in faults if not fault.startswith(allowed)]


@pytest.mark.parametrize("library", OWNED)
def test_heavy_library_has_one_owner(library: str) -> None:
    owners = {
        module_name(name)
        for name in python_files(ROOMS)
        for node in ast.walk(parsed(name))
        if library in imported_by(node)
    }
    assert len(owners) <= 1, f"{library} is imported by {sorted(owners)}, expected one module"
