"""The store as a whole: opening it with its master key, lanes for requests, and units for administration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

from kmip_server.storage import schema
from kmip_server.storage.connection import HeldConnection
from kmip_server.storage.database import Database
from kmip_server.storage.lane import QUEUE_LIMIT, Lane, Lanes, Resolve
from kmip_server.storage.loop_lane import LoopLane
from kmip_server.storage.master_key import MasterKey, MasterKeyError
from kmip_server.storage.port import ObjectRow, SealBroken
from kmip_server.storage.rows import COLUMNS
from kmip_server.storage.sealing import Sealed, Sealer, sealed_in
from kmip_server.storage.unit import Access, SqlUnit

_POSTGRESQL_LANES = 3
_STEP = 500
_IDENTIFIER = COLUMNS.index("unique_identifier")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object with everything the tables have about it: its index entries as text, its material still sealed."""

    row: ObjectRow
    entries: str
    sealed: Sealed | None


class Store:
    """An open store. Lanes and units may be used in any thread; the store itself holds no connection."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self.database = database
        self.access = Access(database, sealer)

    @classmethod
    def create(cls, url: str, master_key: MasterKey) -> Store:
        """Make the schema, or bring it up to date, and open the store."""
        from kmip_server.storage.migrations import upgrade  # a worker that only opens a store does not load Alembic

        upgrade(url, master_key=master_key)
        return cls.open(url, master_key)

    @classmethod
    def open(cls, url: str, master_key: MasterKey) -> Store:
        """Open a store. The first master key it is opened with stays its own.

        Raises UnsafeDatabaseError if the database is absent, readable by others, not durable, or of another schema;
        MasterKeyError if the master key is not the one that sealed it; StorageUnavailable if it does not answer.
        """
        database = Database(url)
        database.check_file()
        database.check_schema()
        _claim(database, master_key.key_id)
        return cls(database, Sealer(master_key))

    def lanes(
        self,
        *,
        on_group_done: Callable[[Resolve], Any] | None = None,
        call_soon: Callable[[Callable[[], None]], Any] | None = None,
        count: int | None = None,
        queue_limit: int = QUEUE_LIMIT,
    ) -> Lanes:
        """Lanes for requests: one on SQLite, which has one writer; a few, or `count`, on PostgreSQL.

        An event loop passes how to call a function on its thread from another thread (`on_group_done`), and from its
        own thread when it has served what is ready (`call_soon`); with both, SQLite is worked on in the loop's thread.
        More than `queue_limit` requests that wait for a lane are refused.
        """
        if on_group_done is not None and call_soon is not None and self.database.sqlite:
            lane = LoopLane(self.access, call_soon=call_soon, call_from_thread=on_group_done, queue_limit=queue_limit)
            return Lanes([lane])
        wanted = 1 if self.database.sqlite else count or _POSTGRESQL_LANES
        options: dict[str, Any] = {} if on_group_done is None else {"on_group_done": on_group_done}
        return Lanes([Lane(self.access, queue_limit=queue_limit, **options) for _ in range(wanted)])

    @contextmanager
    def unit(self, *, writes: bool) -> Iterator[SqlUnit]:
        """A transaction of its own, committed at the end of the block and rolled back on an exception."""
        connection = HeldConnection(self.database)
        try:
            connection.begin(writes=writes)
            unit = SqlUnit(self.access, connection, writes=writes)
            yield unit
            unit.end_undoable()
            unit.finish()
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        finally:
            connection.close()

    def objects(self, connection: HeldConnection) -> Iterator[StoredObject]:
        """Every object in the order of Unique Identifiers, read in the transaction that has begun on the connection."""
        table, material = schema.objects, schema.material
        statement = (
            select(
                *(table.c[name] for name in COLUMNS),
                table.c.entries,
                material.c.master_key_id,
                material.c.sealed,
            )
            .select_from(table.outerjoin(material, table.c.material_id == material.c.material_id))
            .where(table.c.unique_identifier > bindparam("after"))
            .order_by(table.c.unique_identifier)
            .limit(bindparam("most"))
        )
        sql = self.database.compile(statement, "after", "most")
        after = ""
        while found := connection.all(sql.text, (after, _STEP, *sql.constants)):
            yield from map(self._stored, found)
            after = found[-1][_IDENTIFIER]

    def _stored(self, values: tuple[Any, ...]) -> StoredObject:
        entries, master_key_id, ciphertext = values[len(COLUMNS) :]
        row = self.access.row(values[: len(COLUMNS)])
        return StoredObject(row, entries, None if ciphertext is None else sealed_in(row, master_key_id, ciphertext))

    def open_material(self, stored: StoredObject) -> bytes | None:
        """A stored object's material, opened without the cache; None if it has none. Raises SealBroken."""
        if stored.sealed is None and stored.row.material_id is not None:
            raise SealBroken("the sealed bytes are gone")
        if stored.sealed is None:
            return None
        return self.access.sealer.open(stored.row, stored.sealed)

    def close(self) -> None:
        """Close the store; lanes are closed by their users first."""
        self.database.close()


def _claim(database: Database, key_id: str) -> None:
    """Note whose store this is, or find that it is another's. Raises MasterKeyError."""
    state = schema.server_state
    of_key = state.c.key == "master_key"
    with database.reading() as reading:
        found = reading.execute(select(state.c.value).where(of_key)).scalar()
    if found is None:
        with database.writing() as connection:
            connection.execute(state.insert().values(key="master_key", value=key_id))
    elif found != key_id:
        raise MasterKeyError(f"this store is sealed by master key {found}, not by {key_id}")
