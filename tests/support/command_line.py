"""The command line in this process: what `kmip-server` runs, without the time that its process takes to load."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from threading import Lock
from typing import Any

import pytest

from kmip_server.cli.main import main

_one_at_a_time = Lock()


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]
"""What the fixture `run` of the command line's tests is."""


def run_here(*arguments: str, stdin: str = "", **environment: str) -> Ran:
    """Run one command to its end, with these variables in its environment."""
    with (
        _one_at_a_time,
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as err,
    ):
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        for name, value in environment.items():
            patch.setenv(name, value)
        code = main(arguments)
    return Ran(code, out.getvalue(), err.getvalue())
