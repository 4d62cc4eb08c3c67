"""The storage: the port that operations use, and its implementation on SQLite and PostgreSQL through SQLAlchemy Core."""
