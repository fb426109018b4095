"""Build the models of these tests once per run, and call what was built."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from graphc.cli import main

MODELS = Path(__file__).with_name("models.py")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Wshadow", "-Wconversion", "-Werror")


def build(entry: str, path: Path, kind: str, *more: str) -> Path:
    """Build an entry of the models through the command line, unless it is there already."""
    if not path.exists():
        command = ["build", f"{MODELS}:{entry}", "-o", str(path), "--kind", kind, *more]
        assert main(command) == 0
    return path


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run an executable in an empty environment, where nothing of Python is to be found."""
    return subprocess.run(
        [str(program), *arguments],
        cwd=program.parent,
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def saved(folder: Path, arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Options that give arrays, each from a file of its own."""
    options = []
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
        options += [f"--{name}", str(folder / f"{name}.npy")]
    return options


def same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether two arrays are the same, NaNs and signs of zero included."""
    return left.shape == right.shape and left.tobytes() == right.tobytes()


def needed_libraries(path: Path) -> set[str]:
    """The libraries that a file asks the system for, without their versions."""
    command = ["readelf", "--dynamic", "--wide", str(path)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [line for line in listing.splitlines() if "(NEEDED)" in line]
    return {line.split("[")[1].split(".so")[0] for line in lines}


def exported_symbols(path: Path, *, dynamic: bool) -> set[str]:
    """The names that a file gives to others."""
    kind = "--dyn-syms" if dynamic else "--syms"
    command = ["readelf", kind, "--wide", str(path)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listing.splitlines() if line.strip()[:1].isdigit()]
    return {
        row[7].split("@")[0]
        for row in rows
        if len(row) == 8 and row[4] != "LOCAL" and row[5] == "DEFAULT" and row[6] != "UND"
    }
