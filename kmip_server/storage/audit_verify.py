"""Verifies the audit log against heads that were signed earlier, trusting nothing that the database says beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, select

from kmip_server.storage import audit_chain, audit_log, schema
from kmip_server.storage.audit_tree import STRIDE
from policy.merkle import Frontier, leaf_hash
from policy.signed_heads import SignedHead


def verify(connection: Connection, heads: Sequence[SignedHead] = ()) -> Iterator[str]:
    """What is wrong with the log, in words: its numbers, its chain, its stored subtrees, and what each head says.

    The signatures of the heads are the caller's to verify.
    """
    pending = sorted(heads, key=lambda head: head.size)
    frontier, before, last = Frontier(), audit_chain.GENESIS, 0
    stored = {(row.level, row.place): bytes(row.hash) for row in connection.execute(select(schema.audit_tree))}
    yield from _agrees(pending, frontier, before)
    for record in audit_log.records(connection):
        yield from audit_chain.breaks(last, before, record.sequence, record.at, record.texts, record.digest)
        last, before = record.sequence, record.digest
        frontier.append(leaf_hash(record.digest))
        whole = (frontier.size & -frontier.size).bit_length() - 1
        yield from _wrong_subtrees(stored, frontier, whole)
        yield from _agrees(pending, frontier, before)
    if audit_log.head(connection) != (last, before):
        yield f"the audit log ends at record {last}, which is not where its head says"
    for level, place in sorted(stored):
        yield f"the stored subtree {place} of level {level} is of records that are not there"
    for head in pending:
        yield f"the head of {head.size} records was signed, and the log has {frontier.size}: its end was cut off"


def _agrees(pending: list[SignedHead], frontier: Frontier, digest: bytes) -> Iterator[str]:
    """Hold the log up to here against the heads of this size, which are taken from those that are pending."""
    while pending and pending[0].size == frontier.size:
        head = pending.pop(0)
        if (head.root, head.digest) != (frontier.root(), digest):
            yield f"the first {head.size} records are not those of the head that was signed over {head.size}"


def _wrong_subtrees(stored: dict[tuple[int, int], bytes], frontier: Frontier, whole: int) -> Iterator[str]:
    """Compare stored subtrees that end here, and forget them."""
    for level in range(STRIDE, whole + 1, STRIDE):
        place = (frontier.size >> level) - 1
        found = stored.pop((level, place), None)
        if found is not None and found != frontier.whole(level):
            yield f"the stored subtree {place} of level {level} is not that of its records"
