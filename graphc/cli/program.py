"""Which commands there are, and how any of them ends: its text, one line of error, a code.

Exit codes: 0 done, 1 something that the command line names failed, 2 the command line is wrong.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

import click

from graphc.cli.options import debug
from graphc.ir.errors import Error

FAILED, USAGE, INTERRUPTED = 1, 2, 130
COMMANDS = ("explain", "dump", "opt", "run", "profile", "tune", "build", "doctor")


class Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of a program's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name."""
        if cmd_name not in COMMANDS:
            expected = ", ".join(COMMANDS)
            raise click.UsageError(f"got command {cmd_name!r}, expected one of {expected}", ctx)
        command = import_module(f"graphc.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command


def version() -> str:
    """Which graphc this is."""
    return str(vars(sys.modules[__name__.partition(".")[0]])["__version__"])


def _show_version(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"graphc {version()}")
        context.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version.",
)
@debug
def commands() -> None:
    """Compile Python array functions to native code, and read every step.

    \b
    Example:
      graphc dump model.py:loss --stage loops
      graphc COMMAND --help
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code.

    Example: `main(["dump", "model.py:loss", "--stage", "llvm"])`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        code = commands.main(given, prog_name="graphc", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        # The reader has gone; Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except Exception as error:
        if "--debug" in given:
            traceback.print_exc()
        click.echo(f"error: {message(error)}", err=True)
        return USAGE if isinstance(error, click.UsageError) else FAILED


def message(error: Exception) -> str:
    """What an error says: one line, and its further lines indented."""
    match error:
        case click.UsageError():
            help_of = error.ctx.command_path if error.ctx else "graphc"
            text = f"{_plain(error)} (try {help_of} --help)"
        case click.ClickException():
            text = _plain(error)
        case Error():
            text = str(error)
        case OSError():
            reason = (error.strerror or str(error)).lower()
            text = f"{error.filename}: {reason}" if error.filename else reason
        case MemoryError():
            text = "out of memory"
        case _:
            shown = f"{type(error).__name__}: {error}"
            text = f"graphc itself failed (--debug shows where): {shown}"
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    first, *rest = (text or type(error).__name__).splitlines()
    indented = [line if line.startswith("  ") else f"  {line}" for line in rest if line.strip()]
    return "\n".join([first + notes, *indented])


def _plain(error: click.ClickException) -> str:
    """click's sentence, written as ours are."""
    text = error.format_message().rstrip(".")
    return text[:1].lower() + text[1:]
