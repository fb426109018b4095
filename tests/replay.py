"""Proof that a refactor changes nothing: `python -m tests.replay BASE`.

Runs the examples from two trees, the one at BASE and the working one, with GRAPHC_DUMP set and an
empty cache each, and compares everything that was dumped: graphs, loops, LLVM IR, assembly, CUDA.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from difflib import unified_diff
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINES_SHOWN = 40


def dump(tree: Path, folder: Path) -> None:
    """Run every example of a tree, its dumps in a folder with one part per example."""
    for example in sorted((tree / "examples").glob("*.py")):
        dumps, cache = folder / "dumps" / example.stem, folder / "cache" / example.stem
        dumps.mkdir(parents=True)
        cache.mkdir(parents=True, mode=0o700)
        surroundings = {
            "PYTHONPATH": str(tree),
            "GRAPHC_DUMP": str(dumps),
            "GRAPHC_CACHE_DIR": str(cache),
        }
        command = [sys.executable, str(example)]
        print(f"{tree}: {example.name}", flush=True)
        subprocess.run(
            command, cwd=tree, env=os.environ | surroundings, check=True, stdout=subprocess.DEVNULL
        )


def texts(folder: Path, tree: Path) -> dict[str, list[str]]:
    """Every dumped file, without the place of the tree that made it."""
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        .replace(str(tree), "")
        .splitlines()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def differences(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """The first lines in which each pair of dumps differs."""
    report = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, []), after.get(name, [])
        changed = list(unified_diff(old, new, f"before/{name}", f"after/{name}", lineterm=""))
        report += changed[:LINES_SHOWN]
    return report


def main(arguments: list[str]) -> int:
    """Compare BASE with the working tree; 0 where every text is the same."""
    if len(arguments) != 1:
        print("usage: python -m tests.replay BASE")
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        base = folder / "base"
        add = ["git", "worktree", "add", "--quiet", "--detach", str(base), arguments[0]]
        subprocess.run(add, cwd=ROOT, check=True)
        try:
            dump(base, folder / "before")
        finally:
            remove = ["git", "worktree", "remove", "--force", str(base)]
            subprocess.run(remove, cwd=ROOT, check=True)
        dump(ROOT, folder / "after")
        before = texts(folder / "before" / "dumps", base)
        report = differences(before, texts(folder / "after" / "dumps", ROOT))
    print("\n".join(report) if report else f"{len(before)} dumped texts, all the same")
    return 1 if report else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
