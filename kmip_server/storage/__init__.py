"""The storage: the port that operations use, and its implementation by SQLAlchemy Core on SQLite and PostgreSQL."""
