"""Each object's data key is wrapped anew, bound to the version of its row too, and moves into that row.

What the data keys were bound to before and are bound to since is written down here, as it was then: later changes of
sealing.py do not reach it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import context, op

from kmip_server.storage.master_key import MasterKey, MasterKeyError
from kmip_server.storage.port import SealBroken

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OBJECT = 1
_STEP = 500
_HEAD = struct.Struct(">BII?q?q?q")
_VERSION = struct.Struct(">q")

_AFTER = sa.text(
    "SELECT o.unique_identifier, o.owner, o.object_type, o.cryptographic_algorithm, o.cryptographic_length, o.version,"
    " o.material_id, m.wrapped_key FROM objects o JOIN material m ON m.material_id = o.material_id"
    " WHERE o.unique_identifier > :after ORDER BY o.unique_identifier LIMIT :most"
)
_SET = sa.text("UPDATE objects SET wrapped_key = :wrapped WHERE unique_identifier = :key")


def upgrade() -> None:
    """Add the column, fill it, and drop the one before. Raises MasterKeyError if there are keys and none to open them.

    A data key that does not open is taken over as it is: it does not open afterwards either.
    """
    op.add_column("objects", sa.Column("wrapped_key", sa.LargeBinary(), nullable=True))
    connection = op.get_bind()
    master_key: MasterKey | None = None
    for rows in _steps(connection):
        master_key = master_key or _master_key(connection)
        connection.execute(_SET, [{"key": row[0], "wrapped": _wrapped_anew(master_key, row)} for row in rows])
    # SQLite's own way of dropping a column damaged files in some of its versions: the table is made anew there.
    with op.batch_alter_table("material", table_kwargs={"sqlite_with_rowid": False}) as material:
        material.drop_column("wrapped_key")


def _steps(connection: sa.Connection) -> Iterator[Sequence[Any]]:
    after = ""
    while rows := connection.execute(_AFTER, {"after": after, "most": _STEP}).all():
        yield rows
        after = rows[-1][0]


def _master_key(connection: sa.Connection) -> MasterKey:
    """The master key that the caller has given, if it is the one of this store. Raises MasterKeyError."""
    master_key: MasterKey | None = context.config.attributes["master_key"]
    if master_key is None:
        raise MasterKeyError("the keys of this store have to be wrapped anew, and its master key was not given")
    found = connection.execute(sa.text("SELECT value FROM server_state WHERE key = 'master_key'")).scalar()
    if found != master_key.key_id:
        raise MasterKeyError(f"this store is sealed by master key {found}, not by {master_key.key_id}")
    return master_key


def _wrapped_anew(master_key: MasterKey, row: Any) -> bytes:
    identifier, owner, object_type, algorithm, length, version, material_id, wrapped = row
    bound = b"data key" + _binding(identifier.encode(), owner.encode(), (object_type, algorithm, length))
    sealing_id, wrapped = bytes(material_id), bytes(wrapped)
    try:
        data_key = master_key.unwrap(wrapped, bound + sealing_id)
    except SealBroken:
        return wrapped
    return master_key.wrap(data_key, bound + _VERSION.pack(version) + sealing_id)


def _binding(identifier: bytes, owner: bytes, numbers: tuple[int | None, int | None, int | None]) -> bytes:
    marked = [part for number in numbers for part in (number is not None, number or 0)]
    return _HEAD.pack(_OBJECT, len(identifier), len(owner), *marked) + identifier + owner
