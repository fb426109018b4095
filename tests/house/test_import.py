"""`import graphc` is quick, loads nothing heavy and changes nothing in the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.house.sources import ROOT, copy_of_tree

SECONDS = 0.25
NUMPY_SECONDS = 0.067
ROUNDS = 7
HEAVY = {"click", "jax", "pycuda", "rich", "scipy", "sklearn", "sympy", "torch"}

STATE = """
import json, logging, os, random, signal, sys, threading, warnings
import numpy
def state():
    return {
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "signals": [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
        "threads": threading.active_count(),
        "recursion": sys.getrecursionlimit(),
        "hooks": [str(sys.excepthook), str(sys.displayhook), str(sys.gettrace())],
        "finders": [str(sys.meta_path), str(sys.path_hooks), str(sys.path)],
        "warnings": str(warnings.filters),
        "log": [str(logging.root.handlers), logging.root.level],
        "errors": str(numpy.geterr()) + str(numpy.get_printoptions()),
        "random": [str(random.getstate()), str(numpy.random.get_state())],
    }
before = state()
import graphc
after = state()
print(json.dumps([name for name in before if before[name] != after[name]]))
"""


def answer(program: str, tree: Path = ROOT) -> str:
    """What a Python of its own prints when it runs a program with a tree's graphc."""
    # Bytecode is kept, as it is for users: the first round writes it, the others read it.
    surroundings = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", program]
    finished = subprocess.run(
        command, cwd=tree.parent, env=surroundings, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_import_is_quick() -> None:
    """Processor time on a quiet machine, which NumPy's own import tells from a busy one.

    The limit is for a machine where NumPy takes `NUMPY_SECONDS`; the fastest of some rounds
    counts, since other work only ever adds time.
    """
    program = (
        "import time; started = time.process_time(); import numpy; "
        "middle = time.process_time(); import graphc; "
        "print(middle - started, time.process_time() - started)"
    )
    rounds = [[float(part) for part in answer(program).split()] for _ in range(ROUNDS)]
    busy = max(1.0, min(numpy for numpy, _ in rounds) / NUMPY_SECONDS)
    fastest = min(whole for _, whole in rounds)
    assert fastest <= SECONDS * busy, (
        f"import graphc took {fastest:.3f} s, expected at most {SECONDS * busy:.3f} s"
    )


def test_import_loads_nothing_heavy() -> None:
    program = "import sys, json; import graphc; print(json.dumps(sorted(sys.modules)))"
    loaded = {name.split(".")[0] for name in json.loads(answer(program))}
    assert not loaded & HEAVY


def test_import_changes_nothing_in_the_process() -> None:
    assert json.loads(answer(STATE)) == []


def test_checkout_without_links_imports(tmp_path: Path) -> None:
    """Git writes a link as a small text file where core.symlinks is false."""
    tree = copy_of_tree(tmp_path / "checkout", links=False)
    assert (tree / "graphc" / "passes").is_file()
    program = (
        "import graphc.passes, graphc.codegen.llvm; "
        "print(graphc.passes.__name__, graphc.codegen.llvm.__file__)"
    )
    name, place = answer(program, tree).split()
    assert name == "graphc.passes"
    assert Path(place) == tree / "codegen" / "llvm" / "__init__.py"
