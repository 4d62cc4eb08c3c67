"""What a device keeps: durable, sealed, its owner's alone, and without what was replaced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dscc.device.journal import Journal
from dscc.device.vault import (
    FolderError,
    FolderLock,
    Vault,
    create_folder,
    create_key,
    needs_passphrase,
    open_key,
)

SECRET = b"a secret that is kept and sealed"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_folder(tmp_path / "device")
    return tmp_path / "device"


def opened(folder: Path, vault: Vault) -> Journal:
    return Journal(folder, vault)


def test_what_is_written_is_there_after_a_crash(folder: Path) -> None:
    vault = create_key(folder)
    journal = opened(folder, vault)
    journal.write(("key", b"kid", [1, "active", SECRET]), ("peer", "bob", ["host", 1]))
    journal.write(("peer", "bob", None))
    again = opened(folder, open_key(folder))
    assert again.tables == {"key": {b"kid": [1, "active", SECRET]}, "peer": {}}


def test_a_change_that_a_crash_cut_off_anywhere_is_not_there_and_all_before_it_are(folder: Path) -> None:
    vault = create_key(folder)
    journal = opened(folder, vault)
    journal.write(("t", "first", 1))
    before = (folder / "state").stat().st_size
    journal.write(("t", "second", 2), ("t", "third", 3))
    whole = (folder / "state").read_bytes()
    for end in range(before, len(whole)):
        (folder / "state").write_bytes(whole[:end])
        assert opened(folder, vault).tables == {"t": {"first": 1}}
        # The file was made longer, and what was to be there did not come.
        (folder / "state").write_bytes(whole[:end] + bytes(len(whole) - end))
        assert opened(folder, vault).tables == {"t": {"first": 1}}
    (folder / "state").write_bytes(whole)
    assert opened(folder, vault).tables == {"t": {"first": 1, "second": 2, "third": 3}}


def test_a_crash_while_the_file_is_written_anew_leaves_the_old_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = create_key(folder)
    journal = opened(folder, vault)
    journal.write(("t", "a", 1))
    for step in ("fsync", "write"):
        with monkeypatch.context() as patched:
            patched.setattr(os, step, _fails)
            with pytest.raises(FolderError):
                opened(folder, vault)
    assert opened(folder, vault).tables == {"t": {"a": 1}}


def _fails(*_: object) -> int:
    raise OSError(28, "No space left on device")


def test_what_cannot_be_made_durable_is_not_done_and_nothing_is_after_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(folder, create_key(folder))
    journal.write(("t", "a", 1))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", _fails)
        with pytest.raises(FolderError, match="No space"):
            journal.write(("t", "a", 2))
    assert journal.tables == {"t": {"a": 1}}
    with pytest.raises(FolderError, match="opened again"):
        journal.write(("t", "a", 3))


def test_damage_is_an_error_and_not_an_earlier_state(folder: Path) -> None:
    vault = create_key(folder)
    journal = opened(folder, vault)
    for number in range(4):
        journal.write(("t", "a", number))
    whole = bytearray((folder / "state").read_bytes())
    whole[len(whole) // 2] ^= 1
    (folder / "state").write_bytes(whole)
    with pytest.raises(FolderError, match="damaged"):
        opened(folder, vault)
    (folder / "state").write_bytes(b"something else")
    with pytest.raises(FolderError, match="not the state"):
        opened(folder, vault)


def test_nothing_is_in_clear_and_only_the_owner_reads_it(folder: Path) -> None:
    journal = opened(folder, create_key(folder))
    journal.write(("key", b"kid", SECRET))
    journal.compact()
    for path in folder.iterdir():
        assert SECRET not in path.read_bytes() and b"kid" not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def readable(folder: Path, vault: Vault, tmp_path: Path) -> list[object]:
    """All values that somebody finds who has the file and the device's key, also those that were replaced."""
    found: list[object] = []

    class Finds(dict):  # type: ignore[type-arg]
        def __setitem__(self, key: object, value: object) -> None:
            found.append(value)
            super().__setitem__(key, value)

    from dscc.device import journal

    original = journal._apply

    def noting(tables: object, changes: list[tuple[str, object, object]]) -> None:
        found.extend(value for _, _, value in changes)
        original(tables, changes)  # type: ignore[arg-type]

    journal._apply = noting  # type: ignore[assignment]
    try:
        journal._read(folder / "state", vault)
    finally:
        journal._apply = original
    return found


def test_what_was_replaced_is_gone_from_the_file_even_for_who_has_the_key(folder: Path, tmp_path: Path) -> None:
    vault = create_key(folder)
    journal = opened(folder, vault)
    journal.write(("chain", "n1", SECRET))
    journal.write(("chain", "n1", b"the next one"))
    assert SECRET in readable(folder, vault, tmp_path)
    journal.compact()
    assert readable(folder, vault, tmp_path) == [b"the next one"]


def test_no_two_records_are_sealed_under_one_key_with_one_number(folder: Path) -> None:
    """After a crash that cut a record off, the number of it would come again: the key is another one by then."""
    vault = create_key(folder)
    journal = opened(folder, vault)
    journal.write(("t", "a", 1))
    keys = {bytes((folder / "state").read_bytes()[20:80])}
    opened(folder, vault)
    keys.add(bytes((folder / "state").read_bytes()[20:80]))
    assert len({vault.open(key, b"DSCC device state 1\n") for key in keys}) == 2


def test_a_file_that_grows_is_written_anew(folder: Path) -> None:
    journal = opened(folder, create_key(folder))
    for _ in range(40):
        journal.write(("t", "a", os.urandom(100_000)))
    assert (folder / "state").stat().st_size < 3_000_000


def test_one_process_at_a_time_has_the_folder(folder: Path) -> None:
    lock = FolderLock(folder)
    with pytest.raises(FolderError, match="in use"):
        FolderLock(folder)
    lock.release()
    FolderLock(folder).release()


def test_a_passphrase_opens_what_it_sealed_and_another_one_does_not(folder: Path) -> None:
    sealed = create_key(folder, b"correct horse").seal(SECRET, b"place")
    assert needs_passphrase(folder)
    assert open_key(folder, b"correct horse").open(sealed, b"place") == SECRET
    with pytest.raises(FolderError, match="wrong"):
        open_key(folder, b"battery staple")
    with pytest.raises(FolderError, match="none was given"):
        open_key(folder)
    with pytest.raises(FolderError, match="device in it"):
        create_key(folder)
    with pytest.raises(FolderError):
        open_key(folder, b"correct horse").open(sealed, b"another place")


def test_a_key_or_a_folder_that_others_may_read_is_refused(folder: Path) -> None:
    create_key(folder)
    (folder / "device.key").chmod(0o640)
    with pytest.raises(FolderError, match="0600"):
        open_key(folder)
    folder.chmod(0o755)
    with pytest.raises(FolderError, match="0700"):
        create_folder(folder)


def test_the_state_of_another_device_does_not_open(folder: Path, tmp_path: Path) -> None:
    opened(folder, create_key(folder)).write(("t", "a", 1))
    create_folder(tmp_path / "other")
    with pytest.raises(FolderError, match="does not open"):
        opened(folder, create_key(tmp_path / "other"))
