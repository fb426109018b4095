"""Every check and then every test: `python -m tests`; or some: `python -m tests lint types`.

This is the second half of the README's test command, so it needs no make and no shell. A check
that holds prints one line; one that fails prints what it found, and the others still run.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = (sys.executable, "-m")
LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"
CHECKS: dict[str, tuple[str, ...]] = {
    "format": (*PYTHON, "ruff", "format", "--check", "."),
    "lint": (*PYTHON, "ruff", "check", "."),
    "types": (*PYTHON, "mypy"),
    "layers": (sys.executable, "-c", LINT_IMPORTS, "--no-logo"),
    "sizes": (*PYTHON, "tests.house.sizes"),
}
TESTS = (*PYTHON, "pytest", "--numprocesses=auto", "--maxprocesses=8")


def checks() -> dict[str, tuple[str, ...]]:
    """The checks by name; programs beside the package are a type check of their own."""
    programs = [
        folder for folder in ("examples", "benchmarks") if any((ROOT / folder).rglob("*.py"))
    ]
    if not programs:
        return CHECKS
    return CHECKS | {"types of programs": (*PYTHON, "mypy", *programs)}


def holds(name: str, command: tuple[str, ...]) -> bool:
    """Run one check and print its line, with its findings where it fails."""
    started = time.perf_counter()
    verdict = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    outcome = "ok" if verdict.returncode == 0 else "FAILED"
    print(f"{name:<18} {outcome:<6} {seconds:6.1f} s", flush=True)
    if verdict.returncode != 0:
        print(verdict.stdout + verdict.stderr, flush=True)
    return verdict.returncode == 0


def main(names: list[str]) -> int:
    """Run the named checks, or all of them and the tests; 0 where everything holds."""
    unknown = [name for name in names if name not in (*CHECKS, "pytest")]
    if unknown:
        print(f"unknown check {unknown[0]}, expected one of: {', '.join(CHECKS)}, pytest")
        return 2
    failed = [
        name
        for name, command in checks().items()
        if (not names or name.split()[0] in names) and not holds(name, command)
    ]
    if (not names or "pytest" in names) and subprocess.call(TESTS, cwd=ROOT) != 0:
        failed.append("pytest")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
