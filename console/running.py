"""How a command line runs, and how a refusal ends it.

Exit codes: 0 done; 1 refused, or a check found something wrong; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from console.output import printable

LogFormat = Annotated[Literal["console", "json"], typer.Option(help="Lines for people, or for programs.")]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], typer.Option(help="The least that is told.")]


def run(app: typer.Typer, program: str, arguments: Sequence[str] | None, refusals: frozenset[str]) -> int:
    """Run one command and answer its exit code.

    `refusals` are the exceptions whose message says everything to the user, by their qualified names, so that nothing
    is loaded for them. What else is raised is a fault of ours, and is not caught.
    """
    try:
        app(args=None if arguments is None else list(arguments), prog_name=program)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        message = _refusal(error, refusals)
        if message is None:
            raise
        print("\n".join(f"{program}: {printable(line)}" for line in message.splitlines()), file=sys.stderr)
        return 1
    return 0


def _refusal(error: Exception, refusals: frozenset[str]) -> str | None:
    """The words of an error that is the user's to mend; None for one that is ours."""
    if any(f"{kind.__module__}.{kind.__qualname__}" in refusals for kind in type(error).__mro__):
        return str(getattr(error, "message", error))
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return None
