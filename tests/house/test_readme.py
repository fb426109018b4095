"""The pages promise nothing that does not run: their commands, their Python, their map."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.sources import ROOT, tracked

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = tuple(
    name for name in tracked() if name.endswith(".md") and name.split("/")[0] not in ("tests",)
)


def blocks(page: str, language: str) -> list[tuple[int, str]]:
    """The fenced blocks of a page in one language, each with the line that it starts on."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, match.start(2)) + 1, match.group(2))
        for match in FENCE.finditer(text)
        if match.group(1) == language
    ]


def program(page: str) -> str:
    """All Python of a page as one program whose line numbers are the page's own."""
    lines: list[str] = []
    for start, body in blocks(page, "python"):
        lines += [""] * (start - 1 - len(lines))
        lines += body.splitlines()
    return "\n".join(lines) + "\n"


def recipe(verb: str) -> list[str]:
    """The lines of one verb in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rule = re.search(rf"^{verb}:[^\n]*\n((?:\t[^\n]*\n)+)", makefile, re.MULTILINE)
    assert rule is not None, f"expected a verb {verb} in the Makefile"
    return [line.removeprefix("\t") for line in rule.group(1).splitlines()]


@pytest.mark.parametrize("page", PAGES)
def test_python_on_the_page_runs(page: str, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text(program(page), encoding="utf-8")
    surroundings = os.environ | {"PYTHONPATH": str(ROOT)}
    finished = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, f"{page}:\n{finished.stderr}"


def test_first_commands_are_make_demo_and_make_test() -> None:
    commands = [body.splitlines() for _, body in blocks("README.md", "sh")][:2]
    assert commands == [recipe("demo"), recipe("test")]


@pytest.mark.parametrize("verb", ["demo", "test"])
def test_commands_need_nothing_but_a_shell_and_python(verb: str) -> None:
    (command,) = recipe(verb)
    steps = [step.split()[0] for step in command.split("&&")]
    assert set(steps) == {"python3", ".venv/bin/python"}
    assert "$" not in command, "make would read it in another way than the shell"


def test_make_help_lists_every_verb() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    described = re.findall(r"^([a-z]+): *## \S", makefile, re.MULTILINE)
    assert phony.split() == described


def test_continuous_run_calls_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "make test"
    assert os.access(script, os.X_OK)


def test_map_names_every_room() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    folders = {name.split("/")[0] for name in tracked() if "/" in name}
    missing = {folder for folder in folders if f"`{folder}/" not in readme}
    assert not missing - {".ci"}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        assert "://" not in target, f"{page}: expected no address outside, got {target}"
        assert ((ROOT / page).parent / target).exists(), f"{page}: no such file {target}"
