"""The wheel and the sdist hold exactly the tracked files, under one import package.

pyproject.toml lists every package by hand, because `passes/` and `codegen/` lie beside `graphc/`
and are installed inside it; a forgotten line would be noticed by users only.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.house.sources import ROOMS, ROOT, configuration, copy_of_tree, python_files, tracked
from tests.house.test_import import answer

SDIST = "from setuptools import build_meta; import sys; build_meta.build_sdist(sys.argv[1])"


def run(command: list[str], folder: Path) -> None:
    """Run a command that must succeed."""
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def has_setuptools() -> bool:
    """Whether a build can use this environment's setuptools instead of fetching one."""
    if importlib.util.find_spec("setuptools") is None:
        return False
    return int(importlib.metadata.version("setuptools").split(".")[0]) >= 77


def build_wheel(tree: Path, folder: Path) -> Path:
    """Build a tree's wheel through pip, as users do."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder), "."]
    run(command + (["--no-build-isolation"] if has_setuptools() else []), tree)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tracked files, so that a build leaves nothing in the checkout."""
    return copy_of_tree(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tree, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not has_setuptools():
        pytest.skip("needs setuptools>=77: pip install 'graphc[dev]'")
    folder = tmp_path_factory.mktemp("sdist")
    run([sys.executable, "-c", SDIST, str(folder)], tree)
    (archive,) = folder.glob("*.tar.gz")
    return archive


def installed_names() -> set[str]:
    """The tracked files of the rooms, under the names that they are installed by."""
    return {
        name if name.startswith("graphc/") else f"graphc/{name}"
        for name in tracked()
        if name.split("/")[0] in ROOMS and not (ROOT / name).is_symlink()
    }


def packed_names(wheel: Path) -> set[str]:
    """The files of a wheel, but for its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    return {name for name in names if ".dist-info/" not in name and not name.endswith("/")}


def test_package_list_is_complete() -> None:
    packages = sorted(
        str(Path(name).parent).replace("/", ".")
        for name in {*python_files(("graphc",)), *installed_names()}
        if name.endswith("/__init__.py")
    )
    setuptools = configuration()["tool"]["setuptools"]
    assert isinstance(setuptools, dict)
    lines = "\n".join(f'    "{package}",' for package in packages)
    assert sorted(setuptools["packages"]) == packages, f"expected in pyproject.toml:\n{lines}"


def test_every_folder_of_code_is_a_package() -> None:
    """The type checker, too, looks into packages only."""
    files = python_files((*ROOMS, "tests", "benchmarks"))
    for name in files:
        assert str(Path(name).parent / "__init__.py") in files, f"{name} has no __init__.py beside"


def test_wheel_is_the_tracked_files(wheel: Path) -> None:
    assert packed_names(wheel) == installed_names()


def test_wheel_record_has_one_top_level_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (record,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        lines = archive.read(record).decode().splitlines()
    tops = {line.split("/")[0] for line in lines}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"graphc"}


def test_wheel_imports_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    program = "import graphc.passes, graphc.codegen.llvm as llvm; print(llvm.__file__)"
    assert Path(answer(program, site).strip()).is_relative_to(site)


def test_sdist_is_the_tracked_files(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        members = {
            member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()
        }
    made = {name for name in members if name in ("PKG-INFO", "setup.cfg") or ".egg-info/" in name}
    links = {name for name in tracked() if (ROOT / name).is_symlink()}
    assert members - made == set(tracked()) - links


def test_wheel_from_the_sdist_is_the_same(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    again = build_wheel(unpacked, tmp_path)
    assert packed_names(again) == packed_names(wheel)
