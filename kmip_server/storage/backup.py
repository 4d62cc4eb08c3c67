"""Backup while serving, and restore: one file that proves itself whole.

The file is a line that names the format, a line with the SHA-256 of all that follows, and a tar archive:

    manifest.json       format version, time, schema, the last audit record, and size and SHA-256 of every other member
    store.db            the whole store as an SQLite file, whichever database it was in
    files/...           other files that the caller asked for, under the names it gave

Sealed key material stays sealed. A store is restored into the kind of database it came from or into the other one, but
only into an empty one.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any

from sqlalchemy import func, insert, inspect, select

from console.private_files import make_names_durable
from kmip_server.storage import schema
from kmip_server.storage.administration import record
from kmip_server.storage.database import Database
from kmip_server.storage.master_key import MasterKey
from kmip_server.storage.migrations import upgrade

_MAGIC = b"kmip-server backup 1\n"
_DIGEST_SIZE = 65
_FORMAT = 1
_MANIFEST = "manifest.json"
_STORE = "store.db"
_FILES = "files/"
_MOST_MANIFEST = 1 << 20
_CHUNK = 1 << 20
_ROWS = 1000


class BackupError(Exception):
    """The backup or restore cannot be done, and nothing was changed; the text says why."""


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """What a backup holds. The audit record tells an older copy of a store from a newer one."""

    created_at: int
    schema_revision: str
    objects: int
    audit_sequence: int
    audit_digest: str
    files: tuple[str, ...]


def backup(url: str, target: Path, files: Mapping[str, Path] | None = None, *, by: str) -> BackupFacts:
    """Write a consistent copy of a store, which may be in use, and of other files by name, as a new file of mode 0600.

    It is on record as begun `by` a user before anything is read, and so in the copy, too. Raises BackupError if the
    target exists, UnsafeDatabaseError or StorageUnavailable if the store cannot be read.
    """
    named = dict(files or {})
    for name in named:
        _check_name(name)
    if target.exists():
        raise BackupError(f"{target} exists already")
    database = Database(url)
    database.check_file()
    database.check_schema()
    with database.writing() as connection:
        record(connection, "Backup", by=by, about="", now=int(time.time()), detail=str(target))
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as scratch:
        copy = Path(scratch, _STORE)
        if database.sqlite:
            _copy_sqlite(database.path, copy)
        else:
            _copy_rows_to_file(database, copy)
        database.close()
        facts = _facts(copy, tuple(sorted(named)))
        archive = Path(scratch, "archive")
        _write_archive(archive, facts, {_STORE: copy, **{_FILES + name: path for name, path in named.items()}})
        _name_new(archive, target)
    return facts


@dataclass(frozen=True, slots=True)
class OpenBackup:
    """A backup that was verified and unpacked into a directory of its own for a while; `files` are there by name."""

    facts: BackupFacts
    store: Path
    files: Mapping[str, Path]

    @property
    def current(self) -> bool:
        """Whether the store has the schema of this version; restoring one of an older version needs its master key."""
        return self.facts.schema_revision == schema.REVISION

    def restore_store(self, url: str, master_key: MasterKey | None = None, *, by: str) -> None:
        """Put the store into an empty database, its schema up to date, with a record that it was restored `by` a user.

        The directory of an SQLite file is made if there is none. Raises BackupError if the database is not empty,
        MasterKeyError if keys have to be wrapped anew.
        """
        database = Database(url)
        _refuse_used(database)
        # The unpacked copy: nothing is put anywhere before it is known to be of use.
        upgrade(f"sqlite:///{self.store}", master_key=master_key)
        self._record(by)
        if database.sqlite:
            _make_one_file(self.store)
            _place(self.store, database.path, 0o600)
        else:
            _copy_rows_to_database(self.store, database, url)
        database.close()

    def _record(self, by: str) -> None:
        copy = Database(f"sqlite:///{self.store}")
        detail = f"backup of {self.facts.created_at}, up to record {self.facts.audit_sequence}"
        with copy.writing() as connection:
            record(connection, "Restore", by=by, about="", now=int(time.time()), detail=detail)
        copy.close()

    def restore_files(self, directory: Path) -> None:
        """Put every other file under a directory. Raises BackupError if one of them exists, before any is written."""
        _refuse_existing(self.files, directory)
        for name, path in self.files.items():
            _place(path, Path(directory, name), path.stat().st_mode & 0o777)


@contextmanager
def open_backup(source: Path) -> Iterator[OpenBackup]:
    """Verify a backup and unpack it for as long as the block lasts.

    Raises BackupError if a byte of it is not as it was written.
    """
    with tempfile.TemporaryDirectory(prefix="kmip-backup-") as scratch:
        facts = _unpack(source, Path(scratch))
        yield OpenBackup(facts, Path(scratch, _STORE), {name: Path(scratch, _FILES, name) for name in facts.files})


def restore(source: Path, url: str, directory: Path, master_key: MasterKey | None = None, *, by: str) -> BackupFacts:
    """Verify a backup, then put its store into the empty database at `url` and its other files under `directory`.

    Nothing that exists is overwritten. Raises BackupError if the backup is damaged or the target is not empty;
    MasterKeyError as OpenBackup.restore_store().
    """
    with open_backup(source) as opened:
        _refuse_existing(opened.files, directory)
        opened.restore_store(url, master_key, by=by)
        opened.restore_files(directory)
        return opened.facts


def _check_name(name: str) -> None:
    """A name that stays below the directory it is restored to, whatever a changed backup says."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or str(path) != name or name in ("", ".") or "\0" in name:
        raise BackupError(f"{name!r} is not a relative path")


def _copy_sqlite(source: Path, copy: Path) -> None:
    """One snapshot by SQLite's own backup, which no writer waits for."""
    _create(copy)
    with closing(sqlite3.connect(source, timeout=10)) as reader, closing(sqlite3.connect(copy)) as writer:
        reader.backup(writer)
    _make_one_file(copy)


def _make_one_file(copy: Path) -> None:
    """Leave an SQLite database without a write-ahead log beside it."""
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")


def _copy_rows_to_file(database: Database, copy: Path) -> None:
    url = f"sqlite:///{copy}"
    upgrade(url)
    target = Database(url)
    _copy_rows(database, target)
    target.close()
    _make_one_file(copy)


def _copy_rows_to_database(copy: Path, database: Database, url: str) -> None:
    source = Database(f"sqlite:///{copy}")
    upgrade(url)
    _copy_rows(source, database)
    source.close()


def _copy_rows(source: Database, target: Database) -> None:
    """Copy every table as one snapshot of the source into one transaction of the target."""
    with source.reading() as reader, target.writing() as writer:
        for table in schema.metadata.sorted_tables:
            writer.execute(table.delete())
            found = reader.execution_options(yield_per=_ROWS).execute(select(table))
            for rows in found.mappings().partitions(_ROWS):
                writer.execute(insert(table), [dict(row) for row in rows])


def _facts(copy: Path, files: tuple[str, ...]) -> BackupFacts:
    with closing(sqlite3.connect(copy)) as connection:
        ((sequence, digest),) = connection.execute("SELECT sequence, digest FROM audit_head").fetchall()
        ((objects,),) = connection.execute("SELECT count(*) FROM objects").fetchall()
    return BackupFacts(int(time.time()), schema.REVISION, objects, sequence, digest.hex(), files)


def _write_archive(archive: Path, facts: BackupFacts, members: Mapping[str, Path]) -> None:
    described: dict[str, dict[str, Any]] = {}
    for name, path in members.items():
        size, digest = _digest(path)
        described[name] = {"size": size, "sha256": digest, "mode": f"{path.stat().st_mode & 0o777:04o}"}
    manifest = {
        "format": _FORMAT,
        "created_at": facts.created_at,
        "schema": facts.schema_revision,
        "objects": facts.objects,
        "audit_sequence": facts.audit_sequence,
        "audit_digest": facts.audit_digest,
        "members": described,
    }
    _create(archive)
    with archive.open("r+b") as stream:
        stream.write(_MAGIC + bytes(_DIGEST_SIZE))
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
            content = json.dumps(manifest, indent=1).encode()
            _add(tar, _MANIFEST, len(content), BytesIO(content))
            for name, path in members.items():
                with path.open("rb") as member:
                    _add(tar, name, int(described[name]["size"]), member)
        stream.seek(len(_MAGIC) + _DIGEST_SIZE)
        digest = _digest_stream(stream)[1]
        stream.seek(len(_MAGIC))
        stream.write(digest.encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def _add(tar: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    tar.addfile(member, content)


def _unpack(source: Path, scratch: Path) -> BackupFacts:
    """Verify a backup and write its members below a directory that is empty."""
    try:
        with source.open("rb") as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                raise BackupError(f"{source} is not a backup of this server, or of another version of it")
            wanted = stream.read(_DIGEST_SIZE)
            if _digest_stream(stream)[1].encode() + b"\n" != wanted:
                raise BackupError(f"{source} is damaged: its digest is another one")
            stream.seek(len(_MAGIC) + _DIGEST_SIZE)
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                return _unpack_members(tar, scratch)
    except OSError as error:
        raise BackupError(f"{source} cannot be read: {error.strerror}") from error
    except (tarfile.TarError, ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{source} does not hold what a backup holds") from error


def _unpack_members(tar: tarfile.TarFile, scratch: Path) -> BackupFacts:
    first = tar.next()
    if first is None or first.name != _MANIFEST or first.size > _MOST_MANIFEST:
        raise ValueError("the manifest is not the first member")
    manifest = json.loads(_content(tar, first).read())
    if manifest["format"] != _FORMAT:
        raise BackupError(f"backups of format {manifest['format']} are of another version of this server")
    described: dict[str, dict[str, Any]] = dict(manifest["members"])
    names = []
    while (member := tar.next()) is not None:
        expected = described.pop(member.name)
        _check_name(member.name)
        if not member.isreg() or member.size != expected["size"]:
            raise ValueError(f"{member.name} is not the file that the manifest describes")
        target = Path(scratch, member.name)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(target)
        with target.open("wb") as out:
            digest = _digest_stream(_content(tar, member), out.write)[1]
        if digest != expected["sha256"]:
            raise BackupError(f"{member.name} is damaged: its digest is another one")
        if member.name != _STORE:
            target.chmod(int(expected["mode"], 8) & 0o700 | int(expected["mode"], 8) & 0o044)
        names.append(member.name)
    if described or _STORE not in names:
        raise ValueError("a member is missing")
    files = tuple(sorted(name.removeprefix(_FILES) for name in names if name != _STORE))
    return BackupFacts(
        created_at=int(manifest["created_at"]),
        schema_revision=str(manifest["schema"]),
        objects=int(manifest["objects"]),
        audit_sequence=int(manifest["audit_sequence"]),
        audit_digest=str(manifest["audit_digest"]),
        files=files,
    )


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise ValueError(f"{member.name} is not a file")
    return content


def _digest(path: Path) -> tuple[int, str]:
    with path.open("rb") as stream:
        return _digest_stream(stream)


def _digest_stream(stream: IO[bytes], write: Callable[[bytes], Any] | None = None) -> tuple[int, str]:
    """The size and SHA-256 of the rest of a stream, which is passed on to `write`."""
    hasher, size = sha256(), 0
    while chunk := stream.read(_CHUNK):
        hasher.update(chunk)
        size += len(chunk)
        if write is not None:
            write(chunk)
    return size, hasher.hexdigest()


def _create(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _place(source: Path, target: Path, mode: int) -> None:
    """Put a copy of a file in a place where there is none yet: complete and durable, or not at all."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=target.parent, prefix=".restore-")
    try:
        with os.fdopen(descriptor, "wb") as out, source.open("rb") as content:
            _digest_stream(content, out.write)
            out.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        _name_new(Path(part), target)
    finally:
        Path(part).unlink(missing_ok=True)


def _name_new(complete: Path, target: Path) -> None:
    """Give a complete and durable file its name, without replacing another."""
    try:
        _create(target)
    except FileExistsError as error:
        raise BackupError(f"{target} exists already") from error
    complete.replace(target)
    make_names_durable(target.parent)


def _refuse_existing(names: Iterable[str], directory: Path) -> None:
    for name in names:
        if Path(directory, name).exists():
            raise BackupError(f"{Path(directory, name)} exists already")


def _refuse_used(database: Database) -> None:
    if database.sqlite:
        for file in (database.path, Path(f"{database.path}-wal"), Path(f"{database.path}-shm")):
            if file.exists():
                raise BackupError(f"{file} exists already: a backup is only restored where there is no store")
        return
    with database.reading() as connection:
        if not inspect(connection).has_table("objects"):
            return
        tables = [schema.objects, schema.audit, schema.clients, schema.users, schema.jobs]
        if any(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables):
            raise BackupError("the database is in use: a backup is only restored into an empty one")
