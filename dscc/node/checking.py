"""Whether what a node keeps is as it wrote it: its records in their chain, and everything that is sealed."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, select

from dscc.node import audit, registry, schema
from dscc.node.database import NodeError
from dscc.node.sealing import NodeKey


def problems(connection: Connection, key: NodeKey) -> Iterator[str]:
    """What is wrong, in words."""
    yield from audit.problems(connection)
    for holder in connection.execute(select(schema.chains.c.holder)).scalars():
        try:
            registry.load_chain(connection, key, holder)
        except NodeError as error:
            yield f"the chain of {holder}: {error}"
    for row in connection.execute(select(schema.tokens).where(schema.tokens.c.used_by.is_(None))):
        told: tuple[bytes, ...] = (row.token_id, row.device.encode(), row.mode.encode())
        yield from _sealed(key, row.sealed_secret, f"a token of {row.device}", b"tokens", *told)
    for row in connection.execute(select(schema.codes)):
        told = (row.device.encode(), row.stage.encode())
        yield from _sealed(key, row.sealed_code, f"a code of {row.device}", b"codes", *told)
    for row in connection.execute(select(schema.kept)):
        told = (row.device.encode(), row.name.encode(), row.kind.encode())
        yield from _sealed(key, row.sealed_body, f"{row.name} of {row.device}", b"kept", *told)
    devices = {device.name for device in registry.every(connection)}
    for name in devices:
        if not registry.transitions_of(connection, name):
            yield f"the device {name} has no transition on record"


def _sealed(key: NodeKey, sealed: bytes, what: str, *place: bytes) -> Iterator[str]:
    try:
        key.open(sealed, *place)
    except NodeError as error:
        yield f"{what}: {error}"
