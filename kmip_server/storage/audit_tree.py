"""The Merkle tree over the audit log in the database: roots and proofs without reading the whole log.

The leaf of a record is its chain digest: 32 bytes that are stored already and cover the record's columns and every
record before it, so that making the tree reads one narrow column. A record is no slower for it: the tree is not
touched when one is written. Whole subtrees of 256 and 65,536 leaves (and so on) are stored by whoever makes a head.
They save work and are not trusted: `audit verify` computes the tree from the records alone.
"""

from __future__ import annotations

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from kmip_server.storage import schema
from kmip_server.storage.database import Database
from policy.merkle import EMPTY, leaf_hash, root_of

STRIDE = 8
"""Subtrees are stored at every level that is a multiple of this."""

Node = tuple[int, int, bytes]
"""Level, place and hash of a whole subtree."""


class TreeBroken(Exception):  # noqa: N818
    """A record that the tree needs is not there: the log was cut or changed. `audit verify` says where."""


class AuditTree:
    """The tree as one transaction sees it. `new` are the subtrees it had to compute and that are not stored yet."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.new: list[Node] = []

    def root(self, size: int) -> bytes:
        """The root over the first `size` records. Raises TreeBroken."""
        return self.range_hash(0, size) if size else EMPTY

    def range_hash(self, start: int, end: int) -> bytes:
        """The root over the leaves from `start` to before `end`, of a subtree. Raises TreeBroken."""
        level = ((end - start).bit_length() - 1) // STRIDE * STRIDE
        if level == 0:
            return root_of(map(leaf_hash, self._digests(start, end)))
        width = 1 << level
        whole = (end - start) // width
        hashes = self._subtrees(level, start // width, whole)
        rest = start + whole * width
        if rest == end:
            return root_of(hashes)
        # A smaller subtree to the right of whole ones is cut as one more of them would be.
        return root_of([*hashes, self.range_hash(rest, end)])

    def _subtrees(self, level: int, first: int, count: int) -> list[bytes]:
        """The hashes of whole subtrees in a row, computed where they are not stored."""
        table = schema.audit_tree.c
        asked = (table.level == level, table.place >= first, table.place < first + count)
        found = self._connection.execute(select(table.place, table.hash).where(*asked))
        known = {row.place: bytes(row.hash) for row in found}
        return [
            known[place] if place in known else self._computed(level, place) for place in range(first, first + count)
        ]

    def _computed(self, level: int, place: int) -> bytes:
        below = level - STRIDE
        if below == 0:
            hashes = [leaf_hash(digest) for digest in self._digests(place << STRIDE, (place + 1) << STRIDE)]
        else:
            hashes = self._subtrees(below, place << STRIDE, 1 << STRIDE)
        hashed = root_of(hashes)
        self.new.append((level, place, hashed))
        return hashed

    def _digests(self, start: int, end: int) -> list[bytes]:
        columns = schema.audit.c
        asked = select(columns.sequence, columns.digest).where(columns.sequence > start, columns.sequence <= end)
        found = self._connection.execute(asked.order_by(columns.sequence)).all()
        if [row.sequence for row in found] != list(range(start + 1, end + 1)):
            raise TreeBroken(f"the audit records {start + 1} to {end} are not all there: run `audit verify`")
        return [bytes(row.digest) for row in found]


def store(database: Database, nodes: list[Node]) -> None:
    """Keep subtrees for the next time. Another process may have stored the same ones meanwhile."""
    if not nodes:
        return
    insert = sqlite.insert if database.sqlite else postgresql.insert
    values = [dict(zip(("level", "place", "hash"), node, strict=True)) for node in nodes]
    with database.writing() as connection:
        connection.execute(insert(schema.audit_tree).on_conflict_do_nothing(), values)
