"""Which tests a run takes up. `--database` names the kind of database that servers and stores are on:

- who asks for the fixture `databases`, itself or through another one, runs on each kind;
- who asks for `postgres`, the server itself, runs with `--database postgresql` only;
- who is marked `sqlite_file` runs on SQLite only, and the mark says why;
- the others use no database and run once, with SQLite. They are watched: one that opens a database all the same fails,
  so that none is left out because it forgot to ask.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import Any, Final

import pytest

KINDS: Final = ("sqlite", "postgresql")
NO_DATABASE: Final = "use no database"
ABOUT_POSTGRESQL: Final = "are about PostgreSQL itself"


def asks_for(item: pytest.Item, fixture: str) -> bool:
    """Whether a test uses a fixture, be it through others."""
    return fixture in getattr(item, "fixturenames", ())


def reason_to_leave_out(item: pytest.Item, kind: str) -> str | None:
    """Why a test does not run on a kind of database; None if it runs."""
    if kind == "sqlite":
        return ABOUT_POSTGRESQL if asks_for(item, "postgres") else None
    if marker := item.get_closest_marker("sqlite_file"):
        return f"are about SQLite's file: {marker.args[0]}"
    return None if asks_for(item, "databases") or asks_for(item, "postgres") else NO_DATABASE


def choose(items: list[pytest.Item], kind: str) -> tuple[list[pytest.Item], list[pytest.Item], Counter[str]]:
    """The tests that run on a kind of database, those that do not, and how many of these for which reason."""
    reasons = {item: reason_to_leave_out(item, kind) for item in items}
    left_out = [item for item in items if reasons[item] is not None]
    return [item for item in items if reasons[item] is None], left_out, Counter(filter(None, reasons.values()))


class Watch:
    """Remembers what databases this process opens, and which of our commands it starts."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        sys.addaudithook(self._notice)

    def _notice(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "sqlite3.connect" and arguments[0] != ":memory:":
            self.seen.append(f"opens {arguments[0]}")
        elif event == "subprocess.Popen" and os.fsdecode(arguments[0]).endswith("/kmip-server"):
            self.seen.append(f"starts {arguments[1]}")
