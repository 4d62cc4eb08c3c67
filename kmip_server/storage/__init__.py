"""Where objects live: the port the rest of the server sees, the SQLAlchemy store behind it, sealing, migrations."""
