"""The command as a whole: version, help, usage errors, exit codes, how fast it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from graphc.cli.program import COMMANDS
from tests.cli.calling import call
from tests.house.test_import import answer


def command(*arguments: str, **streams: int) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    program = "import sys; from graphc.cli import main; sys.exit(main())"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.Popen([sys.executable, "-c", program, *arguments], text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = call(capsys, "--version")
    assert (outcome.code, outcome.error) == (0, "")
    assert outcome.out.startswith("graphc 0.")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ((), ("--help",), ("-h",)):
        outcome = call(capsys, *arguments)
        assert outcome.code == 0
        assert all(f"  {name} " in outcome.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_an_example(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    outcome = call(capsys, name, "--help")
    assert outcome.code == 0
    assert f"Example:\n    graphc {name}" in outcome.out or f"\n    graphc {name} " in outcome.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["bild"],
            f"got command 'bild', expected one of {', '.join(COMMANDS)}",
        ),
        (["--wrong"], "no such option"),
        (["dump"], "missing argument 'FILE.py:FUNCTION' (try graphc dump --help)"),
        (["dump", "model.py"], "got 'model.py', expected FILE.py:FUNCTION"),
        (["dump", "model.py:f", "--stage", "x"], "'x' is not one of 'graph', 'optimized'"),
        (["dump", "model.py:f", "--target", "z80"], "unknown target, got 'z80'"),
        (["build", "model.py:f", "--threads", "0"], "0 is not in the range"),
        (["build", "model.py:f", "--kind", "dll"], "'dll' is not one of"),
        (["opt", "x.gir", "--passes", "simplfy"], "unknown pass: got 'simplfy'"),
        (["run", "x.gir", "--input", "2x3xf3=1"], "unknown element type: got 'f3'"),
        (["run", "x.gir", "--input", "1,2"], "got '1,2', expected SHAPExTYPE=VALUES"),
        (["run", "x.gir", "--input", "3xi8=1,2"], "got 2 values, expected 3, or 1 to repeat"),
        (["run", "x.gir", "--input", "i8=200"], "got '200', expected a number from -128 to 127"),
        (["run", "x.gir", "--input", "f32="], "got 0 values, expected 1"),
        (["run", "x.gir", "--input", f"{'9' * 30}xf32=1"], "too many elements"),
    ],
)
def test_usage_errors(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    outcome = call(capsys, *arguments)
    assert outcome.code == 2
    assert said in outcome.error
    assert len(outcome.error.splitlines()) == 1


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    assert "Traceback" not in call(capsys, "dump", f"{model}:absent").error
    capsys.readouterr()
    for arguments in (
        ["--debug", "dump", f"{model}:absent"],
        ["dump", f"{model}:absent", "--debug"],
    ):
        process = command(*arguments)
        _, error = process.communicate()
        assert process.returncode == 1
        assert error.startswith("Traceback")
        assert error.splitlines()[-1].startswith("error: ")


def test_reader_that_goes_away(model: Path) -> None:
    process = command("dump", f"{model}:loss", "--stage", "llvm")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    error = process.stderr.read()
    assert process.wait() in (0, 1)
    assert "Traceback" not in error
    assert "Broken" not in error


def test_a_command_imports_what_it_needs_only() -> None:
    program = (
        "import sys; from graphc.cli import main; main(['dump', '--help']); print(*sys.modules)"
    )
    loaded = set(answer(program).split())
    assert not loaded & {"rich", "sympy", "lark", "llvmlite", "graphc.cli.doctor"}
