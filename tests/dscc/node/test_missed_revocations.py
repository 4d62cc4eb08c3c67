"""What a device has missed of revocations is told once, in bounded parts, and nothing of it costs anything later."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from twisted.internet.testing import MemoryReactorClock

from dscc.messages import Event, MissedRequest, Refused, Revocation, StatusRequest
from dscc.node import audit, revocations, schema
from dscc.node.database import NodeDatabase
from dscc.node.revocations import MISSED_SECONDS, TOLD_AT_ONCE, Page, missed, subject_of_key
from dscc.node.sealing import NodeKey
from dscc.node.service import DeviceSession
from dscc.node.serving import LOOK_SECONDS, Serving
from dscc.node.settings import Settings
from dscc.primitives import S384
from dscc.registration import Root
from dscc.session import begin_chain

pytestmark = pytest.mark.sqlite_file("the store of a DSCC node")
NOW, MANY, KEY = 2_000_000_000, 2_000, NodeKey(bytes(32))


def kid(number: int) -> bytes:
    return number.to_bytes(16, "big")


def revoke_keys(
    store: NodeDatabase, numbers: range, *, pair: tuple[str, str] = ("alice", "bob"), at: int = NOW
) -> None:
    with store.writing() as connection:
        for number in numbers:
            revocations.revoke(connection, "n1", revocations.KEY, subject_of_key(kid(number), *pair), "", at, pair[0])


def told(store: NodeDatabase, heard: bytes = b"", device: str = "alice", now: int = NOW, key: NodeKey = KEY) -> Page:
    with store.reading() as connection:
        return missed(connection, key, device, heard, now)


def told_all(store: NodeDatabase, heard: bytes = b"", **how: Any) -> tuple[list[str], bytes, int]:
    """Whose and what, up to where, in how many parts."""
    subjects: list[str] = []
    parts, more = 0, True
    while more:
        page = told(store, heard, **how)
        assert len(page.events) <= TOLD_AT_ONCE
        subjects += [event.subject for event in page.events]
        heard, more, parts = page.heard, page.more, parts + 1
    return subjects, heard, parts


def steps(connection: Connection, act: Callable[[], object]) -> int:
    """How many steps SQLite takes for something: each row that is looked at takes some."""
    taken = [0]

    def step() -> int:
        taken[0] += 1
        return 0

    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.set_progress_handler(step, 1)
    act()
    driver.set_progress_handler(None, 1)
    return taken[0]


def steps_to_come_back(store: NodeDatabase, heard: bytes) -> int:
    with store.reading() as connection:
        return steps(connection, lambda: missed(connection, KEY, "alice", heard, NOW))


def test_two_thousand_are_told_once_in_parts_and_cost_nothing_at_the_next_session(store: NodeDatabase) -> None:
    revoke_keys(store, range(10))
    few = steps_to_come_back(store, told_all(store)[1])
    revoke_keys(store, range(10, MANY))
    subjects, heard, parts = told_all(store)
    assert subjects == [kid(number).hex() for number in range(MANY)]
    assert parts == -(-MANY // TOLD_AT_ONCE)
    assert told(store, heard).events == () and not told(store, heard).more
    assert steps_to_come_back(store, heard) == few
    # The control: who comes with nothing has all of them looked at.
    with store.reading() as connection:
        assert steps(connection, lambda: missed(connection, KEY, "nobody", b"", NOW)) > MANY
    revoke_keys(store, range(MANY, MANY + 1))
    assert [event.subject for event in told(store, heard).events] == [kid(MANY).hex()]


def test_a_part_that_is_full_to_the_last_place_is_not_followed_by_an_empty_one(store: NodeDatabase) -> None:
    revoke_keys(store, range(TOLD_AT_ONCE))
    assert not told(store).more and told_all(store)[2] == 1


def test_it_concerns_a_devices_own_keys_and_peers_and_nothing_else(store: NodeDatabase) -> None:
    revoke_keys(store, range(1), pair=("alice", "bob"))
    revoke_keys(store, range(1, 2), pair=("alice2", "Alice"))
    revoke_keys(store, range(2, 3), pair=("_lice", "a%"))
    with store.writing() as connection:
        for peer in ("bob", "carol"):
            revocations.revoke(connection, "n1", revocations.DEVICE, peer, "stolen", NOW, "olga")
        row = {"sid": bytes(48), "device": "alice", "kid": kid(0), "peer": "bob", "agreed": 1, "at": NOW}
        connection.execute(insert(schema.receipts).values(row))
    assert told(store).events == (Event("key-revoked", kid(0).hex(), NOW), Event("device-revoked", "bob", NOW))
    for other, expected in (
        ("Alice", {kid(1).hex()}),
        ("_lice", {kid(2).hex()}),
        ("lice", set()),
        ("bob", {kid(0).hex()}),
    ):
        assert {event.subject for event in told(store, device=other).events} == expected


def test_a_node_that_was_restored_tells_again_what_it_knows_now(store: NodeDatabase, tmp_path: Path) -> None:
    """What the device has heard is of a past that is not this store's: the places are the same, the records are not."""
    revoke_keys(store, range(3))
    restored = NodeDatabase(tmp_path / "restored.db")
    with closing(sqlite3.connect(store.path)) as whole, closing(sqlite3.connect(restored.path)) as copy:
        whole.backup(copy)
    revoke_keys(store, range(3, 6))
    _, heard, _ = told_all(store)
    revoke_keys(restored, range(6, 10))
    with store.reading() as old, restored.reading() as new:
        # So its place alone would hide three of the four that it has not heard of.
        assert audit.head(old)[0] == audit.head(new)[0] - 1
    assert told_all(restored, heard)[0] == [kid(number).hex() for number in (0, 1, 2, 6, 7, 8, 9)]
    assert told_all(store, heard)[0] == []


def test_what_another_one_has_heard_and_what_is_made_up_counts_for_nothing(store: NodeDatabase) -> None:
    revoke_keys(store, range(3))
    _, heard, _ = told_all(store)
    _, bobs, _ = told_all(store, device="bob")
    _, elsewhere, _ = told_all(store, key=NodeKey(bytes(31) + b"\x01"))
    for worthless in (b"", bobs, elsewhere, heard[:-1], heard + b"x", bytes(68), bytes(4096)):
        assert len(told(store, worthless).events) == 3
    assert told(store, heard).events == ()


def test_who_was_away_for_long_hears_all_of_it_and_who_comes_with_nothing_the_last_month(store: NodeDatabase) -> None:
    revoke_keys(store, range(1), at=NOW - 3 * MISSED_SECONDS)
    _, heard, _ = told_all(store)
    revoke_keys(store, range(1, 2), at=NOW - 2 * MISSED_SECONDS)
    revoke_keys(store, range(2, 3), at=NOW - MISSED_SECONDS)
    assert told_all(store, heard)[0] == [kid(1).hex(), kid(2).hex()]
    assert told_all(store)[0] == [kid(2).hex()]


def test_what_is_revoked_again_is_revoked_once(store: NodeDatabase) -> None:
    for _ in range(3):
        revoke_keys(store, range(2))
    with store.reading() as connection:
        assert len(connection.execute(select(schema.revocations)).all()) == 2


def test_what_several_nodes_have_revoked_is_told_once(store: NodeDatabase) -> None:
    with store.writing() as connection:
        for origin in ("n1", "n2", "n3"):
            said = Revocation(origin, 1, revocations.KEY, subject_of_key(kid(1), "alice", "bob"), "", "alice", NOW)
            revocations.take(connection, "n1", said, told_by="" if origin == "n1" else origin)
    assert [event.subject for event in told(store).events] == [kid(1).hex()]


class Running:
    """A node that serves on a reactor that a test moves on, and a device that is in a session with it."""

    def __init__(self, store: NodeDatabase) -> None:
        self.reactor = MemoryReactorClock()
        self.serving = Serving(self.reactor, Settings(name="n1"), store, KEY)  # type: ignore[arg-type]
        self.heard: list[object] = []
        self.closed: list[str] = []

    def start(self) -> None:
        self.serving.start()

    def has_session(self, device: str) -> DeviceSession:
        chain = begin_chain(Root(S384, 0, "production", bytes(48)))
        session = DeviceSession(device, chain, self.heard.append, lambda: self.closed.append(device))
        self.serving.service.sessions[device] = session
        return session

    def look(self) -> None:
        self.reactor.advance(LOOK_SECONDS)

    def steps_to_look(self) -> int:
        return steps(self.serving.service.writer._connection, self.look)


@pytest.fixture
def running(store: NodeDatabase) -> Iterator[Running]:
    made = Running(store)
    yield made
    made.serving.stop()


def test_a_new_revocation_costs_as_much_whatever_was_revoked_before(store: NodeDatabase, running: Running) -> None:
    revoke_keys(store, range(10))
    running.start()
    running.has_session("alice")
    revoke_keys(store, range(10, 11))
    few = running.steps_to_look()
    assert running.heard == [Event("key-revoked", kid(10).hex(), NOW)]
    revoke_keys(store, range(11, MANY))
    running.look()
    assert len(running.heard) == MANY - 10
    revoke_keys(store, range(MANY, MANY + 1))
    assert running.steps_to_look() == few
    # Also what has nothing to do with it is not looked at for every other change.
    with store.writing() as connection:
        audit.record(connection, audit.Entry(NOW, "olga", "Something", "", "done"))
    assert running.steps_to_look() < few


def test_a_node_that_starts_has_nobody_to_tell_of_what_was_revoked_before(
    store: NodeDatabase, running: Running
) -> None:
    revoke_keys(store, range(3))
    running.start()
    running.has_session("alice")
    running.look()
    assert running.heard == []
    # The device asks.
    answers: list[Any] = []
    session = running.serving.service.sessions["alice"]
    running.serving.service.request(session, MissedRequest(b"")).addCallback(answers.append)
    assert [event.subject for event in running.heard] == [kid(number).hex() for number in range(3)]  # type: ignore[attr-defined]
    running.serving.service.request(session, MissedRequest(answers[0].heard)).addCallback(answers.append)
    assert len(running.heard) == 3 and answers[1].more == 0


def test_a_device_of_an_earlier_program_does_not_ask_and_is_told_all_before_its_first_answer(
    store: NodeDatabase, running: Running
) -> None:
    many = 2 * TOLD_AT_ONCE + 1
    revoke_keys(store, range(many))
    running.start()
    session = running.has_session("alice")
    for _ in range(2):
        running.serving.service.request(session, StatusRequest()).addCallback(running.heard.append)
        running.reactor.advance(0)
    assert running.heard[:many] == [Event("key-revoked", kid(number).hex(), NOW) for number in range(many)]
    assert [type(said) for said in running.heard[many:]] == [Refused, Refused]


def test_a_store_that_cannot_be_read_for_a_while_is_looked_at_again(
    store: NodeDatabase, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.start()
    running.has_session("alice")
    revoke_keys(store, range(1))

    def fails(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("disk I/O error"))

    for name in ("last", "since"):
        with monkeypatch.context() as broken, capture_logs() as log:
            broken.setattr(revocations, name, fails)
            running.look()
            running.look()
        assert running.heard == []
        assert len(log) <= 1
    running.look()
    assert running.heard == [Event("key-revoked", kid(0).hex(), NOW)]


def test_the_true_revocation_that_replaces_a_forged_one_is_obeyed(store: NodeDatabase, running: Running) -> None:
    """n2 says under a number of n3's that somebody else is revoked, and n3's own word comes later."""
    forged = Revocation("n3", 1, revocations.DEVICE, "nobody", "to be in its place", "", NOW)
    running.start()
    running.has_session("mallory")
    with store.writing() as connection:
        revocations.take(connection, "n1", forged, told_by="n2")
    running.look()
    assert running.closed == []
    with store.writing() as connection:
        revocations.take(connection, "n1", forged._replace(subject="mallory", reason="stolen"), told_by="n3")
    running.look()
    assert running.closed == ["mallory"]
