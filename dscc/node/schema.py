"""What a node keeps. Secrets are sealed (`sealing.py`), and named `sealed_…`; all times are POSIX seconds."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, MetaData, Table, Text

from policy import outbox as policy_outbox
from policy import store as policy_store

metadata = MetaData()
for _kept in (policy_store.metadata, policy_outbox.metadata):
    for _table in _kept.sorted_tables:
        _table.to_metadata(metadata)

VERSION: Final = 2
DEVICE: Final = "device"
"""What kind of revocation is that of a device; others are of keys (revocations.subject_of_key)."""

about = Table(
    "about",
    metadata,
    # One row: the version of this schema (`upgrading.py`).
    Column("schema_version", BigInteger, primary_key=True, autoincrement=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("token_id", LargeBinary, primary_key=True),
    Column("device", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    # The digest of the R3 that it was used up by; then only that R3 is answered, and with the same R4.
    Column("used_by", LargeBinary),
    Column("answer", LargeBinary),
)
# Anybody may come with an R3 alone.
Index("tokens_by_use", tokens.c.used_by)

devices = Table(
    "devices",
    metadata,
    Column("name", Text, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("workflow_version", BigInteger, nullable=False),
    Column("stage", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("attributes", Text, nullable=False),
    # None until somebody has compared the short strings (ota-tofu).
    Column("accepted_at", BigInteger),
    Column("short_string", Text, nullable=False),
    Column("revoked_at", BigInteger),
    Column("last_seen_at", BigInteger),
    # Stages taken, and other changes of the stage.
    Column("transitions", BigInteger, nullable=False),
)

chains = Table(
    "chains",
    metadata,
    # A device, or "node:NAME" for the link with another node.
    Column("holder", Text, primary_key=True),
    Column("suite", Text, nullable=False),
    # The stage of the chain's keys: behind that of the device while it is in quarantine.
    Column("stage", Text, nullable=False),
    Column("ratchet", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("sealed_chain", LargeBinary, nullable=False),
)

links = Table(
    "links",
    metadata,
    # The state from which the link's keys come (dscc.links.chain). The session that carries its messages has a chain
    # above.
    Column("node", Text, primary_key=True),
    Column("sealed_link", LargeBinary, nullable=False),
    # The secret of the source that needs no other one (dscc.links.local).
    Column("sealed_psk", LargeBinary, nullable=False),
)

transitions = Table(
    "transitions",
    metadata,
    Column("device", Text, ForeignKey("devices.name"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("from_stage", Text, nullable=False),
    Column("to_stage", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("approvals", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

codes = Table(
    "codes",
    metadata,
    # The code that goes another way for a step (oob), single use.
    Column("device", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("sealed_code", LargeBinary, nullable=False),
)

revocations = Table(
    "revocations",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    # The number of its audit record here: the order in which this node came to know of them.
    Column("recorded", BigInteger, nullable=False, unique=True),
)
Index("revocations_by_subject", revocations.c.subject)

acknowledgements = Table(
    "acknowledgements",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("node", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

receipts = Table(
    "receipts",
    metadata,
    Column("sid", LargeBinary, primary_key=True),
    Column("device", Text, primary_key=True),
    Column("kid", LargeBinary, nullable=False),
    Column("peer", Text, nullable=False),
    Column("agreed", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)
Index("receipts_by_time", receipts.c.at)
Index("receipts_by_key", receipts.c.kid)
Index("receipts_by_device", receipts.c.device, receipts.c.peer)
Index("receipts_by_peer", receipts.c.peer, receipts.c.device)

kept = Table(
    "kept",
    metadata,
    Column("device", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("sealed_body", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)
