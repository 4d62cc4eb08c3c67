"""Who was seen when, who is in quarantine, what automatic rules have acted on, and an index of wrong passwords."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_KEY = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_AUTHENTICATIONS = sa.text("operation = 'Authentication'")


def upgrade() -> None:
    """Make the tables. Nobody was seen before now, as nobody looked: inactivity is counted from here on."""
    op.create_table(
        "client_standing",
        sa.Column("name", _KEY, nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=True),
        sa.Column("quarantined_at", sa.BigInteger(), nullable=True),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "automatic_acts",
        sa.Column("rule", _KEY, nullable=False),
        sa.Column("about", _KEY, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("rule", "about"),
    )
    op.create_index(
        "audit_authentications",
        "audit",
        ["at", "caller"],
        sqlite_where=_AUTHENTICATIONS,
        postgresql_where=_AUTHENTICATIONS,
    )
    state = sa.table("server_state", sa.column("key", sa.Text()), sa.column("value", sa.Text()))
    op.execute(state.insert().values(key="counted_from", value=str(int(time.time()))))
