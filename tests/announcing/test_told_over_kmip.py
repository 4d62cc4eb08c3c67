"""A running server and clients who listen: what happens is told, in the end, and no key is where it should not be."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
import tomli_w
from support import requests as ask
from support.listening import Listener, listening, of_client
from support.numbers import Operation, Tag
from support.server import Client, MakeServer, RunningServer
from support.wire import Node

from kmip_server.storage.database import Database
from kmip_server.storage.identifiers import new_identifier
from policy import outbox
from policy.decision import Subject
from policy.notifications import Event

VERSION = (1, 4)
ENVIRONMENT = {
    "KMIP_NOTIFICATIONS__FIRST_RETRY_SECONDS": "1",
    "KMIP_NOTIFICATIONS__TIMEOUT_SECONDS": "3",
    "KMIP_NOTIFICATIONS__CERTIFICATE": "clients/notifier/cert.pem",
    "KMIP_NOTIFICATIONS__KEY": "clients/notifier/key.pem",
}


@pytest.fixture
def server(make_server: MakeServer) -> RunningServer:
    made = make_server(environment=ENVIRONMENT)
    made.add_client("notifier")
    return made


def tell(server: RunningServer, port: int, query: str = "mode=put", to: str = "bob") -> None:
    """Have the policy tell a client of keys."""
    channel = {"kind": "kmip", "url": f"kmip://127.0.0.1:{port}?{query}", "to": [to]}
    rule = {"events": ["key-*"], "channels": ["push"]}
    policy = server.folder / "policy.toml"
    policy.write_text(tomli_w.dumps({"channels": {"push": channel}, "notifications": [rule]}))
    server.command("policy", "import", str(server.data), str(policy))


def listed(server: RunningServer) -> list[Any]:
    found: list[Any] = json.loads(server.command("notifications", "list", str(server.data), "--json").stdout)
    return found


def until(server: RunningServer, condition: Callable[[Any], bool]) -> Any:
    """The newest message, as soon as this is true of it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = listed(server)
        if found and condition(found[0]):
            return found[0]
    raise AssertionError(listed(server))


def test_of(server: RunningServer) -> tuple[int, str]:
    done = server.command("notifications", "test", str(server.data), "push", check=False)
    return done.returncode, done.stdout + done.stderr


test_of.__test__ = False  # type: ignore[attr-defined]


def re_key(bob: Client) -> tuple[str, str, bytes]:
    """A key of a client's, its replacement, and that one's bytes."""
    with bob.session(VERSION) as session:
        old = session.create_aes()
        new = session.do(ask.rekey(old)).unique_identifier
        value = session.do(ask.get(new)).get(Tag.SYMMETRIC_KEY, Tag.KEY_BLOCK, Tag.KEY_VALUE, Tag.KEY_MATERIAL)
    return old, new, value


def payload_in(listener: Listener) -> tuple[int, Node]:
    """The operation and the payload of the next message."""
    item = listener.next().find(Tag.BATCH_ITEM)
    assert item is not None
    payload = item.find(Tag.REQUEST_PAYLOAD)
    assert payload is not None
    return item.get(Tag.OPERATION), payload


def test_a_replaced_key_is_put_and_its_bytes_are_nowhere_else(server: RunningServer) -> None:
    bob = server.add_client("bob")
    with listening(of_client(bob.folder)) as listener:
        tell(server, listener.port)
        server.start()
        old, new, key = re_key(bob)
        operation, payload = payload_in(listener)
        found = until(server, lambda message: message["standing"] == "delivered")
        assert server.stop() == 0
    assert operation == Operation.PUT
    assert payload.get(Tag.UNIQUE_IDENTIFIER) == new
    assert payload.get(Tag.REPLACED_UNIQUE_IDENTIFIER) == old
    assert payload.get(Tag.SYMMETRIC_KEY, Tag.KEY_BLOCK, Tag.KEY_VALUE, Tag.KEY_MATERIAL) == key
    assert json.loads(found["body"])["resource"] == new
    kept = [server.stderr.read_bytes(), json.dumps(found).encode()]
    kept += [file.read_bytes() for file in server.database_files]
    for place in kept:
        for form in (key, key.hex().encode(), key.hex().upper().encode()):
            assert form not in place


def test_a_key_that_arrives_from_a_peer_is_put_as_a_new_one(server: RunningServer) -> None:
    bob = server.add_client("bob")
    with listening(of_client(bob.folder)) as listener:
        tell(server, listener.port, "mode=put&version=2.1")
        server.start()
        with bob.session(VERSION) as session:
            key = session.create_aes()
        with closing(Database(server.url)) as database, database.writing() as connection:
            arrived = Event("key-arrived", int(time.time()), Subject("bob"), key, "CREATE")
            outbox.announce(connection, arrived, new_identifier)
        operation, payload = payload_in(listener)
    assert (operation, payload.get(Tag.PUT_FUNCTION)) == (Operation.PUT, 1)
    assert payload.get(Tag.UNIQUE_IDENTIFIER) == key
    assert payload.find(Tag.REPLACED_UNIQUE_IDENTIFIER) is None
    assert payload.get(Tag.ATTRIBUTES, Tag.CRYPTOGRAPHIC_LENGTH) == 256


def test_a_receiver_that_is_away_or_is_another_is_told_when_it_is_there(server: RunningServer) -> None:
    bob, carol = server.add_client("bob"), server.add_client("carol")
    with listening(of_client(carol.folder)) as listener:
        pass
    tell(server, listener.port)
    server.start()
    _, new, _ = re_key(bob)
    until(server, lambda message: message["last_error"] == "Connection refused")
    with listening(of_client(carol.folder), port=listener.port) as another:
        until(server, lambda message: "the certificate of 'carol'" in message["last_error"])
        assert another.came.empty()
    with listening(of_client(bob.folder), port=listener.port) as right:
        assert payload_in(right)[1].get(Tag.UNIQUE_IDENTIFIER) == new
        until(server, lambda message: message["standing"] == "delivered")


def test_what_is_not_for_a_client_is_withheld_and_not_tried_again(server: RunningServer) -> None:
    bob, carol = server.add_client("bob"), server.add_client("carol")
    with listening(of_client(bob.folder)) as listener:
        tell(server, listener.port)
        server.start()
        re_key(carol)
        found = until(server, lambda message: message["standing"] != "waiting")
        assert (found["standing"], found["attempts"]) == ("withheld", 1)
        assert "bob may not know" in found["last_error"]
        assert listener.came.empty()
        assert "withheld" not in server.command("notifications", "list", str(server.data), "--failed").stdout


def test_a_test_says_who_is_there_and_sends_nothing(server: RunningServer) -> None:
    bob, carol = server.add_client("bob"), server.add_client("carol")
    with listening(of_client(bob.folder)) as listener:
        tell(server, listener.port)
        assert test_of(server) == (0, "push: bob is there; a test sends it nothing\n")
        assert listener.failed.get(timeout=30) == "nothing came"
    with listening(of_client(carol.folder)) as listener:
        tell(server, listener.port)
        code, said = test_of(server)
        assert (code, "of 'carol', not of 'bob'" in said) == (1, True), said
    server.revoke_client("bob")
    with listening(of_client(bob.folder)) as listener:
        tell(server, listener.port)
        code, said = test_of(server)
        assert (code, "is revoked" in said) == (1, True), said


def test_a_receiver_that_speaks_old_tls_is_told_nothing(server: RunningServer) -> None:
    bob = server.add_client("bob")
    context = of_client(bob.folder)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES256-GCM-SHA384")
    with listening(context) as listener:
        tell(server, listener.port)
        code, said = test_of(server)
    assert (code, "the receiver and TLS" in said) == (1, True), said
