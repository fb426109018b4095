"""Programs that run in a process of their own: what they do must not end the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADER = "import os\nimport numpy as np\nimport graphc as gc\nimport graphc.numpy as gnp\n"


def run(
    program: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The finished process of a program that knows os, np, gc and gnp."""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", HEADER + program],
        env={**os.environ, "PYTHONPATH": paths, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def output(program: str, environment: Mapping[str, str] | None = None) -> str:
    """What a program prints that must end well."""
    done = run(program, environment)
    assert done.returncode == 0, done.stderr
    return done.stdout
