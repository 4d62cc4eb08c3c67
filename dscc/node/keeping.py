"""What a node keeps for devices: signatures, wrapped keys, sealed at rest under the node's own key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, delete, func, insert, select
from twisted.internet.defer import Deferred, succeed

from dscc.errors import DsccError, Reason
from dscc.messages import Done, Fetch, Keep, Kept
from dscc.node import registry, schema
from dscc.node.audit import Entry, record
from dscc.wire import Message

if TYPE_CHECKING:
    from dscc.node.service import DeviceSession, NodeService

_KEPT_ITEMS: Final = 1000
"""How many things a node keeps for one device."""


def keep(service: NodeService, session: DeviceSession, asked: Keep) -> Deferred[Message]:
    """Keep something, in place of what has its name. Fails with DsccError (BUSY) if there are too many."""

    def work(connection: Connection) -> Message:
        table = schema.kept
        mine = table.c.device == session.device
        registry.served(connection, session.device)
        connection.execute(delete(table).where(mine, table.c.name == asked.name))
        if (connection.execute(select(func.count()).select_from(table).where(mine)).scalar() or 0) >= _KEPT_ITEMS:
            raise DsccError(Reason.BUSY, f"a device has {_KEPT_ITEMS} things kept at most")
        sealed = service.key.seal(asked.body, *_place(session.device, asked.name, asked.kind))
        values = {"device": session.device, "name": asked.name, "kind": asked.kind, "at": service.now}
        connection.execute(insert(table).values(values | {"sealed_body": sealed}))
        record(connection, Entry(service.now, session.device, "Keep", asked.name, "done", asked.kind))
        return Done()

    return service.writer.submit(work)


def fetch(service: NodeService, session: DeviceSession, asked: Fetch) -> Deferred[Message]:
    """What is kept under a name. Raises DsccError (OUT_OF_ORDER) if nothing is."""
    table = schema.kept
    with service.writer.reading() as connection:
        registry.served(connection, session.device)
        mine = (table.c.device == session.device, table.c.name == asked.name)
        row = connection.execute(select(table).where(*mine)).first()
    if row is None:
        raise DsccError(Reason.OUT_OF_ORDER, "nothing is kept under this name")
    return succeed(Kept(row.kind, service.key.open(row.sealed_body, *_place(session.device, asked.name, row.kind))))


def _place(device: str, name: str, kind: str) -> tuple[bytes, ...]:
    return b"kept", device.encode(), name.encode(), kind.encode()
