"""What pages quote is what the compiler says, what they point at exists, what they type runs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import graphc as gc
from graphc.api.staged import Lowered
from tests.examples.programs import module
from tests.house.sources import ROOT
from tests.house.test_readme import PAGES, blocks, program

NAMED = re.compile(r"`((?:graphc|passes|codegen|tests|examples|docs)/[\w./-]*?)(?::(\w+))?`")
PLANNED = ("graphc/data/", "graphc/io/")  # rooms of the map, filled one by one
OPENING = 2  # commands of the README that make an environment of their own


def excerpts(page: str, language: str) -> list[str]:
    return [body.rstrip("\n") for _, body in blocks(page, language)]


def test_quotes_of_the_readme() -> None:
    names: dict[str, object] = {}
    exec(compile(program("README.md"), "README.md", "exec"), names)
    lowered = names["lowered"]
    assert isinstance(lowered, Lowered)
    stages = {
        "gir": [lowered.as_text("graph"), lowered.as_text("kernels")],
        "loops": [lowered.as_text("loops")],
        "llvm": [lowered.as_text("llvm")],
    }
    for language, texts in stages.items():
        assert excerpts("README.md", language)
        for quote in excerpts("README.md", language):
            assert any(quote in text for text in texts), quote


def test_quotes_of_the_dump() -> None:
    digits = module("train_digits")
    (images, labels), _ = digits.load()
    params = digits.init(gc.random.key(0))
    state = params, digits.optimizer.init(params)
    text = gc.jit(digits.epoch).lower(state, images, labels, gc.random.key(0)).as_text("graph")
    for quote in excerpts("docs/reading-a-dump.md", "gir"):
        assert quote in text, quote


def defined(path: Path) -> set[str]:
    """Names that a Python file defines or imports."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(targets=targets):
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_files_and_names_on_the_page_exist(page: str) -> None:
    for path, name in NAMED.findall((ROOT / page).read_text(encoding="utf-8")):
        if "NAME" in path or path in PLANNED:
            continue
        assert (ROOT / path).exists(), f"{page}: no such file {path}"
        if name:
            assert name in defined(ROOT / path), f"{page}: no {name} in {path}"


@pytest.mark.needs_cc
def test_commands_of_the_readme(tmp_path: Path) -> None:
    tools, work = tmp_path / "tools", tmp_path / "work"
    tools.mkdir()
    work.mkdir()
    (work / "examples").symlink_to(ROOT / "examples")
    command = tools / "graphc"
    start = "from graphc.cli import main; main()"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{start}" "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    surroundings = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
    }
    for script in excerpts("README.md", "sh")[OPENING:]:
        finished = subprocess.run(
            ["sh", "-e", "-c", script],
            cwd=work,
            env=surroundings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, f"{script}\n{finished.stderr}"
