"""Schema migrations by Alembic: each one is a single transaction, so one that was killed is simply run again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from kmip_server.storage.database import Database
from kmip_server.storage.master_key import MasterKey

_UPGRADE_LOCK = 0x6B6D6970


def upgrade(
    url: str,
    revision: str = "head",
    *,
    master_key: MasterKey | None = None,
    then: Callable[[Connection], None] | None = None,
) -> None:
    """Bring a database to a revision, making the SQLite file if there is none. Only one process does it at a time.

    The master key is for migrations that wrap keys anew. What is to be done `then`, in the same transaction, finds the
    schema of the revision. Raises MasterKeyError if one needs it, and it is absent or not
    the store's; UnsafeDatabaseError if the database may not be used.
    """
    database = Database(url)
    database.create_file()
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    try:
        # On SQLite this transaction begins with the write lock, which keeps another process's upgrade out.
        with database.writing() as connection:
            if not database.sqlite:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
            config.attributes.update(connection=connection, master_key=master_key)
            command.upgrade(config, revision)
            if then is not None:
                then(connection)
    finally:
        database.close()
