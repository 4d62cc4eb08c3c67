"""What Alembic runs for a migration: on the connection that it was given, inside that connection's transaction."""

from __future__ import annotations

from alembic import context

from kmip_server.storage.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
