"""Until when shared keys may be used without the nodes of DSCC being heard again: one number in the store."""

from __future__ import annotations

from typing import Final

from sqlalchemy import update

from kmip_server.storage import schema
from kmip_server.storage.database import Database, insert_if_new

_KEY: Final = "dscc_lease"


def put_lease(database: Database, until: int) -> None:
    """Keep it, in POSIX seconds; 0 ends it. Raises StorageUnavailable."""
    state = schema.server_state
    with database.writing() as connection:
        insert_if_new(connection, state, key=_KEY, value=str(until))
        connection.execute(update(state).where(state.c.key == _KEY).values(value=str(until)))
