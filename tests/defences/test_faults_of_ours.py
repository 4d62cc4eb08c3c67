"""D-43: a fault inside the server is answered by a text that is always the same, and tells nothing of the inside.

The faults are real: a row or a table is spoiled behind a server that runs. Faults of the edge, before there is a
request, are in tests/listeners/test_kmip_port.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pytest
from sqlalchemy import create_engine, text
from support import requests as ask
from support.bad import assert_says_nothing_of_the_inside
from support.databases import Databases
from support.defences import ABOUT_AN_OBJECT, VERSION, aes
from support.numbers import Reason
from support.requests import Session
from support.server import Client, RunningServer
from support.wire import Result

INSIDE: Final = "/var/lib/kmip SELECT * FROM objects; Traceback"
"""What is written into a row: a text that quotes it would be found out."""
EVERY_USE: Final = 0x3BF
WHERE: Final = r" \[Operation \(42005C\), KMIP 2\.1 s6\.1\.\d+\]"
FIXED: Final = tuple(
    re.compile(words + WHERE)
    for words in (
        r"the server failed; its log has more under (?P<fault>[0-9a-f]{16})",
        r"the server failed; its log has more",
        r"the server's storage is unavailable; nothing was done",
    )
)


@pytest.fixture(scope="module")
def spoiled(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The client of a server whose database others have changed."""
    server = RunningServer(databases, tmp_path_factory.mktemp("faults"))
    server.start()
    yield server.add_client("client")
    server.stop()


def edit(server: RunningServer, statement: str, **values: object) -> None:
    """Change its database behind it."""
    engine = create_engine(server.url)
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()


def faults(session: Session, key: str) -> list[str]:
    """Ask everything about a key, and answer the texts of General Failures."""
    answers: list[Result] = [session.do(build(key)) for build in ABOUT_AN_OBJECT.values()]
    answers += [session.do(ask.locate(VERSION)), session.do(ask.create_aes(VERSION))]
    for answer in answers:
        assert_says_nothing_of_the_inside(answer)
        assert key not in (answer.message or "")
    return [str(answer.message) for answer in answers if answer.reason == Reason.GENERAL_FAILURE]


def assert_fixed(server: RunningServer, told: list[str]) -> None:
    """They say one of the texts, and what stands for the rest of it is in the log."""
    log = server.stdout.read_text() + server.stderr.read_text()
    for message in told:
        (found,) = [found for words in FIXED if (found := words.fullmatch(message))]
        assert found.groupdict().get("fault", "") in log


@pytest.mark.parametrize(
    ("column", "value"),
    [("attributes", INSIDE.encode()), ("wrapped_key", INSIDE.encode()), ("entries", INSIDE), ("version", 77)],
)
def test_d43_a_spoiled_row_is_answered_by_a_fixed_text(spoiled: Client, column: str, value: object) -> None:
    with spoiled.session(VERSION) as session:
        key = aes(session, mask=EVERY_USE)
        statement = f"UPDATE objects SET {column} = :value WHERE unique_identifier = :key"
        edit(spoiled.server, statement, value=value, key=key)
        told = faults(session, key)
        assert told
        assert_fixed(spoiled.server, told)
        session.do(ask.get(aes(session))).expect_success()


@pytest.mark.parametrize("table", ["objects", "object_index", "audit", "server_state"])
def test_d43_a_table_that_is_gone_is_answered_by_a_fixed_text(spoiled: Client, table: str) -> None:
    with spoiled.session(VERSION) as session:
        key = aes(session, mask=EVERY_USE)
        edit(spoiled.server, f"ALTER TABLE {table} RENAME TO gone")
        try:
            told = faults(session, key)
        finally:
            edit(spoiled.server, f"ALTER TABLE gone RENAME TO {table}")
        assert told
        assert_fixed(spoiled.server, told)
        session.do(ask.get(aes(session))).expect_success()
