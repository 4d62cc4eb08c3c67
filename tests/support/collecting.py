"""What tests pytest finds in a folder, and what each asks for, as JSON: `python -P tests/support/collecting.py FOLDER`.

A process of its own, since pytest collects once in a process. Not a module of `support` there, whose other modules
pytest has to rewrite before they are imported.
"""

from __future__ import annotations

import json
import sys

import pytest


class Found:
    """A plugin that keeps what was collected: the fixtures of each test, theirs included, by its name."""

    def __init__(self) -> None:
        self.tests: dict[str, list[str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.tests = {item.name: list(getattr(item, "fixturenames", ())) for item in session.items}


def main(folder: str) -> int:
    """Print it on the last line."""
    found = Found()
    status = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", folder], plugins=[found])
    print()
    print(json.dumps(found.tests))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
