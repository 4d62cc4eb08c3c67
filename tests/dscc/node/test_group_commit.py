"""What comes in one turn of the loop is one transaction: each piece of work is all or nothing for itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from dscc.errors import DsccError, Reason
from dscc.node import audit
from dscc.node.audit import Entry
from dscc.node.database import NodeDatabase
from dscc.node.writer import Writer

pytestmark = pytest.mark.sqlite_file("the store of a DSCC node")


@pytest.mark.parametrize("error", [DsccError(Reason.BUSY, "too many"), ValueError("a fault of ours")], ids=repr)
def test_what_fails_in_one_piece_of_work_fails_whoever_asked_and_nobody_else(tmp_path: Path, error: Exception) -> None:
    store, reactor = NodeDatabase(tmp_path / "node.db"), MemoryReactorClock()
    store.create()
    writer = Writer(reactor, store, lambda _: None)
    outcomes: list[Any] = []

    def work(who: str, connection: Connection) -> str:
        audit.record(connection, Entry(1, who, "Something", "", "done"))
        if who == "second":
            raise error
        return who

    for who in ("first", "second", "third"):
        writer.submit(lambda connection, who=who: work(who, connection)).addBoth(outcomes.append)  # type: ignore[misc]
    reactor.advance(0)
    assert [each.value if isinstance(each, Failure) else each for each in outcomes] == ["first", error, "third"]
    with store.reading() as connection:
        assert list(audit.problems(connection)) == []
        assert audit.head(connection)[0] == 2
    writer.close()
