"""What the policy allows only with the approval of others: asked for, granted, and done once."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from sqlalchemy import insert
from support import requests as ask
from support.engine import EngineClient, EngineHarness, MakeEngine
from support.numbers import Operation, Reason, Tag
from support.server import RunningServer
from support.wire import enumeration, octets

from kmip_server.storage import schema
from kmip_server.storage.accounts import changing
from policy.compiling import Ruling
from policy.documents import read_document

VERSION = (2, 1)
MANDATORY, OPTIONAL = 1, 2
PENDING = 2
DOCUMENT = {
    "users": {
        "carol": {"roles": ["security officer"]},
        "dave": {"roles": ["security officer"]},
        "eve": {"roles": ["administrator"]},
    },
    "rules": [
        {
            "name": "two agree before a key is destroyed",
            "effect": "require",
            "subjects": ["anyone"],
            "actions": ["DESTROY"],
            "require": {"approvals": [{"needed": 2, "roles": ["security officer"], "within": "1h"}]},
        }
    ],
}


@pytest.fixture
def engine(make_engine: MakeEngine) -> EngineHarness:
    harness = make_engine()
    harness.engine.services.ruling = Ruling(read_document(tomli_w.dumps(DOCUMENT), "here"))
    return harness


@pytest.fixture
def client(engine: EngineHarness) -> EngineClient:
    return engine.client(VERSION)


def refused(client: EngineClient, asked: ask.Request) -> str:
    result = client.do(asked)
    assert result.reason == Reason.PERMISSION_DENIED
    return str(result.message)


def identifier_in(message: str) -> str:
    return message.split(" under ")[1].split(":")[0].split(" ")[0]


def vote(engine: EngineHarness, approval: str, *users: str, approves: bool = True) -> None:
    with changing(engine.store.database) as connection:
        for user in users:
            values = {"approval_id": approval, "user_name": user, "approves": approves, "at": engine.now}
            connection.execute(insert(schema.approval_votes).values(values))


def test_it_is_done_once_two_have_agreed_and_once_only(engine: EngineHarness, client: EngineClient) -> None:
    key, other = (client.do(ask.create_aes(VERSION)).unique_identifier for _ in range(2))
    approval = identifier_in(refused(client, ask.destroy(key)))
    assert identifier_in(refused(client, ask.destroy(key))) == approval, "it is the same request"
    vote(engine, approval, "carol")
    refused(client, ask.destroy(key))
    vote(engine, approval, "dave")
    assert identifier_in(refused(client, ask.destroy(other))) != approval, "another object was not approved"
    client.do(ask.destroy(key)).expect_success()
    assert client.do(ask.get(key)).reason == Reason.OBJECT_DESTROYED


def test_votes_of_those_who_may_not_are_none(engine: EngineHarness, client: EngineClient) -> None:
    key = client.do(ask.create_aes(VERSION)).unique_identifier
    approval = identifier_in(refused(client, ask.destroy(key)))
    vote(engine, approval, "carol", "eve", "alice")
    refused(client, ask.destroy(key))


def test_what_was_refused_stays_refused_and_what_is_late_is_asked_anew(
    engine: EngineHarness, client: EngineClient
) -> None:
    key = client.do(ask.create_aes(VERSION)).unique_identifier
    approval = identifier_in(refused(client, ask.destroy(key)))
    vote(engine, approval, "carol", approves=False)
    assert "was refused" in refused(client, ask.destroy(key))
    engine.now += 3601
    assert identifier_in(refused(client, ask.destroy(key))) != approval


def test_an_approval_is_for_one_time(engine: EngineHarness, client: EngineClient) -> None:
    document = json.loads(json.dumps(DOCUMENT).replace("DESTROY", "GET"))
    engine.engine.services.ruling = Ruling(read_document(tomli_w.dumps(document), "here"))
    key = client.do(ask.create_aes(VERSION)).unique_identifier
    approval = identifier_in(refused(client, ask.get(key)))
    vote(engine, approval, "carol", "dave")
    client.do(ask.get(key)).expect_success()
    assert identifier_in(refused(client, ask.get(key))) != approval


def test_another_payload_is_another_request(engine: EngineHarness, client: EngineClient) -> None:
    document = json.loads(json.dumps(DOCUMENT).replace("DESTROY", "REVOKE"))
    engine.engine.services.ruling = Ruling(read_document(tomli_w.dumps(document), "here"))
    key = client.do(ask.create_aes(VERSION)).unique_identifier
    approval = identifier_in(refused(client, ask.revoke(key, ask.CESSATION_OF_OPERATION)))
    vote(engine, approval, "carol", "dave")
    assert identifier_in(refused(client, ask.revoke(key, ask.KEY_COMPROMISE))) != approval


def test_without_the_rule_nothing_is_asked(engine: EngineHarness, client: EngineClient) -> None:
    engine.engine.services.ruling = Ruling(read_document("", "here"))
    key = client.do(ask.create_aes(VERSION)).unique_identifier
    client.do(ask.destroy(key)).expect_success()


@pytest.mark.parametrize("indicator", [MANDATORY, OPTIONAL])
def test_a_client_that_can_wait_polls_until_others_have_agreed(
    fresh_server: RunningServer, tmp_path: Path, indicator: int
) -> None:
    server, data = fresh_server, str(fresh_server.data)
    for user in ("carol", "dave", "eve"):
        server.add_user(user, f"password of {user}")
    document = tmp_path / "policy.toml"
    document.write_text(tomli_w.dumps(DOCUMENT))
    server.command("policy", "import", data, str(document))
    client = server.add_client("asker")
    with client.session(VERSION) as session:
        key = session.create_aes()
        pending = session.do(ask.destroy(key), fields=(enumeration(Tag.ASYNCHRONOUS_INDICATOR, indicator),))
        assert pending.status == PENDING
        poll = ask.Request(Operation.POLL, octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, pending.correlation))
        waiting = _until(lambda: json.loads(server.command("approvals", "list", data, "--json").stdout))
        (asked,) = waiting
        assert (asked["subject"], asked["action"], asked["resource"]) == ("asker", "DESTROY", key)
        assert session.do(poll).status == PENDING
        for user, password, words in (
            ("eve", "password of eve", "eve may not approve this"),
            ("carol", "wrong password", "no user 'carol' with this password"),
        ):
            vote = ("approvals", "approve", data, asked["id"], "--user", user)
            no = server.command(*vote, stdin=f"{password}\n", check=False)
            assert (no.returncode, words in no.stderr) == (1, True), no.stderr
        for user, after in (("carol", "open"), ("dave", "granted")):
            vote = ("approvals", "approve", data, asked["id"], "--user", user)
            yes = server.command(*vote, stdin=f"password of {user}\n")
            assert yes.stdout == f"{user} has approved it: it is {after} now\n", yes.stderr
        result = _until(lambda: (answer := session.do(poll)).status != PENDING and answer)
        assert result.ok
        assert result.operation == Operation.DESTROY
        assert session.do(ask.get(key)).reason == Reason.OBJECT_DESTROYED
    assert json.loads(server.command("approvals", "list", data, "--json").stdout) == []
    (used,) = json.loads(server.command("approvals", "list", data, "--all", "--json").stdout)
    assert used["standing"] == "used"
    assert server.command("check", data).returncode == 0


def _until(found: Any) -> Any:
    deadline = time.monotonic() + 30
    while not (answer := found()):
        assert time.monotonic() < deadline
        # Often enough that it is a request, and not the server's own look, that meets the new votes first.
        time.sleep(0.01)
    return answer
