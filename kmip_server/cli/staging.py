"""A server directory that appears as a whole: its parts are made beside their places, and server.toml moves last."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from console.output import CommandError
from console.private_files import make_names_durable

_MARKS: Final = ("server.toml", "pki", "clients", "master.key", "kmip.db", "kmip.db-wal", "kmip.db-shm")
"""What a server directory consists of; one with a server.toml is complete."""


def refuse_initialised(directory: Path) -> None:
    """Raise CommandError if there is a server directory, or a part of one."""
    if (directory / "server.toml").exists():
        raise CommandError(f"{directory} is initialised already: it has a server.toml")
    found = [name for name in _MARKS if (directory / name).exists()]
    if found:
        raise CommandError(
            f"{directory} is no complete server directory, but has {', '.join(found)}: move that away first"
        )


@contextmanager
def staged(directory: Path) -> Iterator[Path]:
    """A folder inside `directory` whose entries move up when all are made; on an exception nothing is left."""
    made = not directory.exists()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".new-", dir=directory))
    try:
        yield stage
        for entry in sorted(stage.iterdir(), key=lambda path: path.name == "server.toml"):
            entry.rename(directory / entry.name)
        make_names_durable(directory)
    except BaseException:
        shutil.rmtree(directory if made else stage)
        raise
    stage.rmdir()
