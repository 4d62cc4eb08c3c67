"""Files that only their owner may read: written whole or not at all, and read only if that is what they are."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from console.private_files import read_private, write_once


def test_what_is_written_is_read_and_not_written_again(tmp_path: Path) -> None:
    file = tmp_path / "key"
    write_once(file, b"secret")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and read_private(file) == b"secret"
    with pytest.raises(FileExistsError):
        write_once(file, b"another")
    assert read_private(file) == b"secret" and read_private(file, 3) == b"sec"


@pytest.mark.parametrize("fails_at", [1, 2], ids=["the file", "its name"])
def test_what_is_not_durable_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int) -> None:
    calls: list[int] = []

    def fails(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == fails_at:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="No space"):
        write_once(tmp_path / "key", b"secret")
    assert list(tmp_path.iterdir()) == []


def test_what_others_may_read_or_a_link_names_is_not_read(tmp_path: Path) -> None:
    file, link = tmp_path / "key", tmp_path / "link"
    write_once(file, b"secret")
    link.symlink_to(file)
    with pytest.raises(OSError, match="symbolic"):
        read_private(link)
    for mode in (0o640, 0o604, 0o610):
        file.chmod(mode)
        with pytest.raises(PermissionError) as refused:
            read_private(file)
        assert refused.value.strerror == f"it has mode {mode:04o}: set it to 0600"
    with pytest.raises(FileNotFoundError):
        read_private(tmp_path / "nothing")
