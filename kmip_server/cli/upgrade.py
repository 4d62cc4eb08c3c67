"""kmip-server upgrade: bring a server's database to the schema of the installed version, where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.output import CommandError, progress
from kmip_server.cli.accounts import Directory
from kmip_server.cli.acting import administering, permitted_record

if TYPE_CHECKING:
    from kmip_server.config import Settings
    from kmip_server.storage.database import Database


def upgrade(directory: Directory) -> None:
    """Bring the database to the schema that this version needs. Make a backup and stop the server first.

    It is done as a whole or not at all: one that was interrupted is run again. Objects, records and keys stay what they
    are. The master key is opened, as keys may have to be wrapped anew. A database that is up to date is left as it is.
    Operation policies that an older server.toml names as files are put into the policy.

    Example: kmip-server upgrade /var/lib/kmip
    """
    from kmip_server.cli.policy_files import OUT_OF_FILES, add_operation_policies, without_retired_setting
    from kmip_server.config import Settings

    with without_retired_setting(directory) as tables:
        settings = Settings.load(directory)
        migrated = _migrate(settings)
        with administering(directory) as admin:
            added = add_operation_policies(admin.database, tables, OUT_OF_FILES, by=admin.by, now=admin.now)
    print(migrated)
    if added is not None:
        print(f"Operation policies are in version {added} of the policy now, and their files are not read any more.")


def _migrate(settings: Settings) -> str:
    """Bring the database up to date, decided and on record in the same transaction; what was done, in words."""
    from alembic.util.exc import CommandError as UnknownRevision

    from kmip_server.cli.master_key import open_master_key
    from kmip_server.storage.database import Database
    from kmip_server.storage.migrations import upgrade as migrate
    from kmip_server.storage.schema import REVISION

    database = Database(settings.storage.url)
    try:
        database.check_file()
        before = _schema(database)
        if before is None:
            raise CommandError("the database is not that of a server: nothing was ever stored in it")
        if before == REVISION:
            return f"Nothing to do: the database has schema {before} already."
        try:
            with progress("Upgrading the database ..."):
                migrate(
                    settings.storage.url,
                    master_key=open_master_key(settings),
                    then=lambda connection: permitted_record(
                        connection, settings.directory, "Upgrade", f"schema {before} -> {REVISION}"
                    ),
                )
        except UnknownRevision:
            raise CommandError(
                f"the database has schema {before}, which this version does not know: a newer one has used it"
            ) from None
        after = _schema(database)
    finally:
        database.close()
    return f"The database had schema {before} and has {after} now."


def _schema(database: Database) -> str | None:
    from alembic.migration import MigrationContext

    with database.reading() as connection:
        return MigrationContext.configure(connection).get_current_revision()
