"""Verifies a store: every object, every seal, every index entry, every job, every audit record.

What can be recomputed is; what is wrong is told in words, each finding with the object or record it is about. The store
may be in use meanwhile: each part is checked as one snapshot sees it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import bindparam, select

from kmip_server.storage import audit_chain, schema
from kmip_server.storage.connection import HeldConnection
from kmip_server.storage.port import SealBroken
from kmip_server.storage.rows import entries_from_text, job_from_columns
from kmip_server.storage.store import Store, StoredObject

_STEP = 1000
_INDEXED = "SELECT unique_identifier FROM object_index"


def check(store: Store) -> list[str]:
    """Everything that is wrong with a store, in words; an empty list if nothing is. Raises StorageUnavailable."""
    connection = HeldConnection(store.database)
    try:
        # Objects and audit records come from one snapshot: the one may then be held against the other.
        connection.begin(writes=False)
        checker = _Checker(store, connection)
        findings = [*checker.database(), *checker.objects(), *checker.index(), *checker.materials(), *checker.jobs()]
        findings += [*checker.audit(), *checker.unexplained()]
        connection.rollback()
    finally:
        connection.close()
    return findings


class _Checker:
    """One run over a store. Remembers the identifiers it has seen, so that what belongs to none of them is found."""

    def __init__(self, store: Store, connection: HeldConnection) -> None:
        self._store = store
        self._connection = connection
        self._objects: set[str] = set()
        self._material_ids: set[bytes] = set()
        self._entries: Counter[str] = Counter()
        self._audited: set[str] = set()

    def database(self) -> Iterator[str]:
        """SQLite's own check of its file."""
        if self._store.database.sqlite:
            for (finding,) in self._connection.all("PRAGMA integrity_check(20)"):
                if finding != "ok":
                    yield f"the database file: {finding}"

    def objects(self) -> Iterator[str]:
        """Each object's own row, and its material's seal."""
        for stored in self._store.objects(self._connection):
            row = stored.row
            self._objects.add(row.unique_identifier)
            if row.material_id is not None:
                self._material_ids.add(bytes(row.material_id))
            for finding in self._object(stored):
                yield f"object {row.unique_identifier}: {finding}"

    def _object(self, stored: StoredObject) -> Iterator[str]:
        row = stored.row
        if row.version < 1:
            yield f"its version is {row.version}"
        if row.destroyed and row.material_id is not None:
            yield "it is destroyed and has key material"
        if row.wrapped_key is not None and row.material_id is None:
            yield "it has a data key and no key material"
        if not row.destroyed and row.destroy_date is not None:
            yield "it has a Destroy Date and is not destroyed"
        try:
            self._store.open_material(stored)
        except SealBroken as error:
            yield f"its key material does not open: {error}"
        try:
            entries = entries_from_text(stored.entries)
        except (ValueError, TypeError):
            yield "its list of index entries is damaged"
            return
        self._entries[row.unique_identifier] = len(entries)
        text = self._store.access.statements.has_entry
        for tag, value in entries:
            if not self._connection.all(text, (tag, value, row.owner, row.initial_date, row.unique_identifier)):
                yield f"its index entry for tag {tag:#x} is missing"

    def index(self) -> Iterator[str]:
        """Index entries beyond those of the objects, which were looked up one by one before."""
        found = Counter(identifier for (identifier,) in self._connection.stream(_INDEXED))
        for identifier, number in sorted((found - self._entries).items()):
            yield f"object {identifier}: the index has {number} entries that the object has not"

    def materials(self) -> Iterator[str]:
        """Sealed key material that no object names."""
        for (material_id,) in self._connection.stream("SELECT material_id FROM material"):
            if bytes(material_id) not in self._material_ids:
                yield f"key material {bytes(material_id).hex()} belongs to no object"

    def jobs(self) -> Iterator[str]:
        """Each job's seals."""
        statement = select(schema.jobs).order_by(schema.jobs.c.correlation_value)
        for values in self._connection.stream(self._store.database.compile(statement).text):
            job = job_from_columns(values)
            try:
                self._store.access.sealer.open_job(job)
            except SealBroken as error:
                yield f"job {bytes(job.correlation_value).hex()}: it does not open: {error}"

    def audit(self) -> Iterator[str]:
        """The numbers and the chain of the audit records, up to the head."""
        table = schema.audit
        statement = (
            select(table)
            .where(table.c.sequence > bindparam("after"))
            .order_by(table.c.sequence)
            .limit(bindparam("most"))
        )
        sql = self._store.database.compile(statement, "after", "most")
        last, before = 0, audit_chain.GENESIS
        after = -(2**63)
        while found := self._connection.all(sql.text, (after, _STEP, *sql.constants)):
            for sequence, at, caller, operation, identifier, outcome, detail, correlation, digest in found:
                texts = (caller, operation, identifier, outcome, detail, correlation)
                yield from audit_chain.breaks(last, before, sequence, at, texts, bytes(digest))
                last, before = sequence, bytes(digest)
                if identifier is not None:
                    self._audited.add(identifier)
            after = last
        heads = self._connection.all("SELECT sequence, digest FROM audit_head")
        if [(sequence, bytes(digest)) for sequence, digest in heads] != [(last, before)]:
            yield f"the audit log ends at record {last}, which is not where its head says"

    def unexplained(self) -> Iterator[str]:
        """Objects that no audit record names."""
        for identifier in sorted(self._objects - self._audited):
            yield f"object {identifier}: no audit record names it"
