"""Master keys from a file and from a passphrase."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from support.rows import MASTER_KEY

from kmip_server.storage import master_key
from kmip_server.storage.master_key import (
    LocalMasterKey,
    MasterKeyError,
    create_key_file,
    create_passphrase,
    open_key_file,
    open_passphrase,
    passphrase_from_descriptor,
    passphrase_from_environment,
)
from kmip_server.storage.port import SealBroken
from kmip_server.storage.store import Store


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(master_key, "_ARGON2_MEMORY", 64)
    monkeypatch.setattr(master_key, "_ARGON2_ITERATIONS", 1)


def test_a_key_file_gives_the_same_key_again(tmp_path: Path) -> None:
    made = create_key_file(tmp_path / "master.key")
    opened = open_key_file(tmp_path / "master.key")
    assert opened.key_id == made.key_id
    assert opened.unwrap(made.wrap(bytes(32), b"bound"), b"bound") == bytes(32)
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    create_key_file(tmp_path / "master.key")
    with pytest.raises(FileExistsError):
        create_key_file(tmp_path / "master.key")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    create_key_file(path)
    path.chmod(mode)
    with pytest.raises(MasterKeyError, match="set it to 0600"):
        open_key_file(path)


def test_an_absent_or_linked_or_wrong_key_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyError, match="cannot be opened"):
        open_key_file(tmp_path / "absent")
    create_key_file(tmp_path / "master.key")
    (tmp_path / "link").symlink_to(tmp_path / "master.key")
    with pytest.raises(MasterKeyError, match="cannot be opened"):
        open_key_file(tmp_path / "link")
    for size in (0, 31, 33, 1000):
        path = tmp_path / f"{size}"
        path.touch(0o600)
        path.write_bytes(bytes(size))
        with pytest.raises(MasterKeyError, match="32 bytes"):
            open_key_file(path)


def test_a_passphrase_gives_the_same_key_again(tmp_path: Path) -> None:
    path = tmp_path / "passphrase.json"
    made = create_passphrase(path, b"correct horse")
    assert open_passphrase(path, b"correct horse").key_id == made.key_id
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"correct horse" not in path.read_bytes()


def test_a_wrong_passphrase_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "passphrase.json"
    create_passphrase(path, b"correct horse")
    with pytest.raises(MasterKeyError, match="the passphrase is wrong"):
        open_passphrase(path, b"correct horse ")
    with pytest.raises(MasterKeyError, match="empty"):
        open_passphrase(path, b"")
    with pytest.raises(MasterKeyError, match="empty"):
        create_passphrase(tmp_path / "other", b"")


def test_the_check_is_not_the_key(tmp_path: Path) -> None:
    path = tmp_path / "passphrase.json"
    made = create_passphrase(path, b"correct horse")
    document = json.loads(path.read_text())
    for name in ("check", "salt"):
        derived = base64.b64decode(document[name]).ljust(32, b"\0")[:32]
        with pytest.raises(SealBroken):
            LocalMasterKey(derived).unwrap(made.wrap(bytes(32), b""), b"")


@pytest.mark.parametrize(
    "change",
    [
        {"memory_kib": 2**31},
        {"iterations": 10**9},
        {"lanes": 0},
        {"memory_kib": -1},
        {"derivation": "md5"},
        {"salt": "not base64!"},
        {"iterations": None},
    ],
)
def test_a_file_that_asks_for_too_much_is_refused_before_any_work(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "passphrase.json"
    create_passphrase(path, b"correct horse")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(MasterKeyError):
        open_passphrase(path, b"correct horse")


def test_a_passphrase_comes_from_a_descriptor_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"from a pipe\nand more")
    os.close(writer)
    assert passphrase_from_descriptor(reader) == b"from a pipe"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reader)
    monkeypatch.setenv("KMIP_TEST_PASSPHRASE", "from the environment")
    assert passphrase_from_environment("KMIP_TEST_PASSPHRASE") == b"from the environment"
    assert "KMIP_TEST_PASSPHRASE" not in os.environ
    with pytest.raises(MasterKeyError, match="empty"):
        passphrase_from_environment("KMIP_TEST_PASSPHRASE")


def test_a_wrapped_key_opens_with_its_own_association_only() -> None:
    key = LocalMasterKey(MASTER_KEY)
    wrapped = key.wrap(bytes(32), b"bound")
    with pytest.raises(SealBroken):
        key.unwrap(wrapped, b"other")
    with pytest.raises(SealBroken):
        key.unwrap(b"", b"bound")


def test_a_store_refuses_another_master_key(store_url: str) -> None:
    Store.create(store_url, LocalMasterKey(MASTER_KEY)).close()
    with pytest.raises(MasterKeyError, match="sealed by master key"):
        Store.open(store_url, LocalMasterKey(bytes(32)))
    Store.open(store_url, LocalMasterKey(MASTER_KEY)).close()
