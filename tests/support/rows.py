"""Rows and audit entries for tests that use the storage directly."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from kmip_server.storage.identifiers import new_identifier
from kmip_server.storage.port import AuditEntry, ObjectRow
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, ObjectType, State
from kmip_server.ttlv.tags import Tag

MASTER_KEY = bytes(range(32))
NAME = int(Tag.NAME)
GROUP = int(Tag.OBJECT_GROUP)

MakeRow = Callable[..., ObjectRow]


def row_maker() -> MakeRow:
    """Makes rows of AES keys, each a second younger than the one before; keywords change columns."""
    dates = count(1_700_000_000)

    def make(**changes: Any) -> ObjectRow:
        row = ObjectRow(
            unique_identifier=new_identifier(),
            owner="alice",
            object_type=ObjectType.SYMMETRIC_KEY,
            state=State.PRE_ACTIVE,
            attributes=b"attributes",
            operation_policy="default",
            cryptographic_algorithm=CryptographicAlgorithm.AES,
            cryptographic_length=256,
            cryptographic_usage_mask=0x0C,
            initial_date=next(dates),
        )
        return row._replace(**changes)

    return make


def as_given(row: ObjectRow | None) -> ObjectRow | None:
    """A row as it was given to the storage: without what is the storage's own."""
    return row and row._replace(material_id=None, wrapped_key=None)


def audited(operation: str, unique_identifier: str | None = None) -> AuditEntry:
    return AuditEntry(1_700_000_000, "alice", operation, unique_identifier, "Success")
