"""A store of schema 0001, as the last version with that schema wrote it under MASTER_KEY."""

from __future__ import annotations

import json
import os
import sqlite3
import struct
import tarfile
from collections.abc import Mapping
from contextlib import closing
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import MetaData, create_engine, insert, select, text
from sqlalchemy.pool import StaticPool

from kmip_server.storage.database import Database
from kmip_server.storage.master_key import LocalMasterKey
from kmip_server.storage.migrations import upgrade
from support.rows import MASTER_KEY

_DUMP = Path(__file__).with_name("store-0001.sql").read_text(encoding="utf-8")
_HEADER = len(b"kmip-server backup 1\n")

MATERIALS = {
    "plain": b"material of plain",
    "changed": b"material of changed",
    "unlike é": b"material of unlike",
    "zero": b"material of zero",
    "destroyed": None,
    "bare": None,
}
"""What its objects have as key material."""

OBJECT = (
    "INSERT INTO objects (unique_identifier, owner, object_type, attributes, operation_policy, version, archived,"
    " destroyed, initial_date, last_change_date, fresh, material_id, entries) VALUES"
    " (:identifier, 'bob', 2, :attributes, 'default', 7, false, false, 5, 5, false, :sealing_id, '[]')"
)
MATERIAL = "INSERT INTO material VALUES (:sealing_id, :master_key_id, :wrapped, :sealed)"


def put_old_store(url: str) -> None:
    """Make an empty database that store."""
    database = Database(url)
    if database.sqlite:
        database.create_file()
        with closing(sqlite3.connect(database.path)) as connection:
            connection.executescript(_DUMP)
    else:
        upgrade(url, "0001")
        _copy_into(database)
    database.close()


def _copy_into(database: Database) -> None:
    source = create_engine("sqlite://", poolclass=StaticPool)
    with source.connect() as reader, database.writing() as writer:
        reader.connection.driver_connection.executescript(_DUMP)  # type: ignore[union-attr]
        tables, found = MetaData(), MetaData()
        tables.reflect(writer)
        found.reflect(reader)
        for table in tables.sorted_tables:
            writer.execute(table.delete())
            rows = [dict(row) for row in reader.execute(select(found.tables[table.name])).mappings()]
            if rows:
                writer.execute(insert(table), rows)
    source.dispose()


def add_old_objects(url: str, number: int) -> None:
    """Add keys of bob's, sealed as that version sealed; their material is their Unique Identifier."""
    objects, materials = [], []
    for count in range(number):
        identifier = f"many {count:05}"
        bound = (
            struct.pack(">BII?q?q?q", 1, len(identifier), 3, True, 2, False, 0, False, 0) + identifier.encode() + b"bob"
        )
        sealing_id, data_key, nonces = os.urandom(16), os.urandom(32), os.urandom(24)
        wrapped = AESGCM(MASTER_KEY).encrypt(nonces[:12], data_key, b"data key" + bound + sealing_id)
        sealed = AESGCM(data_key).encrypt(nonces[12:], identifier.encode(), b"material" + bound + sealing_id)
        objects.append({"identifier": identifier, "attributes": b"", "sealing_id": sealing_id})
        materials.append(
            {
                "sealing_id": sealing_id,
                "master_key_id": LocalMasterKey(MASTER_KEY).key_id,
                "wrapped": nonces[:12] + wrapped,
                "sealed": nonces[12:] + sealed,
            }
        )
    database = Database(url)
    with database.writing() as connection:
        connection.execute(text(OBJECT), objects)
        connection.execute(text(MATERIAL), materials)
    database.close()


def old_backup(current: bytes, store: Path, files: Mapping[str, Path] | None = None) -> bytes:
    """A backup with other members, if it has them, as a version with schema 0001 would have written it."""
    out = BytesIO()
    with (
        tarfile.open(fileobj=BytesIO(current[_HEADER + 65 :])) as source,
        tarfile.open(fileobj=out, mode="w") as target,
    ):
        members = {member.name: source.extractfile(member).read() for member in source}  # type: ignore[union-attr]
        manifest = json.loads(members["manifest.json"]) | {"schema": "0001"}
        for name, path in {"store.db": store, **(files or {})}.items():
            if name in members:
                content = members[name] = path.read_bytes()
                manifest["members"][name] |= {"size": len(content), "sha256": sha256(content).hexdigest()}
        members["manifest.json"] = json.dumps(manifest).encode()
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            target.addfile(member, BytesIO(content))
    body = out.getvalue()
    return current[:_HEADER] + sha256(body).hexdigest().encode() + b"\n" + body
