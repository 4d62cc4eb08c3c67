"""Automatic rules in a running server: over TLS, by its scheduler or by the command, on every worker, and killed."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import tomli_w
from sqlalchemy import text
from support import requests as ask
from support.automating import GUESSING
from support.numbers import Reason, Tag
from support.receivers import webhook
from support.requests import Session
from support.served import is_served, may_connect
from support.server import Client, MakeServer, RunningServer
from support.wire import Node, credential

from kmip_server.storage.database import Database

VERSION = (2, 1)
DAY = 86_400
REPLACEMENT, REPLACED = 0x106, 0x107
PERIOD = {"KMIP_AUTOMATION__PERIOD_SECONDS": "0.2"}
PATIENCE_S = 30
OLD_KEYS = {"name": "old keys", "if": "key-older", "then": "rotate", "days": 90}


Serving = Callable[..., AbstractContextManager[RunningServer]]


@pytest.fixture
def serving(make_server: MakeServer) -> Serving:
    """Run a server for some statements."""

    @contextmanager
    def serve(*arguments: str, **environment: str) -> Iterator[RunningServer]:
        server = make_server(*arguments, environment=environment)
        server.start()
        try:
            yield server
        finally:
            server.kill()

    return serve


def put(server: RunningServer, *automatic: dict[str, Any], **document: Any) -> None:
    file = server.folder / "policy.toml"
    file.write_text(tomli_w.dumps({"automatic": list(automatic), **document}))
    server.command("policy", "import", str(server.data), str(file))


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")


def run(server: RunningServer, *options: str) -> list[dict[str, str]]:
    done = server.command("automation", "run", str(server.data), "--json", *options)
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


def soon(condition: Callable[[], Any]) -> Any:
    """What the condition answers as soon as it is something."""
    deadline = time.monotonic() + PATIENCE_S
    while not (answer := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answer
    return answer


def attributes_of(session: Session, key: str) -> Node:
    payload = session.do(ask.get_attributes(VERSION, key)).expect_success().payload
    assert payload is not None
    found = payload.find(Tag.ATTRIBUTES)
    assert found is not None
    return found


def links_of(session: Session, key: str) -> list[tuple[int, str]]:
    links = attributes_of(session, key).all(Tag.LINK)
    return [(link.get(Tag.LINK_TYPE), link.get(Tag.LINKED_OBJECT_IDENTIFIER)) for link in links]


def states(server: RunningServer) -> dict[str, str]:
    listed = json.loads(server.command("client", "list", str(server.data), "--json").stdout)
    return {one["name"]: one["state"] for one in listed}


def test_a_client_that_was_not_seen_for_its_days_is_refused_its_next_request_on_every_worker(serving: Serving) -> None:
    lost = {"name": "lost", "if": "inactive", "then": "quarantine", "days": 30, "subjects": ["client:bad"]}
    with serving("--workers", "4") as server:
        good, bad = server.add_client("good"), server.add_client("bad")
        put(server, lost)
        with good.session(VERSION) as session:
            kept = session.create_aes()
        with bad.session(VERSION) as session:
            key = session.create_aes()
        connections = [bad.connect() for _ in range(8)]
        assert run(server, "--at", in_days(29)) == []
        assert all(is_served(each, ask.get(key)) for each in connections)
        (done,) = run(server, "--at", in_days(31))
        assert (done["about"], done["outcome"]) == ("client:bad", "done")
        assert [is_served(each, ask.get(key)) for each in connections] == [False] * 8
        with good.session(VERSION) as session:
            session.do(ask.get(kept)).expect_success()
        assert run(server, "--at", in_days(31)) == []
        server.command("client", "release", str(server.data), "bad")
        soon(lambda: may_connect(bad, ask.get(key)))
        for each in connections:
            each.close()


def guess(client: Client) -> None:
    """Three wrong passwords."""
    with client.session(VERSION) as session:
        for _ in range(3):
            refused = session.do(ask.create_aes(VERSION), fields=(credential("carol", "wrong password"),))
            assert refused.reason == Reason.AUTHENTICATION_NOT_SUCCESSFUL


def test_a_look_that_fails_is_logged_and_the_next_one_goes_on(serving: Serving) -> None:
    """The policy in the database is damaged, then mended: what was due meanwhile is done."""
    with serving(**PERIOD) as server:
        bad = server.add_client("bad")
        put(server, GUESSING)
        soon(lambda: may_connect(bad, ask.locate(VERSION)))
        damage = text("UPDATE policy_versions SET document = replace(document, :old, :new)")
        database = Database(server.url)
        with database.writing() as connection:
            connection.execute(damage, {"old": "guessing", "new": "gnessing"})
        guess(bad)
        soon(lambda: "automatic rules were not looked at" in server.stderr.read_text())
        assert states(server) == {"bad": "active"}
        with database.writing() as connection:
            connection.execute(damage, {"old": "gnessing", "new": "guessing"})
        soon(lambda: states(server) == {"bad": "quarantined"})


def test_wrong_passwords_put_away_the_client_and_not_the_user(serving: Serving) -> None:
    with serving("--workers", "2", **PERIOD) as server:
        good, bad = server.add_client("good"), server.add_client("bad")
        put(server, GUESSING)
        server.add_user("carol", "right password")
        with bad.connect() as connection:
            guess(bad)
            soon(lambda: not is_served(connection, ask.locate(VERSION)))
        assert not may_connect(bad, ask.locate(VERSION))
        assert states(server) == {"good": "active", "bad": "quarantined"}
        with good.session(VERSION) as session:
            session.do(ask.create_aes(VERSION), fields=(credential("carol", "right password"),)).expect_success()


def test_four_workers_give_an_old_key_one_replacement(serving: Serving) -> None:
    before = int(time.time())
    with serving("--workers", "4", **PERIOD) as server:
        client = server.add_client("owner")
        with client.session(VERSION) as session:
            old = session.create_aes(ask.name("the key"), ask.activation_date(before - 91 * DAY))
            young = session.create_aes(ask.activation_date(before - 89 * DAY))
            put(server, OLD_KEYS)
            ((_, new),) = soon(lambda: links_of(session, old))
            time.sleep(1)
            assert links_of(session, old) == [(REPLACEMENT, new)]
            assert links_of(session, new) == [(REPLACED, old)]
            assert links_of(session, young) == []
            assert before <= attributes_of(session, new).get(Tag.ACTIVATION_DATE) <= time.time()
            found = session.do(ask.locate(VERSION)).expect_success().payload
            assert found is not None
            assert {node.value for node in found.value if isinstance(node.value, str)} == {old, young, new}
            assert session.key_material(new) != session.key_material(old)
        assert server.stop() == 0
        assert server.command("check", str(server.data)).stdout == "Everything is in order\n"


def test_approvals_that_wait_are_told_to_a_webhook_once(serving: Serving) -> None:
    environment = {"KMIP_NOTIFICATIONS__AUTHORITIES": "pki/ca-cert.pem", **PERIOD}
    need = {"approvals": [{"needed": 1, "roles": ["auditor"], "within": "1d"}]}
    asks = {"name": "four eyes", "effect": "require", "subjects": ["anyone"], "actions": ["DESTROY"], "require": need}
    waiting = {
        "name": "nobody votes",
        "if": "approvals-outstanding",
        "then": "escalate",
        "count": 2,
        "channels": ["ops"],
    }
    with (
        serving("--workers", "4", **environment) as server,
        webhook(server.data / "pki", 200) as (port, came),
    ):
        secrets = server.data / "notification-secrets.toml"
        secrets.write_text('ops = "the key"\n')
        secrets.chmod(0o600)
        channel = {"kind": "webhook", "url": f"https://127.0.0.1:{port}/kmip"}
        put(server, waiting, rules=[asks], channels={"ops": channel})
        with server.add_client("owner").session(VERSION) as session:
            for _ in range(2):
                assert came.empty()
                assert session.do(ask.destroy(session.create_aes())).reason == Reason.PERMISSION_DENIED
        told = json.loads(came.get(timeout=PATIENCE_S).body)
        assert (told["event"], told["action"], told["resource"]) == ("escalation", "Escalation", "approvals")
        assert told["text"] == "user:automatic rule nobody votes calls for help: requests that wait for approval: 2"
        time.sleep(1)
        assert came.empty()


def test_a_client_is_noted_as_seen_while_it_is_connected(serving: Serving) -> None:
    with serving(**PERIOD) as server:
        before = int(time.time())
        with server.add_client("ann").session(VERSION) as session:
            session.do(ask.locate(VERSION)).expect_success()

            def seen() -> Any:
                (one,) = json.loads(server.command("client", "list", str(server.data), "--json").stdout)
                return one["last_seen_at"]

            assert datetime.fromisoformat(soon(seen)).timestamp() >= before


@pytest.mark.slow
def test_a_server_that_is_killed_while_it_rotates_has_given_each_key_one_replacement(serving: Serving) -> None:
    """Killed again and again, with everything that it was about; in the end each act was done, and none twice."""
    chance = random.Random(7)
    with serving("--workers", "2", **PERIOD) as server:
        client = server.add_client("owner")
        at = int(time.time()) - 91 * DAY
        with client.session(VERSION) as session:
            old = {session.create_aes(ask.activation_date(at)) for _ in range(150)}
        put(server, OLD_KEYS)
        for _ in range(6):
            time.sleep(chance.uniform(0.2, 0.9))
            server.kill()
            server.start()
        with client.session(VERSION) as session:
            soon(lambda: all(links_of(session, each) for each in old))
            new = [links_of(session, each) for each in old]
            assert all(len(each) == 1 for each in new)
            assert {links_of(session, each[0][1])[0] for each in new} == {(REPLACED, each) for each in old}
            found = session.do(ask.locate(VERSION)).expect_success().payload
            assert found is not None
            assert len([node for node in found.value if isinstance(node.value, str)]) == 300
        assert server.stop() == 0
        assert server.command("check", str(server.data)).stdout == "Everything is in order\n"


def test_a_policy_without_automatic_rules_does_nothing_and_a_server_stops_at_once(serving: Serving) -> None:
    with serving(**PERIOD) as server:
        assert run(server) == []
        assert server.command("automation", "run", str(server.data)).stdout == "Nothing is due\n"
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait() == 0
        assert "Traceback" not in server.stderr.read_text()
