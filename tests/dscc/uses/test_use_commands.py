"""What the commands of `dscc use` say when they cannot do it: in words, and nothing half written is left."""

from __future__ import annotations

import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from two_ends import dscc, key_file, key_number

PUBLIC = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
TUNNEL = ("use", "tunnel", "--role", "client", "--to", "127.0.0.1:7500")


@pytest.fixture
def key(tmp_path: Path) -> tuple[object, ...]:
    return key_file(tmp_path, key_number(1))


@contextmanager
def longest_file(size: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody can write a longer file: as on a disk that is full (EFBIG)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a module's would be cut off, and keep it from being read
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_port_that_is_in_use_is_named(key: tuple[object, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = dscc(*TUNNEL, *key, "--port", port, expect=1)
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "address already in use" in said
    assert "--port" in said


@pytest.mark.parametrize("host", ["192.0.2.1", "a" * 64])
def test_an_address_that_is_not_of_this_machine_is_named(key: tuple[object, ...], host: str) -> None:
    assert f"cannot listen on {host}:0" in dscc(*TUNNEL, *key, "--host", host, "--port", 0, expect=1)


@pytest.mark.parametrize("to", ["a" * 64 + ":1", "kms..example:1", "kms:0", "kms"])
def test_a_target_that_is_none_is_refused_before_anything_is_done(key: tuple[object, ...], to: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        words = ("use", "tunnel", "--role", "client", "--to", to, "--port", other.getsockname()[1])
        assert "an address is HOST:PORT" in dscc(*words, *key, expect=1)


@pytest.mark.parametrize("replace", [False, True])
def test_on_a_full_disk_no_part_of_a_key_is_left(
    tmp_path: Path, key: tuple[object, ...], monkeypatch: pytest.MonkeyPatch, replace: bool
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    out = folder / "psk"
    if replace:
        out.write_text("the one before")
    words = ("use", "wireguard", *key, "--public-key", PUBLIC, "--out", out, *(["--replace"] if replace else []))
    with longest_file(20, monkeypatch):
        assert f"{out} cannot be written: File too large" in dscc(*words, expect=1)
    assert [file.read_text() for file in folder.iterdir()] == (["the one before"] if replace else [])
    dscc(*words)
    assert len(out.read_text()) == 45


@pytest.mark.parametrize("replace", [(), ("--replace",)])
def test_a_folder_is_no_file_to_write(
    tmp_path: Path, key: tuple[object, ...], monkeypatch: pytest.MonkeyPatch, replace: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")  # so that no sentence is folded
    before = set(tmp_path.iterdir())
    for out in (tmp_path, "."):
        said = dscc("use", "wireguard", *key, "--public-key", PUBLIC, "--out", out, *replace, expect=2)
        assert "is a directory" in said
    assert set(tmp_path.iterdir()) == before


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, key: tuple[object, ...]) -> None:
    out = tmp_path / "none" / "psk"
    said = dscc("use", "wireguard", *key, "--public-key", PUBLIC, "--out", out, expect=1)
    assert f"{out} cannot be written: No such file or directory" in said
