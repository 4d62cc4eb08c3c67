"""A store that an earlier program made is brought up to this one's schema; what a later one made is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dscc.messages import Revocation
from dscc.node import audit, revocations, schema
from dscc.node.audit import Entry
from dscc.node.database import NodeDatabase, NodeError
from dscc.node.revocations import subject_of_key
from dscc.node.sealing import NodeKey

pytestmark = pytest.mark.sqlite_file("the store of a DSCC node")
NOW, KEY = 2_000_000_000, NodeKey(bytes(32))
FIRST = """
DROP TABLE revocations;
CREATE TABLE revocations (
    origin TEXT NOT NULL, number BIGINT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, reason TEXT NOT NULL,
    author TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (origin, number)
);
DROP INDEX tokens_by_use;
DROP INDEX receipts_by_peer;
UPDATE about SET schema_version = 1;
"""
"""Version 1, as its first program made it."""


def said(origin: str, number: int, kid: int) -> Revocation:
    return Revocation(origin, number, revocations.KEY, subject_of_key(bytes([kid]) * 16, "alice", "bob"), "", "a", NOW)


CAME = (said("n2", 1, 1), said("n1", 1, 2), said("n3", 1, 3), said("n1", 2, 4), said("n2", 2, 5))
"""In this order, which is none of the primary key's."""


@pytest.fixture
def earlier(tmp_path: Path) -> NodeDatabase:
    """A store of version 1, in which there are revocations, and their records among others."""
    made = NodeDatabase(tmp_path / "node.db")
    made.create()
    with closing(sqlite3.connect(made.path)) as connection:
        connection.executescript(FIRST)
        connection.executemany("INSERT INTO revocations VALUES (?, ?, ?, ?, ?, ?, ?)", CAME)
        connection.commit()
    with made.writing() as connection:
        for each in CAME:
            audit.record(connection, Entry(NOW, "olga", "Something else", "", "done"))
            audit.record(connection, Entry(NOW, each.author, "Revocation", f"{each.kind} {each.subject}", "done"))
    return made


def shape(database: NodeDatabase) -> set[tuple[str, str, str]]:
    """Every table and index, as it was declared."""
    with closing(sqlite3.connect(database.path)) as connection:
        return set(connection.execute("SELECT type, name, sql FROM sqlite_master"))


def test_a_store_of_version_1_is_like_a_new_one_and_has_lost_nothing(earlier: NodeDatabase, tmp_path: Path) -> None:
    earlier.check()
    fresh = NodeDatabase(tmp_path / "fresh.db")
    fresh.create()
    assert shape(earlier) == shape(fresh)
    with earlier.reading() as connection:
        assert [noted.revocation for noted in revocations.since(connection, 0)] == list(CAME)
        assert list(audit.problems(connection)) == []
    # Once is enough, and what comes then comes behind.
    earlier.check()
    later = said("n1", 3, 6)
    with earlier.writing() as connection:
        assert revocations.take(connection, "n1", later)
    with earlier.reading() as connection:
        assert [noted.revocation for noted in revocations.since(connection, 0)] == [*CAME, later]


def test_a_device_is_told_of_what_was_revoked_before(earlier: NodeDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier.check()
    monkeypatch.setattr(revocations, "TOLD_AT_ONCE", 2)
    told: list[str] = []
    heard, more = b"", True
    while more:
        with earlier.reading() as connection:
            page = revocations.missed(connection, KEY, "alice", heard, NOW)
        told += [event.subject for event in page.events]
        heard, more = page.heard, page.more
    assert told == [(bytes([kid]) * 16).hex() for kid in range(1, 6)]


def test_a_store_that_cannot_be_brought_up_is_left_as_it_was(earlier: NodeDatabase) -> None:
    before = shape(earlier)
    with closing(sqlite3.connect(earlier.path)) as connection:
        # Something of the next version's name is in the way.
        connection.execute("CREATE TABLE revocations_1 (one)")
        connection.commit()
    with pytest.raises(NodeError, match="cannot be read"):
        earlier.check()
    assert {each for each in shape(earlier) if each[1] != "revocations_1"} == before


@pytest.mark.parametrize("version", [0, schema.VERSION + 1])
def test_what_another_program_made_is_refused_and_left_alone(earlier: NodeDatabase, version: int) -> None:
    before = shape(earlier)
    with closing(sqlite3.connect(earlier.path)) as connection:
        connection.execute("UPDATE about SET schema_version = ?", [version])
        connection.commit()
    with pytest.raises(NodeError, match=f"has version {version} of the schema; this program has {schema.VERSION}"):
        earlier.check()
    assert shape(earlier) == before
