"""Files that only their owner may read: keys, and what else is secret."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def write_once(path: Path, content: bytes) -> None:
    """A new file of mode 0600, durable with its name, or none. Raises FileExistsError, OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        make_names_durable(path.parent)
    except BaseException:
        path.unlink()
        raise


def make_names_durable(folder: Path) -> None:
    """Have the names of a folder's files survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_private(path: Path, most: int = 4096) -> bytes:
    """The first bytes of a file. Raises OSError, whose `strerror` is for people: absent, or others may read it."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as stream:
        mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
        if mode & 0o077:
            raise PermissionError(None, f"it has mode {mode:04o}: set it to 0600", str(path))
        return stream.read(most)
