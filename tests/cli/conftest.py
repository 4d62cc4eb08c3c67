from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command_line import Ran, Run, run_here
from support.databases import Databases, keep_place

_MAKES = {"init": 1, "restore": 2}
"""The commands that make a server directory, and which of their arguments that is."""


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Run the command line in this process: run("client", "list", directory, stdin="...").

    A server directory that it makes has a database of its own, of the kind that `--database` names.
    """
    places: list[dict[str, str]] = []

    def run_one(*arguments: str | Path, stdin: str = "") -> Ran:
        words = [str(argument) for argument in arguments]
        made = _MAKES.get(words[0], len(words))
        if made >= len(words) or "--help" in words:
            return run_here(*words, stdin=stdin)
        databases: Databases = request.getfixturevalue("databases")
        places.append(databases.place())
        ran = run_here(*words, stdin=stdin, **places[-1])
        if ran.code == 0:
            keep_place(Path(words[made]), places[-1])
        return ran

    yield run_one
    for place in places:
        for url in place.values():
            request.getfixturevalue("databases").take_back(url)


@pytest.fixture
def directory(databases: Databases, tmp_path: Path, run: Run) -> Path:
    """An initialised server directory."""
    path = tmp_path / "server"
    assert run("init", path).code == 0
    return path
