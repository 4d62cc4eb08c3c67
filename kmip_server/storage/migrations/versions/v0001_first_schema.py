"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make every table, and the rows that must always be there."""
    op.create_table(
        "audit",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("unique_identifier", KEY, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "client_groups",
        sa.Column("client", KEY, nullable=False),
        sa.Column("name", KEY, nullable=False),
        sa.PrimaryKeyConstraint("client", "name"),
    )
    op.create_table(
        "clients",
        sa.Column("fingerprint", KEY, nullable=False),
        sa.Column("name", KEY, nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("fingerprint"),
    )
    op.create_index("clients_by_name", "clients", ["name"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("correlation_value", sa.LargeBinary(), nullable=False),
        sa.Column("owner", KEY, nullable=False),
        sa.Column("submitted_at", sa.BigInteger(), nullable=False),
        sa.Column("operation", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.BigInteger(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("correlation_value"),
    )
    op.create_index("jobs_by_stage", "jobs", ["stage", "submitted_at"], unique=False)
    op.create_table(
        "nonces",
        sa.Column("unique_identifier", KEY, nullable=False),
        sa.Column("nonce_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("unique_identifier", "nonce_hash"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "object_index",
        sa.Column("tag", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", KEY, nullable=False),
        sa.Column("owner", KEY, nullable=False),
        sa.Column("initial_date", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("unique_identifier", KEY, nullable=False),
        sa.PrimaryKeyConstraint("tag", "value", "owner", "initial_date", "unique_identifier"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "objects",
        sa.Column("unique_identifier", KEY, nullable=False),
        sa.Column("owner", KEY, nullable=False),
        sa.Column("object_type", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.BigInteger(), nullable=True),
        sa.Column("attributes", sa.LargeBinary(), nullable=False),
        sa.Column("operation_policy", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("destroyed", sa.Boolean(), nullable=False),
        sa.Column("next_transition", sa.BigInteger(), nullable=True),
        sa.Column("cryptographic_algorithm", sa.BigInteger(), nullable=True),
        sa.Column("cryptographic_length", sa.BigInteger(), nullable=True),
        sa.Column("cryptographic_usage_mask", sa.BigInteger(), nullable=True),
        sa.Column("initial_date", sa.BigInteger(), nullable=False),
        sa.Column("last_change_date", sa.BigInteger(), nullable=False),
        sa.Column("activation_date", sa.BigInteger(), nullable=True),
        sa.Column("process_start_date", sa.BigInteger(), nullable=True),
        sa.Column("protect_stop_date", sa.BigInteger(), nullable=True),
        sa.Column("deactivation_date", sa.BigInteger(), nullable=True),
        sa.Column("destroy_date", sa.BigInteger(), nullable=True),
        sa.Column("compromise_date", sa.BigInteger(), nullable=True),
        sa.Column("archive_date", sa.BigInteger(), nullable=True),
        sa.Column("fresh", sa.Boolean(), nullable=False),
        sa.Column("material_id", sa.LargeBinary(), nullable=True),
        sa.Column("entries", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("unique_identifier"),
    )
    op.create_index("objects_by_date", "objects", ["initial_date", "unique_identifier"], unique=False)
    op.create_index(
        "objects_by_kind",
        "objects",
        ["owner", "object_type", "state", "initial_date", "unique_identifier"],
        unique=False,
    )
    op.create_index("objects_by_owner", "objects", ["owner", "initial_date", "unique_identifier"], unique=False)
    op.create_index(
        "objects_due",
        "objects",
        ["next_transition"],
        unique=False,
        sqlite_where=sa.text("next_transition IS NOT NULL"),
        postgresql_where=sa.text("next_transition IS NOT NULL"),
    )
    op.create_table(
        "server_state",
        sa.Column("key", KEY, nullable=False),
        sa.Column("value", KEY, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "users",
        sa.Column("name", KEY, nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("groups", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "material",
        sa.Column("material_id", sa.LargeBinary(), nullable=False),
        sa.Column("master_key_id", sa.Text(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("material_id"),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO server_state (key, value) VALUES ('epoch', '0')")
    op.bulk_insert(
        sa.table("audit_head", sa.column("id"), sa.column("sequence"), sa.column("digest", sa.LargeBinary())),
        [{"id": 1, "sequence": 0, "digest": bytes(32)}],
    )


def downgrade() -> None:
    """Drop every table."""
    for table in (
        "material",
        "users",
        "server_state",
        "objects",
        "object_index",
        "nonces",
        "jobs",
        "clients",
        "client_groups",
        "audit_head",
        "audit",
    ):
        op.drop_table(table)
