"""The tables of the store, as SQLAlchemy Core metadata, the same on SQLite and PostgreSQL.

Times are POSIX seconds. Every number is 64 bits wide, since KMIP enumerations use all 32 bits of an unsigned number.
Each index carries the columns that Locate sorts by (Initial Date, then Unique Identifier), so that an answer is read in
order and never sorted.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, MetaData, Table, Text, text
from sqlalchemy.dialects import postgresql

from policy import store as policy_store
from policy.outbox import outbox as policy_outbox

REVISION = "0009"
"""The migration that this code is written for."""

MAX_IDENTIFIER = 255
"""The longest Unique Identifier, owner, client or user name that is stored, in characters."""

metadata = MetaData()

# Compared byte by byte on both databases: an index must not depend on the locale, or on the library that defines it.
Key = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

objects = Table(
    "objects",
    metadata,
    Column("unique_identifier", Key, primary_key=True),
    Column("owner", Key, nullable=False),
    Column("object_type", BigInteger, nullable=False),
    Column("state", BigInteger),
    Column("attributes", LargeBinary, nullable=False),
    Column("operation_policy", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("archived", Boolean, nullable=False),
    Column("destroyed", Boolean, nullable=False),
    Column("next_transition", BigInteger),
    Column("cryptographic_algorithm", BigInteger),
    Column("cryptographic_length", BigInteger),
    Column("cryptographic_usage_mask", BigInteger),
    Column("initial_date", BigInteger, nullable=False),
    Column("last_change_date", BigInteger, nullable=False),
    Column("activation_date", BigInteger),
    Column("process_start_date", BigInteger),
    Column("protect_stop_date", BigInteger),
    Column("deactivation_date", BigInteger),
    Column("destroy_date", BigInteger),
    Column("compromise_date", BigInteger),
    Column("archive_date", BigInteger),
    Column("fresh", Boolean, nullable=False),
    # The key material's sealing, and its data key: wrapped by the master key, and bound to this version of the row.
    Column("material_id", LargeBinary),
    Column("wrapped_key", LargeBinary),
    # What object_index holds for this object, as JSON: its rows are found by it, and need no second index of their own.
    Column("entries", Text, nullable=False),
)
Index("objects_by_date", objects.c.initial_date, objects.c.unique_identifier)
Index("objects_by_owner", objects.c.owner, objects.c.initial_date, objects.c.unique_identifier)
Index(
    "objects_by_kind",
    objects.c.owner,
    objects.c.object_type,
    objects.c.state,
    objects.c.initial_date,
    objects.c.unique_identifier,
)
Index(
    "objects_due",
    objects.c.next_transition,
    sqlite_where=objects.c.next_transition.is_not(None),
    postgresql_where=objects.c.next_transition.is_not(None),
)

object_index = Table(
    "object_index",
    metadata,
    Column("tag", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Key, primary_key=True),
    Column("owner", Key, primary_key=True),
    Column("initial_date", BigInteger, primary_key=True, autoincrement=False),
    Column("unique_identifier", Key, primary_key=True),
    sqlite_with_rowid=False,
)

# Found by objects.material_id, which begins with the time: new rows go to the end of the table, not all over it.
material = Table(
    "material",
    metadata,
    Column("material_id", LargeBinary, primary_key=True),
    Column("master_key_id", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("caller", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("unique_identifier", Key),
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("correlation", Text, nullable=False),
    # SHA-256 over the digest of the record before and this record: see audit_chain.py.
    Column("digest", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# What automatic rules count. Its words stand in the statements that are to use it: see automatic_facts.py.
AUTHENTICATION = "operation = 'Authentication'"
Index(
    "audit_authentications",
    audit.c.at,
    audit.c.caller,
    sqlite_where=text(AUTHENTICATION),
    postgresql_where=text(AUTHENTICATION),
)

# One row: the last audit record. Sequence numbers are taken from it inside the transaction, so that there are no gaps.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)

# Whole subtrees of the Merkle tree over the digests above: 2 ** level leaves, from place * 2 ** level on.
audit_tree = Table(
    "audit_tree",
    metadata,
    Column("level", BigInteger, primary_key=True, autoincrement=False),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("correlation_value", LargeBinary, primary_key=True),
    Column("owner", Key, nullable=False),
    Column("submitted_at", BigInteger, nullable=False),
    Column("operation", BigInteger, nullable=False),
    Column("stage", BigInteger, nullable=False),
    # Requests and responses may carry key material: both are sealed.
    Column("request", LargeBinary, nullable=False),
    Column("response", LargeBinary),
)
Index("jobs_by_stage", jobs.c.stage, jobs.c.submitted_at)

nonces = Table(
    "nonces",
    metadata,
    Column("unique_identifier", Key, primary_key=True),
    Column("nonce_hash", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)

clients = Table(
    "clients",
    metadata,
    Column("fingerprint", Key, primary_key=True),
    Column("name", Key, nullable=False),
    Column("serial", Text, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)
Index("clients_by_name", clients.c.name)

# By name, not by certificate: whoever comes back with another certificate is in quarantine still.
client_standing = Table(
    "client_standing",
    metadata,
    Column("name", Key, primary_key=True),
    # An hour and a half too early at most: see automating/scheduler.py.
    Column("last_seen_at", BigInteger),
    Column("quarantined_at", BigInteger),
    Column("released_at", BigInteger),
)

client_groups = Table(
    "client_groups",
    metadata,
    Column("client", Key, primary_key=True),
    Column("name", Key, primary_key=True),
)

users = Table(
    "users",
    metadata,
    Column("name", Key, primary_key=True),
    Column("password_hash", Text, nullable=False),
    # The names of the groups as a JSON array.
    Column("groups", Text, nullable=False),
)

devices = Table(
    "devices",
    metadata,
    Column("name", Key, primary_key=True),
    Column("stage", Text, nullable=False),
    Column("workflow", Text, nullable=False),
    # The version by which it was enrolled.
    Column("workflow_version", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger),
    Column("revoked_at", BigInteger),
    # A JSON object of texts.
    Column("attributes", Text, nullable=False),
    # How many stages it has taken: a change names the number that it goes on from.
    Column("transitions", BigInteger, nullable=False),
)

# Rows are added, never changed.
device_transitions = Table(
    "device_transitions",
    metadata,
    Column("device", Key, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("from_stage", Text, nullable=False),
    Column("to_stage", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    # Who approved it, as a JSON array.
    Column("approvals", Text, nullable=False),
    # The channels that were told in any case, as a JSON array.
    Column("notify", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

# When a rule has acted last on something. Whoever moves `at` on from what it was before is the one who acts.
automatic_acts = Table(
    "automatic_acts",
    metadata,
    Column("rule", Key, primary_key=True),
    Column("about", Key, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

# The shared keys of whose present state others have still to hear: "peers", the other sites that have the key, or
# "nodes", the nodes of DSCC, which are told of revocations alone, with their reason. Whoever has told them removes the
# row, unless the object has gone on to another version meanwhile.
shared_changes = Table(
    "shared_changes",
    metadata,
    Column("unique_identifier", Key, primary_key=True),
    Column("audience", Key, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# Unique Identifiers of keys that a peer has withdrawn before they came, or that were given up here: there will be no
# such object, however late its description arrives.
shared_withdrawn = Table(
    "shared_withdrawn",
    metadata,
    Column("unique_identifier", Key, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

# `epoch` grows with every change of clients, users, groups and policy; `master_key` names what seals this store.
# `served_at` is when a server was last known to run, `counted_from` since when clients are held inactive. `dscc_lease`
# is until when shared keys may be used without the nodes of DSCC being heard again.
server_state = Table(
    "server_state",
    metadata,
    Column("key", Key, primary_key=True),
    Column("value", Key, nullable=False),
)

policy_versions, approvals, approval_votes, outbox = (
    table.to_metadata(metadata)
    for table in (policy_store.versions, policy_store.approvals, policy_store.approval_votes, policy_outbox)
)
